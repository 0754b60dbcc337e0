"""From a path, a URL, bytes, a file, a PIL picture or an array to one safe RGBA picture in sRGB."""

from __future__ import annotations

import io
import os
import warnings

import numpy as np
from numpy.typing import NDArray
from PIL import Image, JpegImagePlugin, UnidentifiedImageError

from ..errors import InvalidImage
from ..install import how_to_install
from .arrays import picture_of, to_bytes
from .colour import to_srgb
from .limits import HINT, MAX_PIXELS, MIN_SIDE, WORKING_SIDE
from .source import Readable, read_bytes

ImageInput = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable | Image.Image | NDArray[np.generic]

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "HEIF", "MPO", "PPM")
_MOST_JPEG, _MOST_PROGRESSIVE = 400 * 10**6, 100 * 10**6
"""Pixels of a JPEG, which is decoded at 1/2, 1/4 or 1/8. A progressive one is held whole in memory all the same."""
_SCAN = b"\xff\xda"
_STRIP = 2**22
"""Pixels that are brought down at a time, so that a large picture is never held twice."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture upright, by its EXIF orientation."""
_UNUSABLE = (OSError, SyntaxError, ValueError, EOFError, MemoryError, OverflowError, TypeError)

try:
    import pillow_heif  # type: ignore[import-not-found]  # the [heif] extra

    pillow_heif.register_heif_opener()
except ImportError:
    pass


def load_image(image: ImageInput) -> Image.Image:
    """Decode and normalise: first frame, upright, in sRGB, 8-bit RGBA with straight alpha, at most 2048 px a side.

    Args:
        image: a path, an http(s) or ``data:`` URL, encoded bytes, an open binary file, a PIL picture, or an array
            (H, W) or (H, W, 1, 3 or 4) of uint8, uint16 or floats from 0 to 1.

    Raises:
        InvalidImage: not a picture, truncated, too large, too small, or of an unsupported kind.
        InvalidRequest: a URL that leads to a private address.
    """
    if isinstance(image, Image.Image):
        opened = image
    elif isinstance(image, np.ndarray):
        opened = picture_of(image)
    else:
        opened = _decoded(read_bytes(image))
    if opened.width < MIN_SIDE or opened.height < MIN_SIDE:
        raise InvalidImage(
            f"The picture is only {opened.width}×{opened.height} pixels.",
            hint=f"It needs at least {MIN_SIDE} pixels a side.",
            field="image",
        )
    try:
        opened.load()
        turn = _TURNS.get(opened.getexif().get(_ORIENTATION, 1))
        small = to_srgb(_limit(_eight_bits(opened)))
        return (small if turn is None else small.transpose(turn)).convert("RGBA")
    except InvalidImage:
        raise
    except _UNUSABLE as error:
        raise _damaged(error) from error


def _decoded(data: bytes) -> Image.Image:
    """The picture in a file, with all its pixels."""
    opened = _opened(data)
    try:
        opened.load()
        return opened
    except Exception as error:
        whole = _but_for_its_end(data) if opened.format in ("JPEG", "MPO") else None
        if whole is None:
            raise _damaged(error) from error
        return whole


def _opened(data: bytes) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if data.startswith(b"\xff\xd8\xff"):  # no limit of Pillow's: ours depends on the scale
                opened: Image.Image = JpegImagePlugin.jpeg_factory(io.BytesIO(data))
            else:
                opened = Image.open(io.BytesIO(data), formats=[f for f in FORMATS if f in _known_formats()])
    except Image.DecompressionBombError as error:
        raise InvalidImage(
            "The picture has far too many pixels.",
            hint=f"At most {MAX_PIXELS // 10**6} megapixels are read.",
            field="image",
        ) from error
    except UnidentifiedImageError as error:
        raise _unknown(data) from error
    except _UNUSABLE as error:
        raise _damaged(error) from error
    except Exception as error:  # Pillow plugins raise struct.error, IndexError, KeyError and more on damaged headers
        raise InvalidImage("The picture is damaged.", hint=HINT, field="image") from error
    pixels = opened.width * opened.height
    if isinstance(opened, JpegImagePlugin.JpegImageFile):
        if pixels <= (_MOST_PROGRESSIVE if opened.info.get("progressive") else _MOST_JPEG):
            opened.draft("RGB", (WORKING_SIDE, WORKING_SIDE))
        pixels = opened.width * opened.height
    if pixels > MAX_PIXELS:
        raise InvalidImage(
            f"The picture has {opened.width}×{opened.height} pixels.",
            hint=f"At most {MAX_PIXELS // 10**6} megapixels are read.",
            field="image",
        )
    _sixteen_bit_transparency(opened)
    return opened


def _but_for_its_end(data: bytes) -> Image.Image | None:
    """A JPEG that lacks but its last bytes, as browsers show it; None where more than its last rows are missing.

    The decoder fills what is missing and does not say from where. So a little more is cut off: where that changes
    the picture, the data ended.
    """
    end = b"\xff\xd9"
    try:
        whole = _opened(data + end)
        whole.load()
        if whole.info.get("progressive") and data.count(_SCAN) >= (6 if whole.mode == "L" else 9):
            return whole  # but for the last of its passes over the whole picture
        for less in (16, 64, 256, 1024):
            shorter = _opened(data[:-less] + end)
            shorter.load()
            differs = np.flatnonzero((np.asarray(whole) != np.asarray(shorter)).reshape(whole.height, -1).any(1))
            if len(differs):
                return whole if differs[0] >= whole.height - max(32, whole.height // 25) else None
    except Exception:
        return None
    return None


def _sixteen_bit_transparency(opened: Image.Image) -> None:
    """A PNG's transparent colour in 16 bits, as the pixels will be: 8 bits of colour, or a grey's full 16."""
    clear = opened.info.get("transparency")
    tiles = getattr(opened, "tile", None)
    if isinstance(clear, tuple) and tiles and "16" in str(tiles[0][3]):
        opened.info["transparency"] = tuple(min(255, value >> 8) for value in clear)


def _unknown(data: bytes) -> InvalidImage:
    head = data[:512].lstrip().lower()
    if data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"):
        return InvalidImage(
            "This is a HEIC picture, as iPhones take them; reading those is an extra.",
            hint=f"Install it: {how_to_install('heif')}. Or save the picture as JPEG.",
            field="image",
        )
    if head.startswith((b"<", b"\xef\xbb\xbf<")):
        return InvalidImage("This is an SVG or HTML document.", hint=HINT, field="image")
    return InvalidImage("This is not a picture in a format that is read here.", hint=HINT, field="image")


def _damaged(error: BaseException) -> InvalidImage:
    text = str(error).strip().splitlines()
    reason = (text[0] if text else type(error).__name__).rstrip(".")[:120]
    return InvalidImage(f"The picture is damaged: {reason}.", hint=HINT, field="image")


def _known_formats() -> set[str]:
    Image.init()
    return set(Image.OPEN)


def _eight_bits(picture: Image.Image) -> Image.Image:
    """Greys of 16 and 32 bits and floats as 8 bits, with the transparent grey that a PNG may name."""
    if not picture.mode.startswith(("I", "F")):
        return picture
    values = np.asarray(picture)
    grey = Image.fromarray(to_bytes(values))
    clear = picture.info.get("transparency")
    if isinstance(clear, int):
        grey.putalpha(Image.fromarray(np.where(values == clear, np.uint8(0), np.uint8(255))))
    grey.info |= {name: value for name, value in picture.info.items() if name != "transparency"}
    return grey


def _limit(picture: Image.Image) -> Image.Image:
    """At most :data:`WORKING_SIDE` on the longest side, with the mode's colours and all that is noted of it."""
    longest = max(picture.size)
    if longest <= WORKING_SIDE:
        return picture
    scale = WORKING_SIDE / longest
    size = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    info = picture.info
    if longest >= 2 * WORKING_SIDE:
        picture = _reduced(picture, longest // WORKING_SIDE)
    mode = _mixing_mode(picture)
    small = picture.convert(mode).resize(size, Image.Resampling.LANCZOS, reducing_gap=2)
    small = small.convert("RGBA") if mode == "RGBa" else small
    small.info = {name: value for name, value in info.items() if name != "transparency"}
    return small


def _mixing_mode(picture: Image.Image) -> str:
    """The mode in which pixels may be averaged: alpha premultiplied, palettes looked up, inks as they are."""
    if picture.has_transparency_data or picture.mode == "RGBa":
        return "RGBa"
    return picture.mode if picture.mode in ("L", "CMYK") else "L" if picture.mode == "1" else "RGB"


def _reduced(picture: Image.Image, factor: int) -> Image.Image:
    """Means over squares of ``factor`` pixels, a strip at a time."""
    mode = _mixing_mode(picture)
    size = (-(-picture.width // factor), -(-picture.height // factor))
    small = Image.new(mode, size)
    rows = max(1, _STRIP // picture.width // factor) * factor
    for top in range(0, picture.height, rows):
        strip = picture.crop((0, top, picture.width, min(top + rows, picture.height)))
        strip = strip.convert("RGBA").convert(mode) if mode == "RGBa" and strip.mode != "RGBa" else strip.convert(mode)
        small.paste(strip.reduce(factor), (0, top // factor))
    return small
