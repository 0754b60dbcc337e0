"""The pictures that a job's request names, the first one first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Row = dict[str, Any]


def images_of(request: Row) -> list[Row]:
    """Where each of a request's pictures is: ``{"url": …}`` or ``{"key": …}``, perhaps ``temporary``."""
    return [request["image"], *(other["image"] for other in request.get("others", []))]


def with_images(request: Row, change: Callable[[int, Row], Row]) -> Row:
    """The request with each picture's place changed; ``change`` is told its number and what is there."""
    changed = request | {"image": change(0, request["image"])}
    if "others" in request:
        changed["others"] = [
            other | {"image": change(number, other["image"])} for number, other in enumerate(request["others"], 1)
        ]
    return changed


def temporary_keys(request: Row) -> list[str]:
    """Keys of the stored pictures that came with this job and go with it."""
    return [image["key"] for image in images_of(request) if image.get("temporary") and "key" in image]
