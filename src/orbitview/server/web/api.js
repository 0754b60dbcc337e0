// Talking to the server: the key, requests, problems as errors, server-sent events with a key, lost connections.

import { $, show } from "./dom.js";

const STORE = "orbitview-key";
export const key = {
  get: () => localStorage.getItem(STORE) || "",
  set: (text) => (text ? localStorage.setItem(STORE, text) : localStorage.removeItem(STORE)),
};

export class Problem extends Error {
  constructor(status, body) {
    const fields = Object.values(body.errors || {}).flat();
    super(fields.length ? fields.join(" ") : body.detail || `The server answered ${status}.`);
    this.status = status;
    this.hint = fields.length ? "" : body.hint || "";
    this.retryAfter = body.retry_after || 0;
  }
}
/** No answer, or only that of something before the server: it may come back. */
export class Lost extends Problem {}

function headers(extra = {}) {
  return key.get() ? { ...extra, Authorization: `Bearer ${key.get()}` } : extra;
}

let ahead = 0; // seconds that the server's clock is before ours
/** The server's time, in seconds since 1970. */
export const now = () => Date.now() / 1000 + ahead;

async function send(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Lost(0, { detail: "The server cannot be reached.", hint: "Is orbitview serve still running?" });
  }
  const date = Date.parse(answer.headers.get("date"));
  if (date && Math.abs(date / 1000 - Date.now() / 1000) > 2) ahead = date / 1000 - Date.now() / 1000;
  if (answer.ok) return answer;
  const parsed = await answer.json().catch(() => ({}));
  throw new ([502, 503, 504].includes(answer.status) ? Lost : Problem)(answer.status, parsed);
}

/** One request; a body that is a Blob goes as it is, any other as JSON. */
export async function call(method, path, body = null, { signal, once, keepalive } = {}) {
  const extra = once ? { "Idempotency-Key": once } : {};
  const options = { method, signal, keepalive };
  if (body instanceof Blob) extra["Content-Type"] = body.type.startsWith("image/") ? body.type : "application/octet-stream";
  else if (body) extra["Content-Type"] = "application/json";
  if (body) options.body = body instanceof Blob ? body : JSON.stringify(body);
  options.headers = headers(extra);
  const answer = await send(path, options);
  return answer.status === 204 ? null : answer.json();
}

export const bytes = async (path) => (await send(path, { headers: headers() })).blob();

/** A token that makes a repeated request the same request; crypto.randomUUID is missing where there is no TLS. */
export const token = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

export const pause = (ms, signal) => new Promise((later) => {
  const timer = setTimeout(later, ms);
  signal?.addEventListener("abort", () => (clearTimeout(timer), later()), { once: true });
});

const away = new Set();
function lost(who, is) {
  if (is) away.add(who);
  else away.delete(who);
  show($("lost"), away.size > 0);
}

/** Repeat `attempt` until the server answers; the page says meanwhile that it tries. */
export async function patiently(attempt, signal) {
  const who = {};
  try {
    for (let wait = 400; ; wait = Math.min(3000, wait * 1.6)) {
      try {
        return await attempt(() => lost(who, false));
      } catch (error) {
        if (signal?.aborted || !(error instanceof Lost)) throw error;
        lost(who, true);
      }
      await pause(wait, signal);
    }
  } finally {
    lost(who, false);
  }
}

const SILENCE = 40_000; // ms without a word, not even the server's "still here": the line is dead

/** Follow a job: calls told(event, data) until it has ended, over as many connections as that takes. */
export function follow(id, told, signal) {
  return patiently(async (answered) => {
    const line = new AbortController();
    const stop = () => line.abort();
    signal.addEventListener("abort", stop);
    let watch = setTimeout(stop, SILENCE);
    try {
      const answer = await send(`/v1/jobs/${id}/events`, { headers: headers(), signal: line.signal });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      answered();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        clearTimeout(watch);
        watch = setTimeout(stop, SILENCE);
        if (done) break;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const field = (name) => (block.split("\n").find((line) => line.startsWith(name + ": ")) || "").slice(name.length + 2);
          if (!field("event")) continue;
          told(field("event"), JSON.parse(field("data")));
          if (field("event") === "done") return;
        }
      }
    } catch (error) {
      if (error instanceof Problem) throw error;
    } finally {
      clearTimeout(watch);
      signal.removeEventListener("abort", stop);
    }
    if (!signal.aborted) throw new Lost(0, {}); // the stream broke off before the end
  }, signal);
}

/** A file's address; files that this server keeps are taken from wherever the page came from. */
export function address(url) {
  const at = new URL(url, location.href);
  return document.documentElement.dataset.local === "yes" ? at.pathname : at.href;
}

/** The one picture that stands for a job: its grid, or what another operation made. */
export const pictureOf = (job) => job.files.find((file) => file.name === "grid.png")
  || (job.operation !== "views" && job.files.find((file) => /^(cutout|mask|large)\.png$|^turntable\.gif$/.test(file.name))) || null;
