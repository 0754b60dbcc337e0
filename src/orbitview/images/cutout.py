"""The object alone, or its mask, as background removers give them (rembg's options by rembg's names)."""

from __future__ import annotations

import importlib.util
from typing import get_args

import cv2
import numpy as np
from PIL import Image

from ..arrays import Bytes, Floats, Mask
from ..errors import EngineUnavailable, InvalidRequest
from ..install import how_to_install
from .decode import ImageInput, load_image
from .edges import own_colours
from .matte import Matte, Objects, find_cut_out

MOST_ERODED = 50
_SOLVED = 1024
"""Longest side at which alpha is solved for: its cost grows faster than the picture."""


def cut_out(
    picture: ImageInput,
    matte: Matte = "auto",
    *,
    objects: Objects = "main",
    only_mask: bool = False,
    inverse_mask: bool = False,
    post_process_mask: bool = False,
    alpha_matting: bool = False,
    alpha_matting_foreground_threshold: int = 240,
    alpha_matting_background_threshold: int = 20,
    alpha_matting_erode_size: int = 5,
) -> Image.Image:
    """The picture with its background taken away.

    Args:
        picture: whatever :func:`orbitview.generate` takes. More than 2,048 pixels a side are brought down first.
        matte: ``"auto"``, ``"alpha"`` or ``"none"``, see :func:`orbitview.images.find_cut_out`.
        objects: ``"main"`` keeps the main object, ``"all"`` everything that stands out.
        only_mask: the mask instead of the cut-out.
        inverse_mask: the background instead of the object.
        post_process_mask: a mask without half-tones, its outline smoothed.
        alpha_matting: solve for alpha along the outline (closed-form matting, Levin et al. 2008), for hair and fur;
            needs the package ``pymatting``.
        alpha_matting_foreground_threshold: what the mask (0 to 255) says above it is certainly object.
        alpha_matting_background_threshold: what it says below is certainly background.
        alpha_matting_erode_size: pixels by which both shrink before what lies between is solved for, 0 to 50.

    Returns:
        RGBA with straight alpha; with ``only_mask`` a grey picture (mode L), white where the object is.

    Raises:
        InvalidImage: it is no picture, or shows no object.
        InvalidRequest: a value is none of these.
        EngineUnavailable: alpha matting is not installed here.
    """
    check_cut_out(
        objects,
        alpha_matting,
        alpha_matting_foreground_threshold,
        alpha_matting_background_threshold,
        alpha_matting_erode_size,
        matte,
    )
    loaded = load_image(picture)
    found = np.asarray(find_cut_out(loaded, matte, objects).picture)
    rgb, alpha = np.asarray(loaded)[..., :3], found[..., 3]
    if post_process_mask:
        alpha = smoothed(alpha)
    if alpha_matting:
        alpha = matted(
            rgb,
            alpha,
            alpha_matting_foreground_threshold,
            alpha_matting_background_threshold,
            alpha_matting_erode_size,
        )
    if inverse_mask:
        alpha = 255 - alpha
    if only_mask:
        return Image.fromarray(alpha)
    if not (post_process_mask or alpha_matting or inverse_mask):
        return Image.fromarray(found)
    return Image.fromarray(np.dstack([own_colours(rgb, np.asarray(alpha / 255, np.float32)), alpha]))


def check_cut_out(
    objects: str, matting: bool, foreground: int, background: int, erode: int, matte: str = "auto"
) -> None:
    """Raises InvalidRequest or EngineUnavailable: what :func:`cut_out` would refuse whatever the picture."""
    if matte not in get_args(Matte):
        raise InvalidRequest(f"There is no matte {matte!r}.", hint="Use auto, alpha or none.", field="matte")
    if objects not in ("main", "all"):
        raise InvalidRequest(f"{objects!r} are no objects.", hint="Use main or all.", field="objects")
    for name, value, most in (
        ("alpha_matting_foreground_threshold", foreground, 255),
        ("alpha_matting_background_threshold", background, 255),
        ("alpha_matting_erode_size", erode, MOST_ERODED),
    ):
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= most:
            raise InvalidRequest(f"It must be a whole number from 0 to {most}, not {value!r}.", field=name)
    if matting and not matting_ready():
        raise EngineUnavailable(
            "Alpha matting is not installed here.",
            hint=f"Install it: {how_to_install('matting')}. Or leave alpha_matting out.",
            field="alpha_matting",
        )


def matting_ready() -> bool:
    """Whether alpha matting's package is there."""
    return importlib.util.find_spec("pymatting") is not None


def smoothed(mask: Bytes) -> Bytes:
    """A mask of 0 and 255 without specks, its outline smoothed: opened, blurred, cut at the half."""
    opened = cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3)))
    blurred = cv2.GaussianBlur(opened, (5, 5), 2, borderType=cv2.BORDER_REPLICATE)
    return np.where(blurred < 127, np.uint8(0), np.uint8(255))


def matted(rgb: Bytes, mask: Bytes, foreground: int, background: int, erode: int) -> Bytes:
    """(H, W) alpha, solved for where ``mask`` is between the thresholds or within ``erode`` pixels of that."""
    inside, outside = _shrunk(mask > foreground, erode), _shrunk((mask < background) & (mask <= foreground), erode)
    unknown = ~(inside | outside)
    if not (unknown.any() and inside.any() and outside.any()):
        return mask  # nothing to solve for, or nothing to go by
    trimap = np.where(inside, 1.0, np.where(outside, 0.0, 0.5))
    # What lies further from the outline than its surroundings changes nothing.
    rows, columns = np.flatnonzero(unknown.any(1)), np.flatnonzero(unknown.any(0))
    margin = 16 + erode
    part = np.s_[
        max(0, rows[0] - margin) : rows[-1] + 1 + margin, max(0, columns[0] - margin) : columns[-1] + 1 + margin
    ]
    if len({float(value) for value in np.unique(trimap[part])} - {0.5}) < 2:
        part = np.s_[:, :]
    solved = _solve(rgb[part], np.asarray(trimap[part], np.float32))
    alpha = mask.copy()
    alpha[part] = np.where(unknown[part], (np.clip(solved, 0, 1) * 255 + 0.5).astype(np.uint8), alpha[part])
    alpha[inside], alpha[outside] = 255, 0
    return alpha


def _shrunk(mask: Mask, by: int) -> Mask:
    """Eroded by a square of ``by`` pixels; beyond the picture's border everything goes on as it is there."""
    if by < 2:
        return mask
    around = cv2.copyMakeBorder(mask.astype(np.uint8), by, by, by, by, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.erode(around, np.ones((by, by), np.uint8))[by:-by, by:-by] > 0)


def _solve(rgb: Bytes, trimap: Floats) -> Floats:
    try:
        from pymatting import estimate_alpha_cf  # compiles itself when first imported: the [matting] extra
    except ImportError as error:
        raise EngineUnavailable(
            f"Alpha matting does not load: {error}.", hint="Leave alpha_matting out.", field="alpha_matting"
        ) from error
    height, width = trimap.shape
    scale = min(1.0, _SOLVED / max(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    small = cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)
    marks = cv2.resize(trimap, size, interpolation=cv2.INTER_NEAREST)
    found = estimate_alpha_cf(small.astype(np.float64) / 255, marks.astype(np.float64))
    return np.asarray(cv2.resize(found, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)
