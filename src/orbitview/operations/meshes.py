"""A mesh of the object in a picture, or in several; the hosted service's ``image_to_3d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import Field

from ..formats import MESHES
from ..images.limits import MOST_PICTURES
from ..outputs import OutputOptions, write_format, write_turn
from ..storage import Storage
from .base import Desk, Dialect, Flag, Operation, Row, Whole, WorkBody, picture_link
from .inputs import pictures_of, with_pictures
from .making import engine_request, generated, keep_scene, mesh_engine
from .pictures import images_of
from .reader import Reader

FULL = 120_000
"""Triangles of which ``mesh_simplify`` takes its share away: 0.9 leaves the 12,000 that a mesh has where nothing is
said, 0.98 leaves 2,400."""
TOLD: dict[str, tuple[float, float, float, bool]] = {
    "resolution": (256, 16, 512, True),
    "foreground_ratio": (0.85, 0.1, 1, False),
    "ss_guidance_strength": (7.5, 0, 100, False),
    "ss_sampling_steps": (12, 1, 100, True),
    "slat_guidance_strength": (3.0, 0, 100, False),
    "slat_sampling_steps": (12, 1, 100, True),
    "chunk_size": (8192, 1, 12000, True),
}
"""What other engines than ours are told: default, limits, whether whole. Checked, told back and named as ignored."""


class MeshBody(WorkBody):
    """A picture, or several of one object, of which a mesh is wanted."""

    image: str | list[str] = Field(description="http(s) URL, data: URL or base64; several with multi_image.")
    init_image: str | list[str] | None = Field(None, description="The same under another name.")
    multi_image: Flag | None = Field(False, description=f"image holds 2 to {MOST_PICTURES} pictures of the object.")
    output_format: str | None = Field("glb", description=f"{', '.join(MESHES)}.")
    mesh_simplify: float | str | None = Field(
        0.9, description="0.9 to 0.98, the share of faces to take away: 0.9 leaves 12,000, 0.98 leaves 2,400."
    )
    render: Flag | None = Field(False, description="An MP4 of the object turning as well, in extra_assets.")
    seed: Whole | None = Field(0, description="0 picks one and reports it in meta.")
    temp: Flag | None = Field("no", description="Told back.")
    base64: Flag | None = Field("no", description="yes: the file itself in output; of v6 also: the input is base64.")
    engine: str | None = Field("auto", description="Ours: see GET /v1/engines; one with geometry.")
    resolution: Whole | None = Field(256, description="Like the six after it: told back; named in meta.ignored.")
    foreground_ratio: float | str | None = 0.85
    remove_bg: Flag | None = Field(False, description="The background always goes.")
    ss_guidance_strength: float | str | None = 7.5
    ss_sampling_steps: Whole | None = 12
    slat_guidance_strength: float | str | None = 3.0
    slat_sampling_steps: Whole | None = 12
    chunk_size: Whole | None = 8192


class Meshes(Operation):
    """The table's entry. ``POST /v1/3d/generations`` is another door to it."""

    name = "meshes"
    webhook_type = "image_to_3d"
    summary = "A mesh of the object"
    hosted: ClassVar[dict[str, Dialect]] = {
        "/api/v6/3d/image_to_3d": "v6",
        "/api/v1/enterprise/3d/image_to_3d": "v6",
    }
    fetch = "/api/v6/3d/fetch/"
    body = MeshBody

    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """See :class:`Operation`."""
        reader = Reader(body)
        kind = (reader.text("output_format") or "glb").lower()
        if kind not in MESHES:
            reader.fail("output_format", f"The output_format field must be one of {', '.join(MESHES)}.")
        told = {
            name: reader.number(name, default, low, high, whole) for name, (default, low, high, whole) in TOLD.items()
        }
        own, seed = dialect == "own", reader.seed()
        # 0 is any seed to the hosted service, and 0 to us.
        request = engine_request(mesh_engine(reader, "model" if own else "engine"), seed if own else seed or None)
        request |= {
            "dialect": dialect,
            "formats": [kind],
            "render": reader.flag("render"),
            "temp": reader.flag("temp"),
            "told": told | {"remove_bg": reader.flag("remove_bg"), "multi_image": reader.flag("multi_image")},
            "ignored": [name for name in TOLD if name in reader.body],
            "mesh_simplify": reader.number("mesh_simplify", None, 0.9, 0.98, whole=False),
        }
        return with_pictures(request, reader, pictures_of(reader), storage, dialect)

    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """The mesh with what belongs to it, perhaps a video, and the object itself."""
        views = generated(request, pictures, desk.part(0.0, 0.5))
        (kind,) = request["formats"]
        options = OutputOptions(faces=faces_left(request["mesh_simplify"]))
        made = write_format(views, kind, desk.work, options=options, progress=desk.part(0.5, 0.8))
        if request["render"]:
            video = write_turn(views, desk.work / "turntable.mp4", options, desk.part(0.8, 0.95))
            made[video.name] = video
        for file, path in made.items():
            desk.keep(file, path, f"generations/{desk.prefix}/{file}")
        keep_scene(views, desk)
        return views.meta

    def outputs(self, request: Row, prefix: str) -> list[str]:
        """The mesh's own file."""
        return [f"generations/{prefix}/object.{request['formats'][0]}"]

    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """The request as it was understood, and the engine."""
        pictures: Any = [picture_link(place, storage) for place in images_of(request)]
        simplify = request["mesh_simplify"]
        meta: Row = request["told"] | {
            "file_prefix": prefix,
            "image": pictures if len(pictures) > 1 else pictures[0],
            "mesh_simplify": 0.9 if simplify is None else simplify,
            "outdir": "out",
            "output_format": request["formats"][0],
            "render": request["render"],
            "seed": request["seed"],
            "temp": "yes" if request["temp"] else "no",
            "engine": request["engine"],
            "ignored": request["ignored"] + [name for name in made.get("ignored", []) if name != "seed"],
        }
        return meta | {k: made[k] for k in ("input_camera", "warnings") if k in made}

    def shaped(self, answer: Row, request: Row, prefix: str, storage: Storage) -> Row:
        """With what belongs to the mesh, and the video."""
        if answer["status"] in ("success", "processing"):
            extra = ["object.mtl", "object.png"] if request["formats"] == ["obj"] else []
            extra += ["turntable.mp4"] if request["render"] else []
            answer["extra_assets"] = [storage.link(f"generations/{prefix}/{name}") for name in extra]
        return answer


def faces_left(simplify: float | None) -> int | None:
    """Most triangles of a mesh; None where nothing was said."""
    return None if simplify is None else round(FULL * (1 - simplify))


OPERATION = Meshes()
