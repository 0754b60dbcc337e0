"""Render validation objects in the form that ``bench.quality`` reads: ``python -m training.evaluation OBJECTS OUT``.

Everything that is tuned is tuned on these; the evaluation set proper is only ever measured.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from PIL import Image

from orbitview.cameras import Camera
from orbitview.engines.lift.fusion import turn

from .objects import Solid, is_validation, load_glb


def flat_picture(solid: Solid, camera: Camera, size: int, lamp: np.ndarray) -> Image.Image:
    """RGBA picture under soft light, nine rays a pixel."""
    fine = size * 3
    axis = ((np.arange(fine, dtype=np.float32) + 0.5) / fine * 2 - 1) * np.float32(np.tan(np.radians(camera.fov) / 2))
    local = np.stack(np.broadcast_arrays(axis[None, :], axis[:, None], np.float32(1)), -1).reshape(-1, 3)
    rays = (local @ camera.rotation.T).astype(np.float32)
    hits = solid.caster.cast(camera.position.astype(np.float32), rays)
    met = hits.face >= 0
    albedo, normal = solid.surface(hits.take(met), rays[met])
    picture = np.zeros((fine * fine, 4), np.float32)
    picture[met, :3] = np.clip(albedo * (0.7 + 0.4 * np.maximum(normal @ lamp, 0))[:, None], 0, 1)
    picture[met, 3] = 1
    picture = picture.reshape(size, 3, size, 3, 4).mean((1, 3))
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return Image.fromarray((picture * 255 + 0.5).astype(np.uint8))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("objects", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--limit", type=int, default=48)
    parser.add_argument("--front", action="store_true", help="all pictures from the front (glTF's +z)")
    parser.add_argument("--any", action="store_true", help="from all objects: for parts that are not trained")
    options = parser.parse_args()
    paths = [p for p in sorted(options.objects.glob("*.glb")) if options.any or is_validation(p.stem)]
    rng = np.random.default_rng(0)
    for number in rng.permutation(len(paths))[: options.limit]:
        front = 0.0 if options.front else float(rng.uniform(0, 360))
        solid = load_glb(paths[number])  # a diagonal of 1 along its own axes, whichever side is shown
        folder = options.out / paths[number].stem
        folder.mkdir(parents=True, exist_ok=True)
        lamp = turn(front) @ np.array([0.4, 0.8, 0.45], np.float32)
        elevation = float(rng.choice([0, 10, 20, 30]))
        flat_picture(solid, Camera(front, elevation, 1.5, 49.1), 512, lamp).save(folder / "input.png")
        targets = []
        for i in range(16):
            flat_picture(solid, Camera(front + 22.5 * i, 30, 1.5, 49.1), 256, lamp).save(folder / f"{i:03d}.png")
            targets.append({"file": f"{i:03d}.png", "azimuth": 22.5 * i, "elevation": 30})
        about = {
            "fov_degrees": 49.1,
            "distance": 1.5,
            "input": {"azimuth": 0, "elevation": elevation},
            "targets": targets,
        }
        (folder / "cameras.json").write_text(json.dumps(about))


if __name__ == "__main__":
    main()
