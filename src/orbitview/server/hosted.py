"""How the hosted routes appear in the OpenAPI document. They are read far more loosely than is written here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from ..operations.base import Flag, KeyBody, Whole

KINDS = ("image", "video", "voice", "3d")
"""What ``delete_image`` may be told to delete."""
STORED = ("image", "3d")
"""What can have been uploaded here."""


class UploadBody(KeyBody):
    """A picture to keep."""

    image: str = Field(description="data: URL or base64.")
    crop: Flag | None = Field("no", description="Square it to its middle.")


class DeleteBody(KeyBody):
    """An upload to forget."""

    request_id: Whole
    type: str | None = Field("image", description=f"{', '.join(KINDS)}.")


class StoreBody(KeyBody):
    """A file to keep."""

    init_image: str | None = Field(None, description="A picture as data: URL or base64. Also base64_string.")
    init_obj: str | None = Field(None, description="Instead: a GLB, OBJ, PLY or STL as data: URL or base64.")


class StoredFile(BaseModel):
    """The stored file."""

    status: Literal["success"]
    id: int
    output: list[str]


class Told(BaseModel):
    """What was done."""

    status: Literal["ok"]
    messege: str
    message: str


class Success(BaseModel):
    """The finished job."""

    status: Literal["success"]
    id: int
    generationTime: float  # noqa: N815
    output: list[str] | str = Field(
        description="URL of the grid, or its base64. Of super_resolution in v3 and v5 one string, no list."
    )
    proxy_links: list[str] | None = None
    meta: dict[str, Any]
    views: list[dict[str, Any]] = Field(description="Ours: every file with its link and camera.")


class Processing(BaseModel):
    """Not finished yet: call fetch_result."""

    status: Literal["processing"]
    id: int
    eta: int
    fetch_result: str
    future_links: list[str]
    output: list[str] | str
    messege: str
    message: str
    meta: dict[str, Any]


class Failure(BaseModel):
    """Why there is no result: a sentence, or sentences by field."""

    status: Literal["error", "failed"]
    message: str | dict[str, list[str]]


class Uploaded(BaseModel):
    """The stored picture."""

    status: Literal["success"]
    link: str
    request_id: int
    message: str


class Deleted(BaseModel):
    """It is gone."""

    status: Literal["success"]
    message: str


class Load(BaseModel):
    """Requests that wait, and for how many seconds."""

    queue_num: int | None = None
    model_count: int | None = None
    queue_time: int
    status: Literal["ok"]


def also(paths: Sequence[str]) -> str:
    """The other addresses of a route, for its description."""
    return f"Also at {', '.join(paths)}." if paths else ""


def described(body: type[BaseModel], good: Any, example: dict[str, Any]) -> dict[str, Any]:
    """Arguments of a route: its body in three encodings, its answers, an example."""
    schema = body.model_json_schema()
    kinds = ("application/json", "application/x-www-form-urlencoded", "multipart/form-data")
    content = {kind: {"schema": schema} for kind in kinds}
    content["application/json"] = {"schema": schema, "example": example}
    return {
        "openapi_extra": {"requestBody": {"content": content}},
        "responses": {
            200: {"model": good | Failure, "description": "The answer; errors too, unless real status codes are on"},
            413: {"model": Failure, "description": "The body is too large"},
        },
    }
