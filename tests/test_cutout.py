"""Cut-outs of pictures as people take them: framing alpha, tight crops, little contrast, highlights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image, ImageDraw, ImageFilter

import orbitview
from orbitview.images import cut_out, find_cut_out
from orbitview.outputs import write_format


def soft_iou(found: Image.Image, true: np.ndarray) -> float:
    alpha = np.asarray(found)[..., 3] / 255
    return float(np.minimum(alpha, true).sum() / np.maximum(alpha, true).sum())


def photograph(size: int = 400, paper: tuple[int, int, int] = (205, 215, 228)) -> tuple[Image.Image, np.ndarray]:
    """The figure before paper, and its alpha in [0, 1]."""
    figure = make_figure(4 * size).resize((size, size), Image.Resampling.LANCZOS)
    picture = Image.new("RGBA", (size, size), (*paper, 255))
    picture.alpha_composite(figure)
    return picture, np.asarray(figure)[..., 3] / 255


# --- alpha that is no cut-out --------------------------------------------------------------------------------


def test_rounded_corners_cut_nothing() -> None:
    picture, true = photograph()
    corners = Image.new("L", picture.size, 0)
    ImageDraw.Draw(corners).rounded_rectangle((0, 0, 399, 399), 40, fill=255)
    picture.putalpha(corners)
    cut = find_cut_out(picture)
    assert cut.by == "network"
    assert soft_iou(cut.picture, true) > 0.93
    assert find_cut_out(picture, "alpha").by == "alpha"


def test_letterbox_bars_cut_nothing() -> None:
    picture, true = photograph()
    for size, place in (((400, 540), (0, 70)), ((560, 400), (80, 0))):
        barred = Image.new("RGBA", size)
        barred.paste(picture, place)
        whole = np.zeros(size[::-1])
        whole[place[1] : place[1] + 400, place[0] : place[0] + 400] = true
        assert soft_iou(cut_out(barred), whole) > 0.93


def test_the_corners_of_a_straightened_photograph_cut_nothing() -> None:
    picture, true = photograph()
    turned = picture.rotate(4, Image.Resampling.BICUBIC, expand=True)
    alpha = Image.fromarray((true * 255).astype(np.uint8)).rotate(4, Image.Resampling.BICUBIC, expand=True)
    assert soft_iou(cut_out(turned), np.asarray(alpha) / 255) > 0.93


def test_a_card_with_alpha_stays_as_it_is() -> None:
    card = Image.new("RGBA", (300, 200), (240, 230, 200, 255))
    ImageDraw.Draw(card).ellipse((100, 50, 200, 150), fill=(200, 60, 40, 255))
    upright = Image.new("RGBA", (400, 400))
    upright.paste(card, (50, 100))
    turned = Image.new("RGBA", (400, 400))
    turned.alpha_composite(card.rotate(10, Image.Resampling.BICUBIC, expand=True), (30, 60))
    for picture in (upright, turned):
        assert find_cut_out(picture).by == "alpha"
        assert np.array_equal(np.asarray(cut_out(picture)), np.asarray(picture))


def test_an_evenly_translucent_object_is_a_cut_out() -> None:
    glass = np.array(make_figure(300))
    glass[..., 3] = glass[..., 3] * (110 / 255)
    cut = find_cut_out(Image.fromarray(glass))
    assert cut.by == "alpha"
    assert soft_iou(cut.picture, np.asarray(make_figure(300))[..., 3] / 255) > 0.97


def test_a_veil_over_the_whole_picture_is_no_cut_out() -> None:
    picture, true = photograph()
    picture.putalpha(110)
    assert soft_iou(cut_out(picture), true) > 0.93


# --- opaque pictures -----------------------------------------------------------------------------------------


def test_objects_that_touch_the_frame_are_whole() -> None:
    picture, true = photograph(paper=(250, 250, 250))
    rows, columns = np.flatnonzero(true.any(1)), np.flatnonzero(true.any(0))
    for box in (
        (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1),  # as tight as can be
        (columns[0] + 30, rows[0] - 10, columns[-1] + 20, rows[-1] - 40),  # cut by two sides
    ):
        inside = true[box[1] : box[3], box[0] : box[2]]
        assert soft_iou(cut_out(picture.crop(tuple(map(int, box)))), inside) > 0.93


@pytest.mark.parametrize(("paper", "thing"), [((255, 255, 255), (238, 238, 240)), ((0, 0, 0), (14, 14, 16))])
def test_little_contrast_is_enough(paper: tuple[int, int, int], thing: tuple[int, int, int]) -> None:
    picture = Image.new("RGB", (400, 400), paper)
    true = Image.new("L", (400, 400), 0)
    for image, fill in ((picture, thing), (true, 255)):
        draw = ImageDraw.Draw(image)
        draw.rounded_rectangle((110, 90, 290, 330), 30, fill=fill)
        draw.rectangle((290, 150, 330, 260), fill=fill)
    assert soft_iou(cut_out(picture), np.asarray(true) / 255) > 0.9


def test_a_highlight_is_no_hole_and_a_hole_is_no_highlight() -> None:
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    ball = np.hypot(x, y) < 0.7
    shade = np.clip(0.3 + 0.7 * np.sqrt(np.clip(0.49 - x * x - y * y, 0, 1)) / 0.7, 0, 1)
    shine = (np.abs(x + 0.2) < 0.12) & (np.abs(y + 0.25) < 0.1)
    pixels = np.where(ball[..., None], shade[..., None] * [200, 25, 20], 255.0)
    pixels[shine] = 255
    found = np.asarray(cut_out(Image.fromarray(pixels.astype(np.uint8)).filter(ImageFilter.GaussianBlur(1))))[..., 3]
    assert (found[shine] > 127).mean() > 0.99
    ring = ball & (np.hypot(x, y) > 0.35)
    pixels = np.where(ring[..., None], shade[..., None] * [200, 25, 20], 255.0)
    found = np.asarray(cut_out(Image.fromarray(pixels.astype(np.uint8))))[..., 3]
    assert (found[np.hypot(x, y) < 0.3] < 128).mean() > 0.98


def test_of_several_objects_the_main_one_is_taken() -> None:
    picture = Image.new("RGB", (700, 400), (225, 225, 228))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((60, 60, 340, 340), fill=(190, 40, 30))
    draw.rectangle((520, 150, 660, 300), fill=(30, 70, 160))
    draw.text((250, 380), "caption", fill=(90, 90, 90))
    cut = find_cut_out(picture)
    alpha = np.asarray(cut.picture)[..., 3]
    assert cut.objects == 2
    assert alpha[200, 200] > 250
    assert alpha[:, 400:].max() < 10
    views = orbitview.generate(picture, [orbitview.Camera()], size=64, seed=1)
    assert views.meta["cutout"] == {"by": "network", "objects": 2}


def test_edges_carry_none_of_the_background() -> None:
    picture, _ = photograph(paper=(20, 220, 40))
    blurred = picture.filter(ImageFilter.GaussianBlur(1.5))
    pixels = np.asarray(cut_out(blurred)).astype(int)
    edge = (pixels[..., 3] > 60) & (pixels[..., 3] < 200) & (np.arange(400)[:, None] < 230)  # around the red body
    green = pixels[..., 1] - pixels[..., 0]
    assert edge.sum() > 100
    assert np.median(green[edge]) < np.median((np.asarray(blurred).astype(int) @ [-1, 1, 0, 0])[edge]) - 40


def test_the_cut_out_is_a_format(tmp_path: Path) -> None:
    from orbitview.kept import pack_scene, unpack_scene

    picture, true = photograph()
    views = orbitview.generate(picture, [orbitview.Camera()], size=64, seed=1)
    kept = pack_scene(views)
    assert kept is not None
    for source in (views, unpack_scene(kept, None)):
        (path,) = write_format(source, "cutout", tmp_path).values()
        assert path.name == "cutout.png"
        assert soft_iou(Image.open(path), true) > 0.93
    views.cutout = None
    with pytest.raises(orbitview.InvalidRequest):
        write_format(views, "cutout", tmp_path)
