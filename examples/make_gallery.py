"""Draw what the embedded engine makes of our own objects, after it has got new weights.

``docs/images/gallery.webp``: twelve objects and six views of each; ``docs/images/rocket-grid.png``: README's grid; and
the toadstool that turns on the page.

Run as ``python examples/make_gallery.py`` from a checkout.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import trimesh
from make_sample import Part, assemble, ball, box, jug, photograph, robot, rocket, rod, stool, toadstool, turned
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent.parent))

import orbitview
from orbitview.cameras import Camera
from orbitview.outputs import make_grid
from orbitview.outputs.files import turntable_frames
from training.objects import Solid

AROUND = (0, 60, 120, 180, 240, 300)
TILE = 144


def car() -> Solid:
    """A toy car."""
    parts: list[Part] = [
        (box((1.5, 0.55, 3.2), (0, 0.62, 0), 0.22), "#d9482f"),
        (box((1.3, 0.62, 1.7), (0, 1.1, -0.15), 0.25), "#f1e3c0"),
        (box((1.34, 0.36, 1.1), (0, 1.12, -0.15), 0.1), "#7fb7cf"),
        (box((1.06, 0.36, 1.74), (0, 1.12, -0.15), 0.1), "#7fb7cf"),
        (box((1.3, 0.14, 0.12), (0, 0.48, 1.6), 0.05), "#9aa0a6"),
        (box((1.3, 0.14, 0.12), (0, 0.48, -1.6), 0.05), "#9aa0a6"),
    ]
    for x in (-0.72, 0.72):
        parts += [(rod(0.36, (x - 0.12, 0.36, z), (x + 0.12, 0.36, z)), "#2b2f36") for z in (-1.0, 1.0)]
        parts += [(rod(0.18, (x - 0.13, 0.36, z), (x + 0.13, 0.36, z)), "#c9ccd1") for z in (-1.0, 1.0)]
        parts.append((ball(0.13, (x * 0.65, 0.7, 1.55)), "#fff3c4"))
    return assemble(parts)


def house() -> Solid:
    """A cottage with a gable roof, a chimney and windows."""
    roof = trimesh.creation.extrude_triangulation(np.array([[-1.3, 0], [1.3, 0], [0, 1.1]]), [[0, 1, 2]], 2.6)
    roof.vertices += [0, 1.5, -1.3]
    roof.unmerge_vertices()
    parts: list[Part] = [
        (box((2.1, 1.6, 2.2), (0, 0.8, 0)), "#efe2c6"),
        (roof, "#a4452f"),
        (box((0.3, 0.9, 0.3), (0.6, 2.2, -0.5)), "#7a6a5c"),
        (box((0.5, 1.0, 0.06), (0, 0.5, 1.1)), "#3f6b58"),
        (box((2.2, 0.14, 2.3), (0, 0.07, 0)), "#8b8378"),
    ]
    parts += [(box((0.42, 0.42, 0.06), (x, 0.95, z)), "#6fa3bf") for x in (-0.68, 0.68) for z in (-1.1, 1.1)]
    parts += [(box((0.06, 0.42, 0.42), (x, 0.95, z)), "#6fa3bf") for x in (-1.05, 1.05) for z in (-0.5, 0.5)]
    return assemble(parts)


def boat() -> Solid:
    """A tug."""
    hull = trimesh.creation.icosphere(subdivisions=4)
    hull.vertices = hull.vertices * [0.75, 0.7, 1.7]
    hull.vertices[:, 1] = np.minimum(hull.vertices[:, 1], 0.05)
    deck = trimesh.creation.cylinder(1, 0.12, sections=96)
    deck.vertices = deck.vertices[:, [0, 2, 1]] * [0.78, 1, 1.74] + [0, 0.06, 0]
    parts: list[Part] = [
        (hull, "#b23a2e"),
        (deck, "#f4efe4"),
        (box((0.85, 0.65, 1.0), (0, 0.42, -0.2), 0.1), "#f4efe4"),
        (box((0.7, 0.4, 0.6), (0, 0.9, -0.1), 0.08), "#2f6690"),
        (rod(0.16, (0, 0.7, -0.55), (0, 1.45, -0.6)), "#e8b23c"),
        (rod(0.165, (0, 1.3, -0.59), (0, 1.46, -0.6)), "#26303a"),
    ]
    parts += [(ball(0.13, (x * 0.43, 0.48, z)), "#6fa3bf") for x in (-1, 1) for z in (-0.4, 0.0)]
    return assemble(parts)


def chair() -> Solid:
    """A kitchen chair."""
    parts: list[Part] = [(box((1.1, 0.14, 1.05), (0, 1.0, 0), 0.06), "#c98c4e")]
    for x in (-0.45, 0.45):
        parts += [
            (rod(0.075, (x, 0, 0.44), (x, 1.0, 0.42)), "#a86f38"),
            (rod(0.075, (x, 0, -0.46), (x, 2.15, -0.55)), "#a86f38"),
        ]
    parts += [(box((0.9, 0.2, 0.08), (0, y, -0.5 - 0.02 * y), 0.035), "#c98c4e") for y in (1.4, 1.72, 2.04)]
    return assemble(parts)


def lamp() -> Solid:
    """A table lamp."""
    return assemble(
        [
            (turned([(0, 0), (0.6, 0), (0.58, 0.1), (0.2, 0.18), (0, 0.2)], 1), "#3c4a5c"),
            (turned([(0, 0.1), (0.14, 0.15), (0.3, 0.6), (0.12, 1.1), (0.07, 1.5), (0, 1.5)], 2), "#3f8f8b"),
            (turned([(0, 1.35), (0.85, 1.35), (0.85, 1.4), (0.5, 2.3), (0, 2.3)], 0.6), "#f3dfae"),
        ]
    )


def cactus() -> Solid:
    """A cactus in a clay pot."""
    parts: list[Part] = [
        (turned([(0, 0), (0.5, 0), (0.68, 0.7), (0.78, 0.7), (0.78, 0.9), (0, 0.88)], 0.6), "#c2693f"),
        (turned([(0, 0.85), (0.36, 0.9), (0.42, 1.6), (0.38, 2.3), (0.2, 2.62), (0, 2.66)], 2), "#4f8f4a"),
        (ball(0.14, (0, 2.7, 0.05)), "#e58aa6"),
    ]
    for side, low, high in ((-1, 1.4, 2.0), (1, 1.7, 2.35)):
        parts += [
            (rod(0.17, (0.2 * side, low, 0), (0.75 * side, low, 0)), "#4f8f4a"),
            (rod(0.17, (0.75 * side, low, 0), (0.75 * side, high, 0)), "#4f8f4a"),
            (ball(0.17, (0.75 * side, low, 0)), "#4f8f4a"),
            (ball(0.17, (0.75 * side, high, 0)), "#4f8f4a"),
        ]
    return assemble(parts)


def duck() -> Solid:
    """A bath duck."""
    body, tail, beak = (trimesh.creation.icosphere(subdivisions=4) for _ in range(3))
    body.vertices = body.vertices * [0.8, 0.65, 1.05] + [0, 0.62, 0]
    tail.vertices = tail.vertices * [0.35, 0.22, 0.4] + [0, 0.95, -0.95]
    beak.vertices = beak.vertices * [0.24, 0.1, 0.26] + [0, 1.5, 1.05]
    parts: list[Part] = [
        (body, "#f4c531"),
        (tail, "#f4c531"),
        (ball(0.56, (0, 1.55, 0.5)), "#f4c531"),
        (beak, "#e5692e"),
    ]
    for x in (-1, 1):
        wing = trimesh.creation.icosphere(subdivisions=3)
        wing.vertices = wing.vertices * [0.16, 0.34, 0.58] + [0.74 * x, 0.72, -0.1]
        parts += [(wing, "#eab62a"), (ball(0.09, (0.25 * x, 1.72, 0.95)), "#26303a")]
    return assemble(parts)


OBJECTS: dict[Callable[[], Solid], Camera] = {
    rocket: Camera(0, 14, 2.1, 30),
    toadstool: Camera(20, 12, 2.2, 30),
    robot: Camera(28, 16, 2.1, 30),
    jug: Camera(-25, 15, 2.1, 30),
    car: Camera(35, 20, 2.1, 30),
    house: Camera(30, 20, 2.2, 30),
    boat: Camera(50, 18, 2.1, 30),
    chair: Camera(30, 20, 2.1, 30),
    lamp: Camera(0, 10, 2.2, 30),
    cactus: Camera(10, 12, 2.1, 30),
    duck: Camera(40, 15, 2.2, 30),
    stool: Camera(15, 25, 2.1, 30),
}


def row(make: Callable[[], Solid], camera: Camera) -> Image.Image:
    """The picture, then the views around it, the camera not told."""
    picture = photograph(make(), camera, 512, (0.98, 0.985, 1.0))
    views = orbitview.generate(picture, [Camera(azimuth, 20) for azimuth in AROUND], size=2 * TILE)
    tiles = [picture, *(view.image for view in views)]
    return make_grid(tiles, TILE * len(tiles), TILE, columns=len(tiles))


def gallery() -> Image.Image:
    """All objects, a row each."""
    rows = [row(make, camera) for make, camera in OBJECTS.items()]
    sheet = Image.new("RGB", (rows[0].width, TILE * len(rows)))
    for i, strip in enumerate(rows):
        sheet.paste(strip, (0, i * TILE))
    return sheet


def main() -> None:
    root = Path(__file__).parent.parent
    pictures, samples = root / "docs" / "images", root / "src" / "orbitview" / "server" / "web" / "samples"
    grid = orbitview.generate(root / "examples" / "rocket.jpg", size=320).grid()
    grid.save(pictures / "rocket-grid.png", optimize=True)
    views = orbitview.generate(samples / "toadstool.webp", size=32)
    frames = turntable_frames(views, 440, "orbit-24@15")
    small = [frame.resize((200, 200), Image.Resampling.LANCZOS) for frame in frames]
    # The page's weight is bounded: see tests/test_playground.py.
    small[0].save(
        samples / "example.webp",
        save_all=True,
        append_images=small[1:],
        duration=90,
        loop=0,
        quality=24,
        alpha_quality=30,
        minimize_size=True,
        method=6,
    )
    small[3].save(samples / "still.webp", quality=80)  # for those who asked for little motion
    gallery().save(pictures / "gallery.webp", quality=80, method=6)


if __name__ == "__main__":
    main()
