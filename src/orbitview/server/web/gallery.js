// The key's jobs, live: those that wait or run, those that ended; deleting with a way back, sweeping.

import { address, call, Lost, pictureOf } from "./api.js";
import { $, h, show, toast } from "./dom.js";
import { progressText, stage } from "./stages.js";

const cards = new Map(); // job number -> {item, told}
const leaving = new Set(); // deleted here, and on the server in ten seconds
let hooks = { complain: () => {}, again: () => {} };
let older = null, all = false, timer = 0, jobs = new Map();
const isOpen = (job) => ["queued", "processing"].includes(job.status);
const lost = (job) => ["failed", "cancelled"].includes(job.status);

export const listen = (given) => (hooks = given);

const when = (job) => {
  const date = new Date(job.created * 1000);
  const today = date.toDateString() === new Date().toDateString();
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  return today ? `Today ${time}` : `${date.toLocaleDateString([], { day: "numeric", month: "short", year: "numeric" })} ${time}`;
};
const thumbnail = (job) => {
  const file = pictureOf(job);
  const prefix = file && /generations\/([0-9a-f-]{36})\.png/.exec(file.url)?.[1];
  return prefix ? `/thumbnails/${prefix}` : file && address(file.url);
};

function fill(item, job) {
  const picture = thumbnail(job);
  const focused = item.contains(document.activeElement) ? document.activeElement.dataset.role : null;
  const words = isOpen(job) ? progressText({ ...job }) : job.status === "success" ? "" : job.error?.message || stage(job.status);
  item.replaceChildren(
    h("a", { href: `#job/${job.id}`, className: "open", "data-role": "open", "aria-label": `Job ${job.id}, ${words || "done"}` },
      picture ? h("img", { src: picture, alt: "", loading: "lazy", width: 170, height: 255 }) : h("span", { className: "blank" }, words),
      picture && words ? h("span", { className: "badge" }, words) : "",
      isOpen(job) ? h("progress", { max: 1, value: job.progress || null, "aria-label": `Progress of job ${job.id}` }) : ""),
    h("div", { className: "foot" }, h("span", {}, h("b", {}, String(job.id)), " ", h("time", { dateTime: new Date(job.created * 1000).toISOString() }, when(job)))),
    h("div", { className: "row" },
      h("button", { type: "button", className: "quiet small", "data-role": "again", "aria-label": `Run job ${job.id} again`, onclick: () => hooks.again(job.id) }, "Again"),
      h("button", { type: "button", className: "quiet small", "data-role": "delete", "aria-label": `${isOpen(job) ? "Stop" : "Delete"} job ${job.id}`, onclick: () => (isOpen(job) ? stop(job) : take([job])) }, isOpen(job) ? "Stop" : "Delete")));
  if (focused) item.querySelector(`[data-role=${focused}]`)?.focus();
}
function draw() {
  const listed = [...jobs.values()].filter((job) => !job.of && !leaving.has(job.id)).sort((a, b) => b.id - a.id);
  for (const [id, card] of cards) if (!listed.some((job) => job.id === id)) card.item.remove(), cards.delete(id);
  listed.forEach((job, i) => {
    const told = JSON.stringify([job.status, job.stage, job.progress, job.position, job.eta, job.files.length]);
    const card = cards.get(job.id) || { item: h("li", { id: `card-${job.id}` }), told: "" };
    if (card.told !== told) fill(card.item, job), (card.told = told);
    cards.set(job.id, card);
    const there = $("gallery").children[i];
    if (there !== card.item) $("gallery").insertBefore(card.item, there || null);
  });
  show($("past"), listed.length > 0);
  show($("more"), older !== null);
  show($("sweep"), listed.some(lost));
}

/** Take jobs away; for ten seconds they can come back. Keyboard focus goes to the next card. */
function take(gone) {
  const order = [...$("gallery").children];
  const next = order[order.findIndex((item) => item.id === `card-${gone[0].id}`) + 1] || order[order.length - 2];
  for (const job of gone) leaving.add(job.id);
  draw();
  (next?.isConnected ? next.querySelector(".open") : $("past").hidden ? $("file") : $("past-title")).focus();
  const open = /^#job\/(\d+)$/.exec(location.hash)?.[1];
  const back = gone.some((job) => String(job.id) === open) ? location.hash : null;
  if (back) location.hash = "";
  toast(gone.length > 1 ? `${gone.length} jobs deleted.` : `Job ${gone[0].id} deleted.`, "Undo", () => {
    for (const job of gone) leaving.delete(job.id);
    draw();
    if (back) location.hash = back;
    $("gallery").querySelector(`#card-${gone[0].id} .open`)?.focus();
  }, () => {
    for (const job of gone) erase(job);
  });
}
/** End an open job with what it has. */
async function stop(job) {
  await call("POST", `/v1/jobs/${job.id}/stop`).catch(hooks.complain);
  refresh();
}
async function erase(job) {
  jobs.delete(job.id);
  try {
    await call("DELETE", `/v1/jobs/${job.id}`, null, { keepalive: true });
  } catch (error) {
    if (![404, 0].includes(error.status)) hooks.complain(error);
  }
  leaving.delete(job.id);
}
export function remove(id) {
  jobs.delete(id);
  draw();
}
$("sweep").addEventListener("click", () => take([...jobs.values()].filter((job) => lost(job) && !leaving.has(job.id))));

async function load(before = null) {
  const page = await call("GET", `/v1/jobs?limit=12${before ? `&before=${before}` : ""}`);
  const lowest = page.jobs.at(-1)?.id ?? 0, highest = before ?? Infinity;
  for (const id of jobs.keys()) if (id >= lowest && id < highest) jobs.delete(id); // what is not told any more is gone
  if (page.next === null) for (const id of jobs.keys()) if (id < lowest) jobs.delete(id);
  for (const job of page.jobs) jobs.set(job.id, job);
  if (before || !all) older = page.next;
  draw();
}
/** Look again now, and then as often as something may change. */
export async function refresh() {
  clearTimeout(timer);
  try {
    if (!document.hidden) await load();
  } catch (error) {
    if (!(error instanceof Lost) && error.status !== 401) hooks.complain(error);
  }
  clearTimeout(timer);
  const busy = [...jobs.values()].some(isOpen);
  timer = setTimeout(refresh, busy ? 1500 : 6000);
}
export async function start() {
  all = false;
  await load();
  refresh();
}
document.addEventListener("visibilitychange", () => document.hidden || refresh());
$("more").addEventListener("click", async () => {
  all = true;
  const last = $("gallery").lastElementChild;
  await load(older).catch(hooks.complain);
  last?.nextElementSibling?.querySelector(".open").focus();
});
