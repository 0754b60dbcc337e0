"""Files in one place: a local folder that we serve, or an S3-compatible store."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore, S3Store

from .config import Settings

KINDS = {
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".glb": "model/gltf-binary",
    ".usdz": "model/vnd.usdz+zip",  # without it, phones download instead of showing
    ".obj": "model/obj",
    ".mtl": "model/mtl",
    ".stl": "model/stl",
    ".3mf": "model/3mf",
}
"""Content types that a system's own list may lack."""
KEPT = "public, max-age=604800, immutable"


@dataclass
class Stored:
    """One file: its bytes, tag and content type."""

    data: bytes
    etag: str
    kind: str


class Storage:
    """Keys are paths such as ``generations/<unguessable>.png``; a key is written once and never changed."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._store: Any
        self.local = not settings.storage_url
        if self.local:
            folder = settings.data_dir.resolve() / "files"
            folder.mkdir(parents=True, exist_ok=True)
            self._store = LocalStore(str(folder), automatic_cleanup=True)
        else:
            bucket, _, prefix = settings.storage_url.removeprefix("s3://").partition("/")
            options: dict[str, Any] = {"prefix": prefix} if prefix else {}
            if settings.s3_endpoint:
                options["endpoint"] = settings.s3_endpoint
                options["client_options"] = {"allow_http": settings.s3_endpoint.startswith("http://")}
            self._store = S3Store(bucket, **options)

    def put(self, key: str, data: bytes | Path) -> None:
        """Write a file; writing the same key again replaces it whole."""
        content = data.read_bytes() if isinstance(data, Path) else data
        if self.local:
            obstore.put(self._store, key, content)
        else:
            obstore.put(self._store, key, content, attributes={"Content-Type": kind_of(key), "Cache-Control": KEPT})

    def get(self, key: str) -> Stored | None:
        """The file, or None."""
        try:
            found = obstore.get(self._store, key)
            return Stored(bytes(found.bytes()), str(found.meta["e_tag"] or "").strip('"'), kind_of(key))
        except (FileNotFoundError, ValueError):
            return None

    def delete(self, keys: list[str]) -> None:
        """Remove files; missing ones are fine."""
        for key in keys:
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                continue

    def link(self, key: str) -> str:
        """The address a client fetches the file from."""
        if self.local:
            return f"{self._settings.base_url}/{key}"
        if self._settings.files_url:
            return f"{self._settings.files_url.rstrip('/')}/{key}"
        signed: str = obstore.sign(self._store, "GET", key, timedelta(days=min(self._settings.retention_days, 7)))
        return signed

    def proxy_link(self, key: str) -> str:
        """The same file by the second base URL, where one is set."""
        return f"{self._settings.proxy_url.rstrip('/')}/{key}" if self._settings.proxy_url else self.link(key)

    def own_key(self, url: str) -> str | None:
        """The key that one of our own links stands for, else None."""
        base = self._settings.base_url + "/"
        key = url.removeprefix(base)
        return key if url.startswith(base) and key.startswith(("generations/", "uploads/")) else None


def kind_of(key: str) -> str:
    """Content type by ending."""
    return KINDS.get(Path(key).suffix) or mimetypes.guess_type(key)[0] or "application/octet-stream"
