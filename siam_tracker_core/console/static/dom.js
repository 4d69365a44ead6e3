// Small helpers around the document.

export const $ = (id) => document.getElementById(id);

/** Set a text only where it differs, so that screen readers and selections are left in peace. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function element(name, properties = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  node.append(...children);
  return node;
}

/** Do `work` at a click, and not again before it is done: the button is pending until then. */
export function atClick(button, work) {
  button.addEventListener("click", async () => {
    if (button.ariaBusy === "true") return;
    button.ariaBusy = button.ariaDisabled = "true"; // a button that is really disabled would lose the focus
    try {
      await work();
    } finally {
      button.ariaBusy = button.ariaDisabled = "false";
    }
  });
}

/** Say something for a few seconds; errors stay longer. */
export function toast(text, level = "info") {
  const node = element("p", { className: `toast ${level}`, textContent: text });
  const toasts = $("toasts");
  [...toasts.children].find((each) => each.textContent === text)?.remove();
  toasts.append(node);
  while (toasts.children.length > 3) toasts.firstElementChild.remove();
  setTimeout(() => node.remove(), level === "info" ? 4000 : 9000);
}

/** Open a dialog. What is said meanwhile is said inside: all else is behind it, for eyes and for screen readers. */
export function openDialog(dialog) {
  const spoken = ["banner", "toasts", "announcer"].map($);
  dialog.addEventListener("close", () => document.body.append(...spoken), { once: true });
  dialog.showModal();
  dialog.append(...spoken);
}

/** Tell a screen reader at once. */
export const announce = (text) => setText($("announcer"), text);

/** A value that this browser remembers; private windows may refuse. */
export const memory = {
  get(name, fallback) {
    try {
      return localStorage.getItem(`console.${name}`) ?? fallback;
    } catch {
      return fallback;
    }
  },
  set(name, value) {
    try {
      localStorage.setItem(`console.${name}`, value);
    } catch {
      // not remembered then
    }
  },
};
