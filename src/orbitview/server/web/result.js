// The finished job in tabs: grid, single views, turntable, 3D, maps, files, code.

import { address } from "./api.js";
import { code, LANGUAGES } from "./code.js";
import { $, h } from "./dom.js";
import { turntable } from "./turntable.js";

const named = (job, name) => job.files.find((file) => file.name === name);
const views = (job) => job.files.filter((file) => /^view-\d+\.png$/.test(file.name));
const angle = (file) => (file.camera ? `${Math.round(file.camera.azimuth)}° / ${Math.round(file.camera.elevation)}°` : "");
const download = (file, text) => h("a", { href: address(file.url), download: file.name }, text || file.name);

function enlarge(file, label) {
  const dialog = $("large");
  dialog.replaceChildren(
    h("img", { src: address(file.url), alt: label }),
    h("div", { className: "row" }, download(file, "Download"), h("button", { className: "quiet", type: "button", onclick: () => dialog.close() }, "Close")),
  );
  dialog.showModal();
}

function grid(job) {
  const all = h("img", { className: "grid-picture", src: address(named(job, "grid.png").url), alt: `${views(job).length || "All"} views of the object in one picture` });
  const cut = named(job, "cutout.png");
  if (!cut) return all;
  return h("div", { className: "beside" }, all,
    h("figure", { className: "cutout" }, h("img", { src: address(cut.url), alt: "What was taken for the object in your picture" }), h("figcaption", {}, "Taken for the object ", download(cut, "PNG"))));
}

function tiles(job) {
  return h("ul", { className: "tiles" }, views(job).map((file, number) => {
    const label = `View ${number + 1}, azimuth and elevation ${angle(file)}`;
    return h("li", {},
      h("button", { type: "button", "aria-label": `Enlarge: ${label}`, onclick: () => enlarge(file, label) }, h("img", { src: address(file.url), alt: "", loading: "lazy" })),
      h("div", { className: "caption" }, h("span", {}, angle(file)), download(file, "PNG")));
  }));
}

function maps(job) {
  const holder = h("div", { className: "maps" });
  const choose = (number) => {
    const kinds = [["view", "picture"], ["mask", "mask"], ["depth", "depth, 16 bit: near is white"], ["normal", "world normals"]];
    holder.replaceChildren(...kinds.map(([kind, text]) => [named(job, `${kind}-${String(number).padStart(3, "0")}.png`), text])
      .filter(([file]) => file)
      .map(([file, text]) => h("figure", {}, h("img", { src: address(file.url), alt: text }), h("figcaption", {}, text, " ", download(file, "PNG")))));
  };
  choose(0);
  const picker = h("select", { onchange: (event) => choose(Number(event.target.value)) },
    views(job).map((file, number) => h("option", { value: String(number) }, `View ${number + 1} (${angle(file)})`)));
  return h("div", {}, h("label", { className: "row" }, "View ", picker), holder);
}

function solid(job) {
  const prefix = /generations\/([0-9a-f-]{36})\//.exec(named(job, "object.glb").url)[1];
  return h("div", {}, h("iframe", { src: `/viewer/${prefix}`, title: "The object in 3D: drag to turn, wheel to zoom", sandbox: "allow-scripts" }),
    h("div", { className: "row" }, download(named(job, "object.glb"), "Download GLB")));
}

function files(job) {
  return h("ul", { className: "files" }, job.files.map((file) => h("li", {}, download(file))));
}

function asCode(body) {
  const shown = h("code", {});
  const picker = h("select", { onchange: () => write() }, LANGUAGES.map((name) => h("option", {}, name)));
  const copy = h("button", { type: "button", className: "quiet", onclick: async () => {
    await navigator.clipboard.writeText(shown.textContent);
    copy.textContent = "Copied";
    setTimeout(() => (copy.textContent = "Copy"), 1500);
  } }, "Copy");
  const write = () => (shown.textContent = code(picker.value, body, location.origin));
  write();
  return h("div", {}, h("div", { className: "row" }, h("label", {}, "Language ", picker), copy), h("pre", { tabIndex: 0 }, shown));
}

/** Show a job; called again with the same job as more of its files are there. */
export function showResult(job, body) {
  const tabs = [["Grid", () => grid(job)]];
  if (views(job).length) tabs.push(["Views", () => tiles(job)]);
  if (named(job, "turntable-sheet.webp")) tabs.push(["Turn", () => turntable(address(named(job, "turntable-sheet.webp").url))]);
  if (named(job, "object.glb")) tabs.push(["3D", () => solid(job)]);
  if (named(job, "depth-000.png")) tabs.push(["Maps", () => maps(job)]);
  tabs.push(["Files", () => files(job)]);
  if (body) tabs.push(["As code", () => asCode(body)]);
  const list = $("tabs"), panel = $("panel");
  const before = list.dataset.job === String(job.id) ? list.dataset.open : "Grid";
  const buttons = tabs.map(([name]) => h("button", { type: "button", role: "tab", id: `tab-${name.replace(" ", "-")}`, "aria-controls": "panel", onclick: () => open(name, true) }, name));
  function open(name, again) {
    if (!again && panel.dataset.shown === `${job.id} ${name}`) return mark(name);
    mark(name);
    list.dataset.open = name;
    panel.dataset.shown = `${job.id} ${name}`;
    panel.setAttribute("aria-labelledby", `tab-${name.replace(" ", "-")}`);
    panel.replaceChildren(tabs.find(([other]) => other === name)[1]());
  }
  function mark(name) {
    tabs.forEach(([other], i) => {
      buttons[i].setAttribute("aria-selected", String(other === name));
      buttons[i].tabIndex = other === name ? 0 : -1;
    });
  }
  list.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const now = buttons.findIndex((button) => button.tabIndex === 0);
    const next = buttons[(now + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
  };
  list.replaceChildren(...buttons);
  list.dataset.job = String(job.id);
  open(tabs.some(([name]) => name === before) ? before : "Grid", false);
}
