"""Bodies as clients send them: JSON, forms, multipart, or everything in the query."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qsl

from fastapi import Request
from starlette.datastructures import UploadFile

from ..errors import InvalidRequest, OrbitviewError
from ..operations.reader import BadFields, Row, refuse_surrogates

TIP = (
    "1. Make sure you are passing Content-Type: application/json in header. "
    "2. Make sure you are doing POST request with valid JSON."
)
PICTURE_BODY: Row = {
    "requestBody": {
        "required": True,
        "content": {
            "image/*": {"schema": {"type": "string", "format": "binary"}},
            "multipart/form-data": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}}
            },
            "application/json": {
                "schema": {"type": "object", "required": ["image"], "properties": {"image": {"type": "string"}}},
                "example": {"image": "data:image/png;base64,…"},
            },
        },
    }
}
"""How a route that takes one picture describes its body."""
_HALF = re.compile(rb"\\u[dD][89a-fA-F]")


async def read_body(request: Request) -> Row:
    """JSON, form or multipart as one flat dictionary, uploaded parts as bytes; the query where there is no body.

    JSON is read under any content type: clients that name a form's, or none, are common.

    Raises:
        InvalidRequest: it is none of these.
    """
    named = request.headers.get("content-type", "").lower()
    kind = named.partition(";")[0].strip()
    if kind == "multipart/form-data" and "boundary=" in named:
        return _of_form(await _parts(request))
    raw = bytearray()
    async for part in request.stream():
        raw += part
    if not raw.strip():
        return dict(request.query_params)
    if kind == "application/x-www-form-urlencoded" and not raw.lstrip().startswith(b"{"):
        try:
            return _of_form(parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=1000))
        except ValueError as error:
            raise InvalidRequest("The form cannot be read.", hint=TIP) from error
    try:
        parsed = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise InvalidRequest("The body is not valid JSON.", hint=TIP) from error
    if not isinstance(parsed, dict):
        raise InvalidRequest("The body must be a JSON object.", hint=TIP)
    if _HALF.search(raw):
        refuse_surrogates(parsed)
    return parsed


async def read_picture(request: Request) -> object:
    """What there is for a picture: the raw bytes of an ``image/*`` body, or a part or field named ``image``."""
    if request.headers.get("content-type", "").lower().startswith(("image/", "application/octet-stream")):
        return await request.body()
    return (await read_body(request)).get("image")


async def _parts(request: Request) -> list[tuple[str, Any]]:
    try:
        form = await request.form(max_part_size=64 * 2**20)
    except OrbitviewError:
        raise
    except Exception as error:
        raise InvalidRequest("The form cannot be read.", hint=TIP) from error
    return [(n, await value.read() if isinstance(value, UploadFile) else value) for n, value in form.multi_items()]


def _of_form(items: list[tuple[str, Any]]) -> Row:
    """A form's fields; several pictures under one name are a list, and lists may be written as JSON."""
    body: Row = {}
    for name, content in items:
        name = name.removesuffix("[]")
        if name in ("image", "init_image") and name in body:
            content = [*(body[name] if isinstance(body[name], list) else [body[name]]), content]
        body[name] = content
    for name in ("cameras", "formats", "images", "image", "init_image"):
        if isinstance(body.get(name), str) and body[name].lstrip().startswith("["):
            try:
                body[name] = json.loads(body[name])
            except (ValueError, RecursionError) as error:
                raise BadFields({name: [f"The {name} field is not valid JSON."]}) from error
    return body
