// Mending a cut-out: a brush that keeps and one that drops, undo, start over. Resolves to the mended picture.

import { $, h } from "./dom.js";
import { cutCanvas } from "./pictures.js";

const STEPS = 30; // strokes that can be undone

/** A PNG of the mended cut-out; null: the cut-out as it was found; undefined: nothing changes. */
export async function mend(picture) {
  const { canvas, pixels, source } = await cutCanvas(picture.cut);
  const found = pixels.data.slice();
  if (picture.mended) await remember(picture.mended, pixels);
  const { width, height } = canvas;
  const context = canvas.getContext("2d");
  const undone = [];
  let keep = true, last = null, cursor = [width / 2, height / 2];

  const ghost = h("canvas", { width, height, className: "ghost", "aria-hidden": "true" });
  ghost.getContext("2d").putImageData(new ImageData(source, width, height), 0, 0);
  const ring = h("i", { className: "ring", "aria-hidden": "true" });
  const size = h("input", { type: "range", min: "2", max: "25", value: "8", oninput: () => point() });
  const radius = () => Math.max(2, (Number(size.value) / 200) * Math.max(width, height));
  const button = (text, press, more = {}) => h("button", { type: "button", className: "quiet small", onclick: press, ...more }, text);
  const undo = button("Undo", () => restore(undone.pop()), { disabled: true });
  const kinds = [button("Keep", () => choose(true)), button("Drop", () => choose(false))];
  const choose = (on) => {
    keep = on;
    kinds[0].setAttribute("aria-pressed", String(on));
    kinds[1].setAttribute("aria-pressed", String(!on));
    stage.classList.toggle("dropping", !on);
  };
  const draw = () => {
    context.putImageData(pixels, 0, 0);
    undo.disabled = !undone.length;
    let kept = 0;
    for (let i = 3; i < pixels.data.length; i += 4) kept += pixels.data[i] > 127;
    canvas.dataset.kept = String(kept);
  };
  const alpha = () => Uint8Array.from({ length: width * height }, (_, i) => pixels.data[4 * i + 3]);
  const remembered = () => {
    undone.push(alpha());
    if (undone.length > STEPS) undone.shift();
  };
  const restore = (mask) => {
    mask.forEach((value, i) => (pixels.data[4 * i + 3] = value));
    draw();
  };
  /** A round soft dab in picture pixels. */
  const dab = (x, y) => {
    const r = radius();
    for (let v = Math.max(0, Math.floor(y - r)); v <= Math.min(height - 1, y + r); v++)
      for (let u = Math.max(0, Math.floor(x - r)); u <= Math.min(width - 1, x + r); u++) {
        const edge = Math.min(1, Math.max(0, r - Math.hypot(u - x, v - y)));
        const at = 4 * (v * width + u) + 3;
        pixels.data[at] = keep ? Math.max(pixels.data[at], 255 * edge) : Math.min(pixels.data[at], 255 * (1 - edge));
      }
  };
  const stroke = (x, y) => {
    const [fromX, fromY] = last || [x, y];
    const steps = Math.ceil(Math.hypot(x - fromX, y - fromY) / (radius() / 3)) || 1;
    for (let i = 1; i <= steps; i++) dab(fromX + ((x - fromX) * i) / steps, fromY + ((y - fromY) * i) / steps);
    last = [x, y];
    draw();
  };
  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height];
  };
  const point = (at = cursor) => {
    cursor = at;
    const scale = canvas.clientWidth / width;
    ring.style.width = ring.style.height = `${2 * radius() * scale}px`;
    ring.style.left = `${cursor[0] * scale}px`;
    ring.style.top = `${cursor[1] * scale}px`;
  };
  Object.assign(canvas, { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "The cut-out: paint with the pointer, or move with the arrow keys and paint with space");
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    remembered();
    last = null;
    stroke(...place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    point(place(event));
    if (last) stroke(...cursor);
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (last = null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.key === " ") remembered(), (last = null), stroke(...cursor), (last = null);
    else if (step) point([Math.min(width, Math.max(0, cursor[0] + step[0] * radius())), Math.min(height, Math.max(0, cursor[1] + step[1] * radius()))]);
    else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo.click();
    else return;
    event.preventDefault();
  });

  const stage = h("div", { className: "stage checks" }, ghost, canvas, ring);
  const dialog = $("editor");
  const end = (value) => button(value === "use" ? "Use this cut-out" : value === "found" ? "Use as it is" : "Close", () => dialog.close(value), value === "use" ? { className: "" } : {});
  dialog.replaceChildren(
    h("h2", { id: "editor-title" }, "Mend the cut-out"),
    h("p", { className: "note" }, "What is bright is kept. Paint over what was missed or taken wrongly."),
    stage,
    h("div", { className: "row" }, h("div", { className: "row", role: "group", "aria-label": "Brush" }, kinds), h("label", { className: "inline" }, "Size ", size), undo,
      button("Start over", () => (remembered(), pixels.data.set(found), draw()))),
    h("div", { className: "row" }, end("use"), end("found"), end("")));
  dialog.returnValue = "";
  choose(true);
  draw();
  dialog.showModal();
  point();
  canvas.focus();
  await new Promise((closed) => dialog.addEventListener("close", closed, { once: true }));
  if (dialog.returnValue === "found") return null;
  if (dialog.returnValue !== "use") return undefined;
  return new Promise((made) => canvas.toBlob(made, "image/png"));
}

async function remember(blob, pixels) {
  const image = await createImageBitmap(blob);
  const canvas = h("canvas", { width: pixels.width, height: pixels.height });
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0);
  const { data } = context.getImageData(0, 0, pixels.width, pixels.height);
  for (let i = 3; i < data.length; i += 4) pixels.data[i] = data[i];
}
