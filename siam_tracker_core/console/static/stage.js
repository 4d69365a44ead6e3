// The picture, and over it, sharp at any size, what the page draws itself: boxes, response map, the box being drawn.

import { $ } from "./dom.js";
import { heatColour, STATE_DASHES, STATE_WORDS, targetColour } from "./colours.js";

export class Stage {
  #picture = $("picture");
  #overlay = $("overlay");
  #newest = 0;
  #scheduled = false;
  frame = null; // header of the picture that is shown
  heat = null;
  held = false;
  selected = 0;
  sketch = null; // { box, handles } while a box is drawn
  onresize = () => {};

  constructor() {
    new ResizeObserver(() => {
      this.#fit();
      this.onresize();
    }).observe($("frame"));
    this.#fit();
  }

  /** Show a picture; resolves when it is drawn, with whether it is (an older one than is shown is not). */
  async show({ header, jpeg, heat }) {
    if (this.held) return false;
    const bitmap = await createImageBitmap(jpeg);
    if (this.held || header.number < this.#newest) {
      bitmap.close();
      return false;
    }
    this.#newest = header.number;
    const canvas = this.#picture;
    if (canvas.width !== bitmap.width || canvas.height !== bitmap.height) {
      canvas.width = bitmap.width;
      canvas.height = bitmap.height;
      $("frame").style.setProperty("--ratio", String(bitmap.width / bitmap.height));
    }
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    bitmap.close();
    this.frame = header;
    this.heat = heat && header.heat ? { ...header.heat, cells: heat } : null;
    this.#draw();
    return true;
  }

  /** Numbers begin anew with a new connection. */
  reset() {
    this.#newest = 0;
  }

  /** Where the picture is in the frame: its corner and scale, in CSS pixels. */
  get view() {
    const [width, height] = this.frame?.size ?? [4, 3];
    const frame = $("frame").getBoundingClientRect();
    const scale = Math.min(frame.width / width, frame.height / height) || 1;
    return { left: (frame.width - width * scale) / 2, top: (frame.height - height * scale) / 2, scale, width, height };
  }

  /** Device pixels that the picture covers across; more would not be seen. */
  get pixelWidth() {
    const view = this.view;
    return Math.max(1, Math.round(view.width * view.scale * devicePixelRatio));
  }

  toPicture(event) {
    const frame = $("frame").getBoundingClientRect();
    const view = this.view;
    return { x: (event.clientX - frame.left - view.left) / view.scale, y: (event.clientY - frame.top - view.top) / view.scale };
  }

  /** The smallest target whose box covers a point of the picture; 0 for none. */
  targetAt({ x, y }) {
    const hits = (this.frame?.targets ?? []).filter(({ box }) => x >= box[0] && y >= box[1] && x <= box[0] + box[2] && y <= box[1] + box[3]);
    return hits.sort((a, b) => a.box[2] * a.box[3] - b.box[2] * b.box[3])[0]?.id ?? 0;
  }

  /** Draw the overlay soon. */
  redraw() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      this.#draw();
    });
  }

  #fit() {
    const { width, height } = $("frame").getBoundingClientRect();
    this.#overlay.width = Math.round(width * devicePixelRatio);
    this.#overlay.height = Math.round(height * devicePixelRatio);
    this.#draw();
  }

  #draw() {
    const context = this.#overlay.getContext("2d");
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, this.#overlay.width, this.#overlay.height);
    if (!this.frame) return;
    const view = this.view;
    const place = ([x, y, width, height]) => [view.left + x * view.scale, view.top + y * view.scale, width * view.scale, height * view.scale];
    if (this.heat) this.#drawHeat(context, place, place([0, 0, view.width, view.height]));
    for (const target of this.frame.targets) this.#drawTarget(context, place(target.box), target);
    if (this.sketch) this.#drawSketch(context, place(this.sketch.box), view);
  }

  #drawHeat(context, place, whole) {
    const { rows, columns, cells, region } = this.heat;
    const small = new OffscreenCanvas(columns, rows);
    const image = new ImageData(columns, rows);
    cells.forEach((value, index) => image.data.set(heatColour(value), 4 * index));
    small.getContext("2d").putImageData(image, 0, 0);
    context.save();
    context.beginPath();
    context.rect(...whole);
    context.clip();
    context.imageSmoothingQuality = "high";
    context.globalAlpha = 0.75;
    context.drawImage(small, ...place(region));
    context.globalAlpha = 1;
    context.setLineDash([4, 4]);
    context.strokeStyle = "#ffffffb0";
    context.strokeRect(...place(region));
    context.restore();
  }

  #drawTarget(context, [x, y, width, height], target) {
    const colour = targetColour(target.id);
    const chosen = target.id === this.selected;
    context.save();
    context.lineJoin = "round";
    context.setLineDash([]);
    context.strokeStyle = "#000000a0"; // an edge that shows on any background
    context.lineWidth = chosen ? 6 : 4.5;
    context.strokeRect(x, y, width, height);
    context.setLineDash(STATE_DASHES[target.state] ?? []);
    context.strokeStyle = colour;
    context.lineWidth = chosen ? 3.5 : 2.25;
    context.strokeRect(x, y, width, height);
    context.setLineDash([]);
    const state = target.state === "tracking" ? "" : ` · ${STATE_WORDS[target.state] ?? target.state}`;
    const size = 0.85 * parseFloat(getComputedStyle(this.#overlay).fontSize);
    context.font = `600 ${size}px system-ui, "Liberation Sans", sans-serif`;
    const [limitX, limitY] = [this.#overlay.width / devicePixelRatio, this.#overlay.height / devicePixelRatio];
    const rest = `${state} ${target.score.toFixed(2)}`;
    const text = fitted(context, target.label || `Target ${target.id}`, rest, limitX - size - 4);
    const [wide, tall] = [context.measureText(text).width + size, 1.65 * size];
    const left = Math.max(2, Math.min(x - 2, limitX - wide - 2));
    const below = y + height + 4;
    const top = y > tall + 6 ? y - tall - 4 : below + tall < limitY ? below : y + 4;
    context.fillStyle = colour;
    context.beginPath();
    context.roundRect(left, top, wide, tall, 6);
    context.fill();
    context.fillStyle = "#0b0f14";
    context.textBaseline = "middle";
    context.fillText(text, left + size / 2, top + tall / 2 + 0.5);
    context.restore();
  }

  #drawSketch(context, [x, y, width, height], view) {
    context.save();
    context.fillStyle = "#06090c80";
    context.beginPath();
    context.rect(view.left, view.top, view.width * view.scale, view.height * view.scale);
    context.rect(x, y, width, height);
    context.fill("evenodd");
    context.strokeStyle = "#000000a0";
    context.lineWidth = 4;
    context.strokeRect(x, y, width, height);
    context.strokeStyle = "#fff";
    context.lineWidth = 2;
    context.strokeRect(x, y, width, height);
    const isSmall = Math.min(width, height) < 48; // its handles must not cover it
    for (const [u, v] of this.sketch.handles) {
      if (isSmall && (u === 0.5 || v === 0.5)) continue;
      context.beginPath();
      context.arc(x + u * width, y + v * height, isSmall ? 4.5 : 6.5, 0, 7);
      context.fillStyle = "#fff";
      context.fill();
      context.lineWidth = 1.5;
      context.strokeStyle = "#0f62c6";
      context.stroke();
    }
    context.restore();
  }
}

/** A name and what follows it; the name is cut where both are wider than there is room, in CSS pixels. */
function fitted(context, name, rest, room) {
  const letters = Array.from(name);
  let text = name + rest;
  while (letters.length && context.measureText(text).width > room) {
    letters.pop();
    text = `${letters.join("")}…${rest}`;
  }
  return text;
}
