"""The grain of hidden sides: what is fine and even in the picture goes on where the picture ends.

Colours that carry on over the surface (:mod:`.completion`) are smooth as plastic. Fabric, stone, fur and wood have a
fine, even structure of their own. Its spectrum is read off the calmest windows of the picture, a colour of the object
at a time, and given new phases (random phase noise, Galerne, Gousseau and Morel 2011, "Random Phase Textures"): the
same grain with none of the picture's features, so that no eye, letter or edge comes back. It is laid onto the surface
from three sides by its normals.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...arrays import Floats

TILE, SIDES = 8, (32, 96)
"""A tile's side is the picture's over this, in texels, between these bounds."""
COARSE = 0.16
"""Of a tile's side: beyond, structure is shape and light, not grain."""
COLOURS = 3
"""Most colours of an object that have a grain of their own."""
WINDOWS = 24
"""Most windows of a colour whose spectra are averaged."""
CALM = 4.5
"""Most kurtosis of a window's fine structure, 3 in noise: an edge, a letter or an eye in it raises it far beyond."""
EVEN = 0.4
"""Most spread of the fine structure's strength over a window, over its mean."""
PLAIN = 0.05
"""Most spread of what is not fine in a window: stripes, spots and folds are features, not grain."""
CALMEST = 0.4
"""Share of a colour's windows that count, the weakest first: what hides a feature is stronger than its neighbours."""
NEAR = 0.02
"""Squared distance within which two colours (in [0, 1]) may be of one material."""
WEAK = 0.004
"""Grain below one grey level is none."""


@dataclass(frozen=True)
class Grain:
    """Attributes:
    tiles: (K, S, S, 3) noise around 0 that repeats without a seam.
    colours: (K, 3) mean colour of the windows that each was read off.
    scale: texels a unit of the world.
    """

    tiles: Floats
    colours: Floats
    scale: float

    def shares(self, colours: Floats) -> Floats:
        """(V, K) of each tile at places with these smooth colours (V, 3).

        What has a colour that no calm window has gets little of a grain that is not its own.
        """
        apart = ((colours[:, None] - self.colours) ** 2).sum(2)
        share = np.exp(-apart / NEAR) + 1e-6
        share /= share.sum(1, keepdims=True)
        return np.asarray(share * np.exp(-np.maximum(apart.min(1, keepdims=True) - NEAR, 0) / (2 * NEAR)), np.float32)

    def at(self, points: Floats, normals: Floats, shares: Floats) -> Floats:
        """(N, 3) to add to the colours of points with unit normals; ``shares`` (N, K) as interpolated there."""
        facing = np.abs(normals) ** 4
        facing /= np.maximum(np.sqrt((facing**2).sum(1, keepdims=True)), 1e-9)  # variances add up to one
        place = np.asarray(points * (self.scale / self.tiles.shape[1]), np.float32)
        added = np.zeros((len(points), 3), np.float32)
        for axis, (across, up) in enumerate(((2, 1), (0, 2), (0, 1))):
            near = np.flatnonzero(facing[:, axis] > 0.02)
            uv = np.asarray(np.stack([place[near, across], -place[near, up]], 1) + 0.37 * axis, np.float32)
            for tile, share in zip(self.tiles, shares[near].T, strict=True):
                added[near] += _tiled(tile, uv) * (facing[near, axis] * share)[:, None]
        return added


def grain_of(texture: Floats, matte: Floats, scale: float, seed: int = 0) -> Grain | None:
    """The grain of a framed picture; None where it has none.

    Args:
        texture, matte: (T, T, 3) colours and (T, T) alpha.
        scale: texels of the picture on one unit of the world at the object's distance.
    """
    tile = int(np.clip(len(texture) // TILE, *SIDES))
    coarse = max(2, round(COARSE * tile))
    inside = cv2.erode((matte > 0.9).astype(np.uint8), np.ones((2 * coarse + 1,) * 2, np.uint8))
    smooth = cv2.GaussianBlur(texture, (0, 0), coarse / 2)
    fine = texture - smooth
    corners = _windows(fine, smooth, inside, tile)
    if not corners:
        return None
    means = np.array([texture[y : y + tile, x : x + tile].mean((0, 1)) for y, x in corners], np.float32)
    centres = _centres(means)
    nearest = ((means[:, None] - centres) ** 2).sum(2).argmin(1)
    centres, nearest = centres[np.unique(nearest)], np.unique(nearest, return_inverse=True)[1]
    rng = np.random.default_rng(seed)
    tiles = np.stack(
        [
            _noise(
                [fine[y : y + tile, x : x + tile] for (y, x), k in zip(corners, nearest, strict=True) if k == number],
                rng,
            )
            for number in range(len(centres))
        ]
    )
    return Grain(tiles.astype(np.float32), centres, scale)


def _windows(fine: Floats, smooth: Floats, inside: np.ndarray, tile: int) -> list[tuple[int, int]]:
    """Corners of calm windows, the weakest first."""
    side = len(fine)
    whole = cv2.integral(inside)
    strength = cv2.blur(fine.mean(2) ** 2, (tile // 4,) * 2)
    found = []
    for y in range(0, side - tile + 1, tile // 4):
        for x in range(0, side - tile + 1, tile // 4):
            covered = whole[y + tile, x + tile] - whole[y, x + tile] - whole[y + tile, x] + whole[y, x]
            if covered < tile**2:
                continue
            window = fine[y : y + tile, x : x + tile].mean(2)
            power = float((window**2).mean())
            if power < WEAK**2 or float((window**4).mean()) > CALM * power**2:
                continue
            if smooth[y : y + tile, x : x + tile].std((0, 1)).max() > PLAIN:
                continue
            local = np.sqrt(strength[y : y + tile, x : x + tile])
            if float(local.std() / local.mean()) < EVEN:
                found.append((power, y, x))
    return [(y, x) for _, y, x in sorted(found)]


def _centres(means: Floats) -> Floats:
    """(K, 3) colours of the windows, by k-means begun at those farthest from each other."""
    centres = [means[0]]
    while len(centres) < COLOURS:
        apart = np.min([((means - centre) ** 2).sum(1) for centre in centres], 0)
        if apart.max() < 0.03:
            break
        centres.append(means[apart.argmax()])
    chosen = np.array(centres, np.float32)
    for _ in range(5):
        nearest = ((means[:, None] - chosen) ** 2).sum(2).argmin(1)
        chosen = np.array([means[nearest == k].mean(0) if (nearest == k).any() else c for k, c in enumerate(chosen)])
    return np.asarray(chosen, np.float32)


def _noise(windows: list[Floats], rng: np.random.Generator) -> Floats:
    """A tile with the windows' mean spectrum: the same structure in every channel, new phases."""
    side = windows[0].shape[0]
    edge = np.hanning(side + 2)[1:-1]
    edge = np.outer(edge, edge)
    edge /= np.sqrt((edge**2).mean())
    spectra = np.stack(
        [
            np.fft.fft2(w * edge[..., None], axes=(0, 1))
            for w in windows[: max(1, min(WINDOWS, round(CALMEST * len(windows))))]
        ]
    )
    power = np.sqrt((np.abs(spectra) ** 2).mean(0))
    # How the channels go together is kept: each against the one that has most.
    lead = int(power.sum((0, 1)).argmax())
    cross = (spectra * np.conj(spectra[..., lead : lead + 1])).mean(0)
    relative = cross / np.maximum(np.abs(cross), 1e-12)
    phase = np.angle(np.fft.fft2(rng.normal(size=(side, side))))[..., None]
    tile = np.fft.ifft2(power * relative * np.exp(1j * phase), axes=(0, 1)).real
    return np.asarray(tile - tile.mean((0, 1)), np.float32)


def _tiled(tile: Floats, uv: Floats) -> Floats:
    """(N, 3) of a tile that repeats, between its texels, at (N, 2) in tiles."""
    side = len(tile)
    at = (uv % 1) * side
    low = np.floor(at).astype(np.int32)
    part = (at - low).astype(np.float32)
    x0, y0 = low[:, 0] % side, low[:, 1] % side
    x1, y1 = (x0 + 1) % side, (y0 + 1) % side
    right, down = part[:, :1], part[:, 1:]
    top = tile[y0, x0] * (1 - right) + tile[y0, x1] * right
    bottom = tile[y1, x0] * (1 - right) + tile[y1, x1] * right
    return np.asarray(top * (1 - down) + bottom * down, np.float32)
