// What is around the picture: figures, settings, recording, trouble.

import { $, atClick, element, memory, openDialog, setText, toast } from "./dom.js";

export class Panels {
  #link;
  #status = null;
  #fields = new Map();
  #values = new Map(); // as the server has them

  constructor(link) {
    this.#link = link;
    $("open-settings").addEventListener("click", () => openDialog($("settings")));
    $("open-keys").addEventListener("click", () => openDialog($("keys")));
    for (const dialog of document.querySelectorAll("dialog")) {
      dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    }
    atClick($("record"), () => this.#record());
    atClick($("change-tracker"), () => this.#changeTracker());
    const theme = $("theme");
    theme.value = memory.get("theme", "auto");
    document.documentElement.dataset.theme = theme.value;
    theme.addEventListener("change", () => {
      document.documentElement.dataset.theme = theme.value;
      memory.set("theme", theme.value);
    });
  }

  get status() {
    return this.#status;
  }

  describe(hello) {
    setText($("source"), hello.name);
    document.title = `${hello.name} – operator console`;
    document.body.dataset.kind = hello.kind;
    const tracker = $("tracker");
    tracker.replaceChildren(...hello.trackers.map((name) => element("option", { value: name, textContent: name })));
    if (this.#status) tracker.value = this.#status.tracker;
    this.#showSettings(hello.settings);
    const about = [["Runs on", runsOn(this.#status)], ...hello.details, ["Version", hello.version]];
    $("about").replaceChildren(...about.flatMap(([name, value]) => [element("dt", { textContent: name }), element("dd", { textContent: value })]));
  }

  show(status) {
    const tracker = $("tracker");
    if (status.tracker && status.tracker !== this.#status?.tracker) tracker.value = status.tracker;
    this.#status = status;
    figure("rate", status.frame_rate ? `${status.frame_rate.toFixed(1)}` : "–", status.frame_rate ? " /s" : "");
    figure("latency", status.latency_ms ? status.latency_ms.map((value) => value.toFixed(0)).join(" / ") : "–", status.latency_ms ? " ms" : "");
    figure("dropped", String(status.dropped));
    figure("tracker", status.tracker || "–");
    figure("device", runsOn(status));
    if ($("about").children.length) setText($("about").children[1], runsOn(status)); // where the bar has no room for it
    $("busy").hidden = !status.busy;
    setText($("busy"), status.busy ? `${status.busy} …` : "");
    $("change-tracker").disabled = Boolean(status.busy);
    const record = $("record");
    record.setAttribute("aria-pressed", String(Boolean(status.recording)));
    record.title = status.recording ? `Recording to ${status.recording}` : "Record images, tracks and requests as a bag";
    setText($("record-words"), status.recording ? `${status.recorded}` : "Record");
    record.setAttribute("aria-label", status.recording ? `Stop recording; ${status.recorded} images so far` : "Record");
    this.#showPlace(status);
  }

  #showPlace(status) {
    const [position, count] = status.position;
    $("progress").hidden = !count;
    $("progress").max = count || 1;
    $("progress").value = position;
    setText($("place"), count ? `${position} / ${count}` : `${position}`);
  }

  /** Say what is wrong in place of the picture; an empty text takes it back. */
  trouble(title, words = "", details = []) {
    $("trouble").hidden = !title;
    setText($("trouble-title"), title);
    setText($("trouble-words"), words);
    const list = $("trouble-details");
    if (list.dataset.shown !== details.join("\n")) {
      list.dataset.shown = details.join("\n");
      list.replaceChildren(...details.map((text) => element("li", { textContent: text })));
    }
  }

  async #record() {
    const folder = this.#status?.recording;
    const answer = await this.#link.requestState({ type: "record", on: !folder });
    if (!answer.ok) toast(answer.message, "error");
    else toast(folder ? `The bag is complete: ${folder}. Read it with evaluate_bag.` : "Recording images, tracks and requests.");
  }

  async #changeTracker() {
    const answer = await this.#link.requestState({ type: "change_tracker", name: $("tracker").value });
    if (!answer.ok) toast(answer.message, "error");
  }

  #showSettings(settings) {
    const names = settings.map((setting) => `${setting.name} ${setting.locked}`).join();
    const box = $("values");
    if (box.dataset.names !== names) {
      box.dataset.names = names;
      this.#fields.clear();
      box.replaceChildren(...settings.map((setting) => this.#row(setting)));
    }
    for (const setting of settings) {
      this.#values.set(setting.name, setting.value);
      if (document.activeElement !== this.#fields.get(setting.name)) this.#restore(setting.name);
    }
  }

  #row(setting) {
    const field = setting.locked ? element("output") : makeField(setting);
    field.dataset.setting = setting.name;
    this.#fields.set(setting.name, field);
    const words = setting.name.replaceAll("_", " ");
    const note = element("small", { textContent: setting.locked ? `${setting.description} ${setting.locked}` : setting.description });
    const name = element("span", {}, words.charAt(0).toUpperCase() + words.slice(1), note);
    const row = element("label", { className: setting.kind === "flag" && !setting.locked ? "value switch" : "value" }, name, field);
    if (!setting.locked) field.addEventListener("change", () => this.#change(setting, field));
    return row;
  }

  async #change(setting, field) {
    if (field.type === "number" && !field.value) return this.#restore(setting.name); // a field left empty is no zero
    const value = setting.kind === "flag" ? field.checked : setting.kind === "text" ? field.value : Number(field.value);
    const answer = await this.#link.request({ type: "change_setting", name: setting.name, value });
    if (answer.ok) this.#values.set(setting.name, value);
    else toast(answer.message, "error");
    this.#restore(setting.name);
  }

  /** Show what the server has. */
  #restore(name) {
    const field = this.#fields.get(name);
    const value = this.#values.get(name);
    if (field?.type === "checkbox") field.checked = value;
    else if (field) field.value = String(value);
  }
}

function makeField(setting) {
  if (setting.choices.length) {
    return element("select", {}, ...setting.choices.map((choice) => element("option", { value: choice, textContent: choice })));
  }
  if (setting.kind === "flag") return element("input", { type: "checkbox" });
  if (setting.kind === "text") return element("input", { type: "text", maxLength: 200 });
  const step = setting.kind === "integer" ? "1" : "any";
  return element("input", { type: "number", step, min: setting.low ?? "", max: setting.high ?? "" });
}

const runsOn = (status) => [status?.device, status?.runtime].filter(Boolean).join(" · ") || "–";

function figure(name, value, unit = "") {
  const node = $(`figure-${name}`);
  if (node.textContent === value + unit) return;
  node.replaceChildren(value, ...(unit ? [element("small", { textContent: unit })] : []));
}
