"""The grain of hidden sides: fabric goes on round the back, features do not."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

import orbitview
from orbitview import Camera

SIDE = 640


def ball(rough: float = 0.0, eye: bool = False) -> Image.Image:
    """A shaded ball, with weave-like noise, or with one black eye."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / (SIDE / 2) - 1
    far = np.hypot(x, y)
    colour = np.array([0.75, 0.45, 0.3]) * (1 - 0.25 * far[..., None])
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(SIDE, SIDE)), 1.2)
    colour = colour + rough * (noise / noise.std())[..., None]
    if eye:
        colour[np.hypot(x - 0.1, y + 0.1) < 0.12] = 0.02
    alpha = np.clip((0.85 - far) * SIDE / 2, 0, 1)
    pixels = np.dstack([np.clip(colour, 0, 1), alpha])
    return Image.fromarray((pixels * 255).astype(np.uint8))


def fine(picture: Image.Image) -> float:
    """Strength of what is fine in the middle of a view."""
    grey = np.asarray(picture.convert("L"), np.float32) / 255
    side = len(grey)
    middle = grey[side // 3 : 2 * side // 3, side // 3 : 2 * side // 3]
    return float((middle - ndimage.gaussian_filter(middle, 3)).std())


@pytest.fixture(scope="module")
def rough() -> dict[bool, orbitview.ViewSet]:
    cameras = [Camera(0, 10), Camera(180, 10)]
    return {
        grain: orbitview.generate(ball(0.04), cameras, size=400, engine="lift", seed=1, grain=grain)
        for grain in (True, False)
    }


def test_the_back_is_as_rough_as_the_front(rough: dict[bool, orbitview.ViewSet]) -> None:
    front, back = (fine(view.image) for view in rough[True])
    smooth = fine(rough[False][1].image)
    assert smooth < 0.3 * front
    assert 0.5 * front < back < 1.5 * front


def test_the_front_is_the_picture_either_way(rough: dict[bool, orbitview.ViewSet]) -> None:
    with_it, without = (np.asarray(rough[grain][0].image, np.int32)[150:250, 150:250] for grain in (True, False))
    assert abs(with_it - without).max() <= 8


def test_an_eye_is_no_grain() -> None:
    views = [
        orbitview.generate(ball(eye=True), [Camera(180, 10)], size=200, engine="lift", seed=1, grain=grain)
        for grain in (True, False)
    ]
    first, second = (np.asarray(view[0].image) for view in views)
    assert (first == second).all()


def test_meshes_have_it_too_and_the_same_request_the_same_bytes(rough: dict[bool, orbitview.ViewSet]) -> None:
    textures = []
    for grain in (True, True, False):
        buffer = io.BytesIO()
        mesh = rough[grain].scene.mesh(512, 3000)
        mesh.visual.material.baseColorTexture.save(buffer, "PNG")
        textures.append(buffer.getvalue())
    assert textures[0] == textures[1]
    assert len(textures[0]) > 1.2 * len(textures[2])
