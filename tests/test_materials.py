"""An object in a few plain colours has them on its other side too, with outlines and without fog between them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

import orbitview
from orbitview import Camera
from orbitview.engines.lift.materials import Materials, materials_of

RED, CREAM, BLUE = (190, 40, 30), (235, 225, 200), (40, 90, 190)


def half_and_half() -> Image.Image:
    """A ball, red above and cream below, with a blue window in the middle of its front."""
    picture = Image.new("RGBA", (300, 300))
    draw = ImageDraw.Draw(picture)
    draw.pieslice((30, 30, 270, 270), 180, 360, fill=(*RED, 255))
    draw.pieslice((30, 30, 270, 270), 0, 180, fill=(*CREAM, 255))
    draw.ellipse((125, 160, 175, 210), fill=(*BLUE, 255))
    return picture


def found(picture: Image.Image) -> Materials | None:
    pixels = np.asarray(picture, np.float32) / 255
    return materials_of(np.ascontiguousarray(pixels[..., :3]), np.ascontiguousarray(pixels[..., 3]))


def test_the_colours_of_a_picture_are_found() -> None:
    materials = found(half_and_half())
    assert materials
    wanted = np.array([RED, CREAM, BLUE])
    apart = np.abs(materials.colours[:, None] * 255 - wanted).max(2)
    assert len(materials.colours) == 3
    assert (apart.min(0) < 3).all()


@pytest.mark.parametrize("kind", ["shading", "texture", "nothing"])
def test_what_is_not_of_a_few_plain_colours_is_left_alone(kind: str) -> None:
    ramp = np.linspace(0.35, 1, 300)[:, None, None] * np.float32(RED)
    if kind == "texture":
        ramp = np.random.default_rng(0).integers(0, 255, (75, 75, 3)).repeat(4, 0).repeat(4, 1)
    pixels = np.dstack([np.broadcast_to(ramp, (300, 300, 3)), np.full((300, 300), 255 * (kind != "nothing"))])
    assert found(Image.fromarray(pixels.astype(np.uint8))) is None


@pytest.mark.parametrize("kept", [False, True])
def test_the_back_has_them_without_fog_and_without_what_no_outline_shows(kept: bool) -> None:
    from orbitview.kept import pack_scene, unpack_scene

    views = orbitview.generate(half_and_half(), [(180, 0)], engine="lift", size=192, grain=False, input_camera=Camera())
    if kept:
        packed = pack_scene(views)
        assert packed
        views = unpack_scene(packed)
    pixels = np.asarray(views[0].image, np.float32)
    inside = pixels[..., 3] > 250
    hue = pixels[..., 2] / np.maximum(pixels[..., 0], 1)  # blue over red: 0.16, 0.85 and 4.75
    fog = inside & (hue > 0.35) & (hue < 0.65)
    assert fog.sum() < 0.06 * inside.sum()
    assert (inside & (hue > 1.2)).sum() < 0.01 * inside.sum()
    upper, lower = np.vsplit(np.where(inside, hue, np.nan), 2)
    assert np.nanmedian(upper) < 0.35
    assert np.nanmedian(lower) > 0.65


def spotted(*more: tuple[int, int, int]) -> Image.Image:
    """A red ball with cream spots, two of which the outline cuts, and a blue ear that stands out.

    Args:
        more: centre and radius of further spots.
    """
    picture = Image.new("RGBA", (300, 300))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((125, 5, 175, 55), fill=(*BLUE, 255))
    draw.ellipse((30, 30, 270, 270), fill=(*RED, 255))
    ball = np.asarray(picture)[..., 3] > 0
    for x, y, r in ((150, 150, 22), (258, 150, 22), (42, 170, 22), *more):
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(*CREAM, 255))
    pixels = np.array(picture)
    pixels[~ball] = 0
    return Image.fromarray(pixels)


def test_spots_that_the_outline_cuts_are_no_streaks() -> None:
    materials = found(spotted((228, 204, 16)))
    assert materials
    marked = materials.marks > 0.5
    scale = len(marked) / 300
    ends, goes_on = ((260, 150), (40, 170), (228, 204)), ((150, 150), (150, 100), (150, 15))
    for x, y in ends + goes_on:
        assert marked[int(y * scale), int(x * scale)] == ((x, y) in ends), (x, y)
    views = orbitview.generate(
        spotted(), [(90, 0), (180, 0)], engine="lift", size=192, grain=False, input_camera=Camera()
    )
    side, back = (np.asarray(view.image, np.float32) for view in views)
    cream = (side[..., 1] > 0.5 * side[..., 0]) & (side[..., 2] < side[..., 0]) & (side[..., 3] > 250)
    rows, columns = (np.flatnonzero(cream[60:140].any(axis)) for axis in (1, 0))
    assert len(rows) > 5
    assert np.ptp(columns) < 1.5 * np.ptp(rows)
    assert ((back[..., 1] > 0.5 * back[..., 0]) & (back[..., 3] > 250))[60:140].mean() < 0.01


def test_what_is_of_one_material_at_a_height_is_so_all_round() -> None:
    """A jug with two bands has them on its back, level, and a window beside them is on the front alone."""
    picture = Image.new("RGBA", (300, 300))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((80, 30, 220, 270), 40, fill=(*BLUE, 255))
    draw.rectangle((80, 120, 220, 145), fill=(*CREAM, 255))
    draw.ellipse((130, 180, 170, 220), fill=(*RED, 255))
    views = orbitview.generate(picture, [(180, 0)], engine="lift", size=192, grain=False, input_camera=Camera())
    back = np.asarray(views[0].image, np.float32)
    inside = back[..., 3] > 250
    cream = inside & (back[..., 0] > back[..., 2])
    rows = np.flatnonzero(cream.sum(1) > 0.8 * np.maximum(inside.sum(1), 1))
    assert 4 < len(rows) < 0.25 * inside.any(1).sum()
    assert np.ptp(rows) == len(rows) - 1
    assert (cream.sum() - cream[rows].sum()) < 0.03 * inside.sum()
