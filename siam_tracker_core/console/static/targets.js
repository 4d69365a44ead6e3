// The cards of the targets: what a person wants to know of each at a glance.

import { $, announce, atClick, element, setText } from "./dom.js";
import { STATE_WORDS, targetColour } from "./colours.js";
import { Sparkline } from "./sparkline.js";

/** Calls `on.select(id)`, `on.rename(id, label)`, `on.reset(id)` and `on.remove(id)`, and waits for the last one's promise. */
export class Targets {
  #on;
  #cards = new Map();
  #history = {};
  selected = 0;

  constructor(on) {
    this.#on = on;
  }

  get ids() {
    return [...this.#cards.keys()];
  }

  target(id) {
    return this.#cards.get(id)?.target;
  }

  recall(history) {
    this.#history = history;
  }

  show(targets) {
    const there = new Set(targets.map((target) => target.id));
    for (const [id, card] of this.#cards) {
      if (there.has(id)) continue;
      card.node.remove();
      this.#cards.delete(id);
      announce(`${named(card.target)} is gone`);
      if (this.selected === id) this.select(0);
    }
    for (const target of targets) {
      const card = this.#cards.get(target.id) ?? this.#make(target);
      this.#update(card, target);
    }
    setText($("target-count"), String(targets.length));
    $("no-targets").hidden = targets.length > 0;
    $("remove-all").hidden = targets.length < 2;
  }

  /** Resolves when a target's card is gone, or after five seconds in which no picture came to tell. */
  async gone(id) {
    for (let tries = 0; tries < 50 && this.#cards.has(id); tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  }

  select(id) {
    this.selected = id;
    for (const [each, card] of this.#cards) card.node.setAttribute("aria-current", String(each === id));
    this.#cards.get(id)?.node.scrollIntoView({ block: "nearest" });
    this.#on.select(id);
  }

  /** Draw the lines anew, as when time or the theme has moved on. */
  drawLines() {
    for (const card of this.#cards.values()) card.line.draw();
  }

  editLabel(id) {
    this.#cards.get(id)?.label.select();
  }

  #make(target) {
    const id = target.id;
    const colour = targetColour(id);
    const number = element("button", { className: "number", textContent: String(id), title: "Select" });
    number.setAttribute("aria-label", `Select target ${id}`);
    const label = element("input", { className: "label", type: "text", maxLength: 64, placeholder: `Target ${id}`, autocomplete: "off" });
    label.setAttribute("aria-label", `Name of target ${id}`);
    const state = element("span", { className: "state" });
    const canvas = element("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", "Score over the last minute");
    const score = element("output", { title: "Score, 0 to 1" });
    const why = element("p", { className: "why" });
    const learning = element("p", { className: "learning" });
    const age = element("span", { className: "age", title: "Since the target was set" });
    const reset = element("button", { className: "button quiet", textContent: "Set anew" });
    const remove = element("button", { className: "button quiet", textContent: "Remove" });
    remove.setAttribute("aria-label", `Remove target ${id}`);
    reset.setAttribute("aria-label", `Set target ${id} anew`);
    const node = element(
      "li",
      { className: "card" },
      element("div", { className: "card-head" }, number, label, state),
      element("div", { className: "score" }, canvas, score),
      why,
      learning,
      element("div", { className: "card-foot" }, age, reset, remove),
    );
    node.dataset.id = String(id);
    node.style.setProperty("--colour", colour);
    node.addEventListener("click", (event) => {
      if (!event.target.closest(".button, .label")) this.select(this.selected === id ? 0 : id);
    });
    reset.addEventListener("click", () => this.#on.reset(id));
    atClick(remove, () => this.#on.remove(id));
    label.addEventListener("change", () => this.#on.rename(id, label.value.trim()));
    label.addEventListener("keydown", (event) => {
      if (event.key === "Escape") label.value = this.target(id).label;
      if (event.key === "Enter" || event.key === "Escape") label.blur();
    });
    $("cards").append(node);
    const line = new Sparkline(canvas, colour);
    line.recall(this.#history[id] ?? []);
    const card = { node, label, state, score, why, learning, age, line, target };
    this.#cards.set(id, card);
    return card;
  }

  #update(card, target) {
    const former = card.node.dataset.state;
    card.target = target;
    card.node.dataset.state = target.state;
    if (former !== target.state) {
      setText(card.state, STATE_WORDS[target.state] ?? target.state);
      if (former && (former === "lost" || target.state === "lost")) announce(`${named(target)}: ${STATE_WORDS[target.state]}`);
    }
    if (document.activeElement !== card.label && card.label.value !== target.label) card.label.value = target.label;
    setText(card.score, target.score.toFixed(2));
    setText(card.why, target.state === "tracking" ? "" : target.reason);
    setText(card.learning, target.learning);
    setText(card.age, `${target.age.toLocaleString("en")} ${target.age === 1 ? "frame" : "frames"}`);
    card.line.add(target.score);
  }
}

const named = (target) => target.label || `Target ${target.id}`;
