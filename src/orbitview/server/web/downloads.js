// One menu with everything that can be had of a finished job, by purpose; what is not there yet is made of its object.

import { address, bytes, call, follow, Problem } from "./api.js";
import { h, save, toast } from "./dom.js";
import { honours } from "./options.js";
import { stage } from "./stages.js";

/** Formats by what they are for; one that the server names and this list does not is shown under "More". */
const PURPOSES = [
  ["For a shop", ["grid", "cutout", "spin", "turntable", "turntable-mp4", "turntable-gif", "frames"]],
  ["For 3D and AR", ["glb", "usdz", "obj", "ply"]],
  ["For print", ["stl", "3mf"]],
  ["For training", ["views", "colmap"]],
];
const HIDDEN = ["zip", "turntable-sheet"]; // the sheet is what the page shows itself
const PARCELS = ["views", "obj"]; // formats of many files: they come as a zip

let menu = null;
/** The menu under its button. */
export async function openMenu(button, job) {
  if (menu) return menu.remove();
  menu = h("div", { id: "download-menu", className: "card", role: "group", "aria-label": "Download", tabIndex: -1 }, h("p", { className: "note" }, "Looking …"));
  const closing = (event) => {
    if (event.type === "keydown" ? event.key === "Escape" : !menu?.contains(event.target) && event.target !== button) menu?.remove();
  };
  const { remove } = Element.prototype;
  menu.remove = function () {
    remove.call(this);
    menu = null;
    button.setAttribute("aria-expanded", "false");
    document.removeEventListener("click", closing);
    document.removeEventListener("keydown", closing);
    if (document.activeElement === document.body) button.focus();
  };
  document.addEventListener("click", closing);
  document.addEventListener("keydown", closing);
  button.setAttribute("aria-expanded", "true");
  button.parentElement.after(menu);
  try {
    const [formats, further] = await Promise.all([call("GET", "/v1/formats"), call("GET", `/v1/jobs/${job.id}/files`)]);
    if (menu) fill(job, formats, further.filter((other) => other.status === "success"));
  } catch (error) {
    menu?.replaceChildren(h("p", {}, error.message));
  }
}

function fill(job, formats, further) {
  const geometry = honours("mesh", job.engine);
  const offered = formats.filter(({ name, kind }) => !HIDDEN.includes(name) && (geometry || !["turn", "mesh"].includes(kind)));
  const known = PURPOSES.flatMap(([, names]) => names);
  const rest = offered.map(({ name }) => name).filter((name) => !known.includes(name));
  const all = offered.map(({ name }) => name);
  const groups = [...PURPOSES, ["More", rest]].map(([title, names]) => {
    const entries = offered.filter(({ name }) => names.includes(name));
    if (!entries.length) return null;
    return h("section", {}, h("h3", {}, title), h("ul", {}, entries.map((format) => h("li", {}, entry(job, format, further)))),
      entries.length > 1 && h("p", {}, parcel(job, entries.map(({ name }) => name), `All ${title.replace(/^./, (letter) => letter.toLowerCase())}, as zip`, `job-${job.id}-${title.toLowerCase().replaceAll(" ", "-")}.zip`)));
  });
  menu.replaceChildren(h("div", { className: "groups" }, groups.filter(Boolean)), h("p", {}, parcel(job, all, "Everything as one zip", `job-${job.id}.zip`)));
  menu.querySelector("a, button").focus();
}

const stored = ({ name, file }) => file.replace(/\/$/, ".zip") || `${name}.zip`;
function entry(job, format, further) {
  if (PARCELS.includes(format.name)) return [parcel(job, [format.name], stored(format).replace(/\.obj$/, ".zip"), `job-${job.id}-${format.name}.zip`), h("small", {}, format.summary)];
  const at = [job, ...further].map((one) => one.files.find((file) => file.name === stored(format))).find(Boolean);
  if (at) return [h("a", { href: address(at.url), download: at.name }, at.name), h("small", {}, format.summary)];
  const button = h("button", { type: "button", className: "link", onclick: () => make(job, [format.name], button, (made) => {
    const file = made.files.find((one) => one.name === stored(format));
    const link = h("a", { href: address(file.url), download: file.name }, file.name);
    button.replaceWith(link);
    link.click();
    link.focus();
  }) }, stored(format));
  return [button, h("small", {}, `${format.summary}; made when you ask`)];
}

function parcel(job, names, text, file) {
  const button = h("button", { type: "button", className: "link", onclick: () => make(job, [...names, "zip"], button, async (made) => {
    save(await bytes(address(made.files.find((one) => one.name === "views.zip").url)), file);
    button.textContent = text;
    button.disabled = false;
    button.focus();
  }) }, text);
  return button;
}

async function make(job, formats, button, got) {
  const before = button.textContent;
  button.disabled = true;
  try {
    const begun = await call("POST", `/v1/jobs/${job.id}/files`, { formats });
    let made = begun;
    await follow(begun.id, (name, data) => {
      if (name === "done") made = data;
      else button.textContent = `${before}: ${stage(data.stage).toLowerCase()} …`;
    }, new AbortController().signal);
    if (made.status !== "success") throw new Problem(0, { detail: made.error?.message || "It was not made.", hint: made.error?.hint });
    await got(made);
  } catch (error) {
    toast([error.message, error.hint].filter(Boolean).join(" "));
    button.textContent = before;
    button.disabled = false;
  }
}
