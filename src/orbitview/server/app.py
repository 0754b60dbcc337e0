"""The application: routes, files, health, metrics, limits, errors."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import re
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi_offline import FastAPIOffline
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..config import Settings
from ..errors import InvalidRequest, OrbitviewError
from ..jobs.queue import JobQueue
from ..jobs.trouble import full_or_away
from ..logs import get_logger
from ..operations.reader import BadFields
from ..storage import KEPT
from . import around, generations, handling, pages, previews, uploads, v1, v5
from .auth import Gate
from .bodies import Bodies
from .listeners import Listeners
from .metrics import Metrics
from .problems import problem, shaped

log = get_logger("orbitview.api")


def create_app(settings: Settings) -> FastAPI:
    """The server for these settings; jobs are run by workers, not here."""

    endpoint = _mcp_endpoint(settings)

    @contextlib.asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        app.state.queue = await run_in_threadpool(JobQueue, settings)
        app.state.gate = Gate(app.state.queue)
        app.state.metrics = Metrics(app.state.queue)
        app.state.listeners = Listeners(app.state.queue, v1.present)
        async with endpoint.lifespan() if endpoint else contextlib.nullcontext():
            yield
        await run_in_threadpool(app.state.queue.close)

    shown = settings.docs == "open"
    how: dict[str, Any] = {} if shown else {"openapi_url": None}
    app: FastAPI = (FastAPIOffline if shown else FastAPI)(
        **how,
        title="orbitview",
        version=__version__,
        summary="One picture of an object in, the object from every side out.",
        lifespan=life,
        redirect_slashes=False,  # a redirect would take its host from the request
    )
    for part in (v5, uploads, around):
        app.include_router(part.router)
    app.include_router(v1.router)
    app.include_router(generations.router)
    app.include_router(handling.router)
    app.include_router(previews.router)
    app.include_router(pages.router)
    app.add_middleware(Bodies, most=settings.max_body_mb * 2**20)
    if settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=[o.strip() for o in settings.cors_origins.split(",")],
            allow_methods=["*"],
            allow_headers=["*"],
        )
    if endpoint:
        app.router.routes.append(Route("/mcp", endpoint))
    _files(app)
    _operations(app, settings)
    _errors(app)
    return app


def _mcp_endpoint(settings: Settings) -> Any:
    """The tools for agents, where the [mcp] extra is installed."""
    if importlib.util.find_spec("mcp") is None:
        return None
    from ..mcp.mount import McpEndpoint

    return McpEndpoint(settings)


def _files(app: FastAPI) -> None:
    async def file(request: Request, path: str) -> Response:
        """A stored file, at the unguessable address that its job gave."""
        queue: JobQueue = request.app.state.queue
        key = request.url.path.lstrip("/")
        if not queue.storage.local or ".." in key or not re.fullmatch(r"[\w@.,+/-]{1,240}", key, re.ASCII):
            return PlainTextResponse("not found", 404)
        stored = await run_in_threadpool(queue.storage.get, key)
        if stored is None:
            return PlainTextResponse("not found", 404)
        tag = f'"{hashlib.sha256(stored.data).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": KEPT, "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff"}
        known = request.headers.get("if-none-match", "")
        if tag in known or known.strip() == "*":
            return Response(None, 304, headers)
        whole = request.headers.get("if-range", tag) != tag  # a part of another file helps nobody
        span = None if whole else _range(request.headers.get("range"), len(stored.data))
        if span == "bad":
            return Response(None, 416, headers | {"Content-Range": f"bytes */{len(stored.data)}"})
        if isinstance(span, tuple):
            low, high = span
            headers["Content-Range"] = f"bytes {low}-{high}/{len(stored.data)}"
            return Response(stored.data[low : high + 1], 206, headers, media_type=stored.kind)
        return Response(stored.data, 200, headers, media_type=stored.kind)

    for prefix in ("generations", "uploads"):
        app.add_api_route(f"/{prefix}/{{path:path}}", file, methods=["GET", "HEAD"], include_in_schema=False)


def _range(header: str | None, size: int) -> tuple[int, int] | str | None:
    """First and last byte of a single range; None to send all; "bad" where it cannot be met."""
    if not header or not header.startswith("bytes=") or "," in header:
        return None
    found = re.fullmatch(r"([0-9]{0,18})-([0-9]{0,18})", header[6:].strip())
    if found is None or not any(found.groups()):
        return None
    first, last = found.groups()
    if not first:
        return (max(0, size - int(last)), size - 1) if int(last) and size else "bad"
    low, high = int(first), min(int(last) if last else size - 1, size - 1)
    return (low, high) if low <= high else "bad"


def _operations(app: FastAPI, settings: Settings) -> None:
    @app.get("/healthz", tags=["Operations"], response_class=PlainTextResponse)
    async def healthz() -> str:
        """The process is up."""
        return "ok"

    @app.get(
        "/readyz", tags=["Operations"], response_class=PlainTextResponse, responses={503: {"description": "Not ready"}}
    )
    async def readyz(request: Request) -> Response:
        """The database answers, and there is room for files."""
        queue: JobQueue = request.app.state.queue
        try:
            await run_in_threadpool(queue.records.waiting)
            await run_in_threadpool(queue.storage.check_room)
        except sa.exc.SQLAlchemyError:
            return PlainTextResponse("the database does not answer", 503)
        except OrbitviewError as error:
            return PlainTextResponse(error.message, 503)
        return PlainTextResponse("ok")

    if settings.metrics == "off":
        return

    @app.get("/metrics", tags=["Operations"], response_class=PlainTextResponse)
    async def metrics(request: Request) -> Response:
        """Prometheus metrics, read off the tables: for a whole fleet from any of its servers."""
        if settings.metrics == "key":
            await run_in_threadpool(partial(request.app.state.gate.enter, request, look=True))
        text = await run_in_threadpool(request.app.state.metrics.text)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


def _errors(app: FastAPI) -> None:
    @app.exception_handler(OrbitviewError)
    async def ours(request: Request, error: OrbitviewError) -> JSONResponse:
        return shaped(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields: dict[str, list[str]] = {}
        for entry in error.errors():
            where = ".".join(str(p) for p in entry["loc"] if p not in ("body", "query", "path", "header")) or "body"
            fields.setdefault(where, []).append(str(entry["msg"]))
        return shaped(request, BadFields(fields))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.__cause__, OrbitviewError):  # raised while a body was read
            return shaped(request, error.__cause__)
        known = {404: "not_found", 405: "method_not_allowed", 413: "too_large"}
        wrapped = InvalidRequest(str(error.detail))
        wrapped.code, wrapped.status = known.get(error.status_code, "invalid_request"), error.status_code
        answer = shaped(request, wrapped)
        answer.headers.update(error.headers or {})
        return answer

    app.add_middleware(LastResort)
    app.add_middleware(Slashes)


class Slashes:
    """Doubled slashes, and one at the end, are answered like the plain path: clients put addresses together."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            plain = re.sub("/{2,}", "/", scope["path"]).rstrip("/") or "/"
            if plain != scope["path"]:
                scope = {**scope, "path": plain, "raw_path": quote(plain).encode()}
        await self.app(scope, receive, send)


class Unexpected(OrbitviewError):
    """What no one foresaw."""

    code = "internal"


class LastResort:
    """Nobody sees a traceback: what no one foresaw is logged and answered in the route's own words."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def sent(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self.app(scope, receive, sent)
        except Exception as error:
            if begun or scope["type"] != "http":
                raise
            await self._answer(scope, error)(scope, receive, send)

    @staticmethod
    def _answer(scope: Scope, error: Exception) -> JSONResponse:
        if isinstance(error, sa.exc.DBAPIError | sa.exc.TimeoutError):
            log.error("database", path=scope["path"], error=repr(error)[:300])
            return shaped(Request(scope), full_or_away(error))
        log.error("unexpected error", path=scope["path"], exc_info=error)
        if scope["path"].startswith("/api/"):
            return JSONResponse({"status": "failed", "id": "", "message": "Failed, Try Again", "output": ""}, 500)
        return problem(Unexpected("Something broke here; it is in the server's log."))
