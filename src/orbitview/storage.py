"""Files in one place: a local folder that we serve, or an S3-compatible store."""

from __future__ import annotations

import mimetypes
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import obstore
from obstore.store import LocalStore, S3Store

from .config import Settings
from .errors import OrbitviewError

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


LEAST_FREE = 16 * 2**20
"""Bytes that must be free for another job to be accepted: those accepted before need them."""


class StorageFull(OrbitviewError):
    """There is no room for another file."""

    code = "storage_full"
    status = 507


def disk_full() -> StorageFull:
    """What to say of it."""
    return StorageFull("The disk is full.", hint="The server's owner must make room.")


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
        try:
            self._put(key, content)
        except Exception as error:
            if "os error 28" in str(error):  # ENOSPC, as the store's library words it
                raise disk_full() from error
            raise

    def _put(self, key: str, content: bytes) -> None:
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

    def forget(self, prefix: str) -> None:
        """Remove all that a job with this prefix may have stored, whether it was written down or not."""
        inside = [str(entry["path"]) for part in obstore.list(self._store, f"generations/{prefix}/") for entry in part]
        alone = [f"generations/{prefix}{ending}" for ending in (".png", ".gif")]
        self.delete([*inside, *alone, f"scenes/{prefix}.scene"])

    def old(self, seconds: float) -> Iterator[list[str]]:
        """Keys of the files that were last written more than ``seconds`` ago, some hundred at a time."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        for folder in ("generations/", "uploads/", "scenes/"):
            for part in obstore.list(self._store, folder, chunk_size=500):
                if keys := [str(entry["path"]) for entry in part if entry["last_modified"] < before]:
                    yield keys

    def check_room(self) -> None:
        """Raise :class:`StorageFull` where less than :data:`LEAST_FREE` bytes are left on our own disk."""
        if self.local and shutil.disk_usage(self._settings.data_dir).free < LEAST_FREE:
            raise disk_full()

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
