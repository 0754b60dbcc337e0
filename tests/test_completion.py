"""What the picture does not show carries on from what it shows: bands go on round, spots do not become bands."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

import orbitview
from orbitview import Camera


def ball(banded: bool) -> Image.Image:
    """Red, with three white bands or three rows of white dots."""
    picture = Image.new("RGBA", (300, 300))
    ImageDraw.Draw(picture).ellipse((30, 30, 270, 270), fill=(190, 40, 30, 255))
    pattern = Image.new("RGBA", (300, 300))
    draw = ImageDraw.Draw(pattern)
    for y in (85, 150, 215):
        spots = [(0, 300)] if banded else [(x - 12, x + 12) for x in range(30, 300, 48)]
        for left, right in spots:
            shape = (left, y - 12, right, y + 12)
            draw.rectangle(shape, fill="white") if banded else draw.ellipse(shape, fill="white")
    pattern.putalpha(Image.fromarray(np.minimum(*(np.asarray(p)[..., 3] for p in (pattern, picture)))))
    picture.alpha_composite(pattern)
    return picture


def unevenness(banded: bool) -> float:
    """How much the rows of the sides that the picture does not show differ from each other."""
    views = orbitview.generate(
        ball(banded), [(120, 0), (240, 0)], engine="inflate", size=128, grain=False, input_camera=Camera()
    )
    pixels = [np.asarray(view.image, np.float32) for view in views]
    rows = [[p[y][p[y, :, 3] > 200][:, 1].mean() for y in range(32, 96)] for p in pixels]
    return float(np.std(rows, axis=1).mean())


def test_bands_go_on_round_and_spots_do_not() -> None:
    assert unevenness(banded=True) > 1.53 * unevenness(banded=False)
