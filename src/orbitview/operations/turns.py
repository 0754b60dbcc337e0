"""An object turning, as a GIF; the hosted service's ``img_to_3d``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from ..outputs import OutputOptions, write_turn
from ..storage import Storage
from .base import Desk, Dialect, Flag, Operation, Row, Whole, WorkBody, picture_link
from .inputs import single_picture, with_pictures
from .making import engine_request, generated, keep_scene, mesh_engine, steps_done
from .reader import Reader

SIZES = (128, 256)
MOST_STEPS = 50
"""More are brought down: the hosted service's own sample asks for 64."""
FRAMES = 12
"""A second."""


class TurnBody(WorkBody):
    """A picture of an object that is to turn."""

    image: str = Field(description="http(s) URL, data: URL or base64; in a form also a file part.")
    frame_size: Whole | None = Field(256, description="128 or 256 pixels a side.")
    seconds: Whole | None = Field(3, description="Of one turn, 1 to 10.")
    steps: Whole | None = Field(None, description="1 to 50, more are brought down; what a step is, is the engine's.")
    guidance_scale: float | str | None = Field(15, description="1 to 20; counts for engines that have one.")
    seed: Whole | None = Field(None, description="null picks one and reports it in meta.")
    safety_checker: Flag | None = Field("no", description="Told back.")
    base64: Flag | None = Field("no", description="yes: the GIF itself in output, as base64.")
    engine: str | None = Field("auto", description="Ours: see GET /v1/engines; one with geometry.")


class Turns(Operation):
    """The table's entry. Our own REST has ``turntable-gif`` among the formats of ``POST /v1/views``."""

    name = "turns"
    webhook_type = "img_to_3d"
    summary = "A GIF of the object turning"
    hosted: ClassVar[dict[str, Dialect]] = {"/api/v3/img_to_3d": "v3"}
    body = TurnBody

    def read(self, body: Row, storage: Storage, dialect: Dialect) -> tuple[Row, list[bytes | None]]:
        """See :class:`Operation`."""
        reader = Reader(body)
        engine = mesh_engine(reader)
        steps, guidance = (
            reader.number("steps", None, 1, 10**6),
            reader.number("guidance_scale", 15, 1, 20, whole=False),
        )
        size = reader.number("frame_size", 256, *SIZES)
        if size not in SIZES:
            reader.fail("frame_size", "The frame_size field must be 128 or 256.")
        request = engine_request(engine, reader.seed(), min(steps, MOST_STEPS) if steps else None)
        request |= {
            "dialect": dialect,
            "frame_size": size,
            "seconds": reader.number("seconds", 3, 1, 10),
            "steps_sent": steps,
            "guidance_sent": int(guidance) if guidance == int(guidance) else guidance,
            "safety_checker": reader.flag("safety_checker"),
        }
        return with_pictures(request, reader, single_picture(reader), storage, dialect)

    def run(self, request: Row, pictures: Sequence[bytes], desk: Desk) -> Row:
        """One GIF, and the object itself."""
        views = generated(request, pictures, desk.part(0.0, 0.5))
        options = OutputOptions(
            turntable_size=request["frame_size"],
            seconds=float(request["seconds"]),
            frames=FRAMES * request["seconds"],
        )
        path = write_turn(views, desk.work / "turntable.gif", options, desk.part(0.5, 0.95))
        desk.keep(path.name, path, f"generations/{desk.prefix}.gif")
        keep_scene(views, desk)
        return views.meta

    def outputs(self, request: Row, prefix: str) -> list[str]:
        """The GIF."""
        return [f"generations/{prefix}.gif"]

    def meta(self, request: Row, made: Row, prefix: str, storage: Storage) -> Row:
        """As the hosted service's, and the engine."""
        meta = {
            "file_prefix": prefix,
            "frame_size": request["frame_size"],
            "guidance_scale": request["guidance_sent"],
            "image": picture_link(request["image"], storage),
            "negative_prompt": "",
            "outdir": "out",
            "output_type": "gif",
            "prompt": "",
            "safetychecker": "yes" if request["safety_checker"] else "no",
            "seconds": request["seconds"],
            "seed": request["seed"],
            "steps": steps_done(request, made),
            "engine": request["engine"],
        }
        if "ignored" in made:
            meta["ignored"] = ["steps" if name == "num_inference_steps" else name for name in made["ignored"]]
        return meta | {k: made[k] for k in ("input_camera",) if k in made}

    def shaped(self, answer: Row, request: Row, prefix: str, storage: Storage) -> Row:
        """Typed clients want whole seconds here."""
        if "generationTime" in answer:
            answer["generationTime"] = round(answer["generationTime"])
        return answer


OPERATION = Turns()
