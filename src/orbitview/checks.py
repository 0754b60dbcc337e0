"""What may be asked of :func:`orbitview.generate`: the same checks for the library, the command line and the server."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from .cameras import DEFAULT_RIG, Camera, CameraLike, as_camera, rig
from .engines.base import EngineInfo
from .errors import InvalidRequest

MAX_VIEWS = 360
MAX_SIZE = 1024
MAX_STEPS = 100
GUIDANCE = (1.0, 20.0)

_MEANT = {"steps": "num_inference_steps", "guidance": "guidance_scale", "rig": "cameras", "elevation": "input_camera"}
_OWN = ("cameras", "engine", "input_camera", "size", "matte", "seed", "num_inference_steps", "guidance_scale")
_NAMES = (*_OWN, "prompt", "negative_prompt", "progress")


def check_numbers(size: object, seed: object, steps: object, guidance: object) -> None:
    """Raises InvalidRequest: one of them is of the wrong kind or out of range."""

    def whole(value: object, low: int, high: int) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    if not whole(size, 32, MAX_SIZE):
        raise InvalidRequest(f"The size must be a whole number from 32 to {MAX_SIZE}, not {size!r}.", field="size")
    if seed is not None and not whole(seed, 0, 2**63 - 1):
        raise InvalidRequest(f"The seed must be a whole number from 0 to 2^63-1, not {seed!r}.", field="seed")
    if steps is not None and not whole(steps, 1, MAX_STEPS):
        raise InvalidRequest(
            f"The number of steps must be a whole number from 1 to {MAX_STEPS}, not {steps!r}.",
            field="num_inference_steps",
        )
    low, high = GUIDANCE
    if guidance is not None and not (
        isinstance(guidance, int | float)
        and not isinstance(guidance, bool)
        and math.isfinite(guidance)
        and low <= guidance <= high
    ):
        raise InvalidRequest(
            f"The guidance scale must be a number from {low:g} to {high:g}, not {guidance!r}.", field="guidance_scale"
        )


def check_options(options: Iterable[str], info: EngineInfo) -> None:
    """Raises InvalidRequest: an option that neither ``generate`` nor the engine has; the hint is the nearest."""
    for name in options:
        if name in info.options:
            continue
        near = get_close_matches(name, [*_NAMES, *_MEANT, *info.options], 1, 0.5)
        own = f"Options of {info.name}: {', '.join(sorted(info.options)) or 'none'}."
        raise InvalidRequest(
            f"There is no option {name!r}.",
            hint=f"Did you mean {_MEANT.get(near[0], near[0])}?" if near else own,
            field=name,
        )


def list_cameras(cameras: str | Sequence[CameraLike] | None, info: EngineInfo) -> list[Camera]:
    """The cameras asked for; by default the engine's own rig, or six views around.

    Raises:
        InvalidRequest: no cameras, too many, or something that is no camera.
    """
    if cameras is None:
        return rig(info.rig or DEFAULT_RIG)
    if isinstance(cameras, str):
        return rig(cameras)
    if isinstance(cameras, Camera | Mapping) or not isinstance(cameras, Iterable):
        raise InvalidRequest(
            "Cameras come as a list.", hint="Write cameras=[Camera(30, 20)] or a rig's name.", field="cameras"
        )
    listed = [as_camera(camera) for camera in cameras]
    if not listed:
        raise InvalidRequest("There are no cameras.", hint="Give a rig's name or a list of Camera.", field="cameras")
    if len(listed) > MAX_VIEWS:
        raise InvalidRequest(
            f"{len(listed)} cameras are too many.", hint=f"At most {MAX_VIEWS} at a time.", field="cameras"
        )
    return listed


def input_camera_of(value: Any) -> Camera | None:
    """Raises InvalidRequest: it is no camera."""
    try:
        return None if value is None else as_camera(value)
    except InvalidRequest as error:
        raise InvalidRequest(f"input_camera: {error.message}", hint=error.hint, field="input_camera") from error
