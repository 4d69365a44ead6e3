// The WebSocket: connects, connects again, and takes messages apart.

const DELAYS = [0.5, 1, 2, 3, 5]; // seconds until the next try
const SILENCE = 8000; // milliseconds without a word, after which the connection counts as dead

/**
 * Events: "open", "closed" (detail: { seconds, reason }), "hello", "status", "notice" (detail: the message), and
 * "picture" (detail: { header, jpeg, heat }).
 */
export class Link extends EventTarget {
  #socket = null;
  #tries = 0;
  #requests = new Map();
  #number = 0;
  #heard = 0;
  clockOffset = 0; // seconds that the server's clock is ahead

  connect() {
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const socket = new WebSocket(`${scheme}://${location.host}/socket`);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    this.#heard = performance.now();
    socket.addEventListener("open", () => {
      this.#tries = 0;
      this.#emit("open");
    });
    socket.addEventListener("message", (event) => socket === this.#socket && this.#take(event.data));
    socket.addEventListener("close", (event) => this.#closed(socket, event.reason));
    const watch = setInterval(() => {
      if (socket !== this.#socket || socket.readyState > WebSocket.OPEN) clearInterval(watch);
      else if (performance.now() - this.#heard > SILENCE) this.#giveUp(socket);
      else this.send({ type: "ping", time: Date.now() / 1000 });
    }, 2000);
  }

  get isOpen() {
    return this.#socket?.readyState === WebSocket.OPEN;
  }

  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  /** Ask for something; resolves with { ok, message, id }. */
  request(message) {
    if (!this.isOpen) return Promise.resolve({ ok: false, message: "There is no connection at the moment." });
    const request = ++this.#number;
    this.send({ request, ...message });
    return new Promise((resolve) => this.#requests.set(request, resolve));
  }

  /** Ask for what the status tells; resolves when that tells it, so that nobody acts on what was before. */
  async requestState(message) {
    const answer = await this.request(message);
    if (!answer.ok) return answer;
    const enough = new AbortController();
    await new Promise((resolve) => {
      const look = ({ type, detail }) => (type === "closed" || detail.time >= answer.time) && resolve();
      for (const type of ["status", "closed"]) this.addEventListener(type, look, { signal: enough.signal });
    });
    enough.abort();
    return answer;
  }

  /** Browsers wait a minute for the answer to a farewell, and a dead connection gives none. */
  #giveUp(socket) {
    socket.close();
    this.#closed(socket, `nothing was heard for ${SILENCE / 1000} seconds`);
  }

  async #closed(socket, words) {
    if (socket !== this.#socket) return; // it was given up before
    this.#socket = null;
    for (const resolve of this.#requests.values()) resolve({ ok: false, message: "The connection was lost before the answer came." });
    this.#requests.clear();
    const seconds = DELAYS[Math.min(this.#tries++, DELAYS.length - 1)];
    setTimeout(() => this.connect(), seconds * 1000);
    this.#emit("closed", { seconds, reason: words });
    const reason = await whyRefused();
    if (reason && !this.isOpen) this.#emit("closed", { seconds, reason });
  }

  #take(data) {
    this.#heard = performance.now();
    if (data instanceof ArrayBuffer) return this.#takePicture(data);
    const message = JSON.parse(data);
    if (message.type === "answer") {
      const resolve = this.#requests.get(message.request);
      this.#requests.delete(message.request);
      resolve?.(message);
    } else if (message.type === "pong") {
      const now = Date.now() / 1000;
      this.clockOffset = message.server - (message.time + now) / 2;
    } else {
      this.#emit(message.type, message);
    }
  }

  #takePicture(data) {
    const length = new DataView(data).getUint32(0);
    const header = JSON.parse(new TextDecoder().decode(new Uint8Array(data, 4, length)));
    const cells = header.heat ? header.heat.rows * header.heat.columns : 0;
    const heat = cells ? new Uint8Array(data, 4 + length, cells) : null;
    const jpeg = new Blob([new Uint8Array(data, 4 + length + cells)], { type: "image/jpeg" });
    this.#emit("picture", { header, jpeg, heat });
  }

  #emit(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** Browsers keep to themselves why a WebSocket was refused; an ordinary request is told. */
async function whyRefused() {
  try {
    const response = await fetch("/door", { cache: "no-store" });
    return response.ok ? "" : (await response.text()).replace(/^\d+: /, "");
  } catch {
    return "";
  }
}
