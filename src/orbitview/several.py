"""Several pictures of one object, and what is known of their cameras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .cameras import Camera, as_camera
from .errors import InvalidRequest
from .images import ImageInput
from .images.limits import MOST_PICTURES


@dataclass(frozen=True)
class Told:
    """One picture, and what was said of its camera.

    Attributes:
        image: as the caller gave it.
        azimuth: in degrees, relative to the first picture's; None where it is to be found.
        camera: with elevation, and perhaps distance; None where nothing of it was said.
    """

    image: ImageInput
    azimuth: float | None = None
    camera: Camera | None = None


def told_pictures(image: Any, input_camera: Any) -> list[Told]:
    """The pictures of a request, the first one first.

    Args:
        image: one picture, or a list or tuple of one to :data:`MOST_PICTURES`.
        input_camera: for one picture a camera; for several a list with, for each, a camera, a number (its azimuth
            alone), ``{"azimuth": …}``, or None; a shorter list leaves the rest open. A single camera or None is
            the first picture's.

    Raises:
        InvalidRequest: no pictures, too many, more cameras than pictures, or what is no camera.
    """
    if not isinstance(image, list | tuple):
        return [Told(image, 0.0, _camera(input_camera)[1])]
    if not 1 <= len(image) <= MOST_PICTURES:
        raise InvalidRequest(
            f"There are {len(image)} pictures." if image else "There is no picture.",
            hint=f"Give one to {MOST_PICTURES} pictures of the object.",
            field="image",
        )
    entries = list(input_camera) if isinstance(input_camera, list) else [input_camera]
    if len(entries) > len(image):
        raise InvalidRequest(
            f"There are {len(entries)} input cameras for {len(image)} pictures.",
            hint="Give one for each picture, in their order; None where it is not known.",
            field="input_camera",
        )
    read = [_camera(entry) for entry in entries] + [(None, None)] * (len(image) - len(entries))
    base = read[0][0] or 0.0
    told = [Told(image[0], 0.0, None if read[0][1] is None else replace(read[0][1], azimuth=0.0))]
    for picture, (azimuth, camera) in zip(image[1:], read[1:], strict=True):
        told.append(Told(picture, None if azimuth is None else (azimuth - base) % 360, camera))
    if len(told) == 1:
        return [replace(told[0], camera=read[0][1])]
    return told


def _camera(value: Any) -> tuple[float | None, Camera | None]:
    """Azimuth and camera as far as an entry tells them."""
    if value is None:
        return None, None
    try:
        if isinstance(value, int | float | np.number) and not isinstance(value, bool):
            return _angle(value), None
        if isinstance(value, Mapping) and set(value) <= {"azimuth"}:
            return (None, None) if value.get("azimuth") is None else (_angle(value["azimuth"]), None)
        if isinstance(value, Mapping) and value.get("azimuth", 0) is None:
            value = {name: number for name, number in value.items() if name != "azimuth"}
        camera = as_camera(value)
    except InvalidRequest as error:
        raise InvalidRequest(f"input_camera: {error.message}", hint=error.hint, field="input_camera") from error
    if camera.orthographic:
        raise InvalidRequest(
            "input_camera: pictures are taken to be in perspective, an orthographic camera cannot be stated.",
            hint="A long lens comes near: Camera(elevation=20, distance=20, fov=3).",
            field="input_camera",
        )
    named = not isinstance(value, Mapping) or "azimuth" in value
    return (camera.azimuth if named else None), camera


def _angle(value: Any) -> float:
    return float(Camera(value.item() if isinstance(value, np.generic) else value).azimuth)


def stated_camera(entry: Mapping[str, Any]) -> dict[str, Any] | None:
    """``{"azimuth": …, "elevation": …}``, either of them perhaps missing, as :func:`told_pictures` takes it."""
    azimuth, elevation = entry.get("azimuth"), entry.get("elevation")
    if elevation is None:
        return None if azimuth is None else {"azimuth": azimuth}
    return {"azimuth": azimuth, "elevation": elevation}
