"""One job's work: from a stored request to stored files. No queue, no HTTP server in here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..api import generate
from ..cameras import Camera
from ..config import Settings
from ..errors import Cancelled
from ..formats import GEOMETRY
from ..outgoing import fetch
from ..outputs import make_grid, write_format
from ..storage import Storage

Row = dict[str, Any]


def fetch_input(request: Row, settings: Settings, storage: Storage) -> bytes:
    """The picture's bytes: from our storage, or from the URL that the caller named."""
    image = request["image"]
    if "key" in image:
        stored = storage.get(image["key"])
        if stored is None:
            from ..errors import InvalidImage

            raise InvalidImage("The uploaded picture is gone.", hint="Upload it again.", field="image")
        return stored.data
    return fetch(image["url"], allow_hosts=settings.allow_hosts)


def produce(
    request: Row,
    picture: bytes,
    prefix: str,
    storage: Storage,
    advance: Callable[[float, str], bool],
    publish: Callable[[list[Row]], None],
    timeout: float,
) -> tuple[list[Row], Row]:
    """Run the engine and store what was asked for; the same request gives the same files under the same keys.

    Args:
        advance: told the share done and the stage; answers whether anybody still waits.
        publish: told the files so far, before each format that takes long.

    Returns:
        The files (name, key, kind, camera) and the meta data.

    Raises:
        Cancelled: ``advance`` said that nobody waits any more, or the time is up.
    """
    deadline = time.monotonic() + timeout
    last, current, since = 0.0, "", time.monotonic()
    stages: dict[str, float] = {}

    def progress(share: float, stage: str) -> None:
        nonlocal last, current, since
        now = time.monotonic()
        stage_name = stage.split(" ")[0]  # "denoise 3/28" is one stage
        if stage_name != current:
            if current:
                stages[current] = stages.get(current, 0.0) + now - since
            current, since = stage_name, now
        if now > deadline:
            raise Cancelled(
                f"The job took longer than {timeout:.0f} seconds.", hint="Ask for less, or raise ORBITVIEW_JOB_TIMEOUT."
            )
        if now - last > 0.1:
            last = now
            if not advance(share, stage):
                raise Cancelled("The job was cancelled.")

    formats = list(dict.fromkeys(["grid", *request["formats"]]))
    extra = any(name in formats for name in GEOMETRY)
    span = 0.5 if extra else 0.9
    cameras = request["cameras"]
    wanted = [Camera(**camera) for camera in cameras] if isinstance(cameras, list) else cameras
    elevation = request.get("elevation")
    views = generate(
        picture,
        wanted,
        engine=request["engine"],
        input_camera=Camera(0, elevation) if elevation is not None else None,
        size=request["size"],
        seed=request["seed"],
        num_inference_steps=request.get("steps"),
        guidance_scale=request.get("guidance"),
        prompt=request.get("prompt"),
        negative_prompt=request.get("negative_prompt"),
        progress=lambda share, stage: progress(share * span, stage),
    )
    files: list[Row] = []

    def keep(name: str, path: Path, key: str, camera: Camera | None = None) -> None:
        storage.put(key, path)
        about = asdict(camera) if camera is not None else None
        files.append({"name": name, "key": key, "format": name.split(".")[-1], "camera": about})

    with tempfile.TemporaryDirectory(prefix="orbitview-") as folder:
        work = Path(folder)
        grid = work / "grid.png"
        columns = 2 if len(views) == 6 else None
        make_grid([v.image for v in views], request["width"], request["height"], request["background"], columns).save(
            grid
        )
        keep("grid.png", grid, f"generations/{prefix}.png")
        for name in formats:
            if name in ("grid", "zip"):
                continue
            if name in GEOMETRY:
                publish(files)
            made = write_format(
                views,
                name,
                work,
                background=request["background"],
                progress=lambda share, stage: progress(span + (0.95 - span) * share, stage),
            )
            for file, path in made.items():
                camera = views[int(file[5:8])].camera if file.startswith("view-") else None
                keep(file, path, f"generations/{prefix}/{file}", camera)
        if "zip" in formats:
            for file, path in write_format(views, "zip", work).items():
                keep(file, path, f"generations/{prefix}/{file}")
    stages[current] = stages.get(current, 0.0) + time.monotonic() - since
    return files, views.meta | {"stages": {name: round(seconds, 3) for name, seconds in stages.items() if name}}
