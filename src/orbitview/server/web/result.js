// A job's result: the picture and its cut-out, the grid with its angles, 3D and turntable beside each other, and the rest in tabs.

import { address, pictureOf } from "./api.js";
import { $, h, roving } from "./dom.js";

const named = (job, name) => job.files.find((file) => file.name === name);
export const views = (job) => job.files.filter((file) => /^view-\d+\.png$/.test(file.name));
const degrees = (number) => `${Math.round(number)}°`;
const angle = ({ camera }) => (camera ? `${degrees(camera.azimuth)} / ${degrees(camera.elevation)}` : "");
const spoken = ({ camera }) => (camera ? `azimuth ${degrees(camera.azimuth)}, elevation ${degrees(camera.elevation)}` : "");
const download = (file, text) => h("a", { href: address(file.url), download: file.name }, text || file.name);

// --- one view, large -----------------------------------------------------------------------------------------

function enlarge(listed, at) {
  const dialog = $("large");
  const image = h("img", {}), text = h("p", { role: "status" }), row = h("div", { className: "row" });
  const go = (to) => {
    at = (to + listed.length) % listed.length;
    image.src = address(listed[at].url);
    image.alt = `View ${at + 1}`;
    text.textContent = `View ${at + 1} of ${listed.length}: ${spoken(listed[at])}`;
    row.querySelector("a").replaceWith(download(listed[at], "Download"));
  };
  row.append(h("button", { type: "button", className: "quiet", "aria-label": "Previous view", onclick: () => go(at - 1) }, "←"),
    h("button", { type: "button", className: "quiet", "aria-label": "Next view", onclick: () => go(at + 1) }, "→"),
    h("a", {}), h("button", { type: "button", className: "quiet", onclick: () => dialog.close() }, "Close"));
  dialog.onkeydown = (event) => {
    const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: listed.length - 1 }[event.key];
    if (to !== undefined) event.preventDefault(), go(to);
  };
  dialog.onclose = () => $("done").querySelectorAll(".cell")[at]?.focus();
  dialog.replaceChildren(h("div", { className: "ground" }, image), text, row);
  dialog.dataset.ground = $("done").dataset.ground;
  go(at);
  dialog.showModal();
}

// --- parts ---------------------------------------------------------------------------------------------------

const dark = () => (document.documentElement.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "")) === "dark";
function grounds() {
  const kept = localStorage.getItem("orbitview-ground") || (dark() ? "dark" : "light");
  const buttons = [["checks", "Transparent"], ["light", "Light"], ["dark", "Dark"]].map(([name, label]) =>
    h("button", { type: "button", className: "quiet small", "aria-pressed": String(name === kept), onclick: (event) => {
      $("done").dataset.ground = name;
      localStorage.setItem("orbitview-ground", name);
      for (const button of event.target.parentElement.children) button.setAttribute("aria-pressed", String(button === event.target));
    } }, label));
  $("done").dataset.ground = kept;
  return h("div", { className: "row", role: "group", "aria-label": "Background" }, buttons);
}

function grid(job) {
  const listed = views(job);
  if (!listed.length) return h("img", { className: "grid-picture ground", src: address(pictureOf(job).url), alt: named(job, "grid.png") ? "All views of the object in one picture" : "What was made of your picture" });
  const cells = listed.map((file, i) => h("button", { type: "button", className: "cell ground", "aria-label": `View ${i + 1}, ${spoken(file)}: enlarge`, onclick: () => enlarge(listed, i) },
    h("img", { src: address(file.url), alt: "", loading: i > 11 ? "lazy" : "eager" }), h("span", { className: "angle" }, angle(file))));
  const holder = h("div", { className: "cells", role: "group", "aria-label": `${listed.length} views, azimuth and elevation` }, cells);
  roving(holder, cells, { columns: () => getComputedStyle(holder).gridTemplateColumns.split(" ").length });
  return holder;
}

function source(job, asked) {
  const listed = asked ? (asked.images || [{ image: asked.image }]).map((entry) => entry.image) : [];
  const cut = named(job, "cutout.png");
  return [
    ...listed.map((url, i) => h("figure", {}, h("img", { src: address(url), alt: `Your picture${listed.length > 1 ? ` ${i + 1}` : ""}`, onerror: (event) => event.target.parentElement.remove() }), h("figcaption", {}, listed.length > 1 ? `Picture ${i + 1}` : "Your picture"))),
    cut && h("figure", {}, h("img", { className: "checks", src: address(cut.url), alt: "What was taken for the object in your picture" }), h("figcaption", {}, "Taken for the object")),
  ].filter(Boolean);
}

function solid(job) {
  const file = named(job, "object.glb");
  const prefix = /generations\/([0-9a-f-]{36})\//.exec(file.url)?.[1];
  const poster = views(job)[0];
  const holder = h("div", { className: "solid" });
  const open = h("button", { type: "button", className: "poster ground", onclick: async () => {
    open.disabled = true;
    try {
      const { viewer } = await import("./viewer.js");
      holder.replaceChildren(await viewer(prefix ? `/models/${prefix}` : address(file.url)));
      holder.querySelector("canvas").focus();
    } catch (error) {
      open.disabled = false;
      open.lastChild.textContent = `The 3D view does not open here: ${error.message}`;
    }
  } }, poster ? h("img", { src: address(poster.url), alt: "" }) : "", h("span", { className: "angle" }, "Open the 3D view"));
  holder.append(open);
  return [holder];
}

async function turn(job) {
  const { turntable } = await import("./turntable.js");
  return [turntable(address(named(job, "turntable-sheet.webp").url))];
}

// --- tabs ----------------------------------------------------------------------------------------------------

function maps(job) {
  const holder = h("div", { className: "maps" });
  const choose = (number) => {
    const kinds = [["view", "picture"], ["mask", "mask"], ["depth", "depth, 16 bit: near is white"], ["normal", "world normals"]];
    holder.replaceChildren(...kinds.map(([kind, text]) => [named(job, `${kind}-${String(number).padStart(3, "0")}.png`), text])
      .filter(([file]) => file)
      .map(([file, text]) => h("figure", {}, h("img", { className: "ground", src: address(file.url), alt: text }), h("figcaption", {}, text, " ", download(file, "PNG")))));
  };
  choose(0);
  const picker = h("select", { onchange: (event) => choose(Number(event.target.value)) },
    views(job).map((file, number) => h("option", { value: String(number) }, `View ${number + 1} (${angle(file)})`)));
  return [h("label", { className: "inline" }, "View ", picker), holder];
}

function details(job, asked) {
  const camera = job.meta.input_camera;
  const rows = [
    ["Engine", job.meta.engine || job.engine], ["Seed", job.seed], ["Made", new Date(job.created * 1000).toLocaleString()],
    ["Your camera", camera && `elevation ${degrees(camera.elevation)}, ${job.meta.input_camera.fov ? `field of view ${degrees(camera.fov)}` : ""}`],
    ["Asked", asked && [asked.rig, asked.cameras && `${asked.cameras.length} cameras`, asked.size && `${asked.size} pixels`].filter(Boolean).join(", ")],
    ["Not honoured", job.meta.ignored?.join(", ")], ["To know", job.meta.warnings?.join(" ")],
  ].filter(([, value]) => value !== undefined && value !== null && value !== "");
  return [h("dl", {}, rows.map(([name, value]) => [h("dt", {}, name), h("dd", {}, String(value))]))];
}

function tabs(job, asked) {
  const listed = [["Details", () => details(job, asked)]];
  if (named(job, "depth-000.png")) listed.push(["Maps", () => maps(job)]);
  if (asked && job.operation === "views") listed.push(["As code", async () => (await import("./code.js")).asCode(asked)]);
  const panel = h("div", { id: "panel", role: "tabpanel", tabIndex: 0 });
  const list = h("div", { id: "tabs", role: "tablist", "aria-label": "More of the result" });
  const buttons = listed.map(([name]) => h("button", { type: "button", role: "tab", id: `tab-${name.replace(" ", "-")}`, "aria-controls": "panel", onclick: () => open(name) }, name));
  const open = async (name) => {
    $("done").dataset.tab = name; // the same one is open when the job has more to show
    listed.forEach(([other], i) => {
      buttons[i].setAttribute("aria-selected", String(other === name));
      buttons[i].tabIndex = other === name ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", `tab-${name.replace(" ", "-")}`);
    const made = await listed.find(([other]) => other === name)[1]();
    if ($("done").dataset.tab === name) panel.replaceChildren(...made);
  };
  list.append(...buttons);
  const before = $("done").dataset.tab;
  const first = listed.some(([name]) => name === before) ? before : listed[0][0];
  roving(list, buttons, { follow: true });
  open(first);
  return [list, panel];
}

// --- all of it -----------------------------------------------------------------------------------------------

/** Show a job; called again with the same job as more of its files are there: what is there already stays as it is. */
export function showResult(job, asked) {
  const done = $("done");
  if (done.dataset.job !== String(job.id)) done.replaceChildren();
  done.dataset.job = String(job.id);
  const part = async (name, title, told, make, ...tools) => {
    const before = done.querySelector(`[data-part=${name}]`), focused = before?.contains(document.activeElement) && document.activeElement.id;
    if (!told || before?.dataset.told === told) return;
    const section = h("section", { "data-part": name, "aria-label": title }, h("div", { className: "row head" }, h("h3", {}, title), tools), h("div", { className: "body" }));
    section.dataset.told = told;
    if (before) before.replaceWith(section);
    else done.append(section);
    try {
      section.lastChild.append(...[await make()].flat());
    } catch (error) {
      delete section.dataset.told; // tried again when more is told
      section.lastChild.textContent = `This could not be shown: ${error.message}`;
    }
    if (focused) $(focused)?.focus();
  };
  const many = views(job).length;
  part("source", "Picture", asked && `${Boolean(named(job, "cutout.png"))}`, () => source(job, asked));
  const cut = pictureOf(job)?.name === "cutout.png";
  part("views", named(job, "grid.png") ? "Views" : "Result", pictureOf(job) && `${many}`, () => grid(job), many || cut ? grounds() : "");
  part("solid", "3D", named(job, "object.glb") && "there", () => solid(job));
  part("turn", "Turntable", named(job, "turntable-sheet.webp") && "there", () => turn(job));
  part("tabs", "More", `${job.status} ${Boolean(named(job, "depth-000.png"))}`, () => tabs(job, asked));
}
