// The object under the pointer: frames of one sheet on a canvas, by drag, arrow keys or by itself.

import { calm, h } from "./dom.js";

const FRAMES = 36;
const COLUMNS = 6;

export function turntable(source) {
  const canvas = h("canvas", {
    className: "stage ground", width: 560, height: 560, tabIndex: 0, role: "slider",
    "aria-label": "Turn the object", "aria-valuemin": "0", "aria-valuemax": "350", "aria-valuenow": "0", "aria-valuetext": "0 degrees",
  });
  const spin = h("button", { type: "button", className: "quiet small", onclick: () => { touched = true; setSpin(!spinning); } }, "Spin");
  const sheet = new Image();
  let frame = 0, spinning = false, touched = calm(), timer = 0, held = null; // touched: a hand was there before the sheet

  function draw() {
    const index = ((Math.round(frame) % FRAMES) + FRAMES) % FRAMES;
    canvas.setAttribute("aria-valuenow", String(index * 10));
    canvas.setAttribute("aria-valuetext", `${index * 10} degrees`);
    if (!sheet.width) return;
    const side = sheet.width / COLUMNS;
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.drawImage(sheet, (index % COLUMNS) * side, Math.floor(index / COLUMNS) * side, side, side, 0, 0, canvas.width, canvas.height);
  }
  function turn(by) {
    frame += by;
    draw();
  }
  function setSpin(on) {
    spinning = on;
    spin.setAttribute("aria-pressed", String(on));
    spin.textContent = on ? "Stop" : "Spin";
    clearInterval(timer);
    if (on) timer = setInterval(() => (canvas.isConnected ? turn(1) : clearInterval(timer)), 70);
  }
  canvas.addEventListener("pointerdown", (event) => {
    touched = true;
    held = { x: event.clientX, frame };
    canvas.setPointerCapture(event.pointerId);
    setSpin(false);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!held) return;
    frame = held.frame - ((event.clientX - held.x) / canvas.clientWidth) * FRAMES * 0.75;
    draw();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => (held = null));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 9, PageDown: -9 }[event.key];
    if (event.key === "Home") frame = 0;
    else if (event.key === "End") frame = FRAMES - 1;
    else if (!step) return;
    event.preventDefault();
    touched = true;
    setSpin(false);
    turn(step || 0);
  });
  sheet.onload = () => {
    canvas.dataset.ready = "yes";
    draw();
    if (!touched) setSpin(true);
  };
  sheet.src = source;
  return h("div", { className: "turn" }, canvas, h("div", { className: "row" }, spin, h("span", { className: "note" }, "Drag, or use the arrow keys.")));
}
