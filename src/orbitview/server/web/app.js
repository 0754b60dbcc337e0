// The page: take a picture, send it, follow the job, show what comes back, keep the gallery.

import { address, call, follow, key, Problem } from "./api.js";
import { $, h, show } from "./dom.js";
import { showResult } from "./result.js";

const STAGES = {
  queued: "Waiting", start: "Starting", fetch: "Fetching the picture", matte: "Cutting the object out", lift: "Seeing the whole object",
  mesh: "Building the surface", texture: "Painting it", render: "Drawing the views", turntable: "Turning it", glb: "Writing the mesh",
};
let engines = [];
let picture = null; // {data: "data:…", name}
let current = null; // {id, stop: AbortController}
let older = null;

// --- the picture ---------------------------------------------------------------------------------------------

function take(blob, name) {
  const reader = new FileReader();
  reader.onload = () => {
    picture = { data: reader.result, name };
    $("preview").src = reader.result;
    $("preview").alt = `Your picture: ${name}`;
    show($("preview"), true);
    $("drop-text").textContent = "";
    $("go").disabled = false;
    show($("problem"), false);
  };
  reader.readAsDataURL(blob);
}
$("preview").addEventListener("error", () => {
  show($("preview"), false);
  $("drop-text").textContent = picture ? `${picture.name} (this browser cannot show it)` : "";
});
function press(sample) {
  for (const button of document.querySelectorAll("[data-sample]")) button.setAttribute("aria-pressed", String(button === sample));
}
$("file").addEventListener("change", () => {
  const [file] = $("file").files;
  if (file) press(null), take(file, file.name);
});
for (const button of document.querySelectorAll("[data-sample]")) {
  button.setAttribute("aria-pressed", "false");
  button.addEventListener("click", async () => {
    press(button);
    const answer = await fetch(button.firstElementChild.src);
    take(await answer.blob(), `${button.dataset.sample}.webp`);
  });
}
const drop = $("drop");
for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.add("over")));
for (const name of ["dragleave", "drop"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.remove("over")));
drop.addEventListener("drop", (event) => {
  const [file] = event.dataTransfer.files;
  if (file) press(null), take(file, file.name);
});
document.addEventListener("paste", (event) => {
  const [file] = event.clipboardData.files;
  if (file) press(null), take(file, file.name || "pasted picture");
});

// --- options -------------------------------------------------------------------------------------------------

const form = $("form");
const chosen = () => engines.find((engine) => (form.engine.value === "auto" ? engine.auto : engine.name === form.engine.value));
function fitOptions() {
  const features = new Set(chosen()?.features || []);
  for (const field of document.querySelectorAll("[data-feature]")) show(field, features.has(field.dataset.feature));
  $("engine-note").textContent = chosen()?.summary || "";
}
async function loadEngines() {
  engines = await call("GET", "/v1/engines");
  form.engine.replaceChildren(
    h("option", { value: "auto" }, `best here (${engines.find((engine) => engine.auto)?.name || "none"})`),
    ...engines.map((engine) => h("option", { value: engine.name, disabled: !engine.ready }, engine.ready ? engine.name : `${engine.name}: ${engine.reason}`)));
  fitOptions();
}
const ALWAYS = ["grid", "views", "cutout", "turntable-sheet", "glb"]; // what the tabs show
async function loadFormats() {
  const formats = await call("GET", "/v1/formats");
  $("formats").replaceChildren(...formats.filter((format) => !ALWAYS.includes(format.name)).map((format) =>
    h("label", { title: format.summary }, h("input", { type: "checkbox", name: "formats", value: format.name }), ` ${format.name}`)));
}
form.engine.addEventListener("change", fitOptions);

function request() {
  const features = new Set(chosen()?.features || []);
  const body = { image: picture.data, formats: ["views", "cutout"] };
  if (features.has("mesh")) body.formats.push("turntable-sheet", "glb");
  for (const box of form.querySelectorAll("[name=formats]:checked")) if (features.has("mesh")) body.formats.push(box.value);
  for (const name of ["engine", "rig", "background", "elevation", "seed", "num_inference_steps", "guidance_scale", "prompt", "negative_prompt"]) {
    const field = form[name];
    const hidden = field.closest("[data-feature]")?.hidden;
    const plain = { engine: "auto", background: "white" }[name] || "";
    if (!hidden && field.value !== "" && field.value !== plain) body[name] = field.type === "number" ? Number(field.value) : field.value;
  }
  return body;
}

// --- a job ---------------------------------------------------------------------------------------------------

function complain(error) {
  if (error.status === 401) openKey();
  $("problem").replaceChildren(h("p", {}, error.message), error.hint ? h("p", {}, error.hint) : "");
  show($("problem"), true);
  show($("working"), false);
  show($("empty"), false);
}
function tell(data) {
  const place = data.position > 0 ? `, ${data.position} before it` : "";
  const left = data.status === "processing" && data.eta > 3 ? `, about ${data.eta} s left` : "";
  $("stage").textContent = `${STAGES[data.stage] || data.stage}${place}${left}`;
  if (data.percent > 0) $("bar").value = data.percent;
  else $("bar").removeAttribute("value");
}
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (!picture) return;
  current?.stop.abort();
  const stop = new AbortController();
  current = { id: null, stop };
  show($("problem"), false);
  show($("empty"), false);
  show($("done"), false);
  show($("working"), true);
  tell({ stage: "start", percent: 0 });
  $("go").disabled = true;
  try {
    await ready; // what the engine can do decides what is asked for
    const body = request();
    const job = await call("POST", "/v1/views", body);
    current.id = job.id;
    if (current.unwanted) cancel();
    const shown = { ...body, image: "https://example.com/photo.png" };
    let files = 0;
    await follow(job.id, async (name, data) => {
      if (stop.signal.aborted) return;
      if (name === "progress") {
        tell(data);
        if (data.files > files) {
          files = data.files;
          const so = await call("GET", `/v1/jobs/${job.id}`);
          if (!stop.signal.aborted && so.files.length) reveal(so, shown);
        }
      } else finish(data, shown);
    }, stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) complain(error instanceof Problem ? error : new Problem(0, { detail: String(error) }));
  }
  $("go").disabled = false;
  loadGallery();
});
function reveal(job, body) {
  show($("done"), true);
  showResult(job, body);
}
function finish(job, body) {
  show($("working"), false);
  if (job.status === "success") reveal(job, body);
  else {
    show($("done"), false);
    if (job.status === "cancelled") show($("empty"), true);
    else complain({ message: job.error?.message || "The job failed.", hint: job.error?.hint });
  }
}
async function cancel() {
  if (!current) return;
  current.unwanted = true; // a job that has no number yet is cancelled as soon as it has one
  if (current.id) await call("DELETE", `/v1/jobs/${current.id}`).catch(complain);
}
$("cancel").addEventListener("click", cancel);

// --- gallery -------------------------------------------------------------------------------------------------

function card(job) {
  const grid = job.files.find((file) => file.name === "grid.png");
  const inside = grid ? h("img", { src: address(grid.url), alt: `Views of job ${job.id}`, loading: "lazy" }) : `Job ${job.id}: ${job.error?.message || job.status}`;
  const remove = h("button", { type: "button", className: "quiet", "aria-label": `Delete job ${job.id}`, onclick: async () => {
    await call("DELETE", `/v1/jobs/${job.id}`).catch(complain);
    if ($("tabs").dataset.job === String(job.id)) show($("done"), false), show($("empty"), true);
    loadGallery();
  } }, "Delete");
  const open = h("button", { type: "button", className: "open", disabled: !grid, onclick: () => {
    show($("empty"), false);
    show($("problem"), false);
    reveal(job, null);
    $("result").focus();
  } }, inside);
  return h("li", {}, open, h("div", { className: "foot" }, h("span", {}, new Date(job.created * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })), remove));
}
async function loadGallery(before = null) {
  try {
    const page = await call("GET", `/v1/jobs?limit=12${before ? `&before=${before}` : ""}`);
    const ended = page.jobs.filter((job) => !["queued", "processing"].includes(job.status));
    if (before) $("gallery").append(...ended.map(card));
    else $("gallery").replaceChildren(...ended.map(card));
    older = page.next;
    show($("more"), older !== null);
    show($("past"), $("gallery").children.length > 0);
  } catch (error) {
    if (error.status !== 401) complain(error);
  }
}
$("more").addEventListener("click", () => loadGallery(older));

// --- key -----------------------------------------------------------------------------------------------------

function openKey() {
  $("key").value = key.get();
  $("key-dialog").showModal();
}
$("key-open").addEventListener("click", openKey);
$("key-dialog").addEventListener("close", () => {
  if ($("key-dialog").returnValue !== "save") return;
  key.set($("key").value.trim());
  ready = start();
});

async function start() {
  show($("problem"), false);
  try {
    await Promise.all([loadEngines(), loadFormats()]);
    await loadGallery();
  } catch (error) {
    complain(error);
  }
}
let ready = start();
