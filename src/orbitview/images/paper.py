"""The background as a smooth surface of colour: studio paper, a wall, a scan's white."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Floats, Mask

_SIDE = 320
"""Longest side at which the surface is fitted."""


@dataclass(frozen=True)
class Paper:
    """What a smooth surface through the picture's border explains.

    Attributes:
        distance: (H, W) how far each pixel is from it, in CIELAB units.
        noise: of the background itself, in the same units.
        share: of the border that it explains.
    """

    distance: Floats
    noise: float
    share: float

    @classmethod
    def under(cls, rgb: NDArray[np.uint8]) -> Paper:
        """Fit a quadratic surface a channel to what hangs together with the border, again and again."""
        scale = min(1.0, _SIDE / max(rgb.shape[:2]))
        size = (max(16, round(rgb.shape[1] * scale)), max(16, round(rgb.shape[0] * scale)))
        small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(small.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
        lab = cv2.GaussianBlur(lab, (0, 0), 0.7)
        height, width = lab.shape[:2]
        rim = max(2, min(height, width) // 40)
        border = np.ones((height, width), bool)
        border[rim:-rim, rim:-rim] = False
        known, noise, distance = border, 4.0, np.zeros((height, width), np.float32)
        for _ in range(6):
            distance = np.linalg.norm(lab - _surface(lab, known), axis=-1)
            noise = float(np.median(distance[known])) * 1.5 + 0.3
            near = distance < np.clip(3 * noise, 2.0, 8.0)
            reached = touching_border(near)
            known = reached if reached[border].mean() > 0.3 else (border & near)
            if known.sum() < 40:
                break
        noise = min(noise, 3.0)
        whole = cv2.resize(distance, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        return cls(whole, noise, float((distance[border] < max(5.0, 4 * noise)).mean()))

    @property
    def plain(self) -> bool:
        """Whether it is even enough, and seen on enough sides, for colours to be trusted."""
        return self.share > 0.8 and self.noise < 1.5

    @property
    def crowded(self) -> bool:
        """Whether something else comes near to the frame, or touches it."""
        margin = max(2, round(0.05 * max(self.distance.shape)))
        rim = np.ones(self.distance.shape, bool)
        rim[margin:-margin, margin:-margin] = False
        return bool(self.strange[rim].mean() > 0.002)

    @property
    def ground(self) -> Mask:
        """(H, W) pixels of it that hang together with the border."""
        return touching_border(self.like)

    @property
    def like(self) -> Mask:
        """(H, W) pixels of its colour."""
        return np.asarray(self.distance < max(2.5, 2.5 * self.noise))

    @property
    def strange(self) -> Mask:
        """(H, W) pixels that are surely something else; so may be a hard shadow's."""
        return np.asarray(self.distance > max(22.0, 9 * self.noise))


def commonest_border_colour(rgb: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """The colour that most of the picture's edge is near to (within 4 CIELAB units), and its share of the edge."""
    edge = np.concatenate([rgb[0], rgb[-1], rgb[:, 0], rgb[:, -1]])
    lab = cv2.cvtColor(edge[None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[0]
    tried = lab[:: max(1, len(lab) // 96)]
    near = np.linalg.norm(lab[:, None] - tried[None], axis=2) < 4
    best = int(near.mean(0).argmax())
    return np.median(edge[near[:, best]], axis=0).astype(np.uint8), float(near[:, best].mean())


def touching_border(mask: Mask) -> Mask:
    """The pieces of ``mask`` that reach the picture's edge."""
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    reaching = np.zeros(count, bool)
    reaching[np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])] = True
    reaching[0] = False
    return np.asarray(reaching[labels])


def _surface(lab: Floats, known: Mask) -> Floats:
    """A quadratic surface a channel through the ``known`` pixels, everywhere."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    rows = np.flatnonzero(known)
    rows = rows[:: max(1, len(rows) // 20000)]
    known_basis = basis.reshape(-1, 6)[rows]
    square = known_basis.T @ known_basis + 1e-3 * np.eye(6, dtype=np.float32)
    weights = np.linalg.solve(square, known_basis.T @ lab.reshape(-1, 3)[rows])
    return np.asarray(basis @ weights, np.float32)
