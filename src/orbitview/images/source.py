"""From whatever a caller holds to a picture file's bytes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from ..errors import InvalidImage
from ..outgoing import fetch
from .limits import HINT, MAX_BYTES
from .text import decode_base64


class Readable(Protocol):
    """An open binary file."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to ``size`` bytes."""
        ...


Source = str | os.PathLike[str] | bytes | bytearray | memoryview | Readable


def read_bytes(source: Source) -> bytes:
    """What a path, an http(s) or ``data:`` URL, an open binary file or bytes hold.

    URLs may lead to public addresses, and to those that ``ORBITVIEW_ALLOW_HOSTS`` names.

    Raises:
        InvalidImage: nothing can be read, or too much.
        InvalidRequest: the URL leads somewhere private.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        data = bytes(source)
    elif isinstance(source, str) and source.lstrip()[:8].lower().startswith(("http://", "https://")):
        data = fetch(source.strip(), allow_hosts=os.environ.get("ORBITVIEW_ALLOW_HOSTS", ""))
    elif isinstance(source, str) and source.lstrip()[:5].lower() == "data:":
        data = decode_base64(source)
    elif isinstance(source, str | os.PathLike):
        data = _of_path(source)
    elif hasattr(source, "read"):
        data = _of_file(source)
    else:
        raise InvalidImage(
            f"A {type(source).__name__} is not a picture.",
            hint="Give a path, a URL, bytes, an open file, a PIL picture or an array.",
            field="image",
        )
    if not data:
        raise InvalidImage("The picture is empty.", hint=HINT, field="image")
    if len(data) > MAX_BYTES:
        raise _too_big(len(data))
    return data


def _of_path(source: str | os.PathLike[str]) -> bytes:
    path = Path(source)
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:60]}…"
    try:
        if path.is_dir():
            raise InvalidImage(f"{shown} is a folder, not a picture.", hint="Name a picture file.", field="image")
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise _too_big(size)
        return path.read_bytes()
    except OSError as error:
        if len(str(path)) > 1000:
            raise InvalidImage(
                f"This text of {len(str(path))} characters is no path: {str(path)[:24]}…",
                hint="If it is base64, put data:image/png;base64, in front of it.",
                field="image",
            ) from error
        raise InvalidImage(
            f"Cannot read {shown}: {error.strerror or error}.",
            hint="Check the path and its permissions.",
            field="image",
        ) from error
    except ValueError as error:
        raise InvalidImage("That is not a usable file name.", hint="Check the path.", field="image") from error


def _of_file(source: Readable) -> bytes:
    try:
        data = source.read(MAX_BYTES + 1)
    except (OSError, ValueError, TypeError) as error:
        raise InvalidImage(
            f"The file object cannot be read: {error}.", hint="Open it for reading in binary mode.", field="image"
        ) from error
    if not isinstance(data, bytes | bytearray):
        raise InvalidImage(
            "The file object gives text.", hint="Open it in binary mode: open(path, 'rb').", field="image"
        )
    return bytes(data)


def _too_big(size: int) -> InvalidImage:
    return InvalidImage(
        f"The picture file has {size / 2**20:.0f} MB.",
        hint=f"At most {MAX_BYTES // 2**20} MB are read; save it smaller.",
        field="image",
    )
