"""Where the tools' work is done: in this process, or on a server. Nothing heavy is imported before it is used."""

from __future__ import annotations

import base64
import tempfile
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ..errors import Cancelled, InvalidRequest

Told = Callable[[float, str], None]
"""Called from any thread with the percentage done and the stage."""


@dataclass
class Made:
    """What a request came to.

    Attributes:
        grid: PNG of all views.
        files: name, and path or URL, of every artefact.
        meta: engine, seed and the rest.
        job_id: on a server.
    """

    grid: bytes
    files: list[dict[str, Any]]
    meta: dict[str, Any]
    job_id: int | None = None


def resolve_image(image: str, allowed: Sequence[Path]) -> str | Path:
    """A URL or base64 text as it is; a path only inside the allowed folders.

    Raises:
        InvalidRequest: the path is outside, or there is no such file.
    """
    if image.lower().startswith(("http://", "https://", "data:")):
        return image
    looks_like_base64 = len(image) > 200 and "." not in image[:200] and "\n" not in image[:50]
    if looks_like_base64:
        return "data:application/octet-stream;base64," + image
    path = Path(image).expanduser()
    candidates = [path] if path.is_absolute() else [folder / path for folder in allowed]
    for candidate in candidates:
        real = candidate.resolve()
        if any(real.is_relative_to(folder) for folder in allowed):
            if real.is_file():
                return real
            continue
        if path.is_absolute():
            raise InvalidRequest(
                f"{image} is outside the folders that may be read.",
                hint="Allowed: " + (", ".join(map(str, allowed)) or "none; start orbitview mcp with --allow DIR") + ".",
                field="image",
            )
    raise InvalidRequest(
        f"There is no picture {image}.",
        hint="Give a path inside "
        + (", ".join(map(str, allowed)) or "a folder named by --allow")
        + ", an http(s) URL, or base64.",
        field="image",
    )


class Backend(Protocol):
    """Does the work."""

    def make(self, image: str | Path, options: dict[str, Any], told: Told, stopped: threading.Event) -> Made:
        """Make views; blocking, run in a thread."""
        ...

    def engines(self) -> list[dict[str, Any]]:
        """Engines and what they honour."""
        ...


class InProcess:
    """Calls the library; results go to files in ``out``."""

    def __init__(self, out: Path | None, allow_hosts: str = "") -> None:
        self._out = out
        self._allow_hosts = allow_hosts

    def make(self, image: str | Path, options: dict[str, Any], told: Told, stopped: threading.Event) -> Made:
        """See :class:`Backend`."""
        from ..api import generate
        from ..cameras import Camera
        from ..outgoing import fetch
        from ..outputs import FORMATS, write_format

        formats = list(dict.fromkeys(["grid", *options.pop("formats", [])]))
        if wrong := [name for name in formats if name not in FORMATS]:
            raise InvalidRequest(
                f"There is no format {wrong[0]!r}.", hint=f"Formats: {', '.join(FORMATS)}.", field="formats"
            )

        def opened(place: str | Path) -> Any:
            if not isinstance(place, str):
                return place
            if place.startswith("data:"):
                from ..images import decode_base64

                return decode_base64(place)
            return fetch(place, allow_hosts=self._allow_hosts)

        more = options.get("more", [])
        source: Any = opened(image)
        if more:
            source = [source, *(opened(place) for place, _ in more)]

        def progress(share: float, stage: str) -> None:
            if stopped.is_set():
                raise Cancelled("The call was cancelled.")
            told(100 * share, stage)

        extra = len(formats) > 1
        elevation = options.get("elevation")
        cameras = options.get("cameras")
        first = Camera(0, elevation) if elevation is not None else None
        views = generate(
            source,
            [Camera(**camera) for camera in cameras] if cameras else options.get("rig"),
            engine=options.get("engine", "auto"),
            input_camera=[first, *(azimuth for _, azimuth in more)] if more else first,
            seed=options.get("seed"),
            size=options.get("size", 320),
            progress=lambda share, stage: progress(share * (0.5 if extra else 0.95), stage),
        )
        folder = Path(tempfile.mkdtemp(prefix="views-", dir=self._out))
        files: list[dict[str, Any]] = []
        for name in formats:
            made = write_format(
                views,
                name,
                folder,
                background=options.get("background", "white"),
                progress=lambda share, stage: progress(0.5 + 0.45 * share, stage),
            )
            files += [{"name": key, "path": str(path)} for key, path in made.items()]
        told(100, "done")
        return Made((folder / "grid.png").read_bytes(), files, views.meta)

    def engines(self) -> list[dict[str, Any]]:
        """See :class:`Backend`."""
        from ..engines import describe_engines

        return describe_engines()


class OnServer:
    """Goes through the Python client."""

    def __init__(self, url: str, api_key: str | None) -> None:
        self._url, self._key = url, api_key

    def make(self, image: str | Path, options: dict[str, Any], told: Told, stopped: threading.Event) -> Made:
        """See :class:`Backend`."""
        from ..client import Client, _finished

        more = options.pop("more", [])
        source: Any = [image, *(place for place, _ in more)] if more else image
        if more:
            options["azimuths"] = [None, *(azimuth for _, azimuth in more)]
        with Client(self._url, self._key) as client:
            job = client.views(source, wait=False, **options)
            told(0, "accepted")
            for event in client.events(job["id"]):
                if stopped.is_set():
                    client.cancel(job["id"])
                    raise Cancelled("The call was cancelled.")
                if "percent" in event:
                    told(event["percent"], event["stage"])
            job = _finished(client.job(job["id"]))
            told(95, "download")
            grid = client.download(next(f for f in job["files"] if f["name"] == "grid.png"))
            files = [{"name": f["name"], "url": f["url"]} for f in job["files"]]
            told(100, "done")
            return Made(grid, files, job["meta"], job["id"])

    def engines(self) -> list[dict[str, Any]]:
        """See :class:`Backend`."""
        from ..client import Client

        with Client(self._url, self._key) as client:
            return client.engines()

    def job(self, job_id: int) -> dict[str, Any]:
        """A job as it is now."""
        from ..client import Client

        with Client(self._url, self._key) as client:
            return client.job(job_id)

    def cancel(self, job_id: int) -> None:
        """Cancel or delete a job."""
        from ..client import Client

        with Client(self._url, self._key) as client:
            client.cancel(job_id)


def as_base64(data: bytes) -> str:
    """For image content."""
    return base64.b64encode(data).decode()
