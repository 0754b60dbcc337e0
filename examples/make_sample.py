"""Draw the sample pictures: ``examples/rocket.jpg`` and those that the playground offers.

Run as ``python examples/make_sample.py`` from a checkout (our own renderer, no other assets).
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import trimesh
from PIL import Image, ImageColor, ImageDraw
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


def rocket() -> Solid:
    """A toy rocket with a painted hull."""
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
    return Solid(
        np.concatenate([p.vertices for p in parts]),
        faces,
        np.concatenate([p.vertex_normals for p in parts]).astype(np.float32),
        np.concatenate(colours).astype(np.float32),
        uv.astype(np.float32),
        texture,
    )


Part = tuple[trimesh.Trimesh, str]


def assemble(parts: list[Part]) -> Solid:
    """Plainly coloured parts as one solid."""
    meshes = [mesh for mesh, _ in parts]
    offsets = np.cumsum([0] + [len(m.vertices) for m in meshes])
    return Solid(
        np.concatenate([m.vertices for m in meshes]),
        np.concatenate([m.faces + o for m, o in zip(meshes, offsets, strict=False)]),
        np.concatenate([m.vertex_normals for m in meshes]).astype(np.float32),
        np.concatenate([np.tile(ImageColor.getrgb(c), (len(m.vertices), 1)) / 255 for m, c in parts]).astype(
            np.float32
        ),
    )


def turned(profile: list[tuple[float, float]], smooth: float = 1.5) -> trimesh.Trimesh:
    """A lathe: (radius, height) from bottom to top, rounded."""
    points = np.array(profile, float)
    steps = np.linspace(0, len(points) - 1, 80)
    curve = np.stack([np.interp(steps, range(len(points)), points[:, i]) for i in (0, 1)], 1)
    curve = ndimage.gaussian_filter1d(curve, smooth, axis=0, mode="nearest")
    curve[[0, -1], 0] = 0
    mesh = trimesh.creation.revolve(np.maximum(curve, 0), sections=96)
    mesh.vertices = mesh.vertices[:, [1, 2, 0]]
    return mesh


def box(size: tuple[float, float, float], at: tuple[float, float, float], round_by: float = 0.0) -> trimesh.Trimesh:
    """A box with hard edges, or a rounded one."""
    mesh = trimesh.creation.box(size)
    if round_by:
        inner = np.array(size) - 2 * round_by
        mesh = trimesh.creation.icosphere(subdivisions=4, radius=round_by)
        mesh.vertices += np.sign(mesh.vertices) * inner / 2
    else:
        mesh.unmerge_vertices()
    mesh.vertices += at
    return mesh


def rod(radius: float, start: tuple[float, float, float], end: tuple[float, float, float]) -> trimesh.Trimesh:
    """A round bar between two points."""
    return trimesh.creation.cylinder(radius, segment=np.array([start, end]), sections=32)


def ball(radius: float, at: tuple[float, float, float]) -> trimesh.Trimesh:
    """A sphere."""
    mesh = trimesh.creation.icosphere(subdivisions=4, radius=radius)
    mesh.vertices += at
    return mesh


def toadstool() -> Solid:
    """A red cap with white dots on a stout stem."""
    parts: list[Part] = [
        (turned([(0, 0), (0.62, 0), (0.56, 0.25), (0.4, 0.7), (0.36, 1.2), (0.4, 1.5), (0, 1.5)]), "#f3ead8"),
        (turned([(0, 1.3), (1.2, 1.22), (1.28, 1.4), (1.1, 1.9), (0.7, 2.3), (0.25, 2.45), (0, 2.46)], 3), "#c93527"),
    ]
    rng = np.random.default_rng(4)
    for ring, (height, out, count) in enumerate([(1.52, 1.22, 9), (1.98, 1.0, 7), (2.3, 0.62, 4)]):
        for i in range(count):
            angle = 2 * np.pi * (i + 0.3 * ring) / count
            dot = ball(rng.uniform(0.1, 0.16), (0, 0, 0))
            dot.vertices += np.array([np.sin(angle) * out, height, np.cos(angle) * out])
            parts.append((dot, "#f7f2e6"))
    parts.append((ball(0.14, (0, 2.44, 0)), "#f7f2e6"))
    return assemble(parts)


def robot() -> Solid:
    """A tin robot."""
    parts: list[Part] = [
        (box((1.3, 1.4, 0.9), (0, 1.55, 0), 0.16), "#3f8f8b"),
        (box((0.8, 0.55, 0.1), (0, 1.65, 0.45), 0.04), "#f1e3c0"),
        (box((1.0, 0.78, 0.8), (0, 2.75, 0), 0.14), "#e8b23c"),
        (rod(0.16, (0, 2.2, 0), (0, 2.45, 0)), "#6b7078"),
        (rod(0.035, (0, 3.1, 0), (0, 3.5, 0)), "#6b7078"),
        (ball(0.11, (0, 3.55, 0)), "#c93527"),
        (box((0.5, 0.07, 0.06), (0, 2.53, 0.4)), "#5c3a21"),
    ]
    for side in (-1, 1):
        parts += [
            (ball(0.16, (0.24 * side, 2.85, 0.36)), "#fbf8ef"),
            (ball(0.08, (0.24 * side, 2.85, 0.48)), "#26303a"),
            (rod(0.15, (0.7 * side, 2.0, 0), (0.98 * side, 1.25, 0.1)), "#6b7078"),
            (ball(0.22, (1.0 * side, 1.15, 0.12)), "#c93527"),
            (rod(0.17, (0.36 * side, 0.95, 0), (0.36 * side, 0.3, 0)), "#6b7078"),
            (box((0.46, 0.3, 0.75), (0.36 * side, 0.16, 0.1), 0.1), "#c93527"),
            (rod(0.12, (0.45 * side, 2.75, 0), (0.62 * side, 2.75, 0)), "#6b7078"),
            (ball(0.07, (0.2 * side, 1.78, 0.51)), "#c93527" if side < 0 else "#3f8f8b"),
        ]
    parts.append((box((0.5, 0.08, 0.04), (0, 1.5, 0.5)), "#26303a"))
    return assemble(parts)


def jug() -> Solid:
    """A glazed jug with a handle and two bands."""
    body = [(0, 0), (0.55, 0), (0.8, 0.45), (0.9, 0.95), (0.72, 1.5), (0.5, 1.85), (0.56, 2.2), (0, 2.2)]
    handle = trimesh.creation.torus(0.5, 0.1, major_sections=64, minor_sections=24)
    handle.vertices = handle.vertices * [0.8, 1.15, 1.0] + [0.78, 1.4, 0]
    parts: list[Part] = [(turned(body, 2), "#2f6690"), (handle, "#2f6690")]
    for low, out in ((0.8, 0.905), (1.1, 0.895)):
        parts.append(
            (
                turned(
                    [(0, low), (out, low), (out + 0.01, low + 0.06), (out - 0.005, low + 0.12), (0, low + 0.12)], 0.5
                ),
                "#f1e3c0",
            )
        )
    parts.append((turned([(0, 2.12), (0.57, 2.12), (0.6, 2.2), (0.56, 2.26), (0, 2.24)], 0.8), "#f1e3c0"))
    return assemble(parts)


def stool() -> Solid:
    """A milking stool."""
    parts: list[Part] = [(turned([(0, 1.3), (1.0, 1.3), (1.04, 1.38), (1.0, 1.5), (0, 1.5)], 0.8), "#b9783f")]
    for turn in np.radians([30, 120, 210, 300]):
        x, z = np.sin(turn), np.cos(turn)
        parts.append((rod(0.11, (0.6 * x, 1.35, 0.6 * z), (0.95 * x, 0, 0.95 * z)), "#8a5428"))
        x2, z2 = np.sin(turn + np.pi / 2), np.cos(turn + np.pi / 2)
        parts.append((rod(0.06, (0.8 * x, 0.6, 0.8 * z), (0.8 * x2, 0.6, 0.8 * z2)), "#d9a35f"))
    return assemble(parts)


def photograph(solid: Solid, camera: Camera, size: int, tone: tuple[float, float, float]) -> Image.Image:
    """The solid on studio paper under one soft lamp."""
    fine = 2 * size
    axis = ((np.arange(fine, dtype=np.float32) + 0.5) / fine * 2 - 1) * np.float32(np.tan(np.radians(camera.fov / 2)))
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
    paper = (0.86 - 0.08 * (x**2 + y**2))[..., None] * np.array(tone)
    low = solid.vertices[:, 1].min()
    floor = eye + rays * ((low - eye[1]) / np.minimum(rays[:, 1], -1e-4))[:, None]
    shade = np.zeros(len(rays), np.float32)
    for _ in range(48):  # a soft lamp: count how many of its points the floor sees
        point = lamp + rng.normal(0, 0.12, 3)
        blocked = (
            solid.caster.cast(
                (floor + np.array([0, 0.001, 0])).astype(np.float32), np.tile(point.astype(np.float32), (len(floor), 1))
            ).face
            >= 0
        )
        shade += blocked / 48
    shade[rays[:, 1] > -1e-3] = 0
    colour = paper.reshape(-1, 3) * (1 - 0.35 * shade[:, None])
    colour[met] = albedo * light[:, None] + shine[:, None]
    colour = colour.reshape(size, 2, size, 2, 3).mean((1, 3)) + rng.normal(0, 0.004, (size, size, 1))
    return Image.fromarray((np.clip(colour, 0, 1) * 255 + 0.5).astype(np.uint8))


def main() -> None:
    root = Path(__file__).parent.parent
    grey, warm, green = (0.98, 0.985, 1.0), (1.0, 0.97, 0.92), (0.95, 1.0, 0.96)
    picture = photograph(rocket(), Camera(0, 14, 2.1, 30), 768, grey)
    picture.save(root / "examples" / "rocket.jpg", quality=90)
    offered = {
        "rocket": picture,
        "toadstool": photograph(toadstool(), Camera(20, 12, 2.2, 30), 768, green),
        "robot": photograph(robot(), Camera(28, 16, 2.1, 30), 768, warm),
        "jug": photograph(jug(), Camera(-25, 15, 2.1, 30), 768, grey),
    }
    folder = root / "src" / "orbitview" / "server" / "web" / "samples"
    folder.mkdir(parents=True, exist_ok=True)
    for name, made in offered.items():
        made.resize((448, 448), Image.Resampling.LANCZOS).save(folder / f"{name}.webp", quality=82, method=6)
    hard = photograph(stool(), Camera(15, 25, 2.1, 30), 768, grey)  # thin legs: what the network cannot do yet
    for name, made in {"rocket": picture, "stool": hard}.items():
        made.resize((300, 300), Image.Resampling.LANCZOS).save(root / "docs" / "images" / f"sample-{name}.png")


if __name__ == "__main__":
    main()
