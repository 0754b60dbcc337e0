"""Pictures for the upscaling network: ``python -m training.upscale_data OBJECTS OUT``.

One sample is a window of an object's rendering, with its exact alpha. The rendering's size varies, so that textures
are seen finer and coarser than pixels and outlines straight and curved. The loop (:mod:`training.upscale`) puts the
windows before backgrounds and makes them small.
"""

from __future__ import annotations

import math

import numpy as np

from orbitview.cameras import Camera

from .data import Light, Sample, as_webp, averaged, pack_objects, shaded
from .objects import Solid

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


def render(solid: Solid, camera: Camera, size: int, window: tuple[int, int, int], light: Light) -> np.ndarray:
    """(side, side, 4) in [0, 1], straight alpha: the ``window`` (left, top, side) of a picture of ``size``."""
    left, top, side = (n * FINE for n in window)
    rays = window_rays(camera, size * FINE, left, top, side).reshape(-1, 3)
    return averaged(shaded(solid, camera, rays, light), window[2], FINE)


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
    return as_webp(picture), b"", b"", [float(size)]


if __name__ == "__main__":
    pack_objects(__doc__, "upscale", 1, window_sample)
