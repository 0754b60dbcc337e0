"""Bodies of our own REST: what is asked and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from ..formats import Format, Kind
from ..images.limits import MOST_PICTURES


class CameraModel(BaseModel):
    """A camera on an orbit around the object, angles in degrees."""

    model_config = ConfigDict(extra="forbid")
    azimuth: float = 0
    elevation: float = Field(0, ge=-90, le=90)
    distance: float | None = Field(
        None, description="In bounding-box diagonals; null: far enough to see the whole object."
    )
    fov: float = Field(30, ge=1, le=120)


class OutputModel(BaseModel):
    """How files are made."""

    model_config = ConfigDict(extra="forbid")
    turntable_size: int = Field(512, ge=32, le=2048, description="Side of turntables and frames in pixels.")
    frames: int = Field(36, ge=4, le=360, description="Of one turn.")
    seconds: float = Field(2.0, ge=0.2, le=60, description="That an animation's turn takes.")
    elevations: list[float] = Field(
        [15.0], min_length=1, max_length=MOST_PICTURES, description="Of the turning camera; a row of frames for each."
    )
    start: float = Field(0.0, ge=-360, le=360, description="Azimuth of the first frame.")
    direction: Literal["clockwise", "counterclockwise"] = "clockwise"
    easing: Literal["linear", "smooth"] = "linear"
    frame_type: Literal["jpg", "webp", "png"] = "jpg"
    frame_name: str = Field("", max_length=100, description="Such as {name}-{index:02d}, or {row} with several rows.")
    object_name: str = Field("object", max_length=100, description="{name} of frames, and the title of spin.html.")
    object_height: str | None = Field(None, description="Real height such as 12cm; meshes come in real units.")
    object_width: str | None = Field(None, description="Real width instead.")
    object_length: str | None = Field(None, description="Real length (front to back) instead.")
    faces: int | None = Field(None, ge=100, le=1_000_000, description="Most triangles of a mesh.")
    texture: int | None = Field(None, ge=64, le=4096, description="Side of a mesh's texture in pixels.")


class FormatModel(BaseModel):
    """What ``formats`` may name."""

    name: Format
    kind: Kind = Field(description="turn and mesh need an engine with geometry.")
    file: str = Field(description="The file made; a folder comes as a zip of its name; empty where there are several.")
    summary: str


class FilesRequest(BaseModel):
    """What to make of a finished job's object, without running the engine again."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"formats": ["usdz", "3mf"], "output": {"object_height": "12cm"}}]},
    )
    formats: list[Format] = Field(min_length=1)
    background: str = "white"
    output: OutputModel | None = None
    webhook: str | None = None
    track_id: str | None = None
    priority: int = Field(10, ge=1, le=100, description="Lower runs first among the key's own jobs.")


class PictureModel(BaseModel):
    """One of several pictures of an object."""

    model_config = ConfigDict(extra="forbid")
    image: str = Field(description="http(s) URL, data: URL or base64 of the picture.")
    azimuth: float | None = Field(
        None, ge=-360, le=360, description="Of its camera in degrees, relative to the first; null: found."
    )
    elevation: float | None = Field(None, ge=-90, le=90, description="Of its camera, if known.")


class ViewsRequest(BaseModel):
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
    formats: list[Format] = []
    output: OutputModel | None = None
    seed: int | None = Field(None, ge=0, le=2**53)
    num_inference_steps: int | None = Field(None, ge=1, le=100)
    guidance_scale: float | None = Field(None, ge=1, le=20)
    prompt: str | None = None
    negative_prompt: str | None = None
    webhook: str | None = None
    track_id: str | None = None
    priority: int = Field(10, ge=1, le=100, description="Lower runs first among the key's own jobs.")

    @field_validator("image")
    @classmethod
    def _one_or_several(cls, value: str | None, info: ValidationInfo) -> str | None:
        """Told beside all that is wrong, not after it. Where ``images`` is wrong it is not among the data."""
        if not value and info.data.get("images", True) is None:
            raise ValueError("The image field is required.")
        return value


class FileModel(BaseModel):
    """One result."""

    name: str
    format: str
    url: str
    camera: CameraModel | None = None


class ErrorModel(BaseModel):
    """Why a job ended without a result."""

    code: str
    message: str
    hint: str | None = None
    field: str | None = None


class JobModel(BaseModel):
    """A job and, once it is there, its result."""

    id: int
    status: Literal["queued", "processing", "success", "failed", "cancelled"]
    engine: str
    progress: float = Field(description="0 to 1")
    stage: str
    position: int | None = Field(description="Jobs before this one; null once it has ended.")
    eta: int | None = Field(description="Seconds until it should be done; null once it has ended.")
    created: float
    started: float | None
    finished: float | None
    seed: int
    files: list[FileModel]
    meta: dict[str, Any]
    error: ErrorModel | None


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    hint: str | None = None
    errors: dict[str, list[str]] | None = None
    retry_after: int | None = None


class JobPage(BaseModel):
    """Jobs, newest first."""

    jobs: list[JobModel]
    next: int | None = Field(description="Pass as `before` for the next page; null on the last.")


class DeliveryModel(BaseModel):
    """One attempt at a webhook."""

    event: str
    attempt: int
    at: float
    status: int | None
    error: str | None


class UploadModel(BaseModel):
    """A stored picture."""

    id: int
    url: str


class EngineModel(BaseModel):
    """An engine and what it honours."""

    name: str
    summary: str
    licence: str
    features: list[str]
    rig: str | None
    ready: bool
    auto: bool = Field(description="What engine=auto means here.")
    reason: str
    hint: str
