// Many pictures, a job each: a row for every one, and one zip of them all.

import { bytes, call, now, patiently, pause, token } from "./api.js";
import { $, h, save, show } from "./dom.js";
import { progressText, stage } from "./stages.js";

const MOST = 100; // jobs in one archive
const NAMES = "orbitview-batch"; // names of pictures by job, for this tab: the server does not know them
const isOpen = (job) => ["queued", "processing"].includes(job.status);
let current = null; // {rows, stop}

const names = () => JSON.parse(sessionStorage.getItem(NAMES) || "{}");
const read = (blob) => new Promise((done, failed) => {
  const reader = new FileReader();
  reader.onload = () => done(reader.result);
  reader.onerror = () => failed(reader.error);
  reader.readAsDataURL(blob);
});

function row(name, id = null) {
  const picture = h("span", { className: "thumb" }), text = h("span", { className: "name" }, name), state = h("span", { role: "status" }, "Waiting");
  const bar = h("progress", { max: 1, value: 0, "aria-label": `Progress of ${name}` });
  const item = h("li", { className: "batch-row" }, picture, text, state, bar);
  return { id, name, job: null, item, tell(words) {
    if (state.textContent !== words) state.textContent = words;
  }, update(job) {
    this.job = job;
    this.tell(isOpen(job) ? progressText(job) : job.status === "failed" ? job.error?.message || "Failed" : stage(job.status));
    show(bar, isOpen(job));
    bar.value = job.progress;
    const prefix = /generations\/([0-9a-f-]{36})/.exec(job.files.find((file) => file.name === "grid.png")?.url)?.[1];
    if (prefix && !picture.firstChild) picture.append(h("img", { src: `/thumbnails/${prefix}`, alt: "", width: 48, height: 72 }));
    if (!text.querySelector("a")) text.replaceChildren(h("a", { href: `#job/${job.id}` }, this.name));
  } };
}

function draw(rows) {
  current?.stop.abort();
  current = { rows, stop: new AbortController() };
  const zip = h("button", { type: "button", id: "batch-zip", disabled: true, onclick: async () => {
    zip.disabled = true;
    try {
      const numbers = rows.filter(({ job }) => job?.files.length).map(({ id }) => id);
      save(await bytes(`/v1/archive?jobs=${numbers.slice(0, MOST).join(",")}`), "orbitview.zip");
    } finally {
      zip.disabled = false;
    }
  } }, "Download one zip");
  const head = h("h2", { tabIndex: -1 }, `${rows.length} pictures`), count = h("p", { role: "status" });
  $("batch").replaceChildren(h("div", { className: "row head" }, head, zip), count, h("ul", { id: "rows" }, rows.map(({ item }) => item)));
  show($("batch"), true);
  current.count = () => {
    const ended = rows.filter(({ job, failed }) => failed || (job && !isOpen(job))).length;
    const text = ended === rows.length ? "All have ended." : `${ended} of ${rows.length} have ended.`;
    if (count.textContent !== text) count.textContent = text;
    zip.disabled = !rows.some(({ job }) => job?.status === "success");
  };
  current.count();
  return current;
}

/** Look at the jobs that have not ended until they all have. */
async function watch(mine, all) {
  const { signal } = mine.stop;
  while (!signal.aborted) {
    const open = mine.rows.filter(({ id, job, failed }) => id && !failed && (!job || isOpen(job)));
    if (!open.length && all()) return;
    for (const one of open) {
      try {
        const job = await patiently(() => call("GET", `/v1/jobs/${one.id}`), signal);
        if (signal.aborted) return;
        one.update(job);
      } catch (error) {
        if (signal.aborted) return;
        one.failed = true;
        one.tell(error.status === 404 ? "Deleted" : error.message);
      }
      mine.count();
    }
    await pause(700, signal);
  }
}

/** Send a job for each file. */
export async function begin(files, options, complain) {
  const rows = files.slice(0, MOST).map((file) => row(file.name));
  const mine = draw(rows);
  const { signal } = mine.stop;
  let sent = false;
  watch(mine, () => sent);
  for (const [i, one] of rows.entries()) {
    try {
      const body = { image: await read(files[i]), ...options }, once = token();
      for (;;) {
        try {
          one.update(await patiently(() => call("POST", "/v1/views", body, { once }), signal));
          break;
        } catch (error) {
          if (error.status !== 429) throw error;
          one.tell("Waiting for a place");
          const until = now() + Math.max(1, error.retryAfter);
          while (now() < until) await pause(500, signal);
        }
      }
      one.id = one.job.id;
      sessionStorage.setItem(NAMES, JSON.stringify({ ...names(), [one.id]: one.name }));
      if (!location.hash.startsWith("#job")) history.replaceState(null, "", `#batch/${rows.map(({ id }) => id).filter(Boolean).join(",")}`);
    } catch (error) {
      if (signal.aborted) return;
      one.failed = true;
      one.tell(error.message);
      if (error.status === 401) complain(error);
    }
    mine.count();
  }
  sent = true;
}

/** Show the rows of jobs that were sent before. */
export function open(ids) {
  if (current && !current.stop.signal.aborted && ids.every((id) => current.rows.some((one) => one.id === id))) return show($("batch"), true);
  const known = names();
  watch(draw(ids.map((id) => row(known[id] || `Job ${id}`, id))), () => true);
}
