/*
 * <polydesk-chat market="de-DE"></polydesk-chat>: the customer's end of Polydesk, as one custom element.
 *
 *   <script type="module" src="https://desk.example/widget/polydesk-chat.js"></script>
 *
 * Attributes   market    the market's code, required
 *              server    the server's origin; by default the one that this script came from
 *              language  a hint, ISO 639-1; by default the market's language
 *              label     the bubble's accessible name until the server has told its own
 *              identity  the token that the shop has signed for the customer (docs/privacy.md); or set the property of
 *                        the same name, so that the token does not stand in the page. A new one is shown at once;
 *                        taking it away is signing out, and the browser forgets the conversation
 *              open      present while the panel is open; set it or remove it
 * Events       polydesk-open, polydesk-close, polydesk-ready {market, language},
 *              polydesk-message {from, name}, polydesk-end {score}: they bubble; none carries what anybody wrote
 * Colours      CSS custom properties, listed at the head of polydesk-chat.css
 * Policy       script-src, style-src and connect-src (https: and wss:) must allow the server's origin, img-src what the
 *              shop's pictures need; nothing inline is used
 *
 * The element joins its parts: the connection (network), the transcript and the panel (page) and the store (browser).
 */

import { Connection, newMessageId } from "./connection.js";
import { button, element } from "./dom.js";
import { Panel } from "./panel.js";
import { Store } from "./store.js";
import { Transcript } from "./transcript.js";

const HOME = new URL(import.meta.url);
const STYLE = new URL("polydesk-chat.css", HOME);
const GOODBYE = "utter_goodbye";

export class PolydeskChat extends HTMLElement {
  static observedAttributes = ["market", "server", "language", "identity", "open"];

  #built = false;
  #online = false;
  #connection = null;
  #store = null;
  #texts = {};
  #identity = null; // set as a property; before the attribute

  #transcript = new Transcript({
    choose: ({ title, payload }) => this.#send(payload, title),
    rate: (id, value) => this.#connection.tell("polydesk_rate", { id, value }),
    retry: (id) => this.#connection.sendAgain(id),
    consent: (given) => this.#connection.tell("polydesk_consent", { given }),
    score: (score) => this.#connection.tell("polydesk_score", { score }),
  });

  #panel = new Panel(this.#transcript, {
    send: (text) => this.#send(text),
    close: () => (this.open = false),
    end: () => this.#askToEnd(),
    person: () => this.#send(this.#texts.talk_to_person_message),
    again: () => this.#startAgain(),
  });

  #bubble = button({ label: "Chat", icon: "chat", class: "bubble-button", part: "bubble", onClick: () => (this.open = true) });

  connectedCallback() {
    if (!this.#built) this.#build();
    this.#prepare();
  }

  disconnectedCallback() {
    this.#connection?.close();
    this.#connection = null;
  }

  attributeChangedCallback(name, before, after) {
    if (!this.#built || !this.isConnected || before === after) return;
    if (name === "open") {
      if ((before === null) !== (after === null)) this.#showOpen();
      return;
    }
    if (name === "identity") {
      this.#identify();
      return;
    }
    this.#transcript.clear({ pendingToo: true });
    this.#prepare();
  }

  /** The token that says who the customer is, or null. */
  get identity() {
    return this.#identity ?? this.getAttribute("identity");
  }

  set identity(token) {
    this.#identity = token ?? null;
    if (this.#connection) this.#identify();
  }

  /** The server's origin. */
  get server() {
    return new URL(this.getAttribute("server") || HOME.origin, document.baseURI).origin;
  }

  get open() {
    return this.hasAttribute("open");
  }

  set open(open) {
    this.toggleAttribute("open", open);
  }

  #build() {
    this.#built = true;
    const root = element("div", { class: "root", hidden: true }, this.#panel.node, this.#bubble);
    const show = () => {
      root.hidden = false; // not before it is styled
      if (this.open) this.#showOpen();
    };
    const style = element("link", { rel: "stylesheet", href: STYLE.href, on: { load: show } });
    this.attachShadow({ mode: "open" }).append(style, root);
  }

  /** Get ready for the given market; the connection waits until there is something to connect for. */
  #prepare() {
    this.#connection?.close();
    const [server, market, language] = [this.server, this.getAttribute("market"), this.getAttribute("language")];
    this.#store = new Store(server, market);
    this.#connection = new Connection({ server, market, language, identity: this.identity, store: this.#store });
    this.#listen(this.#connection);
    this.#name(this.#bubble, this.getAttribute("label") || "Chat");
    if (this.#store.labels) this.#setTexts(this.#store.labels);
    for (const message of this.#store.unsent) this.#transcript.addPending(message, false);
    if (this.#store.token || this.open) this.#connection.open();
  }

  /** Tell who the customer is now. Who signs out leaves nothing behind for the next person at this screen. */
  #identify() {
    if (this.identity || !this.#connection.identity) {
      this.#connection.identify(this.identity);
      return;
    }
    this.#store.forget();
    this.#transcript.clear({ pendingToo: true });
    this.#prepare();
  }

  #listen(connection) {
    const on = (type, handle) =>
      connection.addEventListener(type, ({ detail }) => connection === this.#connection && handle(detail));
    on("status", (status) => this.#setStatus(status));
    on("unserved", ({ error }) => this.#panel.setNotice(error));
    on("ready", (body) => this.#onReady(body));
    on("reply", (reply) => this.#onReply(reply));
    on("turn", ({ message_id: id, state }) => this.#transcript.setTyping(id, state));
    on("sent", ({ message_id: messageId, id }) => this.#transcript.acknowledge(messageId, id));
    on("refused", ({ message_id: messageId, error }) => this.#transcript.refuse(messageId, error));
  }

  #onReady({ market, language, direction, texts, consent, privacy_url: privacyUrl, history }) {
    const labels = { texts, language, direction, privacyUrl: this.#safeAddress(privacyUrl) };
    this.#store.labels = labels;
    this.#setTexts(labels);
    this.#transcript.load(history ?? []);
    if (consent && !consent.asked) this.#transcript.askConsent();
    if (this.#transcript.lastId !== null) this.#connection.resume(this.#transcript.lastId);
    this.#tell("ready", { market, language });
  }

  #onReply(reply) {
    if (!this.#transcript.add(reply)) return;
    this.#tell("message", { from: "bot", name: reply.name });
    if (reply.name === GOODBYE) this.#transcript.askScore();
    if (!this.open) this.#markUnread(true);
  }

  #send(text, title) {
    const message = { id: newMessageId(), text, ...(title && { title }) };
    this.#transcript.addPending(message, this.#online);
    this.#connection.open();
    this.#connection.send(message);
    this.#tell("message", { from: "customer" });
    this.#panel.focus();
  }

  #askToEnd() {
    if (!this.#transcript.written) {
      this.open = false;
      return;
    }
    const end = button({ text: this.#texts.end_without_score, class: "link", onClick: () => this.#end(null) });
    const goOn = button({
      text: this.#texts.keep_chatting,
      class: "link",
      onClick: () => {
        card.remove();
        this.#panel.focus();
      },
    });
    const card = this.#transcript.askScore({ further: [end, goOn], focus: true, onScore: (score) => this.#end(score) });
  }

  /** End the conversation: the browser forgets it, so that the next person at this screen does not see it. */
  #end(score) {
    if (score !== null) this.#connection.tell("polydesk_score", { score });
    this.#transcript.close();
    this.#connection.close();
    this.#store.forget();
    this.#panel.setStatus("online");
    this.#panel.setEnded(true);
    this.#tell("end", { score });
  }

  #startAgain() {
    this.#transcript.clear({ pendingToo: true });
    this.#panel.setEnded(false);
    this.#connection.open();
    this.#panel.focus();
  }

  #showOpen() {
    const hadFocus = this.shadowRoot.activeElement !== null;
    this.#panel.node.hidden = !this.open;
    this.#bubble.hidden = this.open;
    if (this.open) {
      this.#markUnread(false);
      this.#connection.open();
      this.#transcript.showEnd();
      this.#panel.focus();
    } else if (hadFocus) {
      this.#bubble.focus();
    }
    this.#tell(this.open ? "open" : "close", {});
  }

  #setStatus(status) {
    this.#online = status === "online";
    this.#panel.setStatus(status);
    this.#transcript.setOnline(this.#online);
  }

  #setTexts({ texts, language, direction, privacyUrl }) {
    this.#texts = texts;
    this.#panel.setTexts(texts, { language, direction, privacyUrl });
    this.#transcript.setTexts(texts, language);
    this.#markUnread(this.#bubble.classList.contains("unread"));
  }

  #markUnread(unread) {
    this.#bubble.classList.toggle("unread", unread);
    const { open_chat: open, new_message: news } = this.#texts;
    if (open) this.#name(this.#bubble, unread ? `${open} – ${news}` : open);
  }

  #name(node, label) {
    node.setAttribute("aria-label", label);
    node.title = label;
  }

  /** An address that may stand in a link: http or https, never javascript:. */
  #safeAddress(address) {
    if (!address || !URL.canParse(address, this.server)) return undefined;
    const url = new URL(address, this.server);
    return ["https:", "http:"].includes(url.protocol) ? url.href : undefined;
  }

  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(`polydesk-${type}`, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("polydesk-chat", PolydeskChat);
