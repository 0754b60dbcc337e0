// The mesh in 3D: turns by itself or by hand; full screen, reset, untextured, wireframe. Loaded when it is opened.

import { calm, h } from "./dom.js";
import {
  AmbientLight, Box3, DirectionalLight, GLTFLoader, MeshBasicMaterial, MeshStandardMaterial, OrbitControls, PerspectiveCamera, Scene,
  Sphere, TextureLoader, Vector3, WebGLRenderer,
} from "./vendor/three.js";

const FOV = 30;
const LOOKS = [["textured", "Textured"], ["plain", "Untextured"], ["wire", "Wireframe"]];

async function load(source) {
  const loader = new GLTFLoader();
  // By itself it fetches textures from blob: addresses, which the page's policy forbids; as pictures it may load them.
  loader.register((parser) => {
    parser.textureLoader = new TextureLoader(parser.options.manager);
    return { name: "pictures" };
  });
  return (await loader.loadAsync(source)).scene;
}

/** Three materials for each part: its own colours unlit (they are a picture of a lit object), clay, wires. */
function dress(object) {
  const parts = [];
  object.traverse((part) => {
    if (!part.isMesh) return;
    const { map, color, vertexColors } = part.material;
    parts.push([part, {
      textured: new MeshBasicMaterial({ map, color, vertexColors: vertexColors || "color" in part.geometry.attributes }),
      plain: new MeshStandardMaterial({ color: 0xc9ccd3, roughness: 0.85 }),
      wire: new MeshBasicMaterial({ color: 0x4a78f0, wireframe: true }),
    }]);
  });
  return (name) => {
    for (const [part, looks] of parts) part.material = looks[name];
  };
}

/** The viewer as an element, once the mesh is there. */
export async function viewer(source) {
  const object = await load(source);
  const wear = dress(object);
  const ball = new Box3().setFromObject(object).getBoundingSphere(new Sphere());
  const renderer = new WebGLRenderer({ antialias: true, alpha: true });
  renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
  const camera = new PerspectiveCamera(FOV, 1, ball.radius / 50, ball.radius * 50);
  const scene = new Scene();
  const lamp = new DirectionalLight(0xffffff, 2.2);
  lamp.position.set(1, 1.5, 2);
  camera.add(lamp);
  scene.add(object, camera, new AmbientLight(0xffffff, 0.9));
  const canvas = renderer.domElement;
  Object.assign(canvas, { tabIndex: 0, className: "ground" });
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", "The object in 3D: drag or use the arrow keys to turn it, plus and minus to come nearer");
  const controls = new OrbitControls(camera, canvas);
  Object.assign(controls, { enablePan: false, autoRotateSpeed: 2.5, minDistance: ball.radius * 1.2, maxDistance: ball.radius * 20 });

  let dirty = true, worn = "";
  const place = (azimuth, elevation, distance) => {
    const flat = Math.cos(elevation) * distance;
    camera.position.copy(controls.target).add(new Vector3(Math.sin(azimuth) * flat, Math.sin(elevation) * distance, Math.cos(azimuth) * flat));
    controls.update();
    dirty = true;
  };
  const far = (ball.radius * 0.9) / Math.sin((FOV / 2) * (Math.PI / 180));
  const reset = () => {
    controls.target.copy(ball.center);
    place(0.5, 0.25, far);
  };

  const button = (text, press) => h("button", { type: "button", className: "quiet small", onclick: press }, text);
  const spin = button("Stop", () => turning(!controls.autoRotate));
  const turning = (on) => {
    controls.autoRotate = on;
    spin.textContent = on ? "Stop" : "Spin";
    spin.setAttribute("aria-pressed", String(on));
  };
  const looks = LOOKS.map(([name, label]) => button(label, () => look(name)));
  const look = (name) => {
    wear(name);
    worn = name;
    LOOKS.forEach(([other], i) => looks[i].setAttribute("aria-pressed", String(other === name)));
    dirty = true;
  };
  const full = button("Full screen", () => (document.fullscreenElement ? document.exitFullscreen() : frame.requestFullscreen()));
  const frame = h("div", { className: "viewer" }, canvas, h("div", { className: "row" }, spin, button("Reset", () => (turning(false), reset())),
    h("div", { className: "row", role: "group", "aria-label": "Surface" }, looks), document.fullscreenEnabled ? full : ""));
  frame.addEventListener("fullscreenchange", () => (full.textContent = document.fullscreenElement ? "Leave full screen" : "Full screen"));

  controls.addEventListener("start", () => turning(false));
  controls.addEventListener("change", () => (dirty = true));
  canvas.addEventListener("keydown", (event) => {
    const step = { ArrowRight: [0.15, 0, 1], ArrowLeft: [-0.15, 0, 1], ArrowUp: [0, 0.1, 1], ArrowDown: [0, -0.1, 1], "+": [0, 0, 0.9], "-": [0, 0, 1.1] }[event.key];
    if (event.key === "Home") return event.preventDefault(), turning(false), reset();
    if (!step) return;
    event.preventDefault();
    turning(false);
    const elevation = Math.PI / 2 - controls.getPolarAngle() + step[1];
    place(controls.getAzimuthalAngle() + step[0], Math.min(1.5, Math.max(-1.5, elevation)), controls.getDistance() * step[2]);
  });
  new ResizeObserver(() => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    renderer.setSize(width, height, false);
    camera.aspect = width / height;
    camera.updateProjectionMatrix();
    dirty = true;
  }).observe(canvas);

  let drawn = 0;
  const draw = () => {
    if (drawn && !canvas.isConnected) return renderer.dispose();
    requestAnimationFrame(draw);
    controls.update();
    if (!dirty) return;
    dirty = false;
    renderer.render(scene, camera);
    canvas.dataset.look = worn;
    canvas.dataset.drawn = String(++drawn);
    canvas.dataset.azimuth = String(Math.round((controls.getAzimuthalAngle() * 180) / Math.PI));
  };
  look("textured");
  reset();
  turning(!calm());
  requestAnimationFrame(draw);
  return frame;
}
