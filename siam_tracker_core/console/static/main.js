// Puts the page together.

import { $, announce, atClick, memory, setText, toast } from "./dom.js";
import { bindKeys } from "./keys.js";
import { Link } from "./link.js";
import { Panels } from "./panels.js";
import { Pointing } from "./pointing.js";
import { Stage } from "./stage.js";
import { Targets } from "./targets.js";

const STILL = 3000; // milliseconds without a picture that are worth a word

const link = new Link();
const stage = new Stage();
const panels = new Panels(link);
let held = false; // by the operator, in this page only
let response = null;
let lastPicture = 0;
let kind = "";
let wasOpen = false;

const targets = new Targets({
  select(id) {
    stage.selected = id;
    stage.redraw();
    if (response !== null) look();
  },
  async rename(id, label) {
    report(await link.request({ type: "rename_target", id, label }));
  },
  reset(id) {
    const target = targets.target(id);
    if (target) pointing.propose(target.box, id, target.label);
  },
  async remove(id) {
    const answer = await link.request({ type: "remove_target", id });
    report(answer);
    if (answer.ok) await targets.gone(id);
  },
});

const pointing = new Pointing(stage, {
  begin() {
    hold();
  },
  async send({ box, stamp, id, label }) {
    const rounded = box.map((value) => Math.round(value * 100) / 100);
    const answer = await link.request({ type: "set_target", stamp, box: rounded, id, label });
    if (answer.ok) {
      targets.select(answer.id);
      announce(`Following target ${answer.id}`);
    }
    report(answer);
    return answer.ok;
  },
  end() {
    hold();
  },
  tap(point) {
    targets.select(stage.targetAt(point));
  },
});

function report(answer) {
  if (!answer.ok) toast(answer.message, "error");
}

/** The picture stands still while a box is drawn on it, or while the operator wants it to. */
function hold() {
  stage.held = held || pointing.isActive;
  showNote();
  showPlay();
}

/** What should be known while pictures come: that the view is held, or what is wrong with the tracking. */
function showNote() {
  const words = held ? "The view is held; tracking goes on" : $("trouble").hidden ? panels.status?.trouble : "";
  $("frozen").hidden = !words;
  setText($("frozen"), words || "");
}

async function togglePlay() {
  if (kind === "video") {
    await play(panels.status?.paused ? "play" : "pause");
  } else {
    held = !held;
    hold();
  }
}

async function play(action) {
  report(await link.requestState({ type: "play", action }));
}

function showPlay() {
  const stopped = kind === "video" ? panels.status?.paused : held;
  const words = kind === "video" ? (stopped ? "Play" : "Pause") : stopped ? "Go on" : "Hold the view";
  const button = $("play");
  button.setAttribute("aria-label", words);
  button.title = `${words} (space)`;
  $("play-icon").setAttribute("d", stopped ? "M7 4.500l12 7.500-12 7.500z" : "M7 5h3.500v14H7zM13.500 5H17v14h-3.500z");
}

function toggleResponse() {
  response = response === null ? targets.selected : null;
  $("response").setAttribute("aria-pressed", String(response !== null));
  look();
}

/** Tell the server how this page sees. */
function look() {
  if (response !== null) response = targets.selected;
  link.send({ type: "look", width: stage.pixelWidth, quality: $("quality").value, response, paused: document.hidden });
}

link.addEventListener("open", () => {
  document.body.dataset.link = "open";
  setText($("link-words"), "Connected");
  if (wasOpen) {
    $("banner").textContent = "Connected again";
    $("banner").className = "banner good";
    setTimeout(() => document.body.dataset.link === "open" && ($("banner").hidden = true), 2000);
  }
  wasOpen = true;
  stage.reset();
  lastPicture = performance.now();
  look();
});

link.addEventListener("closed", ({ detail }) => {
  document.body.dataset.link = "closed";
  setText($("link-words"), "Not connected");
  const banner = $("banner");
  banner.hidden = false;
  banner.className = "banner";
  const reason = detail.reason ? ` (${detail.reason})` : "";
  setText(banner, `The connection is lost${reason}. Trying again …`);
});

link.addEventListener("hello", ({ detail }) => {
  kind = detail.kind;
  panels.describe(detail);
  targets.recall(detail.history);
  showPlay();
});

link.addEventListener("status", ({ detail }) => {
  panels.show(detail);
  showPlay();
  showTrouble();
});

link.addEventListener("notice", ({ detail }) => toast(detail.text, detail.level));

link.addEventListener("picture", async ({ detail }) => {
  const { header } = detail;
  lastPicture = performance.now();
  targets.show(header.targets);
  const first = !stage.frame;
  try {
    if (await stage.show(detail)) document.dispatchEvent(new CustomEvent("picture", { detail: header }));
  } finally {
    link.send({ type: "shown", number: header.number });
  }
  if (first) look();
  $("hint").hidden = header.targets.length > 0 || pointing.isActive;
  showTrouble();
});

function showTrouble() {
  const status = panels.status;
  const isStill = performance.now() - lastPicture > STILL;
  if (status?.trouble && (isStill || !stage.frame)) panels.trouble("No picture", status.trouble, status.details);
  else if (!stage.frame && isStill) panels.trouble("Waiting for the first picture", status?.busy || "");
  else panels.trouble("");
  if (!$("trouble").hidden) $("hint").hidden = true;
  showNote();
}

stage.onresize = () => {
  clearTimeout(stage.timer);
  stage.timer = setTimeout(look, 200);
};

atClick($("play"), togglePlay);
atClick($("step"), () => play("step"));
atClick($("restart"), () => play("restart"));
$("response").addEventListener("click", toggleResponse);
$("quality").addEventListener("change", look);
atClick($("remove-all"), async () => report(await link.request({ type: "remove_target", id: 0 })));
$("at-once").checked = pointing.atOnce = memory.get("at-once", "") === "yes";
$("at-once").addEventListener("change", () => {
  pointing.atOnce = $("at-once").checked;
  memory.set("at-once", pointing.atOnce ? "yes" : "");
});
document.addEventListener("visibilitychange", look);

bindKeys({
  pointing,
  targets,
  togglePlay: () => $("play").click(),
  toggleResponse,
  step: () => kind === "video" && $("step").click(),
});
setInterval(() => targets.drawLines(), 250);
link.connect();
