"""Where a further picture of the object was taken from, relative to the first.

For each azimuth tried, the other picture's volume is turned, brought to the first one's scale and centre (the
similarity that makes each volume fill the other's outline best, by Nelder and Mead's simplex), and scored by how well
outlines, volumes, and the colours of surface that both show agree. Numbers were chosen on validation objects.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from .framing import Framed
from .frustum import Floats, Frustum, sample
from .fusion import Shot, moved, turn, turned
from .guess import Guess

POINTS = 6000
SIDE = 48
"""Of the outlines that are compared."""
_USUALLY = {180.0: 0.05, 0.0: -0.2}
"""Added to the score: who sends another picture sends another side, and most often the back."""
QUARTERS = (180.0, 90.0, 270.0, 0.0)
FINER = (15.0, 15.0)
"""Steps aside, each taken where it fits better."""
_BETWEEN = 0.02
"""Taken from the score of what is no quarter: most pictures are taken from one."""
UNSURE = 0.3
"""Certainty of an azimuth below which the picture is left aside."""
NEAR = 3.0
"""Bins within which a point counts as seen."""
USUAL = 0.12
"""Colour difference of two places of one object."""
MOST_SCALE = 1.6
"""Between what two pictures say of the object's size."""


def place(first: Shot, other: Shot, azimuth: float | None, known: bool) -> Shot:
    """The shot with its frustum in the first picture's world.

    Args:
        azimuth: degrees, where it was told; else the best of the quarters, then finer, is taken.
        known: whether the first picture's camera was stated with its distance.
    """
    fixed = known and other.framed.frustum is not None
    if azimuth is not None and fixed:
        return replace(other, azimuth=azimuth, guess=_with(other.guess, turned(other.guess.frustum, azimuth)))
    mine, theirs = _Body(first), _Body(other)
    tried: dict[float, _Fit] = {}

    def fit(side: float) -> float:
        side %= 360
        if side not in tried:
            tried[side] = _fit(mine, theirs, side, fixed)
        here = tried[side]
        usual = sum(more for quarter, more in _USUALLY.items() if abs((side - quarter + 180) % 360 - 180) < 40)
        return here.score - here.colours + usual - _BETWEEN * (side not in QUARTERS)

    if azimuth is not None:
        fit(azimuth)
        best, sure = azimuth % 360, 1.0
    else:
        best = max(QUARTERS, key=fit)
        sure = _sureness([fit(quarter) for quarter in QUARTERS])
        for step in FINER:
            best = max([best, (best - step) % 360, (best + step) % 360], key=fit)
    # What may stand anywhere would do harm: the first picture alone is better than with another in a wrong place.
    slack = None if sure < UNSURE else 0
    guess = _with(other.guess, tried[best].frustum)
    return replace(other, azimuth=best, sure=sure, guess=guess, rough=not fixed, slack=slack)


def _with(guess: Guess, frustum: Frustum) -> Guess:
    return replace(guess, frustum=frustum)


@dataclass
class _Fit:
    """How well outlines and volumes agree, the other's frustum then, and how far colours of shared surface differ."""

    score: float
    frustum: Frustum
    colours: float = 0.0


class _Body:
    """A shot's volume as points, its outline, and its filled cells."""

    def __init__(self, shot: Shot) -> None:
        guess = shot.guess
        logits = guess.logits[:, ::2, ::2]
        self.matte = _outline(shot.framed)
        inside = cv2.resize(shot.framed.matte, logits.shape[:0:-1], interpolation=cv2.INTER_AREA) > 0.3
        self.filled = np.asarray(inside / (1 + np.exp(-np.clip(logits, -8, 8))), np.float32)
        self.frustum = guess.frustum
        centres = guess.frustum.cell_centres(*logits.shape[:2])
        depth = (centres - guess.frustum.eye) @ guess.frustum.axes[:, 2]
        weight = np.where(self.filled > 0.3, self.filled * depth**2, 0).ravel().astype(np.float64)
        if not weight.any():
            weight = (self.filled.ravel() + 1e-6).astype(np.float64)
        chosen = np.random.default_rng(0).choice(len(weight), POINTS, p=weight / weight.sum())
        self.points = centres.reshape(-1, 3)[chosen]
        self.surface = _first(self.filled)
        met = (self.surface >= 0) & inside
        rows, columns = np.nonzero(met)
        self.shown = centres[self.surface[rows, columns], rows, columns]
        side = len(self.surface)
        self.picture = cv2.resize(shot.framed.texture, (side, side), interpolation=cv2.INTER_AREA)
        self.colours = self.picture[rows, columns]
        self.own = max(float(self.filled.ravel()[chosen].mean()), 1e-3)


def _first(filled: Floats) -> NDArray[np.int64]:
    """The bin of each ray's first filled cell; -1 where there is none."""
    full = filled > 0.5
    return np.asarray(np.where(full.any(0), full.argmax(0), -1), np.int64)


def _unlike(one: _Body, frustum: Frustum, points: Floats, colours: Floats) -> tuple[float, float]:
    """Sum of the colour differences between surface ``points`` and a picture that shows them, and how many it shows."""
    at = frustum.normalised(points)
    side = len(one.surface)
    cells = np.floor((at[:, :2] + 1) / 2 * side).astype(int)
    within = ((cells >= 0) & (cells < side)).all(1)
    cells = cells.clip(0, side - 1)
    depth = (at[:, 2] + 1) / 2 * len(one.filled) - 0.5
    near = within & (one.surface[cells[:, 1], cells[:, 0]] >= 0)
    near &= np.abs(depth - one.surface[cells[:, 1], cells[:, 0]]) < NEAR
    apart = np.abs(one.picture[cells[near, 1], cells[near, 0]] - colours[near]).mean(1)
    return float(apart.sum()), float(near.sum())


def _outline(framed: Framed) -> Floats:
    return np.asarray(cv2.resize(framed.matte, (SIDE, SIDE), interpolation=cv2.INTER_AREA) > 0.4, np.float32)


def _fit(mine: _Body, theirs: _Body, azimuth: float, fixed: bool) -> _Fit:
    """The best similarity of the other's world to the first's at an azimuth, and how well the two then agree."""
    frustum = turned(theirs.frustum, azimuth)
    points, points_shown = (np.asarray(p @ turn(azimuth).T, np.float32) for p in (theirs.points, theirs.shown))
    if fixed:
        still = np.zeros(3, np.float32)
        score = _agreement(mine, theirs, points, frustum, 1.0, still)
        return _Fit(score, frustum, _colours(mine, theirs, points_shown, frustum, 1.0, still))
    low, high = (np.percentile(mine.points, q, axis=0) for q in (1, 99))
    low_other, high_other = (np.percentile(points, q, axis=0) for q in (1, 99))
    scale = float(np.clip((high[1] - low[1]) / max(high_other[1] - low_other[1], 1e-3), 1 / MOST_SCALE, MOST_SCALE))
    shift = (low + high) / 2 - scale * (low_other + high_other) / 2

    def cost(numbers: np.ndarray) -> float:
        s, t = scale * float(np.exp(numbers[0])), np.asarray(shift + numbers[1:], np.float32)
        return -_agreement(mine, theirs, points, frustum, s, t)

    simplex = np.vstack([np.zeros(4), 0.06 * np.eye(4)])
    found = minimize(cost, np.zeros(4), method="Nelder-Mead", options={"initial_simplex": simplex, "maxfev": 50})
    s, t = scale * float(np.exp(found.x[0])), np.asarray(shift + found.x[1:], np.float32)
    placed = moved(frustum, s, t)
    return _Fit(-float(found.fun), placed, _colours(mine, theirs, points_shown, placed, s, t))


def _agreement(mine: _Body, theirs: _Body, points: Floats, frustum: Frustum, scale: float, shift: Floats) -> float:
    """In [0, 1]: how far each one's volume fills the other's outline, and the two volumes each other."""
    placed = moved(frustum, scale, shift)
    there = np.asarray(points * scale + shift, np.float32)
    shared = [
        _overlap(placed.normalised(mine.points), theirs.matte),
        _overlap(mine.frustum.normalised(there), mine.matte),
        float(sample(mine.filled, mine.frustum.normalised(there[::3]), outside=0.0).mean()) / theirs.own,
        float(sample(theirs.filled, placed.normalised(mine.points[::3]), outside=0.0).mean()) / mine.own,
    ]
    return float(np.mean(np.clip(shared, 0, 1)))


def _colours(mine: _Body, theirs: _Body, shown: Floats, placed: Frustum, scale: float, shift: Floats) -> float:
    """Mean colour difference, 0 to 1, of the surface that both pictures show; few such points count as a usual one."""
    there = np.asarray(shown * scale + shift, np.float32)
    sums = _unlike(theirs, placed, mine.shown, mine.colours), _unlike(mine, mine.frustum, there, theirs.colours)
    usual = 0.02 * (len(mine.shown) + len(theirs.shown))
    return (sums[0][0] + sums[1][0] + usual * USUAL) / max(sums[0][1] + sums[1][1] + usual, 1.0)


def _overlap(at: Floats, matte: Floats) -> float:
    """IoU of an outline with that of points at normalised coordinates."""
    cells = np.floor((at[:, :2] + 1) / 2 * SIDE).astype(int)
    within = ((cells >= 0) & (cells < SIDE)).all(1)
    raster = np.zeros((SIDE, SIDE), np.uint8)
    raster[cells[within, 1], cells[within, 0]] = 1
    raster = cv2.morphologyEx(raster, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    beyond = float((~within).mean()) * float(raster.sum())
    either = float(((raster > 0) | (matte > 0)).sum()) + beyond
    return float(((raster > 0) & (matte > 0)).sum()) / max(1.0, either)


def _sureness(scores: list[float]) -> float:
    """In [0, 1]: how far the best quarter is ahead of the next."""
    ranked = sorted(scores, reverse=True)
    return float(np.clip(10 * (ranked[0] - ranked[1]), 0, 1))
