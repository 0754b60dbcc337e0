// One job in view: followed from wherever it is to its end, over lost connections; stopped, shown, run again.

import { call, follow, Lost, now, patiently } from "./api.js";
import { $, h, show } from "./dom.js";
import { progressText, seconds, stage } from "./stages.js";

let current = null; // {id, stop: AbortController, job, asked, unwanted}
let hooks = { again: () => {}, changed: () => {}, gone: () => {} };
let ticking = 0;
const isOpen = (job) => ["queued", "processing"].includes(job.status);

export const listen = (given) => (hooks = given);
/** The number of the job in view while it has not ended. */
export const running = () => (current?.job && isOpen(current.job) ? current.id : null);
export const signal = () => current?.stop.signal;
export const unwanted = () => current?.unwanted;

export function close() {
  current?.stop.abort();
  current = null;
  clearInterval(ticking);
  show($("job"), false);
}

/** A job was asked for and has no number yet. */
export function starting() {
  close();
  current = { id: null, stop: new AbortController(), job: null, unwanted: false };
  $("job-title").textContent = "Sending the picture";
  $("job-actions").replaceChildren();
  delete $("job-actions").dataset.of;
  working({ stage: "start", percent: 0 }, now());
}

function working(data, since) {
  show($("job"), true);
  show($("working"), true);
  tell(data);
  const files = current.job?.files.length > 0;
  show($("skeleton"), !files);
  show($("done"), files);
  clearInterval(ticking);
  const tick = () => ($("elapsed").textContent = seconds(Math.max(0, now() - since)));
  ticking = setInterval(tick, 1000);
  tick();
}
function tell(data) {
  const text = progressText(data);
  if ($("stage").textContent !== text) $("stage").textContent = text;
  if (data.percent > 0) $("bar").value = data.percent;
  else $("bar").removeAttribute("value");
  $("cancel").textContent = current.job?.files.length ? "Stop here, keep the views" : "Cancel";
}

/** Show a job and follow it to its end. */
export async function open(id, complain) {
  if (current?.id === id) return;
  const before = current?.id === null ? current : null; // it was just sent: its skeleton is there already
  if (!before) close();
  const mine = before || { stop: new AbortController(), job: null };
  mine.id = id;
  current = mine;
  const aborted = mine.stop.signal;
  $("job-title").textContent = `Job ${id}`;
  if (!before) working({ stage: "start", percent: 0 }, now());
  try {
    const job = await patiently(() => call("GET", `/v1/jobs/${id}`), aborted);
    mine.asked = await patiently(() => call("GET", `/v1/jobs/${id}/request`), aborted);
    if (aborted.aborted) return;
    await update(mine, job);
    if (!isOpen(job)) return;
    let told = job.files.length, last = null;
    await follow(id, async (name, data) => {
      if (aborted.aborted) return;
      if (name === "done") return void (last = data);
      mine.job = { ...mine.job, status: data.status };
      tell(data);
      if (data.files > told) {
        told = data.files;
        const so = await call("GET", `/v1/jobs/${id}`).catch(() => null); // the next event tells again
        if (so && !aborted.aborted && !last) await update(mine, so);
      }
    }, aborted);
    if (last) await update(mine, last);
    hooks.changed();
  } catch (error) {
    if (aborted.aborted) return;
    close();
    complain(error.status === 404 ? { message: `Job ${id} is not here.`, hint: "It was deleted, has expired, or belongs to another key.", status: 404 } : error);
  }
}

async function update(mine, job) {
  mine.job = job;
  const opened = isOpen(job), took = job.finished && job.started ? ` in ${seconds(job.finished - job.started)}` : "";
  $("job-title").textContent = opened ? `Job ${job.id}` : `Job ${job.id}: ${stage(job.status).toLowerCase()}${took}`;
  if (opened) working({ ...job, percent: 100 * job.progress }, job.created);
  else {
    clearInterval(ticking);
    show($("job"), true);
    show($("working"), false);
    show($("skeleton"), false);
  }
  $("problem").hidden = job.status !== "failed";
  if (job.status === "failed") $("problem").replaceChildren(h("p", {}, job.error?.message || "The job failed."), job.error?.hint ? h("p", {}, job.error.hint) : "");
  show($("done"), job.files.length > 0);
  if (job.files.length) {
    const { showResult } = await patiently(() => import("./result.js").catch(() => { throw new Lost(0, {}); }), mine.stop.signal);
    if (!mine.stop.signal.aborted) showResult(job, mine.asked);
  }
  actions(job, opened);
}

function actions(job, opened) {
  if ($("job-actions").dataset.of === `${job.id} ${job.status}`) return;
  $("job-actions").dataset.of = `${job.id} ${job.status}`;
  const ended = !opened && [
    h("button", { type: "button", className: "quiet", onclick: () => hooks.again(job.id) }, "Run again"),
  ];
  const menu = job.status === "success" && h("button", { type: "button", id: "download", "aria-haspopup": "true", "aria-expanded": "false", onclick: async (event) => {
    const { openMenu } = await import("./downloads.js");
    openMenu(event.target, current.job);
  } }, "Download");
  $("job-actions").replaceChildren(...[menu, ...(ended || [])].filter(Boolean));
}

$("cancel").addEventListener("click", async () => {
  if (!current) return;
  current.unwanted = true; // a job that has no number yet is stopped as soon as it has one
  const { id } = current;
  if (id) await patiently(() => call("POST", `/v1/jobs/${id}/stop`), current.stop.signal).catch(() => {});
  $("job-title").focus();
});
