// The pictures of the object: the places they lie in, their cut-outs on checks, drop, paste, and moving them about.

import { address, call, Lost, patiently, Problem } from "./api.js";
import { $, h, show } from "./dom.js";

/** Where a picture was taken from; null: it is found. The API takes eight pictures. */
const SIDES = [["Front", 0], ["Right", 90], ["Back", 180], ["Left", 270], ["More", null], ["More", null], ["More", null], ["More", null]];
const slots = SIDES.map(() => null); // {name, blob or url, src, seen, cut, mended, asking}
let selected = 0;
let target = 0; // the slot that the file chooser fills
let listeners = { changed: () => {}, many: () => {}, complain: () => {} };

const filled = () => slots.filter(Boolean);
/** Whether there is something to send: every picture was read, by this browser or by the server. */
export const ready = () => filled().length > 0 && filled().every((picture) => picture.seen);

const dataUrl = (blob) => new Promise((read, failed) => {
  const reader = new FileReader();
  reader.onload = () => read(reader.result);
  reader.onerror = () => failed(new Problem(0, { detail: "The picture cannot be read any more.", hint: "Choose it again." }));
  reader.readAsDataURL(blob);
});
const sent = (picture) => (picture.mended || picture.blob ? dataUrl(picture.mended || picture.blob) : picture.url);

/** `image`, or `images` with their azimuths, as the API takes them. */
export async function body(several) {
  const there = slots.map((picture, i) => [picture, SIDES[i][1]]).filter(([picture]) => picture);
  if (there.length === 1 || !several) return { image: await sent(slots[selected] || there[0][0]) };
  return { images: await Promise.all(there.map(async ([picture, azimuth]) => ({ image: await sent(picture), ...(azimuth === null ? {} : { azimuth }) }))) };
}
export const count = () => filled().length;

// --- taking pictures -----------------------------------------------------------------------------------------

function put(place, picture) {
  slots[place]?.stop?.abort();
  if (slots[place]?.blob) URL.revokeObjectURL(slots[place].src);
  slots[place] = picture;
  selected = place;
  draw();
  return picture && look(picture);
}
/** Put a file in a place, the one in view by default; resolves when this browser has seen it. */
export function take(blob, name, place = selected) {
  return put(place, { name, blob, src: URL.createObjectURL(blob), seen: false, stop: new AbortController() });
}
/** Put a picture that the server keeps in a place; other hosts' pictures are sent as links. */
export async function takeLink(url, place) {
  const at = address(url);
  try {
    const answer = await fetch(at);
    if (answer.ok) return take(await answer.blob(), "picture", place);
  } catch { /* another host's: the server fetches it */ }
  put(place, { name: "picture", url, src: at, seen: true });
}
export function clear() {
  for (const picture of slots) picture?.stop?.abort();
  slots.fill(null);
  selected = 0;
  draw();
}
export const sideOf = (azimuth, number) => {
  const at = SIDES.findIndex(([, angle]) => angle !== null && angle === (((azimuth ?? -1) % 360) + 360) % 360 && azimuth !== undefined && azimuth !== null);
  return at >= 0 && !slots[at] ? at : SIDES.findIndex((_, i) => !slots[i] && i >= (number ? 4 : 0));
};

async function decodes(src) {
  const probe = new Image();
  probe.src = src;
  return probe.decode().then(() => true, () => false);
}
/** Whether it is a picture, and what in it is the object: first as this browser sees it, then as the server does. */
async function look(picture) {
  picture.shows = await decodes(picture.src);
  if (!slots.includes(picture)) return;
  picture.seen ||= picture.shows;
  draw();
  if (picture.blob) preview(picture);
}
async function preview(picture) {
  const there = () => slots.includes(picture);
  picture.asking = true;
  draw();
  try {
    const { signal } = picture.stop;
    picture.cut = await patiently(() => call("POST", "/v1/cutouts/preview", picture.blob, { signal }), signal);
    picture.seen = true;
  } catch (error) {
    if (!there()) return;
    picture.note = error.status === 401 ? "" : error.message;
    if ([400, 413, 415, 422].includes(error.status)) {
      picture.seen = false;
      listeners.complain(error);
    }
  }
  picture.asking = false;
  if (there()) draw();
}

// --- showing them --------------------------------------------------------------------------------------------

/** The cut-out as a canvas: the picture's colours under its alpha. */
export async function cutCanvas(cut) {
  const [picture, alpha] = await Promise.all([cut.picture, cut.alpha].map(async (src) => {
    const image = new Image();
    image.src = src;
    await image.decode();
    return image;
  }));
  const canvas = h("canvas", { width: cut.width, height: cut.height });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.drawImage(alpha, 0, 0);
  const mask = context.getImageData(0, 0, cut.width, cut.height).data;
  context.drawImage(picture, 0, 0);
  const pixels = context.getImageData(0, 0, cut.width, cut.height);
  const source = pixels.data.slice();
  for (let i = 0; i < mask.length; i += 4) pixels.data[i + 3] = mask[i];
  context.putImageData(pixels, 0, 0);
  return { canvas, pixels, source };
}

function note(picture) {
  if (picture.mended) return "Mended by you; this is what is sent.";
  if (picture.asking) return "Finding the object …";
  if (picture.cut) return picture.cut.note || (picture.cut.by === "alpha" ? "Cut out by the picture's own transparency." : "This is taken for the object. Not right? Mend it.");
  return picture.note || "";
}
let drawn = 0;
async function draw() {
  const turn = ++drawn;
  if (!slots[selected]) selected = Math.max(0, slots.findIndex(Boolean));
  const picture = slots[selected];
  drawSlots();
  listeners.changed();
  show($("about"), Boolean(picture));
  $("drop").classList.toggle("full", Boolean(picture));
  if (!picture) {
    show($("shown"), false);
    show($("drop-text"), true);
    $("drop-text").replaceChildren(h("strong", {}, "Drop, paste or pick a picture"), h("br"), "of one object");
    return;
  }
  $("cut-note").textContent = note(picture);
  $("mend").disabled = !picture.cut;
  let seen = null;
  if (picture.mended) seen = h("img", { src: picture.mendedSrc, alt: `Your mended cut-out: ${picture.name}`, className: "checks", id: "preview" });
  else if (picture.cut && picture.cut.by !== "none") {
    const { canvas } = await cutCanvas(picture.cut);
    if (turn !== drawn) return;
    Object.assign(canvas, { className: "checks", id: "preview" });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `What is taken for the object in ${picture.name}`);
    seen = canvas;
  } else if (picture.shows || picture.url) seen = h("img", { src: picture.src, alt: `Your picture: ${picture.name}`, id: "preview" });
  show($("shown"), Boolean(seen));
  show($("drop-text"), !seen);
  if (seen) $("shown").replaceChildren(seen);
  else $("drop-text").textContent = `${picture.name}${picture.asking ? "" : " (this browser cannot show it)"}`;
}

// --- places --------------------------------------------------------------------------------------------------

function swap(from, to) {
  if (from === to || to < 0 || to >= slots.length) return;
  [slots[from], slots[to]] = [slots[to], slots[from]];
  selected = to;
  draw();
  $("slots").children[to]?.focus();
}
const label = (i) => (SIDES[i][1] === null ? "More" : SIDES[i][0]);
function drawSlots() {
  const open = Math.max(5, slots.findLastIndex(Boolean) + 2); // one empty "more" behind those that are taken
  $("slots").replaceChildren(...slots.slice(0, open).map((picture, i) => {
    const button = h("button", {
      type: "button", className: "slot", draggable: Boolean(picture), "aria-pressed": String(Boolean(picture) && i === selected),
      "aria-label": picture ? `${label(i)}: ${picture.name}` : `${label(i)}: add a picture`,
      onclick: () => (picture ? ((selected = i), draw()) : ((target = i), $("file").click())),
      onkeydown: (event) => {
        const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
        if (step && picture) event.preventDefault(), swap(i, i + step);
      },
      ondragstart: (event) => event.dataTransfer.setData("text/x-slot", String(i)),
      ondragover: (event) => event.preventDefault(),
      ondrop: (event) => {
        event.preventDefault();
        event.stopPropagation();
        const from = event.dataTransfer.getData("text/x-slot");
        if (from) swap(Number(from), i);
        else if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0], event.dataTransfer.files[0].name, i);
      },
    }, picture ? h("img", { src: picture.mendedSrc || picture.src, alt: "", draggable: false }) : h("b", { "aria-hidden": "true" }, "+"), h("span", {}, label(i)));
    return button;
  }));
}

function press(sample) {
  for (const button of document.querySelectorAll("[data-sample]")) button.setAttribute("aria-pressed", String(button === sample));
}
async function several(files) {
  press(null);
  if (files.length === 1) return take(files[0], files[0].name || "pasted picture", target);
  const answer = await listeners.many(files);
  if (answer === "batch") return;
  if (answer === "one") {
    clear();
    $("more-sides").open = true;
    files.slice(0, SIDES.length).forEach((file, i) => take(file, file.name, i));
    selected = 0;
    draw();
  }
}

export function start(given) {
  listeners = { ...listeners, ...given };
  $("file").addEventListener("change", () => {
    const files = [...$("file").files];
    $("file").value = ""; // the same file may be chosen again
    if (files.length) several(files);
    target = selected;
  });
  $("drop").addEventListener("click", () => (target = selected));
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.addEventListener("click", async () => {
      press(button);
      const place = selected;
      try {
        const answer = await fetch(button.firstElementChild.src, { cache: "force-cache" }); // it is shown, so it is there
        take(await answer.blob(), `${button.dataset.sample}.webp`, place);
      } catch {
        listeners.complain(new Lost(0, { detail: "The server cannot be reached.", hint: "Choose the picture again in a moment." }));
      }
    });
  }
  const drop = $("drop");
  for (const name of ["dragenter", "dragover"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.add("over")));
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, (event) => (event.preventDefault(), drop.classList.remove("over")));
  drop.addEventListener("drop", (event) => {
    target = selected;
    if (event.dataTransfer.files.length) several([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    target = selected;
    if (event.clipboardData.files.length) several([...event.clipboardData.files]);
  });
  $("remove").addEventListener("click", () => (press(null), put(selected, null), $("file").focus()));
  $("mend").addEventListener("click", async () => {
    const picture = slots[selected];
    const { mend } = await import("./editor.js");
    const mended = await mend(picture);
    if (mended === undefined) return;
    picture.mended = mended;
    picture.mendedSrc = mended ? URL.createObjectURL(mended) : null;
    draw();
    $("mend").focus();
  });
  draw();
}
