"""What a job looks like to clients of the hosted API (``/api/v3`` … ``/api/v6``)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from ..operations.registry import operation_of

if TYPE_CHECKING:
    from .queue import JobQueue
    from .records import Row


def artefacts(job: Row, queue: JobQueue) -> list[Row]:
    """Every file of an ended job with its link, and its camera where it is a view."""
    return [
        {"name": f["name"], "format": f["format"], "url": queue.storage.link(f["key"]), "camera": f["camera"]}
        for f in json.loads(job["files"])
        if f["format"] != "scene"  # kept for further files, not for clients
    ]


def scene_of(job: Row) -> str | None:
    """Where a finished job's scene is kept; None where it has none."""
    return next((f["key"] for f in json.loads(job["files"]) if f["format"] == "scene"), None)


def fetch_answer(job: Row, queue: JobQueue) -> Row:
    """The body of a fetch call, of a webhook, and of the first answer."""
    operation = operation_of(job["operation"])
    request, made = json.loads(job["request"]), json.loads(job["meta"] or "{}")
    keys = operation.outputs(request, job["prefix"])
    meta = operation.meta(request, made, job["prefix"], queue.storage)
    if job["status"] == "success":
        answer: dict[str, Any] = {
            "status": "success",
            "generationTime": round(max(0.0, (job["finished"] or 0) - (job["started"] or job["created"])), 6),
            "id": job["id"],
            "output": [_encoded(queue, key) if request.get("base64") else queue.storage.link(key) for key in keys],
            "proxy_links": [queue.storage.proxy_link(key) for key in keys],
            "future_links": [queue.storage.link(key) for key in keys],  # read by clients whatever the status
            "meta": meta,
            "views": artefacts(job, queue),
        }
        return operation.shaped(answer, request, job["prefix"], queue.storage)
    if job["status"] in ("failed", "cancelled"):
        error = json.loads(job["error"] or "{}")
        message = " ".join(filter(None, (error.get("message", "Failed, Try Again"), error.get("hint"))))
        kind = "error" if error.get("code", "").startswith("invalid") else "failed"
        answer = {
            "status": kind,
            "id": job["id"],
            "messege": message,
            "message": message,
            "output": "" if kind == "failed" else [],
        }
        return operation.shaped(answer, request, job["prefix"], queue.storage)
    text = "Try to fetch request after seconds estimated"
    fetch = f"{queue.settings.base_url}{operation.fetch}{job['id']}"
    answer = {
        "status": "processing",
        "tip": f"Your image is processing in background, you can get this image using fetch API: {fetch}",
        "eta": queue.eta_of(job),
        "messege": text,
        "message": text,
        "webhook_status": "",
        "fetch_result": fetch,
        "id": job["id"],
        "output": [],
        "future_links": [queue.storage.link(key) for key in keys],
        "meta": meta,
    }
    return operation.shaped(answer, request, job["prefix"], queue.storage)


def _encoded(queue: JobQueue, key: str) -> str:
    stored = queue.storage.get(key)
    return base64.b64encode(stored.data).decode() if stored else ""
