// The score of the last minute as a line.

const SPAN = 60; // seconds
const STEP = 0.25; // seconds between two points

export class Sparkline {
  #canvas;
  #colour;
  #points = []; // [seconds of performance.now, score]

  constructor(canvas, colour) {
    this.#canvas = canvas;
    this.#colour = colour;
  }

  /** Take over points that the server remembers: [seconds ago, score]. */
  recall(points) {
    const now = performance.now() / 1000;
    this.#points = points.map(([ago, score]) => [now - ago, score]);
  }

  add(score) {
    const now = performance.now() / 1000;
    if (now - (this.#points.at(-1)?.[0] ?? -1) < STEP) return;
    this.#points.push([now, score]);
    while (this.#points[0][0] < now - SPAN) this.#points.shift();
  }

  draw() {
    const now = performance.now() / 1000;
    const canvas = this.#canvas;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    if (!width || !this.#points.length) return;
    canvas.width = Math.round(width * devicePixelRatio);
    canvas.height = Math.round(height * devicePixelRatio);
    const context = canvas.getContext("2d");
    context.scale(devicePixelRatio, devicePixelRatio);
    const x = (when) => width - ((now - when) / SPAN) * width;
    const y = (score) => 2 + (1 - score) * (height - 4);
    const ink = getComputedStyle(canvas).color;
    context.globalAlpha = 0.22;
    context.strokeStyle = ink;
    context.setLineDash([2, 4]);
    context.beginPath();
    for (const level of [0, 0.5, 1]) {
      context.moveTo(0, y(level));
      context.lineTo(width, y(level));
    }
    context.stroke();
    context.setLineDash([]);
    context.beginPath();
    for (const [when, score] of this.#points) context.lineTo(x(when), y(score));
    context.globalAlpha = 1;
    context.lineJoin = "round";
    context.lineWidth = 2;
    context.strokeStyle = ink;
    context.stroke();
    context.lineTo(x(this.#points.at(-1)[0]), y(0));
    context.lineTo(x(this.#points[0][0]), y(0));
    context.globalAlpha = 0.28;
    context.fillStyle = this.#colour;
    context.fill();
  }
}
