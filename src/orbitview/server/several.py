"""Several pictures of one object in a body: ``images``, or ``image`` as a list or as URLs with commas between."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from ..images.limits import MOST_PICTURES

if TYPE_CHECKING:
    from .requests import Reader

Row = dict[str, Any]
_RANGES = {"azimuth": 360.0, "elevation": 90.0}


def pictures_of(reader: Reader) -> list[Row]:
    """One entry a picture, with ``image`` and perhaps ``azimuth`` and ``elevation``; what is wrong is noted."""
    given, single = reader.body.get("images"), reader.body.get("image")
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


def split(image: Any) -> Any:
    """A string of several URLs, with commas between, as a list; anything else as it is."""
    if isinstance(image, str) and re.match(r"\s*https?://", image, re.IGNORECASE):
        parts = re.split(r"\s*,\s*(?=https?://)", image.strip(), flags=re.IGNORECASE)
        return parts if len(parts) > 1 else image
    return image


def _entry(entry: Any, field: str, reader: Reader) -> Row:
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
