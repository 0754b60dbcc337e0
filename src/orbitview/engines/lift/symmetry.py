"""The other side of a symmetric object that was seen at an angle.

A car pictured from its front left is the same on its right. The likeliest upright mirror plane of the guessed
volume is looked for; where it stands askew to the picture, so that it has something to tell, the volume is averaged
with its mirror image, and hidden surface takes its colours from the mirrored place in the picture. Seen from the
front the plane goes through the camera and hides what the picture hides, so nothing is done.

All numbers were chosen on validation objects of the training folder, seen 25–60° from their front.
"""

from __future__ import annotations

import cv2
import numpy as np

from .frustum import Floats, Frustum, sample
from .guess import Guess, Mirror

LEAST = 0.9
"""Share of the volume that must lie on itself when mirrored."""
ASKEW = (0.3, 0.8)
"""Cosine of the angle between the plane's normal and the line of sight: less tells nothing, more is guesswork."""
ROUND = 0.96
"""An askew plane that fits so well is taken even where another fits better: the object is round, or square."""
CERTAIN = 8.0
"""Log odds at which both halves are cut before they are averaged: further out they only tell of overconfidence."""
SHARE, SHARE_SEEN = 0.5, 0.2
"""Of the mirror image in the average: behind what a ray meets first, and before it."""
POINTS = 3000


def complete(guess: Guess, matte: Floats) -> Guess:
    """The guess with its hidden side completed, or as it is where no symmetry is to be seen.

    Args:
        matte: (T, T) alpha of the window.
    """
    inside = cv2.resize(matte, guess.logits.shape[:0:-1], interpolation=cv2.INTER_AREA) > 0.3
    filled = inside / (1 + np.exp(-np.clip(guess.logits, -8, 8)))
    centres = guess.frustum.cell_centres(*guess.logits.shape[:2])
    mirror = _find(filled, guess.frustum, centres)
    if mirror is None:
        return guess
    own = np.where(inside, np.clip(guess.logits, -CERTAIN, CERTAIN), -CERTAIN).astype(np.float32)
    other = sample(own, guess.frustum.normalised(mirror.points(centres)), outside=-CERTAIN)
    met = 1 - np.cumprod(1 - 1 / (1 + np.exp(-own)), axis=0)
    share = SHARE_SEEN + (SHARE - SHARE_SEEN) * met
    return Guess(np.asarray(own + share * (other - own), np.float32), guess.frustum, guess.colour, mirror)


def _find(filled: Floats, frustum: Frustum, centres: Floats) -> Mirror | None:
    depth = (centres - frustum.eye) @ frustum.axes[:, 2]
    weight = np.where(filled > 0.3, filled * depth**2, 0).ravel().astype(np.float64)
    if not weight.any():
        return None
    chosen = np.random.default_rng(0).choice(len(weight), POINTS, p=weight / weight.sum())
    points, own = centres.reshape(-1, 3)[chosen], float(filled.ravel()[chosen].mean())
    middle = points.mean(0)

    def agreement(degrees: float, aside: float) -> tuple[float, Mirror]:
        normal = np.array([np.cos(np.radians(degrees)), 0, np.sin(np.radians(degrees))], np.float32)
        mirror = Mirror(normal, float(normal @ middle) + aside)
        return float(sample(filled, frustum.normalised(mirror.points(points)), outside=0.0).mean()) / own, mirror

    fits = {turn: agreement(turn, 0.0) for turn in range(0, 180, 5)}
    near = max(fits, key=lambda turn: fits[turn][0])
    telling = [turn for turn, (_, mirror) in fits.items() if _askew(mirror, frustum)]
    best = max(telling, key=lambda turn: fits[turn][0], default=near)
    if fits[best][0] >= ROUND:
        near = best
    turns, shifts = (near - 2.5, near, near + 2.5), (-0.03, -0.015, 0, 0.015, 0.03)
    share, mirror = max((agreement(turn, shift) for turn in turns for shift in shifts), key=lambda pair: pair[0])
    return mirror if share >= LEAST and _askew(mirror, frustum) else None


def _askew(mirror: Mirror, frustum: Frustum) -> bool:
    return ASKEW[0] <= abs(float(mirror.normal @ frustum.axes[:, 2])) <= ASKEW[1]
