"""Larger pictures; the hosted service's ``super_resolution``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import ConfigDict, Field

from ..errors import OrbitviewError
from ..images import UPSCALE_MODELS, upscale
from ..images.upscale import OWN, SCALES, check_model
from ..storage import Storage
from .base import PICTURE, Desk, Dialect, Flag, Operation, OwnBody, Row, Whole, WorkBody, picture_link
from .inputs import single_picture, with_pictures
from .reader import Reader

MODELS = {
    "realesr-general-x4v3": OWN,
    "ultra_resolution": OWN,
    "RealESRGAN_x4plus": "realesrgan-x4plus",
    "RealESRGAN_x4plus_anime_6B": "realesrgan-x4plus-anime",
    "RealESRGAN_x2plus": "realesrgan-x4plus",  # brought down
}
"""What the hosted service's models are here."""
DEFAULT = "realesr-general-x4v3"
NAMES: dict[Dialect, tuple[str, ...]] = {
    "own": ("image",),
    "v3": ("url", "init_image", "image"),
    "v5": ("url", "init_image", "image"),
    "v6": ("init_image", "url", "image"),
}
"""What the picture may be called; what is wrong with it is told under the first."""


class UpscaleBody(WorkBody):
    """A picture to make larger."""

    init_image: str | None = Field(None, description="http(s) URL, data: URL or base64. Also url or image.")
    url: str | None = Field(None, description="The same, as v3 and v5 call it.")
    scale: Whole | None = Field(3, description="2, 3 or 4 times as many pixels a side.")
    model_id: str | None = Field(DEFAULT, description=f"{', '.join(MODELS)}; ours: {', '.join(UPSCALE_MODELS)}.")
    face_enhance: Flag | None = Field(False, description="Not made here: named in meta.ignored.")
    base64: Flag | None = Field("no", description="yes: the picture itself in output; of v6 also: the input is base64.")


class UpscaleRequest(OwnBody):
    """A picture to make larger."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": PICTURE, "scale": 2}]})
    image: str = Field(min_length=1, description="http(s) URL, data: URL or base64 of the picture.")
    scale: int = Field(2, ge=2, le=4, description="Times as many pixels a side.")
    model: str = Field(OWN, description=f"{', '.join(UPSCALE_MODELS)}.")


class Upscales(Operation):
    """The table's entry."""

    name = "upscales"
    webhook_type = "super_resolution"
    summary = "Make a picture larger"
    hosted: ClassVar[dict[str, Dialect]] = {
        "/api/v3/super_resolution": "v3",
        "/api/v5/super_resolution": "v5",
        "/api/v6/image_editing/super_resolution": "v6",
        "/api/v1/image_editing/super_resolution": "v6",
        "/api/v1/enterprise/image_editing/super_resolution": "v6",
    }
    body = UpscaleBody
    example: ClassVar[Row] = {"url": PICTURE, "scale": 3}
    own = "/upscales"
    model = UpscaleRequest

    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """See :class:`Operation`."""
        reader = Reader(body)
        field = "model" if dialect == "own" else "model_id"
        named = reader.text(field) or (OWN if dialect == "own" else DEFAULT)
        model = next((ours for theirs, ours in MODELS.items() if theirs.lower() == named.strip().lower()), named)
        try:
            check_model(model)
        except OrbitviewError as error:
            known = [*MODELS, *UPSCALE_MODELS] if dialect != "own" else UPSCALE_MODELS
            if model in UPSCALE_MODELS:
                reader.fail(field, f"The model {named} is not ready here: {error} Or use {DEFAULT}, which comes along.")
            else:
                reader.fail(field, f"There is no model {named!r}. Use {', '.join(known)}.")
        request: Row = {
            "engine": model,
            "dialect": dialect,
            "model_id": named,
            "scale": reader.number("scale", 3, min(SCALES), max(SCALES)),
            "face_enhance": reader.flag("face_enhance"),
            "seed": reader.seed() or 0,
            "temp": reader.flag("temp"),
        }
        names = NAMES[dialect]
        return with_pictures(request, reader, single_picture(reader, names), storage, dialect, names[0])

    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """One PNG."""
        large = upscale(
            pictures[0],
            request["scale"],
            model=request["engine"],
            progress=desk.part(0.0, 0.9),
        )
        desk.progress(0.9, "write")
        path = desk.work / "picture.png"
        large.save(path, compress_level=3)
        desk.keep("large.png", path, f"generations/{desk.prefix}.png")
        return {"width": large.width, "height": large.height}

    def outputs(self, request: Row, prefix: str) -> list[str]:
        """The picture."""
        return [f"generations/{prefix}.png"]

    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """The request as it was understood; ``model`` is what enlarged."""
        return {
            "base64": "yes" if request["base64"] else "no",
            "face_enhance": request["face_enhance"],
            "file_prefix": prefix,
            "init_image": picture_link(request["image"], storage),
            "model": request["engine"],
            "model_id": request["model_id"],
            "outdir": "out",
            "scale": request["scale"],
            "seed": request["seed"],
            "temp": "yes" if request["temp"] else "no",
            **{name: made[name] for name in ("width", "height") if name in made},
            "ignored": ["face_enhance"] if request["face_enhance"] else [],
        }

    def shaped(self, answer: Row, request: Row, prefix: str, storage: Storage) -> Row:
        """In v3 and v5 ``output`` is one string."""
        output: Any = answer["output"]
        if request["dialect"] in ("v3", "v5") and isinstance(output, list):
            answer["output"] = output[0] if output else ""
        return answer


OPERATION = Upscales()
