"""Pictures for the upscaling network: ``python -m training.upscale_data OBJECTS OUT``.

One sample is a window of an object's rendering, with its exact alpha. The rendering's size varies, so that textures
are seen finer and coarser than pixels and outlines straight and curved. The loop (:mod:`training.upscale`) puts the
windows before backgrounds and makes them small.
"""

from __future__ import annotations

import io
import math
from functools import partial

import numpy as np
from PIL import Image

from orbitview.cameras import Camera
from orbitview.render import Hits

from .data import Light, Sample, Task, object_arguments, pack, shuffled, work_on
from .objects import Solid, is_validation

SIDE = 224
"""Side of a stored window."""
FINE = 2
"""Rays a pixel, along each side."""


def window_rays(camera: Camera, size: int, left: int, top: int, side: int) -> np.ndarray:
    """(side, side, 3) world directions of unit depth through a window of a picture of ``size``."""
    slope = math.tan(math.radians(camera.fov / 2))
    x, y = (((np.arange(side, dtype=np.float32) + at + 0.5) / size * 2 - 1) * slope for at in (left, top))
    wide, high = np.meshgrid(x, y)
    return np.asarray(np.stack([wide, high, np.ones_like(wide)], -1) @ camera.rotation.T, np.float32)


def shaded(solid: Solid, camera: Camera, rays: np.ndarray, light: Light) -> np.ndarray:
    """(N, 4) what rays from the camera see: straight colours and 0 or 1."""
    hits = solid.caster.cast(camera.position.astype(np.float32), rays)
    met = hits.face >= 0
    seen = Hits(hits.face[met], hits.u[met], hits.v[met], hits.distance[met])
    view = rays[met] / np.linalg.norm(rays[met], axis=1, keepdims=True)
    picture = np.zeros((len(rays), 4), np.float32)
    picture[met, :3] = light.shade(*solid.surface(seen, view), view)
    picture[met, 3] = 1
    return picture


def render(solid: Solid, camera: Camera, size: int, window: tuple[int, int, int], light: Light) -> np.ndarray:
    """(side, side, 4) in [0, 1], straight alpha: the ``window`` (left, top, side) of a picture of ``size``."""
    left, top, side = (n * FINE for n in window)
    picture = shaded(solid, camera, window_rays(camera, size * FINE, left, top, side).reshape(-1, 3), light)
    picture[:, :3] *= picture[:, 3:]
    picture = picture.reshape(window[2], FINE, window[2], FINE, 4).mean((1, 3))
    picture[..., :3] /= np.maximum(picture[..., 3:], 1e-6)
    return picture


def window_sample(solid: Solid, rng: np.random.Generator) -> Sample | None:
    """One window with alpha; None where it shows too little of the object."""
    fov = rng.uniform(20, 60)
    camera = Camera(rng.uniform(0, 360), rng.uniform(-20, 60), 0.5 / math.sin(math.radians(fov / 2)) / 0.9, fov)
    size = round(SIDE * math.exp(rng.uniform(0, math.log(5))))
    coarse = shaded(solid, camera, window_rays(camera, 48, 0, 0, 48).reshape(-1, 3), Light.random(rng))
    filled = np.argwhere(coarse[:, 3].reshape(48, 48) > 0)
    if not len(filled):
        return None
    middle = (filled[rng.integers(len(filled))] + 0.5) / 48 * size
    top, left = (int(np.clip(at - SIDE / 2, 0, size - SIDE)) for at in middle)
    picture = render(solid, camera, size, (left, top, SIDE), Light.random(rng))
    if (picture[..., 3] > 0.5).mean() < 0.1:
        return None
    file = io.BytesIO()
    Image.fromarray((picture * 255 + 0.5).astype(np.uint8)).save(file, "WEBP", lossless=True, method=0, exact=False)
    return file.getvalue(), b"", b"", [float(size)]


def window_samples(solid: Solid, views: int, rng: np.random.Generator) -> list[Sample]:
    """Up to ``views`` samples of one object."""
    return [sample for sample in (window_sample(solid, rng) for _ in range(views)) if sample is not None]


def main() -> None:
    options = object_arguments(__doc__, 1).parse_args()
    tasks: list[Task] = [
        ("upscaleval" if is_validation(p.stem) else "upscale", str(p), options.views)
        for p in shuffled(options.objects, 1, options.limit)
    ]
    tasks += [("upscale", i, options.views) for i in range(options.procedural)]
    pack(tasks, partial(work_on, salt="upscale ", make=window_samples), options.out, options.processes)


if __name__ == "__main__":
    main()
