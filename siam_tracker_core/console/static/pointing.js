// Drawing a box by mouse, finger, pen or keys, correcting it, and sending or forgetting it.

import { $, announce, setText } from "./dom.js";

const HANDLES = [[0, 0], [0.5, 0], [1, 0], [1, 0.5], [1, 1], [0.5, 1], [0, 1], [0, 0.5]];
const REACH = 24; // CSS pixels around a handle that belong to it; a finger needs that much
const TAP = 6; // CSS pixels of movement that are no drag yet

/**
 * Calls `on.begin()` when a box is begun, `on.send({ box, stamp, id, label })` for a box to be followed, which
 * gives whether it was accepted, `on.end()` when none is drawn any more, and `on.tap(point)` for a touch without a drag.
 */
export class Pointing {
  #stage;
  #on;
  #overlay = $("overlay");
  #box = null; // [x, y, width, height] in pixels of the picture
  #stamp = "0";
  #id = 0;
  #grip = null; // what the pointer holds: { u, v, start, box } or { draw: start }
  #pointers = new Map();
  atOnce = false;

  constructor(stage, on) {
    this.#stage = stage;
    this.#on = on;
    const overlay = this.#overlay;
    overlay.addEventListener("pointerdown", (event) => this.#down(event));
    overlay.addEventListener("pointermove", (event) => this.#move(event));
    overlay.addEventListener("pointerup", (event) => this.#up(event));
    overlay.addEventListener("pointercancel", (event) => this.#abandon(event));
    overlay.addEventListener("keydown", () => overlay.classList.remove("by-pointer"));
    $("box-bar").addEventListener("submit", (event) => {
      event.preventDefault();
      this.send();
    });
    $("box-cancel").addEventListener("click", () => this.cancel());
  }

  get isActive() {
    return this.#box !== null || this.#grip !== null;
  }

  /** Take up a box that is there already: to set a target anew, or a first one for the arrow keys. */
  propose(box, id = 0, label = "") {
    if (!this.#stage.frame) return;
    this.#begin();
    this.#id = id;
    this.#box = this.#bounded(box);
    this.#ask(label);
    this.#overlay.focus();
    announce("A box is drawn. Move it with the arrow keys, resize it with Shift, and press Enter to follow.");
  }

  /** A box in the middle of the picture. */
  proposeMiddle() {
    const [width, height] = this.#stage.frame?.size ?? [0, 0];
    this.propose([width * 0.4, height * 0.375, width * 0.2, height * 0.25]);
  }

  /** Move or resize by arrow keys; gives whether there was anything to move. */
  nudge(key, resize, fine) {
    const direction = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
    if (!this.#box || !direction) return false;
    const [width, height] = this.#stage.frame.size;
    const step = fine ? 1 : Math.max(1, Math.round(Math.min(width, height) / 60));
    const [x, y, w, h] = this.#box;
    const [dx, dy] = [direction[0] * step, direction[1] * step];
    this.#box = resize ? this.#bounded([x, y, Math.max(2, w + dx), Math.max(2, h + dy)]) : this.#shifted(this.#box, dx, dy);
    this.#draw();
    return true;
  }

  async send() {
    if (!this.#box) return;
    const request = { box: this.#box, stamp: this.#stamp, id: this.#id, label: $("box-label").value.trim() };
    this.#finish();
    const accepted = await this.#on.send(request);
    // To be corrected rather than drawn again; on the picture of now, for the old one may be why it was refused.
    if (!accepted && !this.isActive) this.propose(request.box, request.id, request.label);
  }

  cancel() {
    if (this.isActive) this.#finish();
  }

  #begin() {
    if (!this.isActive) {
      this.#on.begin();
      this.#stamp = this.#stage.frame.stamp;
      this.#id = 0;
    }
  }

  #finish() {
    this.#box = this.#grip = null;
    this.#stage.sketch = null;
    $("box-bar").hidden = true;
    this.#stage.redraw();
    if ($("box-bar").contains(document.activeElement)) this.#overlay.focus();
    this.#on.end();
  }

  #ask(label) {
    setText($("box-send"), this.#id ? "Set anew" : "Follow");
    $("box-label").value = label;
    $("box-bar").hidden = false;
    this.#draw();
  }

  #down(event) {
    if (event.button > 0 || !this.#stage.frame) return;
    this.#pointers.set(event.pointerId, event.pointerType);
    if (this.#pointers.size > 1) return this.cancel(); // the second finger
    event.preventDefault();
    this.#overlay.focus({ preventScroll: true, focusVisible: false });
    this.#overlay.classList.add("by-pointer");
    this.#overlay.setPointerCapture(event.pointerId);
    const start = this.#stage.toPicture(event);
    const handle = this.#handleAt(event);
    if (handle) this.#grip = { handle, start, box: this.#box };
    else if (this.#box && inside(this.#box, start)) this.#grip = { move: true, start, box: this.#box };
    else {
      this.#begin();
      this.#grip = { draw: true, start, from: [event.clientX, event.clientY] };
    }
  }

  #move(event) {
    if (!this.#grip || !this.#pointers.has(event.pointerId)) return;
    const { draw, move, handle, start, box, from } = this.#grip;
    const point = this.#stage.toPicture(event);
    if (draw) {
      if (!this.#grip.dragged && Math.hypot(event.clientX - from[0], event.clientY - from[1]) < TAP) return;
      this.#grip.dragged = true;
      $("box-bar").hidden = true;
      this.#box = this.#bounded(between(start, point));
    } else if (move) {
      this.#box = this.#shifted(box, point.x - start.x, point.y - start.y);
    } else if (handle) {
      const [u, v] = handle;
      const corners = [box[0], box[1], box[0] + box[2], box[1] + box[3]];
      if (u !== 0.5) corners[u === 0 ? 0 : 2] = point.x;
      if (v !== 0.5) corners[v === 0 ? 1 : 3] = point.y;
      this.#box = this.#bounded(between({ x: corners[0], y: corners[1] }, { x: corners[2], y: corners[3] }));
    }
    this.#draw();
  }

  #up(event) {
    this.#pointers.delete(event.pointerId);
    const grip = this.#grip;
    this.#grip = null;
    if (!grip) return;
    if (grip.draw && !grip.dragged) {
      const hadBox = this.#box !== null;
      this.#finish();
      if (!hadBox) this.#on.tap(grip.start);
    } else if (grip.draw && this.atOnce) {
      if (!this.#id) $("box-label").value = ""; // a target that is set anew keeps its name
      this.send();
    } else if (grip.draw) {
      this.#ask(this.#id ? $("box-label").value : "");
    }
  }

  #abandon(event) {
    this.#pointers.delete(event.pointerId);
    this.cancel();
  }

  #handleAt(event) {
    if (!this.#box) return null;
    const { x, y } = this.#stage.toPicture(event);
    const reach = REACH / this.#stage.view.scale;
    const [left, top, width, height] = this.#box;
    const distances = HANDLES.map(([u, v]) => Math.hypot(x - left - u * width, y - top - v * height));
    const nearest = distances.indexOf(Math.min(...distances));
    const isInner = inside(this.#box, { x, y }) && Math.min(width, height) < 3 * reach;
    return distances[nearest] <= (isInner ? reach / 3 : reach) ? HANDLES[nearest] : null;
  }

  #bounded([x, y, width, height]) {
    const [limitX, limitY] = this.#stage.frame.size;
    const left = Math.min(Math.max(x, 0), limitX - 1);
    const top = Math.min(Math.max(y, 0), limitY - 1);
    return [left, top, Math.max(1, Math.min(x + width, limitX) - left), Math.max(1, Math.min(y + height, limitY) - top)];
  }

  #shifted([x, y, width, height], dx, dy) {
    const [limitX, limitY] = this.#stage.frame.size;
    return [Math.min(Math.max(x + dx, 0), limitX - width), Math.min(Math.max(y + dy, 0), limitY - height), width, height];
  }

  #draw() {
    this.#stage.sketch = this.#box && { box: this.#box, handles: this.#grip?.draw ? [] : HANDLES };
    this.#stage.redraw();
  }
}

const inside = ([x, y, width, height], point) => point.x >= x && point.y >= y && point.x <= x + width && point.y <= y + height;

const between = (a, b) => [Math.min(a.x, b.x), Math.min(a.y, b.y), Math.abs(a.x - b.x), Math.abs(a.y - b.y)];
