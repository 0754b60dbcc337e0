"""Pictures that travel as text: base64 and ``data:`` URLs, also as forms and shells leave them."""

from __future__ import annotations

import base64
import binascii
import re
from urllib.parse import unquote

from ..errors import InvalidImage


def decode_base64(image: object) -> bytes:
    """Bytes of a ``data:`` URL or bare base64.

    Read as well: the URL-safe alphabet, percent-encoding, line breaks, a ``+`` that a form turned into a space, and
    missing ``=`` at the end.

    Raises:
        InvalidImage: it is neither.
    """
    if not isinstance(image, str):
        raise InvalidImage("The image must be a URL, a data: URL or base64.", field="image")
    text = image.strip()
    if text[:5].lower() == "data:":
        head, comma, text = text.partition(",")
        if not comma or ";base64" not in unquote(head).lower():
            raise InvalidImage("The data: URL is not base64.", hint="Use data:image/png;base64,…", field="image")
    if "%" in text[:4096] or "%" in text[-16:]:  # base64 has no % of its own
        text = unquote(text)
    text = _without_spaces(text.strip()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidImage(
            "The image is neither a URL nor base64.",
            hint="Send http(s)://…, data:image/png;base64,… or bare base64.",
            field="image",
        ) from error


def _without_spaces(text: str) -> str:
    """Line breaks go; so do spaces at even steps, which are broken lines joined. Other spaces were once a ``+``."""
    if " " not in text:
        return re.sub(r"\s+", "", text)
    parts = re.sub(r"[\t\r\n\f\v]+", "", text).split(" ")
    steps = {len(part) for part in parts[:-1]}
    broken = len(steps) == 1 and len(parts[0]) >= 4 and len(parts[0]) % 4 == 0
    return ("" if broken else "+").join(parts)
