"""How the hosted routes appear in the OpenAPI document. They are read far more loosely than is written here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from ..outputs import FORMATS

Flag = Literal["yes", "no"] | bool
Whole = Annotated[int | str, Field(description="A number, or the same as a string.")]
PICTURE = "https://example.com/chair.png"
GRID = "https://example.com/generations/2ee9e794-7b5a-4e2d-80b1-7e6a943a8a36.png"


class KeyBody(BaseModel):
    """What every call may carry."""

    key: str | None = Field(None, description="API key; may come as Authorization: Bearer or X-API-Key instead.")


class MultiviewBody(KeyBody):
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
    webhook: str | None = Field(None, description="URL that gets a POST when the job has ended.")
    track_id: str | None = Field(None, description="Handed back in the webhook call.")
    engine: str | None = Field("auto", description="Ours: see GET /v1/engines.")
    rig: str | None = Field(None, description="Ours: named cameras.")
    elevation: float | str | None = Field(None, description="Ours: of the picture's camera in degrees, if known.")
    background: str | None = Field("white", description="Ours: white, grey, transparent or any colour.")
    transparent: Flag | None = Field("no", description="Ours: short for background=transparent.")
    formats: list[str] | str | None = Field(None, description=f"Ours: any of {', '.join(FORMATS)}.")


class UploadBody(KeyBody):
    """A picture to keep."""

    image: str = Field(description="data: URL or base64.")
    crop: Flag | None = Field("no", description="Square it to its middle.")


class DeleteBody(KeyBody):
    """An upload to forget."""

    request_id: Whole


class Success(BaseModel):
    """The finished job."""

    status: Literal["success"]
    id: int
    generationTime: float  # noqa: N815
    output: list[str] = Field(description="URL of the grid, or its base64.")
    proxy_links: list[str] | None = None
    meta: dict[str, Any]
    views: list[dict[str, Any]] = Field(description="Ours: every file with its link and camera.")


class Processing(BaseModel):
    """Not finished yet: call fetch_result."""

    status: Literal["processing"]
    id: int
    eta: float
    fetch_result: str
    future_links: list[str]
    output: list[str]
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
    queue_time: float
    status: Literal["ok"]


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
