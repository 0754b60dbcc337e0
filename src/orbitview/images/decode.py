"""From a path, bytes, a PIL picture or an array to one safe RGBA picture."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import InvalidImage

ImageInput = str | os.PathLike[str] | bytes | Image.Image | NDArray[np.generic]

MAX_BYTES = 50 * 2**20
MAX_PIXELS = 64 * 10**6
"""Larger pictures are refused before a pixel is decoded (about 256 MB as RGBA)."""
MIN_SIDE = 8
WORKING_SIDE = 2048
"""Pictures are brought down to this longest side; no output is larger."""

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO", "PPM")
_HINT = "Send a PNG, JPEG, WebP, GIF, BMP, TIFF or AVIF picture of one object."

try:
    import pillow_heif  # type: ignore[import-not-found]  # the [heif] extra

    pillow_heif.register_heif_opener()
except ImportError:
    pass


def load_image(image: ImageInput) -> Image.Image:
    """Decode and normalise: first frame, EXIF orientation applied, 8-bit RGBA with straight alpha.

    Raises:
        InvalidImage: not a picture, truncated, too large, too small, or of an unsupported kind.
    """
    if isinstance(image, Image.Image):
        opened = image
    elif isinstance(image, np.ndarray):
        opened = _from_array(image)
    else:
        opened = _open(_read(image))
    if opened.width < MIN_SIDE or opened.height < MIN_SIDE:
        raise InvalidImage(
            f"The picture is only {opened.width}×{opened.height} pixels.",
            hint=f"It needs at least {MIN_SIDE} pixels a side.",
            field="image",
        )
    try:
        opened = ImageOps.exif_transpose(opened) or opened
        return _limit(_to_rgba(opened))
    except InvalidImage:
        raise
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError, OverflowError, TypeError) as error:
        raise InvalidImage(f"The picture is damaged: {_first_line(error)}.", hint=_HINT, field="image") from error


def _read(source: str | os.PathLike[str] | bytes) -> bytes:
    if isinstance(source, bytes | bytearray):
        data = bytes(source)
    else:
        path = Path(source)
        try:
            if path.is_dir():
                raise InvalidImage(f"{path} is a folder, not a picture.", hint="Name a picture file.", field="image")
            size = path.stat().st_size
            data = path.read_bytes() if size <= MAX_BYTES else b" " * 0
            if size > MAX_BYTES:
                raise _too_big(size)
        except OSError as error:
            raise InvalidImage(
                f"Cannot read {path}: {error.strerror or error}.",
                hint="Check the path and its permissions.",
                field="image",
            ) from error
        except ValueError as error:
            raise InvalidImage("That is not a usable file name.", hint="Check the path.", field="image") from error
    if not data:
        raise InvalidImage("The picture is empty.", hint=_HINT, field="image")
    if len(data) > MAX_BYTES:
        raise _too_big(len(data))
    return data


def _too_big(size: int) -> InvalidImage:
    return InvalidImage(
        f"The picture file has {size / 2**20:.0f} MB.",
        hint=f"At most {MAX_BYTES // 2**20} MB are read; save it smaller.",
        field="image",
    )


def _open(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            opened = Image.open(io.BytesIO(data), formats=[f for f in FORMATS if f in _known_formats()])
    except Image.DecompressionBombError as error:
        raise InvalidImage(
            "The picture has far too many pixels.",
            hint=f"At most {MAX_PIXELS // 10**6} megapixels are read.",
            field="image",
        ) from error
    except UnidentifiedImageError as error:
        head = data[:512].lstrip().lower()
        what = (
            "an SVG or HTML document"
            if head.startswith((b"<", b"\xef\xbb\xbf<"))
            else "a picture in a format that is read here"
        )
        sentence = f"This is {what}." if what.startswith("an SVG") else f"This is not {what}."
        raise InvalidImage(sentence, hint=_HINT, field="image") from error
    except (OSError, SyntaxError, ValueError, EOFError, OverflowError, TypeError, MemoryError) as error:
        raise InvalidImage(f"The picture is damaged: {_first_line(error)}.", hint=_HINT, field="image") from error
    except Exception as error:  # Pillow plugins raise struct.error, IndexError, KeyError and more on damaged headers
        raise InvalidImage("The picture is damaged.", hint=_HINT, field="image") from error
    if opened.width * opened.height > MAX_PIXELS:
        raise InvalidImage(
            f"The picture has {opened.width}×{opened.height} pixels.",
            hint=f"At most {MAX_PIXELS // 10**6} megapixels are read.",
            field="image",
        )
    try:
        opened.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
        opened.load()
    except Exception as error:
        raise InvalidImage(f"The picture is damaged: {_first_line(error)}.", hint=_HINT, field="image") from error
    return opened


def _known_formats() -> set[str]:
    Image.init()
    return set(Image.OPEN)


def _first_line(error: BaseException) -> str:
    text = str(error).strip().splitlines()
    return (text[0] if text else type(error).__name__).rstrip(".")[:120]


def _from_array(array: NDArray[np.generic]) -> Image.Image:
    if array.ndim == 2:
        array = np.repeat(array[..., None], 3, axis=2)
    if array.ndim != 3 or array.shape[2] not in (3, 4) or array.dtype.kind not in "uif" or 0 in array.shape:
        raise InvalidImage(
            f"An array of shape {array.shape} and type {array.dtype} is not a picture.",
            hint="Give (height, width, 3 or 4): uint8, uint16, or floats from 0 to 1.",
            field="image",
        )
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise InvalidImage(
            "The array has too many pixels.", hint=f"At most {MAX_PIXELS // 10**6} million.", field="image"
        )
    if array.dtype.kind == "f":
        if not np.isfinite(array).all():
            raise InvalidImage(
                "The array holds values that are not finite.", hint="Use floats from 0 to 1.", field="image"
            )
        array = np.clip(np.asarray(array, np.float64) * 255 + 0.5, 0, 255)
    elif array.dtype == np.uint16:
        array = array // 257
    return Image.fromarray(np.ascontiguousarray(np.clip(array, 0, 255), np.uint8))


def _to_rgba(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith(("I", "F")):  # 16-bit and float greys: keep the order of magnitudes
        values = np.asarray(picture, np.float64)
        top = 65535.0 if picture.mode.startswith("I") and values.max(initial=0) > 255 else 255.0
        picture = Image.fromarray(np.clip(np.nan_to_num(values) / top * 255, 0, 255).astype(np.uint8))
    return picture.convert("RGBA")


def _limit(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    if longest <= WORKING_SIDE:
        return picture
    scale = WORKING_SIDE / longest
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS, reducing_gap=2).convert("RGBA")
