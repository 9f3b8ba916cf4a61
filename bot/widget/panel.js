/*
 * The panel around the transcript: header, notice, composer and footer. Makes nodes, sets labels and calls back; knows
 * neither the connection nor the messages.
 */

import { button, element, fill, icon } from "./dom.js";

const MOST_CHARACTERS = 2000; // the server refuses more
const COUNTED_FROM = 1800;

export class Panel {
  #actions;
  #texts = {};

  /** `actions`: send(text), close(), end(), person(), again(). */
  constructor(transcript, actions) {
    this.#actions = actions;
    this.#makeHeader();
    this.#makeComposer();
    this.notice = element("div", { class: "notice", role: "status" });
    this.person = button({ text: "", icon: "person", class: "person", onClick: () => actions.person() });
    this.privacy = element("a", { class: "link", rel: "noopener", target: "_blank", hidden: true });
    this.footer = element("div", { class: "footer" }, this.person, this.privacy);
    this.again = button({ text: "", class: "again", onClick: () => actions.again() });
    this.ended = element("div", { class: "ended", hidden: true }, element("p"), this.again);
    this.node = element(
      "section",
      { class: "panel", role: "dialog", "aria-labelledby": "title", tabindex: "-1", hidden: true, part: "panel" },
      this.header,
      this.notice,
      transcript.node,
      this.composer,
      this.ended,
      this.footer,
    );
    this.node.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      event.stopPropagation();
      actions.close();
    });
  }

  /** Put the labels on, in the language and direction that the server told. */
  setTexts(texts, { language, direction, privacyUrl } = {}) {
    this.#texts = texts;
    if (language) this.node.lang = language;
    if (direction) this.node.dir = direction;
    this.title.textContent = texts.title;
    this.subtitle.textContent = texts.subtitle;
    this.input.placeholder = texts.input_placeholder;
    this.person.querySelector("span").textContent = texts.talk_to_person;
    this.again.querySelector("span").textContent = texts.new_chat;
    this.ended.querySelector("p").textContent = texts.ended;
    for (const [node, label] of [
      [this.input, texts.input_label],
      [this.sendButton, texts.send],
      [this.closeButton, texts.close_chat],
      [this.endButton, texts.end_chat],
    ]) {
      node.setAttribute("aria-label", label);
      if (node !== this.input) node.title = label;
    }
    this.person.disabled = false;
    this.privacy.textContent = texts.privacy;
    this.privacy.hidden = !privacyUrl;
    if (privacyUrl) this.privacy.href = privacyUrl;
  }

  /** Say that the connection is being made or mended; "online" says nothing. */
  setStatus(status) {
    this.node.dataset.status = status;
    this.setNotice({ connecting: this.#texts.connecting, offline: this.#texts.reconnecting }[status] ?? "");
  }

  setNotice(text) {
    this.notice.textContent = text;
  }

  setEnded(ended) {
    this.composer.hidden = ended;
    this.footer.hidden = ended;
    this.endButton.hidden = ended;
    this.ended.hidden = !ended;
    if (ended) this.again.focus();
  }

  /** Move the focus to where one writes; on a touch screen to the panel, lest the keyboard cover the bot's words. */
  focus() {
    if (matchMedia("(pointer: coarse)").matches) this.node.focus();
    else if (this.composer.hidden) this.again.focus();
    else this.input.focus();
  }

  #makeHeader() {
    this.title = element("h2", { id: "title", text: "Chat" });
    this.subtitle = element("p", { class: "subtitle" });
    this.endButton = button({ label: "", icon: "end", class: "plain", onClick: () => this.#actions.end() });
    this.closeButton = button({ label: "", icon: "minimise", class: "plain", onClick: () => this.#actions.close() });
    this.header = element(
      "div",
      { class: "header", part: "header" },
      element("span", { class: "mark" }, icon("chat")),
      element("div", { class: "titles" }, this.title, this.subtitle),
      this.closeButton,
      this.endButton,
    );
  }

  #makeComposer() {
    this.input = element("textarea", {
      rows: "1",
      "aria-label": "Chat",
      "aria-describedby": "counter",
      enterkeyhint: "send",
      on: { input: () => this.#measure(), keydown: (event) => this.#onKey(event) },
    });
    this.counter = element("div", { class: "counter", id: "counter", role: "status", hidden: true });
    this.sendButton = button({ label: "Chat", icon: "send", class: "send", disabled: true });
    this.sendButton.type = "submit";
    this.composer = element(
      "form",
      { class: "composer", novalidate: true, part: "composer", on: { submit: (event) => this.#onSubmit(event) } },
      element("div", { class: "field" }, this.input, this.sendButton),
      this.counter,
    );
  }

  #onKey(event) {
    // Enter that ends the composition of a Chinese, Japanese or Hindi word sends nothing (229: Safari's way to say so).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.#submit();
  }

  #onSubmit(event) {
    event.preventDefault();
    this.#submit();
    this.input.focus();
  }

  #submit() {
    const text = this.input.value.trim();
    if (!text || this.#tooLong) return;
    this.input.value = "";
    this.#measure();
    this.#actions.send(text);
  }

  get #length() {
    return [...this.input.value].length; // code points, as the server counts
  }

  get #tooLong() {
    return this.#length > MOST_CHARACTERS;
  }

  #measure() {
    // An empty field has the panel's direction, for its placeholder; a text has its own.
    if (this.input.value) this.input.dir = "auto";
    else this.input.removeAttribute("dir");
    this.input.rows = 1;
    while (this.input.scrollHeight > this.input.clientHeight + 2 && this.input.rows < 5) this.input.rows += 1;
    this.sendButton.disabled = !this.input.value.trim() || this.#tooLong;
    this.counter.hidden = this.#length < COUNTED_FROM;
    this.counter.classList.toggle("too-long", this.#tooLong);
    this.input.setAttribute("aria-invalid", String(this.#tooLong));
    const values = { count: this.#length, limit: MOST_CHARACTERS };
    if (!this.counter.hidden) this.counter.textContent = fill(this.#texts.characters, values);
  }
}
