/*
 * What the browser keeps for one server and market: the session's token, the messages not yet acknowledged, and the
 * widget's labels (so that they are there before the server has answered). Touches localStorage only.
 *
 * Several tabs share it, so every change reads first and writes at once. Where a browser forbids storage the widget
 * works on without: the conversation then ends with the page.
 */

export class Store {
  #prefix;
  #memory = new Map(); // only what localStorage did not take

  constructor(server, market) {
    this.#prefix = `polydesk|${server}|${market}|`;
  }

  get token() {
    return this.#read("token");
  }

  set token(token) {
    this.#write("token", token);
  }

  get labels() {
    return this.#read("labels");
  }

  set labels(labels) {
    this.#write("labels", labels);
  }

  /** The messages that no server has acknowledged, oldest first: {id, text, title}. */
  get unsent() {
    return this.#read("unsent") ?? [];
  }

  addUnsent(message) {
    if (this.unsent.some(({ id }) => id === message.id)) return;
    this.#write("unsent", [...this.unsent, message]);
  }

  dropUnsent(id) {
    this.#write("unsent", this.unsent.filter((message) => message.id !== id));
  }

  /** Forget the conversation. The labels stay: they are nobody's secret. */
  forget() {
    for (const name of ["token", "unsent"]) {
      this.#memory.delete(this.#prefix + name);
      attempt(() => localStorage.removeItem(this.#prefix + name));
    }
  }

  #read(name) {
    const key = this.#prefix + name;
    const stored = this.#memory.get(key) ?? attempt(() => localStorage.getItem(key));
    return stored ? (attempt(() => JSON.parse(stored)) ?? null) : null;
  }

  #write(name, value) {
    const key = this.#prefix + name;
    const kept = attempt(() => {
      localStorage.setItem(key, JSON.stringify(value));
      return true;
    });
    if (kept) this.#memory.delete(key);
    else this.#memory.set(key, JSON.stringify(value));
  }
}

/** Storage can be forbidden or full (DOMException), and another script may have written nonsense (SyntaxError). */
function attempt(operation) {
  try {
    return operation();
  } catch (error) {
    if (error instanceof DOMException || error instanceof SyntaxError) return undefined;
    throw error;
  }
}
