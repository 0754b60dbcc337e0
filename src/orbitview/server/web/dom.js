// Elements without HTML text: whatever a user or a server sent is only ever text.

export const $ = (id) => document.getElementById(id);

/** h("button", {type: "button", onclick: f}, "Text", child, …); null and false children are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name in element && name !== "list" && name !== "role") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat(3).filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

export function show(element, visible) {
  element.hidden = !visible;
}

/** Whether the user asked for little motion; asked anew each time, since it can change. */
export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/** Bring an element to the top of the window where less than half of the window shows it. */
export function reveal(element) {
  const { top } = element.getBoundingClientRect();
  if (top < 0 || top > innerHeight / 2) element.scrollIntoView({ behavior: calm() ? "auto" : "smooth", block: "start" });
}

/** Arrow keys, Home and End among buttons of which one is in the tab order; `columns()` for up and down. */
export function roving(holder, buttons, { columns = null, chosen = 0, follow = false } = {}) {
  buttons.forEach((button, i) => (button.tabIndex = i === chosen ? 0 : -1));
  holder.onkeydown = (event) => {
    const now = buttons.indexOf(event.target);
    if (now < 0) return;
    const row = columns ? columns() : 0;
    const next = { ArrowRight: now + 1, ArrowLeft: now - 1, ArrowDown: row && now + row, ArrowUp: row && now - row, Home: 0, End: buttons.length - 1 }[event.key];
    if (next === undefined || (["ArrowDown", "ArrowUp"].includes(event.key) && (!row || !buttons[next]))) return;
    event.preventDefault();
    const target = buttons[(next + buttons.length) % buttons.length];
    for (const button of buttons) button.tabIndex = button === target ? 0 : -1;
    target.focus();
    if (follow) target.click();
  };
}

/** A question with a few answers; resolves to the value of the one that was pressed, or to "" (Escape). */
export function ask(title, text, answers) {
  const dialog = $("ask");
  dialog.replaceChildren(h("form", { method: "dialog" }, h("h2", { id: "ask-title" }, title), h("p", {}, text),
    h("div", { className: "row" }, answers.map(([value, label], i) => h("button", { value, className: i ? "quiet" : "" }, label)))));
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((answered) => dialog.addEventListener("close", () => answered(dialog.returnValue), { once: true }));
}

let fading = 0;
/** A line at the bottom of the window for ten seconds, perhaps with a button; `after` runs when it goes unpressed. */
export function toast(text, label, pressed, after = () => {}) {
  finishToast();
  const bar = $("toast");
  const end = (act) => {
    clearTimeout(fading);
    finishToast = () => {};
    show(bar, false);
    act();
  };
  bar.replaceChildren(h("span", {}, text), label ? h("button", { type: "button", className: "quiet", onclick: () => end(pressed) }, label) : "");
  show(bar, true);
  fading = setTimeout(() => end(after), 10_000);
  finishToast = () => end(after);
}
/** What the toast waits with happens now: another one comes, or the page goes. */
export let finishToast = () => {};
addEventListener("pagehide", () => finishToast());

/** Have the browser save bytes under a name. */
export function save(blob, name) {
  const at = URL.createObjectURL(blob);
  h("a", { href: at, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(at), 60_000);
}
