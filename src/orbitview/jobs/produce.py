"""One job's work: from a stored request to stored files. No queue, no HTTP server in here."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..api import generate
from ..cameras import Camera
from ..config import Settings
from ..errors import Cancelled, InvalidRequest
from ..formats import GEOMETRY
from ..kept import SCENE, pack_scene, unpack_scene
from ..outgoing import fetch
from ..outputs import make_grid, output_options, write_format, zip_folder
from ..progress import Progress
from ..several import stated_camera
from ..storage import Storage
from ..views import ViewSet
from .pictures import images_of

Row = dict[str, Any]


def fetch_inputs(request: Row, settings: Settings, storage: Storage, wanted: Callable[[], bool]) -> list[bytes]:
    """The pictures' bytes: from our storage, or from URLs that the caller named, for as long as they are ``wanted``."""
    return [_fetched(image, settings, storage, wanted) for image in images_of(request)]


def _fetched(image: Row, settings: Settings, storage: Storage, wanted: Callable[[], bool]) -> bytes:
    if "key" in image:
        stored = storage.get(image["key"])
        if stored is None:
            from ..errors import InvalidImage

            raise InvalidImage("The uploaded picture is gone.", hint="Upload it again.", field="image")
        return stored.data
    return fetch(image["url"], allow_hosts=settings.allow_hosts, wanted=wanted)


def produce(
    request: Row,
    pictures: Sequence[bytes],
    prefix: str,
    storage: Storage,
    advance: Callable[[float, str], bool],
    publish: Callable[[list[Row]], None],
    timeout: float,
    keep_scene: bool = True,
) -> tuple[list[Row], Row]:
    """Run the engine and store what was asked for; the same request gives the same files under the same keys.

    Args:
        advance: told the share done and the stage; answers whether anybody still waits.
        publish: told the files so far, before each format that takes long.
        keep_scene: store the object as well, so that further files can be made of it.

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

    later = "scene" in request  # further files of a finished job: no engine, no grid
    formats = list(dict.fromkeys([*([] if later else ["grid"]), *request["formats"]]))
    extra = any(name in formats for name in GEOMETRY)
    span = 0.5 if extra else 0.9

    def first(share: float, stage: str) -> None:
        progress(share * span, stage)

    views = _kept(request, storage, first) if later else _generated(request, pictures, first)
    options = output_options(
        {k: tuple(v) if isinstance(v, list) else v for k, v in request.get("output", {}).items()}
        | {"background": request["background"], "width": request["width"], "height": request["height"]}
    )
    files: list[Row] = []

    def keep(name: str, path: Path, key: str, camera: Camera | None = None) -> None:
        storage.put(key, path)
        about = asdict(camera) if camera is not None else None
        files.append({"name": name, "key": key, "format": name.split(".")[-1], "camera": about})

    with (
        tempfile.TemporaryDirectory(prefix="orbitview-") as folder,
        tempfile.TemporaryDirectory(prefix="orbitview-") as parcels,
    ):
        work = Path(folder)
        if not later:
            grid = work / "grid.png"
            columns = 2 if len(views) == 6 else None
            drawn = [v.image for v in views]
            make_grid(drawn, request["width"], request["height"], request["background"], columns).save(grid)
            keep("grid.png", grid, f"generations/{prefix}.png")
        for name in formats:
            if name == "zip" or (name == "grid" and not later):
                continue
            if name in GEOMETRY:
                publish(files)
            made = write_format(
                views,
                name,
                work,
                options=options,
                progress=lambda share, stage: progress(span + (0.95 - span) * share, stage),
            )
            for file, path in _packed(made, Path(parcels)).items():
                camera = views[int(file[5:8])].camera if file.startswith("view-") else None
                keep(file, path, f"generations/{prefix}/{file}", camera)
        if "zip" in formats:
            for file, path in write_format(views, "zip", work).items():
                keep(file, path, f"generations/{prefix}/{file}")
        scene = None if later or not keep_scene else pack_scene(views)
        if scene is not None:
            path = Path(parcels) / SCENE
            path.write_bytes(scene)
            keep("scene", path, f"scenes/{prefix}.scene")
    stages[current] = stages.get(current, 0.0) + time.monotonic() - since
    return files, views.meta | {"stages": {name: round(seconds, 3) for name, seconds in stages.items() if name}}


def _generated(request: Row, pictures: Sequence[bytes], progress: Progress) -> ViewSet:
    cameras = request["cameras"]
    elevation = request.get("elevation")
    first = Camera(0, elevation) if elevation is not None else None
    several = len(pictures) > 1
    return generate(
        list(pictures) if several else pictures[0],
        [Camera(**camera) for camera in cameras] if isinstance(cameras, list) else cameras,
        engine=request["engine"],
        input_camera=[first, *map(stated_camera, request["others"])] if several else first,
        size=request["size"],
        seed=request["seed"],
        num_inference_steps=request.get("steps"),
        guidance_scale=request.get("guidance"),
        prompt=request.get("prompt"),
        negative_prompt=request.get("negative_prompt"),
        progress=progress,
    )


def _kept(request: Row, storage: Storage, progress: Progress) -> ViewSet:
    """The finished job's object; its views are drawn again only where a format needs them."""
    stored = storage.get(request["scene"])
    if stored is None:
        raise InvalidRequest("The job's scene is gone.", hint="Make the views again.", field="formats")
    drawn = any(name not in (*GEOMETRY, "zip") for name in request["formats"])
    return unpack_scene(stored.data, progress if drawn else None)


def _packed(made: dict[str, Path], parcels: Path) -> dict[str, Path]:
    """Files as they are stored: what lies in a folder goes into one zip of that name, without the folder."""
    packed = {name: path for name, path in made.items() if "/" not in name}
    folders = {name.split("/")[0] for name in made if "/" in name}
    for folder in sorted(folders):
        inside = {name.removeprefix(f"{folder}/"): path for name, path in made.items() if name.startswith(f"{folder}/")}
        inner, path = next(iter(inside.items()))
        root = path.parents[inner.count("/")]
        packed[f"{folder}.zip"] = zip_folder(root, parcels / f"{folder}.zip", inside)
    return packed
