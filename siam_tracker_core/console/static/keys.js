// The keyboard.

import { $, openDialog } from "./dom.js";

export function bindKeys({ pointing, targets, togglePlay, toggleResponse, step }) {
  const selected = () => targets.target(targets.selected);

  const actions = {
    " ": togglePlay,
    "?": () => openDialog($("keys")),
    n: () => pointing.proposeMiddle(),
    m: toggleResponse,
    ".": step,
    r: () => selected() && pointing.propose(selected().box, selected().id, selected().label),
    l: () => targets.editLabel(targets.selected),
    Delete: () => selected() && document.querySelector(`.card[data-id="${targets.selected}"] .card-foot :last-child`).click(),
    Enter: () => pointing.send(),
  };

  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && pointing.isActive) {
      pointing.cancel();
      event.preventDefault();
      return;
    }
    const isTyping = event.target.closest("input, select, textarea, dialog");
    const isPressing = event.target.closest("button") && (event.key === " " || event.key === "Enter");
    if (isTyping || isPressing || event.ctrlKey || event.metaKey || document.querySelector("dialog[open]")) return;
    if (pointing.nudge(event.key, event.shiftKey, event.altKey)) {
      event.preventDefault();
      return;
    }
    const action = /^[1-9]$/.test(event.key) ? () => targets.select(targets.ids[Number(event.key) - 1] ?? 0) : actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
