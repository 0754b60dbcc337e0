"""What can be done with a job besides looking at it: stop it, see what it was asked, have it again, take many home."""

from __future__ import annotations

import io
import json
import re
import tempfile
import zipfile
from collections.abc import Iterator
from typing import IO, Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import StreamingResponse

from ..errors import InvalidRequest
from ..jobs.queue import JobQueue
from ..jobs.records import OPEN
from ..operations.pictures import images_of
from ..outputs.archive import zip_write
from .models import JobModel
from .v1 import PROBLEMS, Key, NotFound, Row, own_job, present

router = APIRouter(prefix="/v1", tags=["Views"])

STOPPED = "Stopped before everything was made; what was there is kept."
MOST_JOBS = 100
"""In one archive."""
_PLAIN = ("engine", "background", "size", "width", "height", "formats", "elevation", "seed", "output")
_DEFAULTS = {"background": "white", "size": 320, "width": 640, "height": 960}
_RENAMED = {"steps": "num_inference_steps", "guidance": "guidance_scale"}


@router.post("/jobs/{job_id}/stop", response_model=JobModel, responses=PROBLEMS)
def stop_job(job_id: int, request: Request, key: Key) -> Row:
    """Stop a job and keep what it has made: it ends as a success with fewer files, or cancelled where there are none.

    A job that has ended stays as it is.
    """
    queue: JobQueue = request.app.state.queue
    job = own_job(queue, job_id, key)
    made = json.loads(job["files"]) if job["status"] in OPEN else []
    if not made:
        queue.cancel(job)
    elif queue.records.finish(job["uid"], "success", meta={"warnings": [STOPPED]}, files=made):
        queue.client.cancel_workflow(job["uid"])
        queue.announce(job)
    return present(queue.records.job(job_id) or job, queue)


@router.get("/jobs/{job_id}/request", responses=PROBLEMS)
def get_request(job_id: int, request: Request, key: Key) -> dict[str, Any]:
    """The body that makes this job again, for ``POST /v1/views``, with links to its pictures.

    Of another operation's job, it is the one that makes views of the same pictures. The pictures of a job are deleted
    with it.
    """
    queue: JobQueue = request.app.state.queue
    job = own_job(queue, job_id, key)
    asked = json.loads(job["request"])
    return _pictures(asked, queue) | (_options(asked) if job["operation"] == "views" else {})


def _pictures(asked: Row, queue: JobQueue) -> Row:
    """What a stored request of any operation says of its pictures, as ``POST /v1/views`` takes it."""
    links = [queue.storage.link(place["key"]) if "key" in place else place["url"] for place in images_of(asked)]
    body: Row = {"image": links[0]}
    if len(links) > 1:
        told = [{}, *({k: other[k] for k in ("azimuth", "elevation") if k in other} for other in asked["others"])]
        body = {"images": [{"image": link} | about for link, about in zip(links, told, strict=True)]}
    return body


def _options(asked: Row) -> Row:
    """The rest of a stored request for views, without what is the default."""
    plain = (asked["width"], asked["height"]) == (640, 960)  # else the size goes by them
    skipped: Row = _DEFAULTS if plain else {}
    body = {k: asked[k] for k in _PLAIN if asked.get(k) not in (None, [], {}) and asked[k] != skipped.get(k)}
    body |= {ours: asked[name] for name, ours in _RENAMED.items() if asked.get(name) is not None}
    body |= {name: asked[name] for name in ("prompt", "negative_prompt") if asked.get(name)}
    body["rig" if isinstance(asked["cameras"], str) else "cameras"] = asked["cameras"]
    return body


@router.get("/jobs/{job_id}/files", response_model=list[JobModel], responses=PROBLEMS)
def list_files(job_id: int, request: Request, key: Key) -> list[Row]:
    """The jobs that made further files of this one's object, newest first."""
    queue: JobQueue = request.app.state.queue
    job = own_job(queue, job_id, key)
    rows = queue.records.further_jobs(key["id"], job_id, f"scenes/{job['prefix']}.scene")
    return [present(row, queue) for row in rows]


@router.get(
    "/archive",
    responses={
        200: {"content": {"application/zip": {}}, "description": "A folder for each job"},
        **PROBLEMS,
    },
)
def archive(
    request: Request,
    key: Key,
    jobs: Annotated[str, Query(max_length=2000, description="Numbers of jobs, with commas between.")],
) -> StreamingResponse:
    """The files of many finished jobs as one zip; jobs without files are left out."""
    if not re.fullmatch(r"[0-9]{1,15}(,[0-9]{1,15})*", jobs):
        raise InvalidRequest("The jobs must be numbers with commas between.", field="jobs")
    numbers = list(dict.fromkeys(map(int, jobs.split(","))))
    if len(numbers) > MOST_JOBS:
        raise InvalidRequest(f"An archive holds at most {MOST_JOBS} jobs.", field="jobs")
    queue: JobQueue = request.app.state.queue
    found = [own_job(queue, number, key) for number in numbers]
    listed = [(job, file) for job in found for file in json.loads(job["files"]) if file["format"] != "scene"]
    if not listed:
        raise NotFound("These jobs have no files.", hint="Wait until one of them has ended.")
    spool: IO[bytes] = tempfile.SpooledTemporaryFile(max_size=2**24)  # noqa: SIM115  # closed when it was sent
    with zipfile.ZipFile(spool, "w", zipfile.ZIP_STORED) as parcel:  # pictures and meshes are compressed already
        for job, file in listed:
            stored = queue.storage.get(file["key"])
            if stored is not None:
                zip_write(parcel, f"job-{job['id']}/{file['name']}", stored.data, zipfile.ZIP_STORED)
    size = spool.seek(0, io.SEEK_END)
    spool.seek(0)

    def pieces() -> Iterator[bytes]:
        with spool:
            while piece := spool.read(2**18):
                yield piece

    headers = {"Content-Length": str(size), "Content-Disposition": 'attachment; filename="orbitview.zip"'}
    return StreamingResponse(pieces(), media_type="application/zip", headers=headers)
