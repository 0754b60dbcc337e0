"""Views: one picture in, the object from other sides out."""

from __future__ import annotations

import secrets
import tempfile
import time
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from ..cameras import DEFAULT_RIG, Camera, rig
from ..engines import get_engine
from ..errors import InvalidRequest, OrbitviewError
from ..formats import GEOMETRY, Format
from ..images.limits import MOST_PICTURES
from ..kept import unpack_scene
from ..lifting import lift_views
from ..outputs import FORMATS, make_grid, output_options, parse_background, write_format
from ..progress import Progress
from ..storage import Storage
from ..views import ViewSet
from .base import PICTURE, Desk, Dialect, Flag, Operation, OwnBody, Row, Whole, WorkBody, picture_link
from .inputs import pictures_of, with_pictures
from .making import generated, keep_scene, options_of, packed, steps_done
from .models import CameraModel, OutputModel, PictureModel
from .pictures import images_of
from .reader import Reader

PATIENCE = 5.0
"""Seconds until an object should be there that another worker was about to store."""


class MultiviewBody(WorkBody):
    """One picture in, several views out."""

    image: str | list[str] = Field(
        description="http(s) URL, data: URL or base64; in a form also a file part. Ours: a list, or URLs with commas "
        "between, are several pictures of one object."
    )
    prompt: str | None = None
    negative_prompt: str | None = None
    width: Whole | None = Field(640, description="Of the grid in pixels, 64 to 1024.")
    height: Whole | None = Field(960, description="Of the grid in pixels, 64 to 1024.")
    num_inference_steps: Whole | None = Field(50, description="1 to 50; what a step is, is the engine's.")
    guidance_scale: float | str | None = Field(4, description="1 to 20; counts for diffusion engines.")
    seed: Whole | None = Field(None, description="null picks one and reports it in meta.")
    temp: Flag | None = Field("no", description="Told back in meta; links and proxy_links are there in any case.")
    base64: Flag | None = Field("no", description="yes: the picture itself in output, as base64.")
    engine: str | None = Field("auto", description="Ours: see GET /v1/engines.")
    rig: str | None = Field(None, description="Ours: named cameras.")
    elevation: float | str | None = Field(None, description="Ours: of the picture's camera in degrees, if known.")
    background: str | None = Field("white", description="Ours: white, grey, transparent or any colour.")
    transparent: Flag | None = Field("no", description="Ours: short for background=transparent.")
    formats: list[str] | str | None = Field(None, description=f"Ours: any of {', '.join(FORMATS)}.")


class ViewsRequest(OwnBody):
    """What to make of one picture, or of several of one object."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"image": "https://example.com/chair.png", "rig": "sides-4", "formats": ["glb"]}]
        }
    )
    images: list[PictureModel] | None = Field(
        None,
        min_length=1,
        max_length=MOST_PICTURES,
        description="Instead of image: pictures of one object from several sides.",
    )
    image: str | None = Field(
        None, validate_default=True, description="http(s) URL, data: URL or base64 of the picture."
    )
    engine: str = Field("auto", description="See GET /v1/engines.")
    rig: str | None = Field(None, description="Named cameras; by default six views around.")
    cameras: list[CameraModel] | None = Field(None, max_length=64)
    size: int | None = Field(None, ge=32, le=1024)
    width: int = Field(640, ge=64, le=1024)
    height: int = Field(960, ge=64, le=1024)
    background: str = "white"
    elevation: float | None = Field(None, ge=-90, le=90, description="Of the picture's camera, if known.")
    formats: list[Format] = Field([])
    output: OutputModel | None = None
    seed: int | None = Field(None, ge=0, le=2**53)
    num_inference_steps: int | None = Field(None, ge=1, le=100)
    guidance_scale: float | None = Field(None, ge=1, le=20)
    prompt: str | None = None
    negative_prompt: str | None = None

    @field_validator("image")
    @classmethod
    def _one_or_several(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Told beside all that is wrong, not after it. Where ``images`` is wrong it is not among the data."""
        if not value and info.data.get("images", True) is None:
            raise ValueError("The image field is required.")
        return value


def run(request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
    """Grid, files and object of a job; further files of a finished job come without engine and grid."""
    later = "scene" in request
    formats = list(dict.fromkeys([*([] if later else ["grid"]), *request["formats"]]))
    extra = any(name in formats for name in GEOMETRY)
    span = 0.5 if extra else 0.9
    first = desk.part(0.0, span)
    views = _kept(request, desk.storage, first) if later else generated(request, pictures, first)
    if extra and views.scene is None:
        span = 0.6
        views = lift_views(views, desk.part(0.5, span))
    options = options_of(request)
    if not later:
        grid = desk.work / "grid.png"
        columns = 2 if len(views) == 6 else None
        drawn = make_grid([v.image for v in views], request["width"], request["height"], request["background"], columns)
        drawn.save(grid, compress_level=3)  # by default three times the time for a sixth fewer bytes
        desk.keep("grid.png", grid, f"generations/{desk.prefix}.png")
        keep_scene(views, desk, at_once=extra)  # a job that is stopped before the rest can be asked for it later
    with tempfile.TemporaryDirectory(prefix="orbitview-") as parcels:
        for name in formats:
            if name == "zip" or (name == "grid" and not later):
                continue
            if name in GEOMETRY:
                desk.publish(desk.files)
            made = write_format(
                views,
                name,
                desk.work,
                options=options,
                progress=desk.part(span, 0.95),
            )
            for file, path in packed(made, Path(parcels)).items():
                camera = views[int(file[5:8])].camera if file.startswith("view-") else None
                desk.keep(file, path, f"generations/{desk.prefix}/{file}", camera)
        if "zip" in formats:
            for file, path in write_format(views, "zip", desk.work).items():
                desk.keep(file, path, f"generations/{desk.prefix}/{file}")
    return views.meta


def _kept(request: Row, storage: Storage, progress: Progress) -> ViewSet:
    """The finished job's object; its views are drawn again only where a format needs them."""
    until = time.monotonic() + PATIENCE
    while (stored := storage.get(request["scene"])) is None and time.monotonic() < until:
        time.sleep(0.1)
    if stored is None:
        raise InvalidRequest("The job's scene is gone.", hint="Make the views again.", field="formats")
    drawn = any(name not in (*GEOMETRY, "zip") for name in request["formats"])
    return unpack_scene(stored.data, progress if drawn else None)


def read_request(body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
    """Check a multiview body.

    Returns:
        The request, and the bytes of its pictures, which :meth:`JobQueue.submit` stores; None where one is a URL.

    Raises:
        BadFields: with every wrong field.
    """
    reader = Reader(body)
    engine = reader.text("engine") or "auto"
    try:
        engine = get_engine(engine).info.name
    except OrbitviewError as error:
        reader.fail("engine", str(error))
    background = reader.text("background") or ("transparent" if reader.flag("transparent") else "white")
    try:
        parse_background(background)
    except OrbitviewError as error:
        reader.fail("background", str(error))
    width, height = reader.number("width", 640, 64, 1024), reader.number("height", 960, 64, 1024)
    guidance = reader.number("guidance_scale", None, 1, 20, whole=False)
    steps = reader.number("num_inference_steps", None, 1, 100 if dialect == "own" else 50)
    seed = reader.seed()
    cameras = _cameras(reader)
    count = len(cameras) if isinstance(cameras, list) else 6
    formats = _formats(reader)
    output = _output(reader)
    request: Row = {
        "engine": engine,
        "cameras": cameras,
        "size": reader.number("size", max(32, min(width // 2, height // 3) if count == 6 else 320), 32, 1024),
        "width": width,
        "height": height,
        "background": background,
        "formats": formats,
        "elevation": reader.number("elevation", None, -90, 90, whole=False),
        "seed": secrets.randbelow(2**31) if seed is None else seed,
        "prompt": reader.text("prompt"),
        "negative_prompt": reader.text("negative_prompt"),
        "temp": reader.flag("temp"),
        "steps_sent": steps,
        "guidance_sent": (int(guidance) if guidance == int(guidance) else guidance) if guidance is not None else 4,
    }
    if output:
        request["output"] = output
    # The hosted service's own defaults are no wish of the caller's: an engine without steps need not report them.
    features = get_engine(engine).info.features if "engine" not in reader.errors else frozenset()
    for name, value, feature in (("steps", steps, "steps"), ("guidance", guidance, "guidance")):
        if feature in features or value is not None:
            request[name] = value
    return with_pictures(request, reader, pictures_of(reader), storage, dialect)


_CAMERA = {field.name for field in fields(Camera)}


def _cameras(reader: Reader) -> str | list[Row]:
    given = reader.body.get("cameras")
    name = reader.text("rig") or DEFAULT_RIG
    if isinstance(given, str):
        name, given = given, None
    if given is None:
        try:
            rig(name)
        except OrbitviewError as error:
            reader.fail("rig", str(error))
        return name
    if not isinstance(given, list) or not 1 <= len(given) <= 64:
        reader.fail("cameras", "The cameras field must be a list of 1 to 64 cameras.")
        return name
    cameras = []
    for entry in given:
        try:
            if not isinstance(entry, dict) or set(entry) - _CAMERA:
                raise InvalidRequest(
                    "A camera is an object with azimuth, elevation, and perhaps distance and fov, "
                    "or projection and scale."
                )
            values: Row = {k: v if k == "projection" else float(v) for k, v in entry.items() if v is not None}
            counting = Camera(**values).numbers()
            cameras.append({name: value for name, value in values.items() if name in counting})
        except (OrbitviewError, TypeError, ValueError) as error:
            reader.fail(
                "cameras", str(error) if isinstance(error, OrbitviewError) else "A camera's fields must be numbers."
            )
            break
    return cameras


def _formats(reader: Reader) -> list[str]:
    given = reader.body.get("formats", [])
    names = [n.strip() for n in given.split(",")] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(n, str) and n in FORMATS for n in names):
        reader.fail("formats", f"The formats field may name: {', '.join(FORMATS)}.")
        return []
    return list(dict.fromkeys(names))


def _output(reader: Reader) -> Row:
    given = reader.body.get("output", {})
    if not isinstance(given, dict):
        reader.fail("output", "The output field must be an object.")
        return {}
    return check_output(given, reader)


def check_output(given: Row, reader: Reader) -> Row:
    """How files are made, as far as it is said; what is wrong is noted under ``output``."""
    told = {name: value for name, value in given.items() if value is not None}
    try:
        output_options({k: tuple(v) if isinstance(v, list) else v for k, v in told.items()})
    except OrbitviewError as error:
        reader.fail("output", str(error))
    return told


def read_files_request(body: Row, job: Row, scene: str) -> Row:
    """A request for further files of a finished job.

    Args:
        body: formats, background and output.
        job: the finished job's own request.
        scene: the key of its scene.

    Raises:
        BadFields: with every wrong field.
    """
    reader = Reader(body)
    background = reader.text("background") or "white"
    try:
        parse_background(background)
    except OrbitviewError as error:
        reader.fail("background", str(error))
    formats, output = _formats(reader), _output(reader)
    reader.done()
    # Its picture is the first job's to delete.
    image = {name: value for name, value in job["image"].items() if name != "temporary"}
    job = {name: value for name, value in job.items() if name not in ("others", "track_id")}
    return job | {"image": image, "scene": scene, "formats": formats, "background": background, "output": output}


class Views(Operation):
    """The table's entry."""

    name = "views"
    webhook_type = "multiview"
    summary = "Six views of an object"
    hosted: ClassVar[dict[str, Dialect]] = {
        "/api/v5/multiview": "v5",
        "/api/v6/image_editing/multiview": "v6",
        "/api/v6/images/multiview": "v6",
        "/api/v1/image_editing/multiview": "v6",
        "/api/v1/enterprise/multiview": "v6",
        "/api/v1/enterprise/image_editing/multiview": "v6",
    }
    body = MultiviewBody
    example: ClassVar[Row] = {"image": PICTURE, "prompt": "a chair"}
    own = "/views"
    model = ViewsRequest

    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """See :class:`Operation`."""
        return read_request(body, storage, dialect)

    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """Run the engine, or take a finished job's object, and write what was asked for."""
        return run(request, pictures, desk)

    def outputs(self, request: Row, prefix: str) -> list[str]:
        """The grid."""
        return [f"generations/{prefix}.png"]

    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """The request as it was understood, and what the engine made of it."""
        meta = {
            "file_prefix": prefix,
            "guidance_scale": request.get("guidance_sent", 4),
            "height": request["height"],
            "image": picture_link(request["image"], storage),
            "num_inference_steps": steps_done(request, made),
            "outdir": "out",
            "prompt": request.get("prompt") or "",
            "negative_prompt": request.get("negative_prompt"),
            "seed": request["seed"],
            "temp": "yes" if request.get("temp") else "no",
            "width": request["width"],
            "engine": made.get("engine", request["engine"]),
        }
        if "others" in request:
            meta["images"] = [picture_link(place, storage) for place in images_of(request)]
        return meta | {k: made[k] for k in ("ignored", "input_camera", "warnings") if k in made}


OPERATION = Views()
