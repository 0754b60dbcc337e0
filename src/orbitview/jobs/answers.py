"""What a job looks like to clients of the hosted API (``/api/v3`` … ``/api/v6``)."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from .pictures import images_of

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


def meta_of(job: Row, queue: JobQueue) -> Row:
    """The ``meta`` object: the request as it was understood, and what the engine made of it."""
    request, made = json.loads(job["request"]), json.loads(job["meta"] or "{}")
    image = request["image"]
    meta = {
        "file_prefix": job["prefix"],
        "guidance_scale": request.get("guidance_sent", 4),
        "height": request["height"],
        "image": queue.storage.link(image["key"]) if "key" in image else image["url"],
        "num_inference_steps": request.get("steps_sent", 50),
        "outdir": "out",
        "prompt": request.get("prompt") or "",
        "negative_prompt": request.get("negative_prompt"),
        "seed": request["seed"],
        "temp": "yes" if request.get("temp") else "no",
        "width": request["width"],
        "engine": made.get("engine", request["engine"]),
    }
    if "others" in request:
        places = images_of(request)
        meta["images"] = [queue.storage.link(place["key"]) if "key" in place else place["url"] for place in places]
    return meta | {k: made[k] for k in ("ignored", "input_camera", "warnings") if k in made}


def fetch_answer(job: Row, queue: JobQueue) -> Row:
    """The body of a fetch call, of a webhook, and of the first answer."""
    request = json.loads(job["request"])
    key = f"generations/{job['prefix']}.png"
    if job["status"] == "success":
        answer: dict[str, Any] = {
            "status": "success",
            "generationTime": round(max(0.0, (job["finished"] or 0) - (job["started"] or job["created"])), 6),
            "id": job["id"],
            "output": [_encoded(queue, key)] if request.get("base64") else [queue.storage.link(key)],
        }
        answer["proxy_links"] = [queue.storage.proxy_link(key)]
        answer["future_links"] = [queue.storage.link(key)]  # read by clients whatever the status
        return answer | {"meta": meta_of(job, queue), "views": artefacts(job, queue)}
    if job["status"] in ("failed", "cancelled"):
        error = json.loads(job["error"] or "{}")
        message = " ".join(filter(None, (error.get("message", "Failed, Try Again"), error.get("hint"))))
        kind = "error" if error.get("code", "").startswith("invalid") else "failed"
        return {
            "status": kind,
            "id": job["id"],
            "messege": message,
            "message": message,
            "output": "" if kind == "failed" else [],
        }
    text = "Try to fetch request after seconds estimated"
    fetch = f"{queue.settings.base_url}/api/v3/fetch/{job['id']}"
    return {
        "status": "processing",
        "tip": f"Your image is processing in background, you can get this image using fetch API: {fetch}",
        "eta": queue.eta_of(job),
        "messege": text,
        "message": text,
        "webhook_status": "",
        "fetch_result": fetch,
        "id": job["id"],
        "output": [],
        "future_links": [queue.storage.link(key)],
        "meta": meta_of(job, queue),
    }


def _encoded(queue: JobQueue, key: str) -> str:
    stored = queue.storage.get(key)
    return base64.b64encode(stored.data).decode() if stored else ""
