/*
 * One message of the transcript, as DOM: text with its links, a picture, quick replies, thumbs, the state of sending.
 * Makes nodes and calls back; knows neither the connection nor the order of the messages.
 */

import { button, element } from "./dom.js";

const LINK = /https?:\/\/[^\s<>"'«»“”()（）、。，；]+/gu;
const AFTER_A_LINK = /[.,;:!?…]+$/u; // punctuation of the sentence around the link

/** Make a message. `item` is {from, author, text, image, language, at}; `speaker` is read out before it, never shown. */
export function messageElement(item, { speaker, pictureLabel, locale }) {
  const bubble = element("div", { class: "bubble" });
  if (item.text) {
    const text = element("p", { class: "text", dir: "auto", lang: item.language });
    text.append(...(item.from === "customer" ? [item.text] : withLinks(item.text)));
    bubble.append(text);
  }
  if (isHttps(item.image)) bubble.append(element("img", { src: item.image, alt: pictureLabel, loading: "lazy" }));
  return element(
    "div",
    { class: "message", "data-from": item.from, "data-author": item.author, part: `message ${item.from}` },
    element("span", { class: "unseen", text: `${speaker}: ` }),
    element("div", { class: "line" }, bubble),
    ...timeOf(item.at, locale),
  );
}

/** Make the quick replies of a bot's turn. They are valid for that turn only, so whoever answers removes them. */
export function choicesElement(buttons, { label, onChoose }) {
  const choices = buttons.map((choice) =>
    element("button", { type: "button", class: "choice", dir: "auto", text: choice.title, on: { click: () => onChoose(choice) } }),
  );
  return element("div", { class: "choices", role: "group", "aria-label": label }, ...choices);
}

/** Make the thumbs beside a reply; a second thought replaces the first. */
export function thumbsElement({ good, bad, onRate }) {
  const rate = (value) => (event) => {
    for (const thumb of thumbs.children) thumb.setAttribute("aria-pressed", String(thumb === event.currentTarget));
    onRate(value);
  };
  const thumbs = element(
    "div",
    { class: "thumbs", part: "thumbs" },
    button({ label: good, icon: "good", onClick: rate(1), "aria-pressed": "false" }),
    button({ label: bad, icon: "bad", onClick: rate(-1), "aria-pressed": "false" }),
  );
  return thumbs;
}

/** Show how far a customer's message has come: "sending", "waiting", "sent" or "refused". */
export function showState(message, state, { text = "", retryLabel, onRetry } = {}) {
  message.querySelector(".state")?.remove();
  message.dataset.state = state;
  if (state === "sent") return;
  const line = element("div", { class: "state" }, element("span", { text, dir: "auto" }));
  if (onRetry) line.append(button({ text: retryLabel, onClick: onRetry, class: "link" }));
  message.append(line);
}

/** Split a text into strings and links; only secure addresses become links, and those of this machine itself. */
function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const match of text.matchAll(LINK)) {
    const address = match[0].replace(AFTER_A_LINK, "");
    if (!isHttps(address) && !isLocal(address)) continue;
    parts.push(text.slice(end, match.index));
    parts.push(element("a", { href: address, rel: "noopener", target: "_blank", text: address }));
    end = match.index + address.length;
  }
  parts.push(text.slice(end));
  return parts;
}

function isHttps(address) {
  return typeof address === "string" && URL.canParse(address) && new URL(address).protocol === "https:";
}

function isLocal(address) {
  return URL.canParse(address) && ["localhost", "127.0.0.1", "[::1]"].includes(new URL(address).hostname);
}

/** When it was said: the hour, and the day unless that is today. */
function timeOf(at, locale) {
  const time = new Date(at ?? NaN);
  if (Number.isNaN(time.getTime())) return [];
  const day = time.toDateString() === new Date().toDateString() ? {} : { dateStyle: "medium" };
  const text = new Intl.DateTimeFormat(locale, { ...day, timeStyle: "short" }).format(time);
  return [element("time", { class: "time", datetime: time.toISOString(), text })];
}
