"""``POST /v1/3d/generations``: a mesh in the form in which gateways and scripts ask for pictures."""

from __future__ import annotations

import base64
import json
from typing import Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from ..errors import OrbitviewError
from ..images.limits import MOST_PICTURES
from ..jobs.queue import JobQueue
from ..operations.base import PICTURE
from ..operations.reader import refuse_surrogates
from ..operations.registry import operation_of
from .auth import Gate
from .turns import taken
from .v1 import PROBLEMS, Key, Row
from .v5 import wait_for

router = APIRouter(prefix="/v1", tags=["Views"])


class GenerationRequest(BaseModel):
    """A picture, or several of one object, of which a mesh is wanted."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"image": PICTURE, "response_format": "url"}]})
    model: str = Field("auto", description="An engine with geometry, see GET /v1/engines.")
    image: str | list[str] = Field(description=f"URL, data: URL or base64; up to {MOST_PICTURES} of one object.")
    response_format: Literal["url", "b64_json"] = "url"
    output_format: str = Field("glb", description="glb, obj, usdz, ply, stl or 3mf.")
    seed: int | None = Field(None, ge=0, le=2**53)


class MeshModel(BaseModel):
    """One mesh; one of the two is there."""

    url: str | None = None
    b64_json: str | None = None


class GenerationModel(BaseModel):
    """What was made."""

    created: int = Field(description="Unix time.")
    data: list[MeshModel]


class NotInTime(OrbitviewError):
    """The mesh took longer than a request may."""

    code = "timeout"
    status = 504


class Failed(OrbitviewError):
    """The job ended without a mesh."""

    code = "failed"


@router.post(
    "/3d/generations",
    response_model=GenerationModel,
    response_model_exclude_none=True,
    responses={**PROBLEMS, 504: PROBLEMS[422] | {"description": "Not in time"}},
)
async def create_generation(body: GenerationRequest, request: Request, key: Key) -> Row:
    """Make a mesh and answer with it once it is there. It is a job like others: queued, counted, kept."""
    queue: JobQueue = request.app.state.queue
    gate: Gate = request.app.state.gate
    operation = operation_of("meshes")
    fields = body.model_dump(exclude_none=True)
    refuse_surrogates(fields)

    def accept() -> Row:
        wanted, pictures = operation.read(fields, queue.storage, "own")
        with gate.admitted(key):
            return queue.submit(wanted, key["id"], pictures=pictures, operation=operation.name)

    job = await run_in_threadpool(accept)
    taken(request)
    job = await wait_for(queue, job, queue.settings.job_timeout)
    if job["status"] in ("queued", "processing"):
        raise NotInTime("The mesh is not there yet.", hint=f"Look again later: GET /v1/jobs/{job['id']}.")
    if job["status"] != "success":
        raise _reason(json.loads(job["error"] or "{}"))
    (mesh,) = operation.outputs(json.loads(job["request"]), job["prefix"])
    if body.response_format == "url":
        return {"created": int(job["created"]), "data": [{"url": queue.storage.link(mesh)}]}
    stored = await run_in_threadpool(queue.storage.get, mesh)
    if stored is None:
        raise Failed("The mesh is gone.", hint="Ask again.")
    return {"created": int(job["created"]), "data": [{"b64_json": base64.b64encode(stored.data).decode()}]}


def _reason(error: Row) -> OrbitviewError:
    """A failed job's error, as if the request had met it."""
    reason = Failed(str(error.get("message", "Failed.")), hint=error.get("hint") or "", field=error.get("field"))
    reason.code = str(error.get("code", reason.code))
    client = reason.code.startswith("invalid") or reason.code == "engine_unavailable"
    reason.status = 422 if client else 409 if reason.code == "cancelled" else 500
    return reason
