"""A camera told with its distance stands in a world where the object's box has a diagonal of 1 around the origin."""

from __future__ import annotations

import numpy as np
import pytest

from orbitview import Camera
from orbitview.engines.lift.extent import fitted
from orbitview.engines.lift.frustum import Frustum
from orbitview.engines.lift.guess import Guess
from orbitview.engines.lift.surface import surface

SIDES = np.array([0.6, 0.4, np.sqrt(1 - 0.6**2 - 0.4**2)])


def guessed(elevation: float, deep: float, back: float, size: float = 1.0) -> tuple[Guess, np.ndarray]:
    """An ellipsoid guessed too deep and too far back, and its outline."""
    camera = Camera(0, elevation, 1.5, 49.1)
    half = SIDES * size / 2 * [1, 1, deep]
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float32) * half
    frustum = Frustum.around(corners.astype(np.float32), camera)
    cells = frustum.cell_centres(64, 128) - np.array([0, 0, -back], np.float32)
    inside = 1 - np.linalg.norm(cells / half, axis=-1)
    logits = np.clip(inside * 30, -6, 6).astype(np.float32)
    matte = (logits.max(0) > 0).astype(np.float32)
    return Guess(logits, frustum), np.kron(matte, np.ones((2, 2), np.float32))


def box(guess: Guess, matte: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    vertices = guess.frustum.world(surface(guess.logits, matte)[0])
    return (vertices.min(0) + vertices.max(0)) / 2, np.ptp(vertices, axis=0)


@pytest.mark.parametrize(
    ("elevation", "deep", "back"), [(0, 1.2, 0.0), (0, 0.8, 0.06), (20, 1.0, -0.06), (20, 0.8, 0.0)]
)
def test_depth_is_drawn_to_where_the_box_wants_it(elevation: float, deep: float, back: float) -> None:
    guess, matte = guessed(elevation, deep, back)
    was_centre, was_sides = box(guess, matte)
    centre, sides = box(fitted(guess, matte), matte)
    assert abs(np.linalg.norm(sides) - 1) <= abs(np.linalg.norm(was_sides) - 1) + 0.003
    if deep != 1:
        assert abs(np.linalg.norm(sides) - 1) < 0.75 * abs(np.linalg.norm(was_sides) - 1)
    if back:
        assert np.linalg.norm(centre) < 0.5 * np.linalg.norm(was_centre)


def test_a_distance_that_cannot_be_meant_so_is_not_leant_on() -> None:
    guess, matte = guessed(0, 1.0, 0.06, size=1.4)
    assert fitted(guess, matte) is guess
