"""From a job's request to an object and its files: what operations with an engine have in common."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ..api import generate
from ..cameras import Camera
from ..engines import get_engine
from ..engines.registry import load_engine
from ..errors import OrbitviewError
from ..kept import can_be_kept, pack_scene
from ..outputs import OutputOptions, output_options, zip_folder
from ..progress import Progress
from ..several import stated_camera
from ..views import ViewSet
from .base import Desk, Row
from .reader import Reader


def mesh_engine(reader: Reader, field: str = "engine") -> str:
    """Name of the engine asked for, which must have geometry; what is wrong is noted."""
    try:
        return get_engine(reader.text(field) or "auto", needs="mesh").info.name
    except OrbitviewError as error:
        reader.fail(field, str(error))
        return "auto"


def engine_request(engine: str, seed: int | None, steps: int | None = None) -> Row:
    """What a job keeps whose engine is to make an object, one look at it, and no pictures; further files can be made of
    it later like of any other."""
    return {
        "engine": engine,
        "cameras": [{"azimuth": 0.0, "elevation": 15.0}],
        "size": 256,
        "width": 640,
        "height": 960,
        "background": "white",
        "formats": [],
        "elevation": None,
        "seed": secrets.randbelow(2**31) if seed is None else seed,
        "steps": steps,
    }


def steps_done(request: Row, made: Row) -> int:
    """What was sent for steps; where nothing was, what the engine did, or does by itself."""
    sent: int | None = request.get("steps_sent")
    if sent is not None:
        return sent
    try:
        usual = load_engine(request["engine"]).info.steps
    except OrbitviewError:  # an engine that is not installed any more
        usual = 1
    return int(made.get("steps", usual))


def generated(request: Row, pictures: Sequence[bytes], progress: Progress) -> ViewSet:
    """What the engine makes of a job's pictures."""
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


def options_of(request: Row) -> OutputOptions:
    """How a job's files are made."""
    return output_options(
        {k: tuple(v) if isinstance(v, list) else v for k, v in request.get("output", {}).items()}
        | {"background": request["background"], "width": request["width"], "height": request["height"]}
    )


def keep_scene(views: ViewSet, desk: Desk, at_once: bool = False) -> None:
    """Store the object itself, where its engine has one; by itself once the job has been told to be done."""
    if not desk.keep_scene or not can_be_kept(views):
        return
    desk.keep_later("scene", partial(pack_scene, views), f"scenes/{desk.prefix}.scene")
    if at_once:
        desk.clear()


def packed(made: dict[str, Path], parcels: Path) -> dict[str, Path]:
    """Files as they are stored: what lies in a folder goes into one zip of that name, without the folder."""
    packed = {name: path for name, path in made.items() if "/" not in name}
    folders = {name.split("/")[0] for name in made if "/" in name}
    for folder in sorted(folders):
        inside = {name.removeprefix(f"{folder}/"): path for name, path in made.items() if name.startswith(f"{folder}/")}
        inner, path = next(iter(inside.items()))
        root = path.parents[inner.count("/")]
        packed[f"{folder}.zip"] = zip_folder(root, parcels / f"{folder}.zip", inside)
    return packed
