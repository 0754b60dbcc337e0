export { AmbientLight, Box3, DirectionalLight, MeshBasicMaterial, MeshStandardMaterial, PerspectiveCamera, Scene, Sphere, TextureLoader, Vector3, WebGLRenderer } from "three";
export { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
export { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
