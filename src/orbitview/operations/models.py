"""Parts that requests of our own REST have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

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
    projection: Literal["perspective", "orthographic"] = "perspective"
    scale: float | None = Field(
        None, ge=0.01, le=1000, description="Height of an orthographic picture in diagonals; null: fits the object."
    )


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


class PictureModel(BaseModel):
    """One of several pictures of an object."""

    model_config = ConfigDict(extra="forbid")
    image: str = Field(description="http(s) URL, data: URL or base64 of the picture.")
    azimuth: float | None = Field(
        None, ge=-360, le=360, description="Of its camera in degrees, relative to the first; null: found."
    )
    elevation: float | None = Field(None, ge=-90, le=90, description="Of its camera, if known.")
