"""Colour management: a picture's own colour space to sRGB, once, where it is decoded."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageCms

from ..errors import InvalidImage

_SPACES = {"RGB": "RGB", "RGBA": "RGB", "RGBX": "RGB", "P": "RGB", "PA": "RGB", "CMYK": "CMYK"}
_SPACES |= {"L": "GRAY", "LA": "GRAY", "1": "GRAY"}


def to_srgb(picture: Image.Image) -> Image.Image:
    """The picture in sRGB by its ICC profile, which is dropped; alpha is left as it is.

    A profile that is broken or made for another kind of picture is ignored, as browsers do.
    """
    profile = picture.info.get("icc_profile")
    space = _SPACES.get(picture.mode)
    if not profile or space is None:
        return picture
    kept = {name: value for name, value in picture.info.items() if name != "icc_profile"}
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        if source.profile.xcolor_space.strip() != space:
            raise ImageCms.PyCMSError("made for other pictures")
        picture = _converted(picture, source, space)
    except (ImageCms.PyCMSError, InvalidImage, OSError, ValueError, TypeError, SyntaxError):
        picture = picture.copy()
    picture.info = kept
    return picture


def _converted(picture: Image.Image, source: ImageCms.ImageCmsProfile, space: str) -> Image.Image:
    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}[space]
    transform = ImageCms.buildTransform(
        source,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
    if mode == "RGB" and _changes_nothing(transform):
        return picture.copy()
    alpha = picture.convert("RGBA").getchannel("A") if picture.has_transparency_data else None
    plain = picture if picture.mode == mode else picture.convert("RGBA").convert("RGB") if mode == "RGB" else picture
    converted = ImageCms.applyTransform(plain if plain.mode == mode else plain.convert(mode), transform)
    assert converted is not None
    if alpha is not None:
        converted.putalpha(alpha)
    return converted


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Most profiles are sRGB's own; rounding is all that they would do."""
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(27, 27, 3)
    after = ImageCms.applyTransform(Image.fromarray(cube), transform)
    return after is not None and int(np.abs(np.asarray(after, int) - cube).max()) <= 2
