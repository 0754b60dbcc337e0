"""Cut the object out: the picture's own alpha where there is one, else where a small network sees an object.

What the network (:mod:`.finder`) is sure of rules. Before plain paper colours draw the sharper outline, and are taken
where they agree with it: the background is what a smooth surface through the picture's border explains, what differs
from it seeds GrabCut (Rother et al. 2004). A guided filter (He et al. 2010) carries the cut to the picture's own edges.
"""

from __future__ import annotations

from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InvalidImage, InvalidRequest
from .finder import likelihood

Matte = Literal["auto", "alpha", "none"]
Floats = NDArray[np.float32]

ALIKE = 0.8
"""Overlap with the network's cut from which colours, which are sharper, may draw the outline before plain paper."""
_WORK = 400
"""Longest side at which the cut is found; edges are refined at the picture's own size."""


def cut_out(picture: Image.Image, matte: Matte = "auto") -> Image.Image:
    """RGBA picture of the object alone.

    Args:
        matte: ``"auto"`` uses alpha if it cuts anything and else finds the object; ``"alpha"`` insists on
            the picture's alpha; ``"none"`` takes the whole picture as the object.

    Raises:
        InvalidImage: no object is left, or ``"alpha"`` was asked and the picture is opaque.
        InvalidRequest: ``matte`` is none of these.
    """
    if matte not in get_args(Matte):
        raise InvalidRequest(f"There is no matte {matte!r}.", hint="Use auto, alpha or none.", field="matte")
    picture = picture.convert("RGBA")
    pixels = np.asarray(picture)
    transparent = bool((pixels[..., 3] < 128).mean() > 0.002)
    if matte == "none":
        picture = picture.copy()
        picture.putalpha(255)
        return picture
    if matte == "alpha" and not transparent:
        raise InvalidImage(
            "The picture has no transparent background.",
            hint="Use matte=auto to have the object cut out.",
            field="matte",
        )
    if not transparent:
        alpha = find_object(pixels[..., :3])
        picture = Image.fromarray(np.dstack([pixels[..., :3], (alpha * 255 + 0.5).astype(np.uint8)]))
    if (np.asarray(picture)[..., 3] > 127).sum() < 30:
        raise InvalidImage(
            "No object was found in the picture.",
            hint="Use a picture of one object that stands out from its background, or cut it out.",
            field="image",
        )
    return picture


def find_object(rgb: NDArray[np.uint8]) -> Floats:
    """(H, W) alpha in [0, 1] of the main object in an opaque (H, W, 3) picture."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _WORK / max(height, width))
    small = cv2.resize(
        rgb, (max(16, round(width * scale)), max(16, round(height * scale))), interpolation=cv2.INTER_AREA
    )
    mask = _segment(small, likelihood(small))
    if mask.sum() < 12:
        return np.zeros((height, width), np.float32)
    mask = cv2.resize(mask, (width, height), interpolation=cv2.INTER_LINEAR)
    radius = max(2, round(max(height, width) / 250))
    soft = guided_filter(np.asarray(rgb / 255, np.float32), np.asarray(mask, np.float32), radius, 2e-4)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1,) * 2)
    core, reach = cv2.erode((mask > 0.5).astype(np.uint8), kernel), cv2.dilate((mask > 0.5).astype(np.uint8), kernel)
    alpha = np.where(core > 0, 1.0, np.where(reach > 0, soft, 0.0))
    return np.asarray(np.clip((alpha - 0.1) / 0.8, 0, 1), np.float32)


def _segment(rgb: NDArray[np.uint8], likely: Floats | None) -> Floats:
    """The object's pixels, 0 to 1; ``likely`` is the network's opinion, where there is a network."""
    coloured, plain = _by_colours(rgb)
    if likely is None:
        return coloured
    tidy = _tidy(likely > 0.5, likely)
    if plain and (tidy & (coloured > 0.5)).sum() > ALIKE * (tidy | (coloured > 0.5)).sum():
        return coloured
    return np.asarray(np.where(tidy, np.clip((likely - 0.2) / 0.6, 0, 1), np.minimum(likely, 0.45)), np.float32)


def _by_colours(rgb: NDArray[np.uint8]) -> tuple[Floats, bool]:
    """The object's pixels, 0 to 1, by colours alone, and whether the background is plain enough to trust them."""
    lab = cv2.cvtColor(rgb.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(lab, (0, 0), 0.7)
    distance, noise = _background_distance(lab)
    sure_fore = distance > max(9.0, 6 * noise)
    likely_back = distance < max(2.5, 2.5 * noise)
    back = _touching_border(likely_back)
    # A background that explains little of the border is clutter: then only the border is sure.
    border = np.zeros_like(back)
    rim = max(2, min(rgb.shape[:2]) // 60)
    border[:rim], border[-rim:], border[:, :rim], border[:, -rim:] = True, True, True, True
    plain = bool((distance[border] < max(5.0, 4 * noise)).mean() > 0.6)
    mask = np.full(rgb.shape[:2], cv2.GC_PR_FGD, np.uint8)
    if plain:
        far = cv2.distanceTransform((~back).astype(np.uint8), cv2.DIST_L2, 3)
        mask[distance < max(5.0, 4 * noise)] = cv2.GC_PR_BGD
        mask[sure_fore & ~back & (far > 2)] = cv2.GC_PR_FGD
        mask[back & (cv2.erode(back.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0)] = cv2.GC_BGD
        strong = sure_fore & (distance > max(22.0, 9 * noise))
        mask[cv2.erode(strong.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0] = cv2.GC_FGD
    else:
        inner = np.zeros_like(back)
        h, w = back.shape
        inner[h // 10 : -h // 10, w // 10 : -w // 10] = True
        mask[~inner] = cv2.GC_PR_BGD
        mask[border & (distance < np.quantile(distance[border], 0.9))] = cv2.GC_BGD
    if (
        not ((mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)).any()
        or not ((mask == cv2.GC_BGD) | (mask == cv2.GC_PR_BGD)).any()
    ):
        return sure_fore.astype(np.float32), plain
    cv2.setRNGSeed(7)
    models = np.zeros((2, 1, 65))
    cv2.grabCut(np.ascontiguousarray(rgb[..., ::-1]), mask, None, models[0], models[1], 4, cv2.GC_INIT_WITH_MASK)
    found = (mask == cv2.GC_FGD) | (mask == cv2.GC_PR_FGD)
    if plain:
        found |= sure_fore
        found &= ~_shadow(rgb, lab, found)
    return _tidy(found).astype(np.float32), plain


def _shadow(rgb: NDArray[np.uint8], lab: Floats, found: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cast shadow inside ``found``: the background made darker, reached over soft edges near the floor."""
    fitted = cv2.cvtColor(
        _background_fit(lab, ~cv2.dilate(found.astype(np.uint8), np.ones((9, 9))).astype(bool)), cv2.COLOR_LAB2RGB
    )
    ratio = cv2.GaussianBlur(rgb.astype(np.float32) / 255, (0, 0), 1) / np.clip(fitted, 0.05, 1)
    spread = ratio.max(-1) - ratio.min(-1)
    darker = (ratio.mean(-1) < 0.96) & (ratio.mean(-1) > 0.3)
    rows = np.flatnonzero(found.any(1))
    floor = np.arange(len(found))[:, None] > rows[0] + 0.68 * (rows[-1] - rows[0]) if len(rows) else False
    darker &= (spread < 0.22) & floor
    light = cv2.GaussianBlur(lab[..., 0], (0, 0), 1)
    slope = np.hypot(cv2.Sobel(light, cv2.CV_32F, 1, 0), cv2.Sobel(light, cv2.CV_32F, 0, 1)) / 8
    reached = _touching_border(~found | (darker & (slope < 1.3)))
    grown = cv2.morphologyEx(reached.astype(np.uint8), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8)) > 0
    return np.asarray(grown & found & darker)


def _background_fit(lab: Floats, known: NDArray[np.bool_]) -> Floats:
    """A quadratic surface a colour channel through the ``known`` pixels."""
    height, width = lab.shape[:2]
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], -1)
    rows = np.flatnonzero(known)
    rows = rows[:: max(1, len(rows) // 20000)]
    weights = np.linalg.lstsq(basis.reshape(-1, 6)[rows], lab.reshape(-1, 3)[rows], rcond=None)[0]
    return np.asarray(basis @ weights, np.float32)


def _background_distance(lab: Floats) -> tuple[Floats, float]:
    """Colour distance of every pixel from a smooth background, and the background's noise."""
    height, width = lab.shape[:2]
    rim = max(2, min(height, width) // 40)
    known = np.zeros((height, width), bool)
    known[:rim], known[:, :rim], known[:, -rim:] = True, True, True
    known[-rim:] = True
    border = known.copy()
    distance = np.zeros((height, width), np.float32)
    noise = 4.0
    for _ in range(6):
        fitted = _background_fit(lab, known)
        distance = np.linalg.norm(lab - fitted, axis=-1)
        noise = float(np.median(distance[known])) * 1.5 + 0.3
        near = distance < np.clip(3 * noise, 2.0, 8.0)
        reached = _touching_border(near)
        known = reached if reached[border].mean() > 0.3 else (border & near)
        if known.sum() < 40:
            known = border
            break
    return distance, min(noise, 3.0)


def _touching_border(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    _, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=4)
    rim = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    return np.isin(labels, np.setdiff1d(rim, [0]))


def _tidy(mask: NDArray[np.bool_], likely: Floats | None = None) -> NDArray[np.bool_]:
    """Drop specks, close pinholes: pieces stay that have a twentieth of the largest one's area.

    With the network's opinion thin lines stay too, and a hundredth is enough.
    """
    pieces, least = mask.astype(np.uint8), 100
    if likely is None:
        pieces, least = cv2.morphologyEx(pieces, cv2.MORPH_OPEN, np.ones((2, 2), np.uint8)), 20
    count, labels, stats, _ = cv2.connectedComponentsWithStats(pieces, connectivity=8)
    if count < 2:
        return mask
    areas = stats[1:, cv2.CC_STAT_AREA]
    keep = 1 + np.flatnonzero(areas >= areas.max() / least)
    kept = np.isin(labels, keep)
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    limit = np.full(count, kept.sum() / 400)
    if likely is not None:  # a hole that the network half believes in is no hole, unless it is large
        doubt = np.bincount(labels.ravel(), likely.ravel(), count) / np.maximum(area, 1)
        limit = kept.sum() / np.where(doubt > 0.15, 25, 4000)
    small = [i for i in range(1, count) if area[i] < limit[i]]
    return np.asarray(kept | np.isin(labels, small))


def guided_filter(guide: Floats, values: Floats, radius: int, epsilon: float) -> Floats:
    """Edge-aware smoothing of (H, W) ``values`` by the (H, W, 3) ``guide`` (He et al. 2010), taken as grey."""
    grey = guide @ np.array([0.3, 0.5, 0.2], np.float32)
    box = (2 * radius + 1,) * 2
    mean_g, mean_v = cv2.blur(grey, box), cv2.blur(values, box)
    slope = (cv2.blur(grey * values, box) - mean_g * mean_v) / (cv2.blur(grey * grey, box) - mean_g**2 + epsilon)
    offset = mean_v - slope * mean_g
    return np.asarray(cv2.blur(slope, box) * grey + cv2.blur(offset, box))
