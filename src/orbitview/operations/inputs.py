"""The pictures in a body: one, or several of one object (``images``, or ``image`` as a list or as URLs with commas)."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence

from ..errors import OrbitviewError
from ..images import decode_base64, load_image
from ..images.limits import MOST_PICTURES
from ..storage import Storage
from .base import Dialect
from .reader import BadFields, Reader, Row

_URL = re.compile(r"\s*https?://", re.IGNORECASE)
_RANGES = {"azimuth": 360.0, "elevation": 90.0}


def pictures_of(reader: Reader) -> list[Row]:
    """One entry a picture, with ``image`` and perhaps ``azimuth`` and ``elevation``; what is wrong is noted."""
    given, single = reader.body.get("images"), reader.body.get("image", reader.body.get("init_image"))
    if given is not None and single is not None:
        reader.fail("images", "The image field and the images field cannot both be there.")
        return []
    field = "image" if given is None else "images"
    entries = split(single if given is None else given)
    if entries is None:
        reader.fail("image", "The image field is required.")
        return []
    if not isinstance(entries, list):
        entries = [entries]
    if not 1 <= len(entries) <= MOST_PICTURES:
        reader.fail(field, f"The {field} field may hold 1 to {MOST_PICTURES} pictures.")
        return []
    return [_entry(entry, field, reader) for entry in entries]


def split(image: object) -> object:
    """A string of several URLs, with commas between, as a list; anything else as it is."""
    if isinstance(image, str) and _URL.match(image):
        parts = re.split(r"\s*,\s*(?=https?://)", image.strip(), flags=re.IGNORECASE)
        return parts if len(parts) > 1 else image
    return image


def _entry(entry: object, field: str, reader: Reader) -> Row:
    if not isinstance(entry, dict):
        if not isinstance(entry, str | bytes) or not entry:
            reader.fail(field, f"The {field} field must hold pictures: URLs, data: URLs or base64.")
        return {"image": entry}
    read: Row = {"image": entry.get("image")}
    if not isinstance(read["image"], str | bytes) or not read["image"] or set(entry) - {"image", *_RANGES}:
        reader.fail(field, f"Each of the {field} has an image, and perhaps azimuth and elevation.")
    for name, most in _RANGES.items():
        value = entry.get(name)
        if value in (None, ""):
            continue
        try:
            number = float(value) if not isinstance(value, bool) else math.nan
        except (TypeError, ValueError):
            number = math.nan
        if not abs(number) <= most:
            reader.fail(field, f"The {name} of each of the {field} must be a number from {-most:g} to {most:g}.")
        read[name] = number
    return read


def read_pictures(entries: list[Row], storage: Storage, field: str = "image") -> tuple[Row, list[bytes | None]]:
    """Where a job finds its pictures, as its request keeps it (``image`` and perhaps ``others``), and their bytes.

    Args:
        entries: as :func:`pictures_of` gives them, checked by :meth:`Reader.done`.
        field: that is at fault where one is no picture.

    Raises:
        BadFields: one is no picture.
    """
    pictures: list[bytes | None] = []
    places = []
    for number, entry in enumerate(entries, 1):
        try:
            place, picture = read_image(entry["image"], storage)
        except OrbitviewError as error:
            which = f"Picture {number}: " if len(entries) > 1 else ""
            raise BadFields({field: [which + str(error)]}) from error
        places.append(place)
        pictures.append(picture)
    request: Row = {"image": places[0]}
    if len(places) > 1:
        told = ("azimuth", "elevation")
        base = entries[0].get("azimuth") or 0.0
        request["others"] = [
            {"image": place} | {name: entry[name] for name in told if entry.get(name) is not None}
            for place, entry in zip(places[1:], entries[1:], strict=True)
        ]
        for other in request["others"]:
            if "azimuth" in other:
                other["azimuth"] = (other["azimuth"] - base) % 360
    if entries[0].get("elevation") is not None:
        request["elevation"] = entries[0]["elevation"]
    return request, pictures


def with_pictures(
    request: Row, reader: Reader, entries: list[Row], storage: Storage, dialect: Dialect, field: str = "image"
) -> tuple[Row, list[bytes | None]]:
    """The end of every reading: a request with where its pictures are and how it is answered, and their bytes.

    Raises:
        BadFields: with all that was noted, or as :func:`read_pictures` does.
    """
    request["base64"] = answers_base64(reader, dialect, entries)
    reader.done()
    places, pictures = read_pictures(entries, storage, field)
    return request | places, pictures


def answers_base64(reader: Reader, dialect: Dialect, entries: list[Row]) -> bool:
    """Whether the answer holds files' bytes as base64 instead of their links.

    In the hosted service's v6 ``base64`` says that the *input* is base64, where it is.
    """
    wanted = reader.flag("base64")
    described = any(isinstance(entry["image"], str) and not _URL.match(entry["image"]) for entry in entries)
    return wanted and not (dialect == "v6" and described)


def single_picture(reader: Reader, names: Sequence[str] = ("image",)) -> list[Row]:
    """The one picture of a body, under the first of ``names`` that is there; a missing one is noted."""
    given = next((reader.body[name] for name in names if name in reader.body), None)
    if given is None:
        reader.fail(names[0], f"The {names[0]} field is required.")
        return []
    if not isinstance(given, str | bytes):
        reader.fail(names[0], f"The {names[0]} field must be a picture: a URL, a data: URL or base64.")
    return [{"image": given}]


def read_image(image: object, storage: Storage) -> tuple[Row, bytes | None]:
    """Where a job finds its picture (``{"url": …}``, ``{"key": …}``), or what it is and its bytes, not stored yet.

    Raises:
        InvalidImage: bytes, data URL or base64 that are no picture.
    """
    if isinstance(image, str) and _URL.match(image):
        image = image.strip()
        key = storage.own_key(image)
        return ({"key": key} if key else {"url": image[:4000]}), None
    data = image if isinstance(image, bytes) else decode_base64(image)
    load_image(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "ending": _ending(data), "temporary": True}, data


def _ending(data: bytes) -> str:
    kinds = {
        b"\x89PNG": "png",
        b"\xff\xd8": "jpg",
        b"GIF8": "gif",
        b"RIFF": "webp",
        b"BM": "bmp",
        b"II": "tif",
        b"MM": "tif",
    }
    return next((ending for magic, ending in kinds.items() if data.startswith(magic)), "avif")
