"""Cut-outs: the background taken away, or the mask of it; the hosted service's ``removebg_mask``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field

from ..errors import OrbitviewError
from ..images import cut_out, matting_ready
from ..images.cutout import MOST_ERODED, check_cut_out
from ..storage import Storage
from .base import PICTURE, Desk, Dialect, Flag, Operation, OwnBody, Row, Whole, WorkBody, picture_link
from .inputs import single_picture, with_pictures
from .reader import Reader

FLAGS = ("only_mask", "inverse_mask", "post_process_mask", "alpha_matting")
NUMBERS = {
    "alpha_matting_foreground_threshold": (240, 255),
    "alpha_matting_background_threshold": (20, 255),
    "alpha_matting_erode_size": (5, MOST_ERODED),
}
"""Defaults and limits."""


class RemoveBody(WorkBody):
    """A picture whose background is to go."""

    image: str = Field(description="http(s) URL, data: URL or base64; in a form also a file part. Also init_image.")
    only_mask: Flag | None = Field(False, description="The mask instead of the cut-out.")
    inverse_mask: Flag | None = Field(False, description="The background instead of the object.")
    post_process_mask: Flag | None = Field(False, description="A mask without half-tones, its outline smoothed.")
    alpha_matting: Flag | None = Field(False, description="Solve for hair and fur along the outline.")
    alpha_matting_foreground_threshold: Whole | None = Field(240, description="0 to 255.")
    alpha_matting_background_threshold: Whole | None = Field(20, description="0 to 255.")
    alpha_matting_erode_size: Whole | None = Field(5, description=f"0 to {MOST_ERODED} pixels.")
    seed: Whole | None = Field(None, description="Told back; nothing here is drawn by chance.")
    base64: Flag | None = Field("no", description="yes: the picture itself in output; of v6 also: the input is base64.")


class CutoutRequest(OwnBody):
    """A picture whose background is to go."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": PICTURE, "post_process_mask": True}]})
    image: str = Field(min_length=1, description="http(s) URL, data: URL or base64 of the picture.")
    objects: Literal["main", "all"] = Field("main", description="The main object, or everything that stands out.")
    only_mask: bool = False
    inverse_mask: bool = False
    post_process_mask: bool = False
    alpha_matting: bool = False
    alpha_matting_foreground_threshold: int = Field(240, ge=0, le=255)
    alpha_matting_background_threshold: int = Field(20, ge=0, le=255)
    alpha_matting_erode_size: int = Field(5, ge=0, le=MOST_ERODED)


class Cutouts(Operation):
    """The table's entry."""

    name = "cutouts"
    webhook_type = "removebg_mask"
    summary = "Cut an object out, or its mask"
    hosted: ClassVar[dict[str, Dialect]] = {
        "/api/v3/removebg_mask": "v3",
        "/api/v5/removebg_mask": "v5",
        "/api/v6/image_editing/removebg_mask": "v6",
        "/api/v1/image_editing/removebg_mask": "v6",
        "/api/v1/enterprise/image_editing/removebg_mask": "v6",
    }
    body = RemoveBody
    own = "/cutouts"
    model = CutoutRequest

    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """See :class:`Operation`."""
        reader = Reader(body)
        options: Row = {name: reader.flag(name) for name in FLAGS}
        options |= {name: reader.number(name, default, 0, most) for name, (default, most) in NUMBERS.items()}
        # Background removers keep all that stands out; orbitview's own requests are about one object.
        options["objects"] = reader.text("objects") or ("main" if dialect == "own" else "all")
        request: Row = {"engine": "matte", "dialect": dialect, "seed": reader.seed() or 0, "temp": reader.flag("temp")}
        entries = single_picture(reader, ("image", "init_image"))
        if options["alpha_matting"] and dialect != "own" and not matting_ready():
            options["alpha_matting"] = False  # a finer outline is no reason to refuse an old client's request
            request["ignored"] = ["alpha_matting"]
        try:
            check_cut_out(options["objects"], options["alpha_matting"], *(options[name] for name in NUMBERS))
        except OrbitviewError as error:
            reader.fail(error.field or "objects", str(error))
        return with_pictures(request | {"options": options}, reader, entries, storage, dialect)

    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """One PNG."""
        desk.progress(0.05, "cut out")
        picture = cut_out(pictures[0], **request["options"])
        desk.progress(0.9, "write")
        path = desk.work / "picture.png"
        picture.save(path)
        name = "mask.png" if request["options"]["only_mask"] else "cutout.png"
        desk.keep(name, path, f"generations/{desk.prefix}.png")
        return {"width": picture.width, "height": picture.height}

    def outputs(self, request: Row, prefix: str) -> list[str]:
        """The picture."""
        return [f"generations/{prefix}.png"]

    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """As the hosted service's; of v5 some flags come as ``"0"`` and ``"1"``."""
        options, told = request["options"], request.get("ignored", [])
        old = request["dialect"] in ("v3", "v5")

        def flag(name: str) -> Any:
            value = options[name] or name in told
            return str(int(value)) if old else value

        return {
            "alpha_matting": flag("alpha_matting"),
            **{name: options[name] for name in sorted(NUMBERS)},
            "base64": "yes" if request["base64"] else "no",
            "file_prefix": prefix,
            "image_url": picture_link(request["image"], storage),
            "instant_response": "no",
            "inverse_mask": options["inverse_mask"],
            "only_mask": options["only_mask"],
            "outdir": "out",
            "post_process_mask": flag("post_process_mask"),
            "seed": request["seed"],
            "temp": "yes" if request["temp"] else "no",
            **made,
            "ignored": told,
        }


OPERATION = Cutouts()
