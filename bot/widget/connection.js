/*
 * The wire to the server: Rasa's socket.io protocol and Polydesk's own events (docs/architecture.md, "Widget").
 *
 * Promises that no message is lost or doubled: each has an id of its own, is stored before it is sent, and is sent
 * again, one at a time and in order, until the server acknowledges that id. Touches the network and the store, not the
 * page. Tells what happens as events:
 *
 *   status   "connecting" | "online" | "offline"
 *   ready    the body of polydesk_ready
 *   reply    {id, from, text, buttons, image, name, language, at}
 *   turn     {message_id, state}
 *   sent     {message_id, id}          the server has stored the message
 *   refused  {message_id, error}       the server will not take it
 *   unserved {error}                   the server gives no session now; it is asked again
 */

import { io } from "../vendor/socket.io.esm.min.js";

const ACKNOWLEDGED_WITHIN = 8000; // milliseconds
const SESSION_WITHIN = 20000;
const RECONNECT_AFTER = 1000;

export class Connection extends EventTarget {
  #server;
  #metadata;
  #identity;
  #store;
  #socket = null;
  #inSession = false;
  #sending = false;
  #untold = [];
  #refused = new Map();

  constructor({ server, market, language, identity = null, store }) {
    super();
    this.#server = server;
    this.#metadata = { market, ...(language && { language_hint: language }) };
    this.#identity = identity;
    this.#store = store;
  }

  get identity() {
    return this.#identity;
  }

  /** Say who the customer is from now on; a session that is under way is asked for anew. */
  identify(identity) {
    if (identity === this.#identity) return;
    this.#identity = identity;
    if (!this.#inSession) return;
    this.#inSession = false;
    this.#requestSession();
  }

  open() {
    if (this.#socket) return;
    const socket = io(this.#server, {
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: RECONNECT_AFTER / 2,
      reconnectionDelayMax: RECONNECT_AFTER * 5,
      forceNew: true,
    });
    this.#socket = socket;
    socket.on("connect", () => this.#requestSession());
    socket.on("session_confirm", (token) => this.#keepToken(token));
    socket.on("polydesk_ready", (body) => this.#start(body));
    socket.on("bot_uttered", (body) => this.#emit("reply", toReply(body)));
    socket.on("polydesk_turn", (body) => this.#emit("turn", body));
    socket.on("disconnect", () => this.#pause());
    socket.on("connect_error", () => this.#pause());
    this.#emit("status", "connecting");
  }

  close() {
    this.#socket?.disconnect();
    this.#socket = null;
    this.#inSession = false;
  }

  /** Queue a message {id, text}; it survives a reload. */
  send(message) {
    this.#refused.delete(message.id);
    this.#store.addUnsent(message);
    this.#sendUnsent();
  }

  /** Send a refused message once more, under its own id. */
  sendAgain(id) {
    if (this.#refused.has(id)) this.send(this.#refused.get(id));
  }

  /** Ask for every reply after this id: what was on its way when the connection broke comes again. */
  resume(lastId) {
    this.tell("polydesk_resume", { last_id: lastId });
  }

  /** Tell the server something small (a rating, a consent), at once or as soon as there is a session. */
  tell(event, body) {
    if (this.#inSession) this.#socket.emit(event, body);
    else this.#untold.push([event, body]);
  }

  #requestSession() {
    const socket = this.#socket;
    // The answer to an unknown or expired token is a new session, so there is nothing to check here.
    const token = this.#store.token;
    // An id of its own tells the server that a refusal belongs into the acknowledgement, not into the conversation.
    const identity = this.#identity && { identity: this.#identity };
    const metadata = { ...this.#metadata, ...identity, message_id: newMessageId() };
    const body = { ...(token && { session_id: token }), metadata };
    const stillWaits = () => socket === this.#socket && socket.connected && !this.#inSession;
    socket.timeout(SESSION_WITHIN).emit("session_request", body, (lost, answer) => {
      if (!stillWaits() || !(lost || answer?.ok === false)) return;
      this.#emit("status", "offline");
      if (answer?.error) this.#emit("unserved", { error: answer.error });
      setTimeout(() => stillWaits() && this.#requestSession(), RECONNECT_AFTER * 5);
    });
  }

  #keepToken(token) {
    if (typeof token === "string") this.#store.token = token;
  }

  #start(body) {
    this.#inSession = true;
    this.#emit("status", "online");
    this.#emit("ready", body);
    for (const [event, told] of this.#untold.splice(0)) this.#socket.emit(event, told);
    this.#sendUnsent();
  }

  #pause() {
    this.#inSession = false;
    this.#emit("status", "offline");
    // socket.io reconnects by itself, but not after the server has ended or refused the connection.
    if (this.#socket && !this.#socket.active) {
      const socket = this.#socket;
      setTimeout(() => this.#socket === socket && socket.connect(), RECONNECT_AFTER);
    }
  }

  async #sendUnsent() {
    if (this.#sending) return;
    this.#sending = true;
    for (let message = this.#store.unsent[0]; this.#inSession && message; message = this.#store.unsent[0]) {
      const answer = await this.#offer(message);
      if (answer === null) continue; // not acknowledged: the same message again, if there still is a session
      this.#store.dropUnsent(message.id);
      if (answer.ok) {
        this.#emit("sent", { message_id: message.id, id: answer.id });
      } else {
        this.#refused.set(message.id, message);
        this.#emit("refused", { message_id: message.id, error: answer.error });
      }
    }
    this.#sending = false;
  }

  /** Offer one message; the server's answer, or null if none came in time. */
  async #offer({ id, text }) {
    const body = { message: text, metadata: { ...this.#metadata, message_id: id } };
    return new Promise((resolve) => {
      this.#socket
        .timeout(ACKNOWLEDGED_WITHIN)
        .emit("user_uttered", body, (lost, answer) => resolve(lost ? null : (answer ?? { ok: false })));
    });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** An id that no two messages share. randomUUID exists only on https and localhost, getRandomValues everywhere. */
export function newMessageId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
}

/** Rasa's bot_uttered as the widget's own reply. */
function toReply({ text, quick_replies: quickReplies, attachment, metadata }) {
  return {
    from: "bot",
    author: metadata?.author,
    id: metadata?.id,
    text: text ?? "",
    buttons: (quickReplies ?? []).map(({ title, payload }) => ({ title, payload })),
    image: attachment?.type === "image" ? attachment.payload?.src : undefined,
    name: metadata?.name,
    language: metadata?.language,
    at: metadata?.at ?? new Date().toISOString(),
  };
}
