"""Draw ``examples/rocket.jpg``: a toy rocket on studio paper, the picture that README and ``make demo`` use.

Run as ``python examples/make_sample.py`` from a checkout (our own renderer, no other assets).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image, ImageDraw
from scipy import ndimage

sys.path.insert(0, str(Path(__file__).parent.parent))

from orbitview.cameras import Camera
from training.objects import Solid


def painted() -> Image.Image:
    """The hull's texture, unrolled: u around, v from the tail (bottom) to the nose (top)."""
    art = Image.new("RGB", (1024, 512), "#f4efe4")
    draw = ImageDraw.Draw(art)
    draw.rectangle((0, 0, 1024, 130), fill="#d8412f")
    draw.rectangle((0, 130, 1024, 146), fill="#2c3e63")
    draw.rectangle((0, 380, 1024, 512), fill="#2c3e63")
    for x in range(0, 1024, 64):
        draw.polygon(((x, 380), (x + 32, 340), (x + 64, 380)), fill="#f0b53c")
    for x in (256, 768):
        draw.ellipse((x - 52, 190, x + 52, 294), fill="#2c3e63")
        draw.ellipse((x - 40, 202, x + 40, 282), fill="#8fd0e8")
        draw.ellipse((x - 30, 208, x + 2, 240), fill="#e2f6fc")
    return art


def rocket() -> tuple[Solid, np.ndarray]:
    """The toy, and for each face whether it belongs to the painted hull."""
    steps = np.linspace(0, 1, 40)
    radius = np.interp(steps, [0, 0.15, 0.4, 0.7, 0.9, 1], [0.42, 0.55, 0.66, 0.56, 0.3, 0.0])
    profile = np.stack([ndimage.gaussian_filter1d(radius, 2), steps * 3], 1)
    profile[-1, 0] = 0
    hull = trimesh.creation.revolve(np.concatenate([[[0, 0]], profile]), sections=96)
    hull.vertices = hull.vertices[:, [1, 2, 0]]
    angle = np.arctan2(hull.vertices[:, 0], hull.vertices[:, 2]) / (2 * np.pi)
    parts, colours, uvs = (
        [hull],
        [np.ones((len(hull.vertices), 3))],
        [np.column_stack([np.mod(angle + 0.25, 1), hull.vertices[:, 1] / 3])],
    )
    for turn in np.radians([45, 135, 225, 315]):
        fin = trimesh.creation.box((0.12, 1.0, 0.75))
        fin.vertices[(fin.vertices[:, 1] > 0) & (fin.vertices[:, 2] > 0)] *= [1, 0.1, 0.1]
        fin.vertices += [0, 0.25, 0.72]
        fin.apply_transform(trimesh.transformations.rotation_matrix(turn, [0, 1, 0]))
        fin.unmerge_vertices()
        parts.append(fin)
        colours.append(np.tile(np.array([216, 65, 47]) / 255, (len(fin.vertices), 1)))
        uvs.append(np.full((len(fin.vertices), 2), -1.0))
    nozzle = trimesh.creation.cylinder(0.34, 0.3, sections=48)
    nozzle.vertices = nozzle.vertices[:, [0, 2, 1]] - [0, 0.12, 0]
    parts.append(nozzle)
    colours.append(np.tile(np.array([70, 74, 84]) / 255, (len(nozzle.vertices), 1)))
    uvs.append(np.full((len(nozzle.vertices), 2), -1.0))
    offsets = np.cumsum([0] + [len(p.vertices) for p in parts])
    faces = np.concatenate([p.faces + o for p, o in zip(parts, offsets, strict=False)])
    white = np.asarray(painted().resize((1024, 512)), np.float32) / 255
    texture = np.concatenate([white, np.ones_like(white)])  # the lower half is plain white for the other parts
    uv = np.concatenate(uvs)
    uv = np.where(uv[:, :1] < 0, [[0.5, 0.2]], np.column_stack([uv[:, 0], 0.5 + np.clip(uv[:, 1], 0.004, 0.996) / 2]))
    solid = Solid(
        np.concatenate([p.vertices for p in parts]),
        faces,
        np.concatenate([p.vertex_normals for p in parts]).astype(np.float32),
        np.concatenate(colours).astype(np.float32),
        uv.astype(np.float32),
        texture,
    )
    return solid, faces


def main() -> None:
    solid, _ = rocket()
    size, fine = 768, 1536
    camera = Camera(0, 14, 2.1, 30)
    axis = ((np.arange(fine, dtype=np.float32) + 0.5) / fine * 2 - 1) * np.float32(np.tan(np.radians(15)))
    rays = (
        np.stack(np.broadcast_arrays(axis[None, :], axis[:, None], np.float32(1)), -1).reshape(-1, 3)
        @ camera.rotation.T
    ).astype(np.float32)
    eye = camera.position.astype(np.float32)
    hits = solid.caster.cast(eye, rays)
    met = hits.face >= 0
    view = rays / np.linalg.norm(rays, axis=1, keepdims=True)
    albedo, normal = solid.surface(type(hits)(hits.face[met], hits.u[met], hits.v[met], hits.distance[met]), view[met])
    lamp = np.array([-0.45, 0.75, 0.5]) / np.linalg.norm([-0.45, 0.75, 0.5])
    half = lamp - view[met]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    light = 0.5 + 0.55 * np.maximum(normal @ lamp, 0)
    shine = 0.3 * np.maximum((half * normal).sum(1), 0) ** 60
    rng = np.random.default_rng(1)
    y, x = np.mgrid[-1 : 1 : fine * 1j, -1 : 1 : fine * 1j]
    paper = (0.86 - 0.08 * (x**2 + y**2))[..., None] * np.array([0.98, 0.985, 1.0])
    low = solid.vertices[:, 1].min()
    floor = eye + rays * ((low - eye[1]) / np.minimum(rays[:, 1], -1e-4))[:, None]
    shade = np.zeros(len(rays), np.float32)
    for _ in range(48):  # a soft lamp: count how many of its points the floor sees
        point = lamp + rng.normal(0, 0.12, 3)
        blocked = (
            solid.caster.cast(
                ([*floor, 0, 0.001, 0]).astype(np.float32), np.tile(point.astype(np.float32), (len(floor), 1))
            ).face
            >= 0
        )
        shade += blocked / 48
    shade[rays[:, 1] > -1e-3] = 0
    colour = paper.reshape(-1, 3) * (1 - 0.35 * shade[:, None])
    colour[met] = albedo * light[:, None] + shine[:, None]
    colour = colour.reshape(size, 2, size, 2, 3).mean((1, 3)) + rng.normal(0, 0.004, (size, size, 1))
    Image.fromarray((np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8)).save(
        Path(__file__).parent / "rocket.jpg", quality=90
    )


if __name__ == "__main__":
    main()
