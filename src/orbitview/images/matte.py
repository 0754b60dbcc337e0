"""Cut the object out: by the picture's own alpha where that cuts anything, else by what a small network sees.

What the network (:mod:`.finder`) is sure of rules; before plain paper (:mod:`.paper`) colours add what they are sure
of. A guided filter (:mod:`.edges`) carries the cut to the picture's own edges at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import cv2
import numpy as np
from PIL import Image

from ..arrays import Bytes, Floats, Mask
from ..errors import InvalidImage, InvalidRequest
from .alpha import cuts, filled, is_frame_of, may_frame, unveiled
from .edges import own_colours, sharpened
from .finder import likelihood
from .paper import Paper, commonest_border_colour

Matte = Literal["auto", "alpha", "none"]
Objects = Literal["main", "all"]

_WORK = 640
"""Longest side at which the cut is found; edges are refined at the picture's own size."""
_APART = 0.04
"""Of the longest side: pieces whose gap is twice this wide are several objects."""
_LEAST = 30
"""Pixels that an object has at least."""


@dataclass(frozen=True)
class CutOut:
    """An object and how it was found.

    Attributes:
        picture: RGBA, straight alpha.
        by: ``"alpha"`` (the picture's own), ``"network"``, or ``"none"`` (the whole picture was asked for).
        objects: how many were seen; the picture shows the main one.
    """

    picture: Image.Image
    by: Literal["alpha", "network", "none"]
    objects: int = 1


def find_cut_out(picture: Image.Image, matte: Matte = "auto", objects: Objects = "main") -> CutOut:
    """The object alone, and how it was found.

    Args:
        matte: ``"auto"`` uses alpha if it cuts anything (rounded corners, letterbox bars and the corners of a turned
            photograph do not) and else finds the main object; ``"alpha"`` insists on the picture's alpha; ``"none"``
            takes the whole picture as the object.
        objects: ``"main"`` leaves out what lies apart from the main object, ``"all"`` keeps whatever stands out.

    Raises:
        InvalidImage: no object is left, or ``"alpha"`` was asked and the picture is opaque.
        InvalidRequest: ``matte`` is none of these.
    """
    if matte not in get_args(Matte):
        raise InvalidRequest(f"There is no matte {matte!r}.", hint="Use auto, alpha or none.", field="matte")
    pixels = np.asarray(picture.convert("RGBA"))
    rgb, alpha = pixels[..., :3], unveiled(pixels[..., 3])
    if matte == "none":
        return CutOut(Image.fromarray(np.dstack([rgb, np.full_like(alpha, 255)])), "none")
    transparent = cuts(alpha)
    if matte == "alpha" and not transparent:
        raise InvalidImage(
            "The picture has no transparent background.",
            hint="Use matte=auto to have the object cut out.",
            field="matte",
        )
    cut = None
    if matte == "auto" and not transparent:
        cut = _found(rgb, objects)
    elif matte == "auto" and may_frame(alpha):
        cut = _framed(rgb, alpha, objects)
    cut = cut or CutOut(Image.fromarray(np.dstack([rgb, alpha])), "alpha")
    if (np.asarray(cut.picture)[..., 3] > 127).sum() < _LEAST:
        raise InvalidImage(
            "No object was found in the picture.",
            hint="Use a picture of one object that stands out from its background, or cut it out.",
            field="image",
        )
    return cut


def _found(rgb: Bytes, which: Objects) -> CutOut:
    alpha, objects = _main_object(rgb, which)
    colours = own_colours(rgb, alpha)
    return CutOut(Image.fromarray(np.dstack([colours, (alpha * 255 + 0.5).astype(np.uint8)])), "network", objects)


def _framed(rgb: Bytes, alpha: Bytes, which: Objects) -> CutOut | None:
    """The object in a photograph of which alpha shows a part; None where what alpha shows is the object itself."""
    rows, columns = np.flatnonzero((alpha > 127).any(1)), np.flatnonzero((alpha > 127).any(0))
    inner = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    found = np.zeros(alpha.shape, np.float32)
    found[inner], objects = _main_object(filled(rgb[inner], alpha[inner]), which)
    if not is_frame_of(alpha[inner], found[inner]):
        return None
    both = np.minimum(found, alpha / np.float32(255))
    colours = own_colours(filled(rgb, alpha), both)
    return CutOut(Image.fromarray(np.dstack([colours, (both * 255 + 0.5).astype(np.uint8)])), "network", objects)


def find_object(rgb: Bytes) -> Floats:
    """(H, W) alpha in [0, 1] of the main object in an opaque (H, W, 3) picture."""
    return _main_object(rgb)[0]


def _main_object(rgb: Bytes, which: Objects = "main") -> tuple[Floats, int]:
    """Alpha of the main object or of all, and how many there are."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _WORK / max(height, width))
    size = (max(16, round(width * scale)), max(16, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    likely = _likelihood(small)
    kept, objects = _main(likely > 0.5, likely, which)
    if kept.sum() < 12:
        return np.zeros((height, width), np.float32), 0
    near = cv2.dilate(kept.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    likely = np.where(kept, np.maximum(likely, 0.5), np.where(near, np.minimum(likely, 0.5), 0)).astype(np.float32)
    alpha = np.zeros((height, width), np.float32)
    box = _box(likely > 0, (height, width))
    part = cv2.resize(likely, (width, height), interpolation=cv2.INTER_LINEAR)[box]
    alpha[box] = sharpened(rgb[box], part)
    return alpha, objects


def _box(mask: Mask, size: tuple[int, int]) -> tuple[slice, slice]:
    """Where ``mask`` lies in a picture of ``size`` (height, width), with a margin."""
    found = []
    for axis, long in ((1, size[0]), (0, size[1])):
        at = np.flatnonzero(mask.any(axis)) * (long / mask.shape[1 - axis])
        margin = max(8, long // 50)
        found.append(slice(max(0, int(at[0]) - margin), min(long, int(at[-1]) + 1 + margin)))
    return found[0], found[1]


def _likelihood(rgb: Bytes) -> Floats:
    """What the network sees, and colours before plain paper."""
    paper = Paper.under(rgb)
    colour, share = commonest_border_colour(rgb)
    if share > 0.45 and paper.crowded:  # with some more of its background the object is found whole
        height, width = rgb.shape[:2]
        side = round(1.12 * max(height, width))
        top, left = (side - height) // 2, (side - width) // 2
        wider = np.empty((side, side, 3), np.uint8)
        wider[:] = colour
        wider[top : top + height, left : left + width] = rgb
        likely = likelihood(wider)[top : top + height, left : left + width]
    else:
        likely = likelihood(rgb)
    if paper.plain:
        likely = np.where(paper.strange & (likely > 0.15), np.maximum(likely, 0.9), likely)
        back = (paper.ground & (likely < 0.9)) | _holes(paper, likely)
        likely = np.where(back, np.minimum(likely, 0.1), likely)
    return np.asarray(likely, np.float32)


def _holes(paper: Paper, likely: Floats) -> Mask:
    """Where paper shows through the object. A highlight of the paper's colour is none: the network is sure of it."""
    enclosed = (paper.like & ~paper.ground).astype(np.uint8)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(enclosed, connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    through = np.bincount(labels.ravel(), likely.ravel(), count) / np.maximum(area, 1) < 0.7
    through[0] = False
    return np.asarray((through & (area > 20))[labels])


def _main(mask: Mask, likely: Floats, which: Objects) -> tuple[Mask, int]:
    """The main object's pixels, or all objects', without specks and pinholes, and how many objects there are.

    Pieces near each other are one object. What lies apart from the main one is left out: other objects, captions.
    """
    reach = max(1, round(_APART * max(mask.shape)))
    grown = cv2.dilate(mask.astype(np.uint8), cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2))
    count, groups = cv2.connectedComponents(grown)
    if count < 2:
        return mask, 0
    weight = np.bincount(groups[mask], likely[mask], count)
    weight[0] = 0
    main = mask & (groups == weight.argmax()) if which == "main" else mask
    count, labels, stats, _ = cv2.connectedComponentsWithStats(main.astype(np.uint8), connectivity=8)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = np.concatenate([[False], areas >= areas.max() / 100])[labels]
    count, labels, stats, _ = cv2.connectedComponentsWithStats((~kept).astype(np.uint8), connectivity=4)
    area = stats[:, cv2.CC_STAT_AREA]
    doubt = np.bincount(labels.ravel(), likely.ravel(), count) / np.maximum(area, 1)
    # A hole that the network half believes in is no hole, unless it is large.
    limit = kept.sum() / np.where(doubt > 0.3, 100, 4000)
    small = area < limit
    small[0] = False
    return np.asarray(kept | small[labels]), int((weight > 0.15 * weight.max()).sum())
