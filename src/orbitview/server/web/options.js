// The options that the chosen engine honours, from form to request and back.

import { call } from "./api.js";
import { $, h, show } from "./dom.js";

/** What an engine means by its steps; others denoise. */
const STEPS = { lift: ["Looks at the picture", "As it is and mirrored: the object is the mean of what they see."] };
const DENOISING = ["Steps", "Of denoising: more are finer and take longer."];
const PLAIN = { engine: "auto", background: "white" };
const FIELDS = ["engine", "rig", "size", "background", "elevation", "seed", "num_inference_steps", "guidance_scale", "prompt", "negative_prompt"];

export let engines = [];
const form = $("form");
export const engine = () => engines.find((one) => (form.engine.value === "auto" ? one.auto : one.name === form.engine.value));
export const honours = (feature, name = null) => (name ? engines.find((one) => one.name === name) : engine())?.features.includes(feature) ?? false;

function fit() {
  for (const field of document.querySelectorAll("[data-feature]")) show(field, honours(field.dataset.feature));
  show($("cameras"), honours("cameras") && form.rig.value === "custom");
  $("engine-note").textContent = engine()?.summary || "";
  const { name: chosen, steps = 1, most_steps: most = 100 } = engine() || {};
  const [name, text] = STEPS[chosen] || DENOISING;
  $("steps-name").textContent = name;
  $("steps-note").textContent = `${text} ${steps} by default.`;
  form.num_inference_steps.max = String(most);
}

export async function load() {
  engines = await call("GET", "/v1/engines");
  const before = form.engine.value;
  form.engine.replaceChildren(
    h("option", { value: "auto" }, `best here (${engines.find((one) => one.auto)?.name || "none"})`),
    ...engines.map((one) => h("option", { value: one.name, disabled: !one.ready }, one.ready ? one.name : `${one.name}: ${one.reason}`)));
  if (engines.some((one) => one.name === before)) form.engine.value = before;
  fit();
}

// --- cameras of one's own ------------------------------------------------------------------------------------

const COLUMNS = [["azimuth", "Azimuth °", -360, 360, ""], ["elevation", "Elevation °", -90, 90, ""], ["distance", "Distance", 0.55, 1000, "fits"], ["fov", "Field of view °", 1, 120, "30"]];
/** Of cameras with parallel rays, which come with a request that is made again. */
const PARALLEL = [...COLUMNS.slice(0, 3), ["scale", "Scale", 0.01, 1000, "fits"]];
function row(camera = {}) {
  const parallel = camera.projection === "orthographic";
  const number = $("cameras").querySelectorAll("[role=group]").length + 1;
  return h("div", { role: "group", className: "camera", "aria-label": `Camera ${number}${parallel ? ", orthographic" : ""}`, "data-projection": parallel ? "orthographic" : null },
    (parallel ? PARALLEL : COLUMNS).map(([name, label, min, max, placeholder]) => h("label", {}, label, h("input", {
      type: "number", step: "any", min, max, placeholder, required: placeholder === "", value: camera[name] ?? "", "data-camera": name }))),
    h("button", { type: "button", className: "quiet small", "aria-label": `Remove camera ${number}`, onclick: (event) => {
      event.target.parentElement.remove();
      add.focus();
    } }, "×"));
}
const add = h("button", { type: "button", className: "quiet small", onclick: () => {
  add.before(row());
  add.previousElementSibling.querySelector("input").focus();
} }, "Add a camera");
function cameras(given = [{ azimuth: 0, elevation: 15 }]) {
  $("cameras").replaceChildren(add);
  for (const camera of given) add.before(row(camera));
}
const read = () => [...$("cameras").querySelectorAll("[role=group]")].map((group) => ({
  ...Object.fromEntries([...group.querySelectorAll("input")].filter((input) => input.value !== "").map((input) => [input.dataset.camera, Number(input.value)])),
  ...(group.dataset.projection && { projection: group.dataset.projection }),
}));

// --- form and request ----------------------------------------------------------------------------------------

/** The request, without its pictures. */
export function body() {
  const wanted = { formats: ["views", "cutout"] };
  if (honours("mesh")) wanted.formats.push("turntable-sheet", "glb");
  for (const name of FIELDS) {
    const field = form[name];
    if (field.closest("[data-feature]")?.hidden || field.value === "" || field.value === PLAIN[name]) continue;
    if (name === "rig" && field.value === "custom") wanted.cameras = read();
    else wanted[name] = field.type === "number" || name === "size" ? Number(field.value) : field.value;
  }
  return wanted;
}

/** Set the form to a request's options. */
export function fill(wanted) {
  for (const name of FIELDS) {
    const field = form[name], value = name === "size" && wanted.size === 320 ? null : wanted[name];
    if (field.options && value && ![...field.options].some((option) => option.value === String(value))) field.append(h("option", { value: String(value) }, String(value)));
    field.value = value === undefined || value === null ? PLAIN[name] || "" : String(value);
  }
  if (wanted.cameras) {
    form.rig.value = "custom";
    cameras(wanted.cameras);
  }
  fit();
}

export function start() {
  cameras();
  form.engine.addEventListener("change", fit);
  form.rig.addEventListener("change", fit);
}
