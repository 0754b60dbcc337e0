"""Bodies of our own REST: what is asked and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from ..formats import Format, Kind
from ..operations.models import OutputModel


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


class PerspectiveCamera(BaseModel):
    """A pinhole camera on an orbit around the object, angles in degrees."""

    model_config = ConfigDict(extra="forbid")
    azimuth: float
    elevation: float
    distance: float | None = Field(description="In bounding-box diagonals.")
    fov: float


class OrthographicCamera(BaseModel):
    """A camera with parallel rays."""

    model_config = ConfigDict(extra="forbid")
    azimuth: float
    elevation: float
    distance: float | None = Field(description="In bounding-box diagonals.")
    projection: Literal["orthographic"]
    scale: float | None = Field(description="Height of the picture in bounding-box diagonals.")


class FileModel(BaseModel):
    """One result."""

    name: str
    format: str
    url: str
    camera: PerspectiveCamera | OrthographicCamera | None = None


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
    operation: str = Field("views", description="What is done: views, or one of its siblings.")
    engine: str
    progress: float = Field(description="0 to 1")
    stage: str
    position: int | None = Field(description="Jobs before this one; null once it has ended.")
    eta: int | None = Field(description="Seconds until it should be done; null once it has ended.")
    created: float
    started: float | None
    finished: float | None
    seed: int
    of: int | None = Field(description="The job whose object this one makes further files of.")
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
    steps: int = Field(description="What it takes by itself, where steps are among its features.")
    most_steps: int = Field(description="More do nothing more.")
    ready: bool
    auto: bool = Field(description="What engine=auto means here.")
    reason: str
    hint: str
