// The page: what its address says is shown; a picture and options become a job with an address of its own.

import { call, key, Lost, patiently, Problem, token } from "./api.js";
import { $, ask, reveal, show, toast } from "./dom.js";
import * as gallery from "./gallery.js";
import * as job from "./job.js";
import * as options from "./options.js";
import * as pictures from "./pictures.js";

const form = $("form");

// --- what the address says -----------------------------------------------------------------------------------

function route() {
  const found = /^#(job|batch)\/([\d,]+)$/.exec(location.hash);
  if (location.hash === "#result") return;
  show($("problem"), false);
  show($("empty"), !found);
  show($("batch"), found?.[1] === "batch");
  if (found?.[1] === "job") job.open(Number(found[2]), complain);
  else job.close();
  if (found?.[1] === "batch") import("./batch.js").then((batch) => batch.open(found[2].split(",").map(Number)));
  else document.title = found ? `Job ${found[2]} – orbitview` : "orbitview";
}
addEventListener("hashchange", route);

function complain(error) {
  if (error.status === 401) openKey();
  $("problem").replaceChildren(...[error.message, error.hint].filter(Boolean).map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  show($("problem"), true);
}
function unforeseen(error) {
  complain(error instanceof Problem ? error : new Problem(0, { detail: String(error) }));
}

// --- sending -------------------------------------------------------------------------------------------------

let sending = false;
const enable = () => ($("go").disabled = sending || !pictures.ready());

async function mayStart() {
  const running = job.running();
  if (!running) return true;
  const answer = await ask(`Job ${running} is still running`, "Another one waits behind it.", [
    ["stop", `Stop job ${running}, keep what it has`], ["both", "Let both run"], ["", "Back"]]);
  if (answer === "stop") await call("POST", `/v1/jobs/${running}/stop`);
  return answer !== "";
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  if (sending || !pictures.ready()) return;
  sending = true;
  enable();
  show($("problem"), false);
  try {
    if (!(await mayStart())) return;
    job.starting();
    show($("empty"), false);
    show($("batch"), false);
    reveal($("result"));
    await ready; // what the engine can do decides what is asked for
    const body = { ...(await pictures.body(options.honours("pictures"))), ...options.body() };
    const once = token();
    const made = await patiently(() => call("POST", "/v1/views", body, { once }), job.signal());
    if (job.unwanted()) await call("POST", `/v1/jobs/${made.id}/stop`);
    gallery.refresh();
    location.hash = `job/${made.id}`;
  } catch (error) {
    job.close();
    if (!job.signal()?.aborted) unforeseen(error);
  } finally {
    sending = false;
    enable();
  }
});

async function many(files) {
  const fits = options.honours("pictures") && files.length <= 8;
  const answer = await ask(`${files.length} pictures`, "What do they show?", [
    ...(fits ? [["one", "One object, from several sides"]] : []), ["batch", `${files.length} objects: a job for each`], ["", "Back"]]);
  if (answer === "batch") {
    const { begin } = await import("./batch.js");
    show($("empty"), false);
    job.close();
    begin(files, options.body(), complain).catch(unforeseen);
  }
  return answer;
}

/** Put a job's pictures and settings in the form. */
async function again(id) {
  try {
    const asked = await call("GET", `/v1/jobs/${id}/request`);
    pictures.clear();
    const listed = asked.images || [{ image: asked.image }];
    for (const [i, entry] of listed.entries()) await pictures.takeLink(entry.image, pictures.sideOf(entry.azimuth ?? (i ? null : 0), i));
    $("more-sides").open = listed.length > 1;
    options.fill(asked);
    toast(`The picture and settings of job ${id} are in the form.`);
    form.scrollIntoView({ block: "start" });
    $("go").focus();
  } catch (error) {
    unforeseen(error);
  }
}

// --- key -----------------------------------------------------------------------------------------------------

function openKey() {
  $("key").value = key.get();
  if (!$("key-dialog").open) $("key-dialog").showModal();
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
    await patiently(() => options.load());
    route();
    await gallery.start();
  } catch (error) {
    if (!(error instanceof Lost)) unforeseen(error);
  }
}
options.start();
pictures.start({ changed: enable, many, complain });
gallery.listen({ complain: unforeseen, again });
job.listen({ again, changed: gallery.refresh, gone: gallery.remove });
let ready = start();
