"""An error in the words of the route that it came from."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from ..errors import OrbitviewError
from . import v5


def problem(error: OrbitviewError) -> JSONResponse:
    """RFC 9457 body of an error."""
    fields = getattr(error, "fields", None) or ({error.field: [str(error)]} if error.field else None)
    body: dict[str, Any] = {
        "type": f"urn:orbitview:{error.code}",
        "title": error.code.replace("_", " "),
        "status": error.status,
        "detail": error.message,
        "hint": error.hint or None,
        "errors": fields,
        "retry_after": getattr(error, "retry_after", None),
    }
    headers = {"Retry-After": str(body["retry_after"])} if body["retry_after"] else {}
    if error.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    content = {k: v for k, v in body.items() if v is not None}
    return JSONResponse(content, error.status, headers, media_type="application/problem+json")


def shaped(request: Request, error: OrbitviewError) -> JSONResponse:
    """The hosted service's form of an error under ``/api``, else a problem."""
    if request.url.path.startswith("/api/"):
        answer = v5.answer(request, v5.vendor_error(error), error.status)
        if error.status in (404, 405, 408, 413):
            answer.status_code = error.status
        return answer
    return problem(error)
