"""A camera told with its distance looks at the middle of the object's box: guesses are moved towards it."""

from __future__ import annotations

import numpy as np
import pytest

from orbitview import Camera
from orbitview.engines.lift.centring import centred
from orbitview.engines.lift.frustum import Frustum
from orbitview.engines.lift.guess import Guess
from orbitview.engines.lift.surface import surface

HALF = np.array([0.3, 0.2, np.sqrt(1 - 0.6**2 - 0.4**2) / 2])


def guessed(elevation: float, back: float) -> tuple[Guess, np.ndarray]:
    """An ellipsoid guessed too far back, its outline, and a colour that tells its depth."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]) * HALF
    frustum = Frustum.around(corners.astype(np.float32), Camera(0, elevation, 1.5, 49.1))
    cells = frustum.cell_centres(64, 128) - frustum.axes[:, 2] * np.float32(back)
    logits = np.clip((1 - np.linalg.norm(cells / HALF, axis=-1)) * 30, -6, 6).astype(np.float32)
    matte = np.kron((logits.max(0) > 0).astype(np.float32), np.ones((2, 2), np.float32))
    colour = np.broadcast_to(np.linspace(0, 1, 8, dtype=np.float32)[None, :, None, None], (6, 8, 64, 64))
    return Guess(logits, frustum, colour.copy()), matte


def middle(guess: Guess, matte: np.ndarray) -> float:
    """Depth of the box's centre behind the origin."""
    vertices = guess.frustum.world(surface(guess.logits, matte)[0])
    return float((vertices.min(0) + vertices.max(0)) / 2 @ guess.frustum.axes[:, 2])


@pytest.mark.parametrize("elevation", [0, 25])
@pytest.mark.parametrize("back", [0.08, -0.08])
def test_what_was_guessed_aside_moves_towards_the_middle(elevation: float, back: float) -> None:
    guess, matte = guessed(elevation, back)
    was, found = middle(guess, matte), centred(guess, matte)
    assert abs(was) > 0.05
    assert 0.3 * abs(was) < abs(middle(found, matte)) < 0.8 * abs(was)
    assert found.colour is not None
    assert guess.colour is not None
    # What moves forward has the colours that lay behind.
    assert np.sign((found.colour - guess.colour)[:, 2:6].mean()) == np.sign(back)


def test_what_is_in_the_middle_stays() -> None:
    guess, matte = guessed(10, 0.0)
    assert abs(middle(centred(guess, matte), matte) - middle(guess, matte)) < 0.006


def test_nothing_stays_nothing() -> None:
    guess, matte = guessed(0, 0.0)
    empty = Guess(np.full_like(guess.logits, -6), guess.frustum)
    assert centred(empty, np.zeros_like(matte)) is empty
