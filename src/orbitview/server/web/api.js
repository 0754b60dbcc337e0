// Talking to the server: the key, requests, problems as errors, server-sent events with a key.

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
  }
}

function headers(extra = {}) {
  return key.get() ? { ...extra, Authorization: `Bearer ${key.get()}` } : extra;
}

export async function call(method, path, body) {
  const options = { method, headers: headers(body ? { "Content-Type": "application/json" } : {}) };
  if (body) options.body = JSON.stringify(body);
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Problem(0, { detail: "The server cannot be reached.", hint: "Is orbitview serve still running?" });
  }
  if (answer.status === 204) return null;
  const parsed = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Problem(answer.status, parsed);
  return parsed;
}

/** Follow a job: calls told(event, data) until it has ended; reconnects where the connection breaks. */
export async function follow(id, told, signal) {
  for (let attempt = 0; attempt < 20 && !signal.aborted; attempt++) {
    try {
      const answer = await fetch(`/v1/jobs/${id}/events`, { headers: headers(), signal });
      if (!answer.ok) throw new Problem(answer.status, await answer.json().catch(() => ({})));
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      let text = "";
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        text += value;
        const blocks = text.split("\n\n");
        text = blocks.pop();
        for (const block of blocks) {
          const field = (name) => (block.split("\n").find((line) => line.startsWith(name + ": ")) || "").slice(name.length + 2);
          const event = field("event");
          if (!event) continue;
          told(event, JSON.parse(field("data")));
          if (event === "done") return;
        }
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof Problem) throw error;
    }
    await new Promise((later) => setTimeout(later, 1000));
  }
}

/** A file's address; files that this server keeps are taken from wherever the page came from. */
export function address(url) {
  const at = new URL(url, location.href);
  return document.documentElement.dataset.local === "yes" ? at.pathname : at.href;
}
