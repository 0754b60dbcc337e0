"""Poles, needles and strips, thinner than the cells of the surface; cards, which have next to no depth."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

import orbitview
from orbitview.engines.lift.thin import axes_of_thin_parts


def lamp() -> Image.Image:
    """A shade and a foot, 785 px apart, joined by a pole of 6 px."""
    picture = Image.new("RGBA", (260, 820))
    draw = ImageDraw.Draw(picture)
    draw.polygon([(80, 15), (180, 15), (200, 130), (60, 130)], fill=(220, 210, 170, 255))
    draw.rectangle((127, 130, 132, 785), fill=(60, 66, 62, 255))
    draw.ellipse((60, 775, 200, 800), fill=(40, 44, 42, 255))
    return picture


@pytest.mark.parametrize("engine", ["lift", "inflate"])
@pytest.mark.parametrize("azimuth", [0, 40, 180])
def test_a_thin_pole_stands(engine: str, azimuth: float) -> None:
    view = orbitview.generate(lamp(), [orbitview.Camera(azimuth)], engine=engine, size=256, seed=1)[0]
    shown = (np.asarray(view.mask) > 127).any(1)
    rows = np.flatnonzero(shown)
    assert np.ptp(rows) > 150
    assert shown[rows[0] : rows[-1] + 1].mean() > 0.97


@pytest.mark.parametrize("angle", [0, 27, 45])
def test_a_needle_gives_views(angle: float) -> None:
    needle = Image.new("RGBA", (640, 640))
    ImageDraw.Draw(needle).rectangle((40, 319, 600, 321), fill=(120, 110, 118, 255))
    needle = needle.rotate(angle, Image.Resampling.BICUBIC)
    view = orbitview.generate(needle, [orbitview.Camera()], size=256, seed=1, num_inference_steps=1)[0]
    rows, columns = np.nonzero(np.asarray(view.mask) > 60)
    assert np.hypot(np.ptp(rows), np.ptp(columns)) > 120


def test_a_strip_of_8_rows_gives_views() -> None:
    strip = np.zeros((8, 2048, 4), np.uint8)
    strip[2:6, 20:-20] = (200, 50, 60, 255)
    assert len(orbitview.generate(strip, [orbitview.Camera()], size=128, seed=1, num_inference_steps=1)) == 1


def test_an_object_of_a_few_pixels_is_lifted() -> None:
    speck = np.zeros((400, 400, 4), np.uint8)
    speck[200:206, 200:206] = (200, 50, 60, 255)
    view = orbitview.generate(speck, [orbitview.Camera()], size=64, seed=1, num_inference_steps=1)[0]
    assert (np.asarray(view.mask) > 127).mean() > 0.1


def test_axes_are_joined_edge_to_edge_and_thick_parts_have_none() -> None:
    disc = Image.new("L", (512, 512))
    ImageDraw.Draw(disc).ellipse((60, 60, 450, 450), fill=255)
    assert not axes_of_thin_parts(np.asarray(disc, np.float32) / 255, 128).any()
    line = Image.new("L", (512, 512))
    ImageDraw.Draw(line).line((30, 60, 480, 400), fill=255, width=3)
    axes = axes_of_thin_parts(np.asarray(line, np.float32) / 255, 128)
    from scipy import ndimage

    assert ndimage.label(axes)[1] == 1  # four neighbours each
    assert np.ptp(np.nonzero(axes)[1]) > 105


def depth_over_width(picture: Image.Image) -> float:
    scene = orbitview.generate(picture, [orbitview.Camera()], size=64, seed=1, num_inference_steps=1).scene
    size = np.ptp((scene.vertices - scene.frustum.eye) @ scene.frustum.axes, axis=0)
    return float(size[2] / size[0])


@pytest.mark.parametrize("turn", [0, 12])
def test_a_card_stays_flat_and_a_shaded_box_does_not(turn: float) -> None:
    card = Image.new("RGBA", (300, 420), (240, 230, 200, 255))
    draw = ImageDraw.Draw(card)
    draw.ellipse((60, 60, 240, 240), fill=(200, 60, 40, 255))
    draw.rectangle((60, 300, 240, 330), fill=(30, 40, 60, 255))
    shaded = np.array(card)
    shaded[..., :3] = shaded[..., :3] * np.linspace(0.5, 1, 300)[:, None]
    for picture, flat in ((card, True), (Image.fromarray(shaded), False)):
        sheet = Image.new("RGBA", (600, 600))
        sheet.paste(picture, (150, 90))
        depth = depth_over_width(sheet.rotate(turn, Image.Resampling.BICUBIC))
        assert (depth < 0.12) == flat
