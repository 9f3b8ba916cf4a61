/*
 * The transcript: every message once, in order, in a live region that screen readers follow.
 *
 * A message may come several ways (history, delivery, resumed delivery, the customer's own typing), so each is kept by
 * its id and shown only the first time. Touches its own part of the page and nothing else.
 */

import { consentCard, scoreCard } from "./cards.js";
import { element } from "./dom.js";
import { choicesElement, messageElement, showState, thumbsElement } from "./message.js";

const AT_THE_END = 80; // pixels from the end within which the transcript follows new messages

export class Transcript {
  #actions;
  #texts = {};
  #locale;
  #shown = new Map(); // "customer 17" or "bot 18": its element
  #pending = new Map(); // message_id: {message, text, node} not yet acknowledged or refused
  #typing = new Set(); // message_ids that the bot is answering
  #offered = []; // quick replies of the last bot turn
  #loading = false; // whether history is being shown
  #opening = null; // the consent card while it still stands below the bot's opening words

  /** `actions`: choose(button), rate(id, value), retry(message_id), consent(given), score(value). */
  constructor(actions) {
    this.#actions = actions;
    this.log = element("div", { class: "log", role: "log", "aria-live": "polite", tabindex: "0", part: "log" });
    this.dots = element("div", { class: "dots", hidden: true }, element("i"), element("i"), element("i"));
    this.typingStatus = element("div", { class: "unseen", role: "status" });
    this.node = element("div", { class: "transcript" }, this.log, this.dots, this.typingStatus);
    this.lastId = null;
    this.written = false; // whether the customer has said anything
    this.#stayAtTheEnd();
  }

  setTexts(texts, locale) {
    this.#texts = texts;
    this.#locale = locale;
    this.log.setAttribute("aria-label", texts.log_label ?? "");
  }

  /** Show the server's history. A history that knows nothing of what stands here is another conversation's. */
  load(history) {
    const keys = history.map(keyOf);
    if (this.#shown.size && !keys.some((key) => this.#shown.has(key))) this.clear({ pendingToo: false });
    this.log.setAttribute("aria-live", "off"); // nobody wants the whole history read out
    this.#loading = true;
    for (const item of history) this.add(item);
    this.#loading = false;
    setTimeout(() => this.log.setAttribute("aria-live", "polite"), 500);
    this.#scroll();
  }

  /** Show a stored message unless it is here already; returns whether it was new. */
  add(item) {
    const key = keyOf(item);
    if (item.id !== undefined && this.#shown.has(key)) return false;
    if (item.from === "customer") return this.#addCustomers(item, key);
    const node = this.#show(item);
    this.#shown.set(key, node);
    this.lastId = Math.max(this.lastId ?? 0, Number(item.id) || 0) || null;
    if (item.buttons?.length) this.#offer(item.buttons);
    // Thumbs judge the bot: an agent's words and the desk's notices have none.
    if (this.written && item.id !== undefined && (item.author ?? "bot") === "bot") this.#addThumbs(node, item.id);
    return true;
  }

  /** Show what the customer has just written, before anyone has stored it. `text` is sent, `title` is seen. */
  addPending({ id, text, title }, online) {
    if (this.#pending.has(id)) return;
    this.#withdrawOffer();
    this.#conversationBegins();
    const node = this.#show({ from: "customer", text: title ?? text, at: new Date().toISOString() });
    this.#pending.set(id, { text, node });
    this.setOnline(online);
    this.#scroll({ always: true });
  }

  acknowledge(messageId, id) {
    const message = this.#pending.get(messageId);
    if (!message) return;
    this.#pending.delete(messageId);
    showState(message.node, "sent");
    const key = `customer ${id}`;
    if (this.#shown.has(key) && this.#shown.get(key) !== message.node) message.node.remove(); // history was faster
    else this.#shown.set(key, message.node);
  }

  refuse(messageId, reason) {
    const message = this.#pending.get(messageId);
    if (!message) return;
    const onRetry = () => {
      showState(message.node, "sending", { text: this.#texts.sending });
      this.#actions.retry(messageId);
    };
    const text = reason || this.#texts.not_sent;
    showState(message.node, "refused", { text, retryLabel: this.#texts.try_again, onRetry });
    this.#scroll();
  }

  /** Say at every waiting message whether it is on its way or waits for the connection. */
  setOnline(online) {
    if (!online) this.setTyping(null);
    for (const { node } of this.#pending.values()) {
      if (node.dataset.state === "refused") continue;
      const state = online ? "sending" : "waiting";
      if (node.dataset.state !== state) showState(node, state, { text: this.#texts[state] });
    }
  }

  /** The bot answers this message, or has finished it; null forgets all. */
  setTyping(messageId, state) {
    if (messageId === null) this.#typing.clear();
    else if (state === "typing") this.#typing.add(messageId);
    else this.#typing.delete(messageId);
    const typing = this.#typing.size > 0;
    this.dots.hidden = !typing;
    this.typingStatus.textContent = typing ? this.#texts.typing : "";
    if (typing) this.#scroll();
  }

  /** Ask for consent, at the first contact only: whoever does not answer has said no. */
  askConsent() {
    if (this.written || this.log.querySelector(".card.consent")) return;
    this.#opening = consentCard(this.#texts, { onAnswer: (given) => this.#actions.consent(given) });
    this.#append(this.#opening);
  }

  /** Ask for the score. `further` are buttons that end the conversation or go on with it. */
  askScore({ onScore = this.#actions.score, further = [], focus = false } = {}) {
    this.#withdrawScore();
    const card = scoreCard(this.#texts, { onScore, further });
    this.#append(card, { always: focus });
    if (focus) card.focus();
    return card;
  }

  /** Leave the messages for reading, with nothing to press. */
  close() {
    this.#withdrawOffer();
    this.#withdrawScore();
    this.setTyping(null);
    for (const node of this.log.querySelectorAll(".thumbs, .state button, .card.consent:not(.answered)")) node.remove();
  }

  showEnd() {
    this.#scroll({ always: true });
  }

  clear({ pendingToo }) {
    const kept = pendingToo ? [] : [...this.#pending.values()].map(({ node }) => node);
    this.log.replaceChildren(...kept);
    this.#shown.clear();
    if (pendingToo) this.#pending.clear();
    this.setTyping(null);
    this.#offered = [];
    this.#opening = null;
    this.lastId = null;
    this.written = kept.length > 0;
  }

  #addCustomers(item, key) {
    const own = this.#ownPending(item);
    if (own) {
      this.#shown.set(key, own.node);
      return false;
    }
    const title = this.#offered.find(({ payload }) => payload === item.text)?.title;
    this.#withdrawOffer();
    this.#conversationBegins();
    this.#shown.set(key, this.#show({ ...item, text: title ?? item.text }));
    return true;
  }

  /** A stored message whose acknowledgement was lost still waits here; it must not be shown twice. */
  #ownPending(item) {
    if (item.message_id) return this.#pending.get(item.message_id);
    const known = new Set(this.#shown.values());
    return [...this.#pending.values()].find(({ text, node }) => text === item.text && !known.has(node));
  }

  #show(item) {
    const node = messageElement(item, { speaker: this.#speakerOf(item), pictureLabel: this.#texts.picture, locale: this.#locale });
    this.#append(node);
    dropRepeatedTime(node);
    return node;
  }

  /** An agent speaks for the whole of the customer service, as the panel's title names it. */
  #speakerOf({ from, author }) {
    if (from === "customer") return this.#texts.customer_says;
    return author === "agent" ? this.#texts.title : this.#texts.bot_says;
  }

  #append(node, { always = false } = {}) {
    const follows = this.#isAtEnd();
    this.log.insertBefore(node, this.#successor(node));
    if (follows || always) this.#scroll({ always: true });
  }

  /** What a new node stands before: as a rule nothing. */
  #successor(node) {
    // The bot's opening words stand above the question for consent, whichever came first.
    if (this.#opening && node !== this.#opening) return this.#opening;
    if (!this.#loading) return null;
    // All history is older than what still waits to be sent.
    const known = new Set(this.#shown.values());
    const waiting = [...this.#pending.values()].find((message) => message.node.dataset.state !== "refused" && !known.has(message.node));
    return waiting?.node ?? null;
  }

  #offer(buttons) {
    this.#offered.push(...buttons);
    const onChoose = (choice) => this.#actions.choose(choice);
    this.#append(choicesElement(buttons, { label: this.#texts.choices, onChoose }));
  }

  #withdrawOffer() {
    this.#offered = [];
    for (const choices of this.log.querySelectorAll(".choices")) choices.remove();
  }

  #withdrawScore() {
    this.log.querySelector(".card.score:not(.answered)")?.remove();
  }

  #conversationBegins() {
    this.written = true;
    this.#opening = null;
  }

  #addThumbs(node, id) {
    const { rate_good: good, rate_bad: bad } = this.#texts;
    const thumbs = thumbsElement({ good, bad, onRate: (value) => this.#actions.rate(id, value) });
    node.querySelector(".line").append(thumbs);
  }

  /** Keep the end in sight when the composer grows or the dots appear, unless the customer reads further up. */
  #stayAtTheEnd() {
    let follows = true;
    this.log.addEventListener("scroll", () => (follows = this.#isAtEnd()));
    new ResizeObserver(() => this.#scroll({ always: follows })).observe(this.log);
  }

  #isAtEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    return scrollHeight - scrollTop - clientHeight < AT_THE_END;
  }

  #scroll({ always = false } = {}) {
    if (!this.written) return; // the opening words are read from their beginning
    if (always || this.#isAtEnd()) this.log.scrollTop = this.log.scrollHeight;
  }
}

/** What is said within a minute has one time, below the last of it. */
function dropRepeatedTime(node) {
  let earlier = node.previousElementSibling;
  while (earlier && !earlier.matches(".message")) earlier = earlier.previousElementSibling;
  const [before, now] = [earlier, node].map((message) => message?.querySelector(".time"));
  if (before && before.textContent === now?.textContent) before.remove();
}

function keyOf({ from, id }) {
  return `${from} ${id}`;
}
