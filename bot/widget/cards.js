/*
 * The two questions that the widget itself asks, as cards in the transcript: whether the conversation may be learned
 * from, and, at the end, how it was. Neither blocks anything; no answer means no.
 */

import { button, element, fill } from "./dom.js";

const SCORES = [1, 2, 3, 4, 5];

/** Ask for consent to learn from the conversation; `onAnswer` gets true or false. */
export function consentCard(texts, { onAnswer }) {
  const answer = (given) => () => {
    conclude(card, given ? texts.consent_thanks_yes : texts.consent_thanks_no);
    onAnswer(given);
  };
  const card = questionCard("consent", texts.consent_question, [
    button({ text: texts.consent_no, onClick: answer(false) }),
    button({ text: texts.consent_yes, onClick: answer(true) }),
  ]);
  return card;
}

/** Ask for a score of one to five; `onScore` gets it. `further` are buttons below the scores. */
export function scoreCard(texts, { onScore, further = [] }) {
  const score = (value) => () => {
    conclude(card, texts.score_thanks);
    onScore(value);
  };
  const buttons = SCORES.map((value) =>
    button({ text: String(value), label: fill(texts.score_option, { score: value }), onClick: score(value) }),
  );
  const card = questionCard("score", texts.score_question, buttons);
  card.append(
    element("div", { class: "ends", "aria-hidden": "true" }, element("span", { text: texts.score_low }), element("span", { text: texts.score_high })),
  );
  if (further.length) card.append(element("div", { class: "further" }, ...further));
  return card;
}

function questionCard(kind, question, buttons) {
  return element(
    "div",
    { class: `card ${kind}`, role: "group", "aria-label": question, tabindex: "-1" },
    element("p", { text: question }),
    element("div", { class: "answers" }, ...buttons),
  );
}

function conclude(card, thanks) {
  card.classList.add("answered");
  card.replaceChildren(element("p", { text: thanks }));
  card.focus(); // the pressed button is gone; without this the keyboard would start at the page's top
}
