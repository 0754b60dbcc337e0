"""From a mesh and its surface colours to an anti-aliased RGBA picture with depth and normals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..arrays import Floats
from ..cameras import Camera
from ..view import View
from .hits import Caster, Hits

Shader = Callable[[Hits, Floats], Floats]
"""Colour (N, 3) in [0, 1] of hits at world points (N, 3)."""

_EXTRA = np.array([[-3, -1], [1, -3], [3, 1], [-1, 3], [-1, -1], [1, 1], [-3, 3], [3, -3]], np.float32) / 8
"""Sub-pixel offsets of the rays that edge pixels get besides the one through the centre."""


def render(
    vertices: Floats,
    faces: NDArray[np.int32],
    normals: Floats,
    caster: Caster,
    shader: Shader,
    camera: Camera,
    size: int,
) -> View:
    """Render one view.

    One ray goes through each pixel's centre; pixels at outlines, creases and depth steps get eight more
    (adaptive supersampling, Whitted 1980).

    Args:
        vertices, faces, normals: the mesh, (V, 3), (F, 3) and (V, 3) unit vertex normals.
        camera: with its distance, and of an orthographic one its scale, filled in.
        size: side of the square picture in pixels.
    """
    rotation = camera.rotation.astype(np.float32)
    eye = camera.position.astype(np.float32)
    parallel = camera.orthographic
    # Of a pixel, in the picture's plane one unit ahead of a pinhole, or wherever parallel rays cross it.
    step = np.float32(1 / camera.intrinsics(size)[0, 0] if parallel else 2 * np.tan(np.radians(camera.fov) / 2) / size)
    box = _bounds((vertices - eye) @ rotation, step, size, parallel)
    height, width = box[3] - box[1], box[2] - box[0]

    def cast(x: Floats, y: Floats) -> tuple[Hits, Floats, Floats]:
        """Hits of pixels' rays, and the rays' starts and directions, (N, 3)."""
        local = np.stack([(x - size / 2) * step, (y - size / 2) * step, np.ones_like(x)], -1)
        if parallel:
            starts = np.asarray(eye + local[:, :2] @ rotation[:, :2].T, np.float32)
            rays = np.ascontiguousarray(np.broadcast_to(rotation[:, 2], starts.shape))
            return caster.cast(starts, rays), starts, rays
        rays = np.asarray(local @ rotation.T, np.float32)
        return caster.cast(eye, rays), np.broadcast_to(eye, rays.shape), rays

    y, x = (a.ravel().astype(np.float32) + 0.5 for a in np.mgrid[box[1] : box[3], box[0] : box[2]])
    hits, starts, rays = cast(x, y)
    met = hits.face >= 0
    first = hits.take(met)
    total = np.zeros((len(x), 4), np.float32)
    total[met, :3] = shader(first, starts[met] + first.distance[:, None] * rays[met])
    total[met, 3] = 1
    normal = np.zeros((len(x), 3), np.float32)
    normal[met] = first.between(normals[faces[first.face]])
    edge = np.flatnonzero(_edges(hits.distance.reshape(height, width), normal.reshape(height, width, 3)).ravel())
    if len(edge):
        offsets = _EXTRA[:, None, :]
        more, starts, rays = cast((x[edge] + offsets[..., 0]).ravel(), (y[edge] + offsets[..., 1]).ravel())
        found = more.face >= 0
        inner = more.take(found)
        samples = np.zeros((len(rays), 4), np.float32)
        samples[found, :3] = shader(inner, starts[found] + inner.distance[:, None] * rays[found])
        samples[found, 3] = 1
        total[edge] = (total[edge] + samples.reshape(len(_EXTRA), -1, 4).sum(0)) / (1 + len(_EXTRA))
    total[:, :3] /= np.maximum(total[:, 3:], 1e-6)
    pixels = np.zeros((size, size, 4), np.uint8)
    window = (slice(box[1], box[3]), slice(box[0], box[2]))
    pixels[window] = (np.clip(total, 0, 1) * 255 + 0.5).astype(np.uint8).reshape(height, width, 4)
    depth = np.full((size, size), np.inf, np.float32)
    depth[window] = hits.distance.reshape(height, width)
    facing = np.zeros((size, size, 3), np.float32)
    facing[window] = (normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-6)).reshape(
        height, width, 3
    )
    return View(Image.fromarray(pixels), camera, depth, facing)


def _bounds(local: NDArray[np.floating], step: np.float32, size: int, parallel: bool) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the pixels that the mesh can touch."""
    if parallel:
        plane = local[:, :2] / step + size / 2
    elif (local[:, 2] <= 1e-3).any():
        return 0, 0, size, size
    else:
        plane = local[:, :2] / local[:, 2:] / step + size / 2
    low = np.clip(np.floor(plane.min(0)) - 1, 0, size - 1).astype(int)
    high = np.clip(np.ceil(plane.max(0)) + 1, low + 1, size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _edges(depth: Floats, normal: Floats) -> NDArray[np.bool_]:
    """Pixels that differ from a neighbour in coverage, depth or normal."""
    edge = np.zeros(depth.shape, bool)
    shallow = np.where(np.isfinite(depth), depth, 1e3)
    for axis in (0, 1):
        a, b = [slice(None)] * 2, [slice(None)] * 2
        a[axis], b[axis] = slice(1, None), slice(None, -1)
        near, far = tuple(a), tuple(b)
        differs = (np.abs(shallow[near] - shallow[far]) > 0.02) | ((normal[near] * normal[far]).sum(-1) < 0.6)
        differs &= np.isfinite(depth[near]) | np.isfinite(depth[far])
        edge[near] |= differs
        edge[far] |= differs
    return edge
