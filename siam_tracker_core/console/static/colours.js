// Colours of targets and states. A target keeps its colour; its state is told by words and by the line's dashes, too.

const TARGETS = ["#4aa8ff", "#ffb02e", "#2fd6b5", "#f27bff", "#ffe45c", "#ff7d6e", "#9be15d", "#b9a6ff", "#ff9ec7"];

export const targetColour = (id) => TARGETS[(id - 1) % TARGETS.length];

export const STATE_WORDS = { tracking: "Tracking", uncertain: "Uncertain", lost: "Lost" };
export const STATE_DASHES = { tracking: [], uncertain: [10, 5], lost: [4, 4] };

/** A colour between transparent blue and solid yellow, for a cell of a response map: 0..255 each. */
export function heatColour(value) {
  const share = value / 255;
  const warm = Math.max(0, Math.min(1, (share - 0.35) / 0.45));
  const hot = Math.max(0, Math.min(1, (share - 0.7) / 0.3));
  return [40 + 215 * warm, 70 + 60 * warm + 120 * hot, 220 * (1 - warm) + 40 * hot, 235 * share ** 1.3];
}
