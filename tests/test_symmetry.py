"""The hidden side of a symmetric object is completed from the side that the picture shows."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from orbitview.engines.lift.guess import Guess, estimated_frustum
from orbitview.engines.lift.symmetry import complete


def sofa(turn: float, half: bool = False) -> tuple[Guess, NDArray[np.float32], NDArray[np.bool_]]:
    """A sofa (or the half of one) turned by some degrees, its matte, and the top of the arm that is turned away."""
    frustum = estimated_frustum(15, math.tan(math.radians(15)), 1.1)
    cells = frustum.cell_centres()
    cosine, sine = math.cos(math.radians(turn)), math.sin(math.radians(turn))
    x = cells[..., 0] * cosine - cells[..., 2] * sine
    z = cells[..., 0] * sine + cells[..., 2] * cosine
    y = cells[..., 1]
    seat = (abs(x) < 0.32) & (abs(y + 0.05) < 0.08) & (abs(z) < 0.16)
    back = (abs(x) < 0.32) & (abs(y - 0.05) < 0.18) & (abs(z + 0.14) < 0.05)
    near, far = ((abs(x - side * 0.3) < 0.05) & (abs(y) < 0.13) & (abs(z) < 0.16) for side in (-1, 1))
    whole = seat | back | near | far
    if half:
        whole &= ~((x > 0) & (y > -0.05))
    logits = np.where(whole, 4, -4).astype(np.float32)
    logits += np.random.default_rng(0).normal(0, 0.5, logits.shape).astype(np.float32)
    matte = np.kron(whole.any(0), np.ones((2, 2))).astype(np.float32)
    return Guess(logits, frustum), matte, far & (y > 0.03)


def test_an_arm_that_the_network_was_unsure_of_comes_back() -> None:
    guess, matte, arm = sofa(35)
    hidden = arm & (np.cumsum(guess.logits > 0, axis=0) > 2)
    guess.logits[hidden] = -1
    done = complete(guess, matte)
    assert done.mirror is not None
    angle = math.degrees(math.atan2(done.mirror.normal[2], done.mirror.normal[0])) % 180
    assert angle == pytest.approx(180 - 35, abs=5)
    assert (done.logits[hidden] > 0).mean() > 0.7
    # What was right stays right.
    sure = abs(guess.logits) > 2
    assert ((done.logits > 0) == (guess.logits > 0))[sure].mean() > 0.97


@pytest.mark.parametrize(("turn", "half"), [(0, False), (35, True)], ids=["from the front", "not symmetric"])
def test_what_tells_nothing_is_left_alone(turn: float, half: bool) -> None:
    guess, matte, _ = sofa(turn, half)
    assert complete(guess, matte) is guess
