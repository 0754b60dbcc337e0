"""The playground at ``/``, its files, and what it shows of jobs: small pictures and meshes."""

from __future__ import annotations

import io
import re
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, PlainTextResponse
from PIL import Image

from ..config import Settings
from ..jobs.queue import JobQueue
from ..storage import KEPT, Stored, kind_of

WEB = Path(__file__).parent / "web"
router = APIRouter(include_in_schema=False)


def page_policy(settings: Settings) -> str:
    """Content-Security-Policy of the playground: our own files, and pictures from where results are kept."""
    kept = settings.files_url or settings.s3_endpoint or ("https://*.amazonaws.com" if settings.storage_url else "")
    parts = urlsplit(kept)
    files = f" {parts.scheme}://{parts.netloc}" if kept else ""
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:{files}; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


_KEPT = {"Cache-Control": KEPT, "X-Content-Type-Options": "nosniff"}
THUMBNAIL = 256
"""Longest side of a thumbnail in pixels: a few kB, sharp on a dense screen at the gallery's size."""


@cache
def _index(local: bool) -> str:
    return (WEB / "index.html").read_text("utf-8").replace("{{local}}", "yes" if local else "no")


@router.get("/")
def playground(request: Request) -> HTMLResponse:
    """The page."""
    queue: JobQueue = request.app.state.queue
    headers = {
        "Content-Security-Policy": page_policy(queue.settings),
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse(_index(queue.storage.local), headers=headers)


@router.get("/help")
def guide() -> HTMLResponse:
    """What to know before a first picture."""
    headers = {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    return HTMLResponse((WEB / "help.html").read_text("utf-8"), headers=headers)


@router.get("/web/{name:path}")
def asset(name: str) -> Response:
    """A file of the page."""
    path = (WEB / name).resolve()
    if not path.is_relative_to(WEB) or not path.is_file() or path.suffix == ".html":
        return PlainTextResponse("not found", 404)
    kind = {".js": "text/javascript"}.get(path.suffix) or kind_of(name)
    return FileResponse(
        path, media_type=kind, headers={"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
    )


@router.get("/models/{prefix}")
def model(prefix: str, request: Request) -> Response:
    """A job's mesh from the page's own address, wherever files are kept; as unguessable as the mesh's own link."""
    stored = _stored(request, prefix, "/object.glb")
    if stored is None:
        return PlainTextResponse("not found", 404)
    return Response(stored.data, media_type=stored.kind, headers=_KEPT)


@router.get("/thumbnails/{prefix}")
def thumbnail(prefix: str, request: Request) -> Response:
    """A job's grid, small."""
    stored = _stored(request, prefix, ".png")
    if stored is None:
        return PlainTextResponse("not found", 404)
    with Image.open(io.BytesIO(stored.data)) as grid:
        small = grid.convert("RGBA")
    small.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=72, method=4)
    return Response(buffer.getvalue(), media_type="image/webp", headers=_KEPT)


def _stored(request: Request, prefix: str, ending: str) -> Stored | None:
    queue: JobQueue = request.app.state.queue
    known = re.fullmatch("[0-9a-f-]{36}", prefix)
    return queue.storage.get(f"generations/{prefix}{ending}") if known else None
