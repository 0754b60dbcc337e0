"""Zip entries that do not change from day to day."""

from __future__ import annotations

import zipfile


def zip_write(archive: zipfile.ZipFile, name: str, data: bytes | str, kind: int = zipfile.ZIP_DEFLATED) -> None:
    """Add an entry with a fixed date, so that the same content gives the same file."""
    archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, kind)
