"""A picture's cut-out at once, to look at and to mend before anything is made of it."""

from __future__ import annotations

import base64
import io
from typing import Any

import anyio
import numpy as np
from fastapi import APIRouter, Request
from PIL import Image
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool

from ..errors import InvalidImage, InvalidRequest
from ..images import decode_base64, load_image
from ..images.matte import find_cut_out
from .reading import PICTURE_BODY, read_picture
from .turns import taken
from .v1 import PROBLEMS, Key, Row

router = APIRouter(prefix="/v1", tags=["Views"])
SIDE = 1280
"""Longest side of what is shown: enough to see every edge, and little to send."""
_one = anyio.CapacityLimiter(1)
"""A look costs a core for a moment: those of one process come one after the other."""


class PreviewModel(BaseModel):
    """A picture and what would be taken for the object in it."""

    width: int
    height: int
    picture: str = Field(description="data: URL of an opaque WebP: the picture, upright, colours as they are used.")
    alpha: str = Field(description="data: URL of a grey PNG of the same size: white is the object.")
    by: str = Field(description="alpha (the picture's own), network, or none where nothing was found.")
    objects: int = Field(description="How many were seen; the main one is taken.")
    note: str = Field(description="What to know of it; empty where all is well.")


def _url(picture: Image.Image, kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def preview(data: bytes) -> Row:
    """See :class:`PreviewModel`.

    Raises:
        InvalidImage: it is no picture.
    """
    picture = load_image(data)
    scale = SIDE / max(picture.size)
    if scale < 1:
        size = (round(picture.width * scale), round(picture.height * scale))
        picture = picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    try:
        found = find_cut_out(picture)
        pixels, by, objects, note = np.asarray(found.picture), found.by, found.objects, ""
        if objects > 1:
            note = f"There are {objects} things in the picture; the main one is taken."
    except InvalidImage as error:
        pixels = np.asarray(picture.convert("RGBA")).copy()
        pixels[..., 3] = 0
        by, objects, note = "none", 0, error.message
    return {
        "width": picture.width,
        "height": picture.height,
        "picture": _url(Image.fromarray(pixels[..., :3]), "WEBP", quality=92, method=2),
        "alpha": _url(Image.fromarray(pixels[..., 3]), "PNG", compress_level=3),
        "by": by,
        "objects": objects,
        "note": note,
    }


@router.post("/cutouts/preview", response_model=PreviewModel, responses=PROBLEMS, openapi_extra=PICTURE_BODY)
async def preview_cutout(request: Request, key: Key) -> Row:
    """The cut-out of a picture, at once and kept nowhere: a part or field named ``image``, or an ``image/*`` body."""
    image = await read_picture(request)
    if not isinstance(image, str | bytes) or not image:
        raise InvalidRequest("There is no picture in the request.", hint="Send it as image.", field="image")

    def look() -> Row:
        return preview(image if isinstance(image, bytes) else decode_base64(image))

    taken(request)
    async with _one:
        return await run_in_threadpool(look)
