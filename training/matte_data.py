"""Pictures for the matte network: ``python -m training.matte_data OBJECTS OUT``.

One sample is an object under a random camera and light with its exact alpha, and the shadow that it casts on
the floor under it. The loop (:mod:`training.matte`) puts them in front of backgrounds, never twice the same.
"""

from __future__ import annotations

import math
import zlib

import numpy as np

from orbitview.cameras import Camera

from .data import Light, Sample, as_webp, averaged, pack_objects, shaded
from .objects import Solid
from .u2net import SIDE

SHADE = SIDE // 2
"""Side of the stored shadows."""


def rays_of(camera: Camera, size: int, shift: np.ndarray) -> np.ndarray:
    """(size, size, 3) world directions of unit depth; the principal point is moved by ``shift`` half pictures."""
    slope = math.tan(math.radians(camera.fov / 2))
    axis = (np.arange(size, dtype=np.float32) + 0.5) / size * 2 - 1
    x, y = np.meshgrid((axis - shift[0]) * slope, (axis - shift[1]) * slope)
    local = np.stack([x, y, np.ones_like(x)], -1)
    return (local @ camera.rotation.T).astype(np.float32)


def shadow(solid: Solid, camera: Camera, shift: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(SHADE, SHADE) share of light that the object takes from the floor, 0 where there is none."""
    rays = rays_of(camera, SHADE, shift).reshape(-1, 3)
    eye = camera.position.astype(np.float32)
    floor = solid.vertices[:, 1].min() - 1e-3
    down = np.flatnonzero(rays[:, 1] < -1e-3)
    reach = (floor - eye[1]) / rays[down, 1]
    down, reach = down[reach > 0], reach[reach > 0]
    points = eye + rays[down] * reach[:, None]
    near = np.linalg.norm(points[:, [0, 2]], axis=1) < 2.5
    down, points = down[near], points[near] + np.array([0, 2e-3, 0], np.float32)
    lamp = rng.normal(size=3) * [1, 0, 1]
    lamp = lamp / (np.linalg.norm(lamp) + 1e-9) + [0, rng.uniform(0.7, 3.0), 0]
    lamp, wide, ambient = lamp / np.linalg.norm(lamp), rng.uniform(0.01, 0.3), rng.uniform(0.15, 0.8)
    taken = np.zeros(len(points), np.float32)
    for _ in range(10):
        towards = lamp + rng.normal(0, wide, 3)
        blocked = solid.caster.cast(points, np.tile(towards.astype(np.float32), (len(points), 1))).face >= 0
        taken += (1 - ambient) * blocked / 10
    for _ in range(8):  # the sky that the object hides: the dark line where it stands
        towards = rng.normal(size=(len(points), 3)).astype(np.float32)
        towards[:, 1] = np.abs(towards[:, 1]) + 0.05
        hits = solid.caster.cast(points, towards)
        close = hits.distance * np.linalg.norm(towards, axis=1) < 0.35
        taken += ambient * ((hits.face >= 0) & close) / 8
    picture = np.zeros(SHADE * SHADE, np.float32)
    picture[down] = taken
    return picture.reshape(SHADE, SHADE)


def matte_sample(solid: Solid, rng: np.random.Generator) -> Sample | None:
    """One picture with alpha, its shadow, and the row of the horizon; None where too little is seen."""
    fov = rng.uniform(20, 60)
    fill = rng.uniform(0.45, 0.95)
    distance = max(0.5 / math.sin(math.radians(fov / 2)) / fill, 0.75)
    camera = Camera(
        rng.uniform(0, 360), rng.uniform(2, 40) if rng.random() < 0.85 else rng.uniform(-10, 70), distance, fov
    )
    shift = rng.normal(0, 0.12, 2) * (1.2 - fill)
    size = SIDE * 2
    rays = rays_of(camera, size, shift).reshape(-1, 3)
    picture = averaged(shaded(solid, camera, rays, Light.random(rng)), SIDE, 2)
    if not 0.01 < (picture[..., 3] > 0.5).mean() < 0.8:
        return None
    dark = (shadow(solid, camera, shift, rng) * 255 + 0.5).astype(np.uint8)
    horizon = math.tan(math.radians(-camera.elevation)) / math.tan(math.radians(fov / 2)) + shift[1]
    return as_webp(picture), zlib.compress(dark.tobytes(), 1), b"", [horizon, camera.elevation]


if __name__ == "__main__":
    pack_objects(__doc__, "matte", 3, matte_sample)
