"""Cameras on an orbit around the object, and the named rigs.

Convention (SyncDreamer's, and that of :mod:`bench.quality`): the world is y up, the object stands at the
origin and its bounding box has a diagonal of 1. A camera at azimuth ``a``, elevation ``e`` and distance
``r`` stands at ``r * (sin a cos e, sin e, cos a cos e)`` and looks at the origin; the input picture was
taken at azimuth 0. Pictures are square; ``fov``, and an orthographic camera's ``scale``, hold in both directions.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .errors import InvalidRequest

Matrix = NDArray[np.float64]

DEFAULT_FOV = 30.0
"""Vertical field of view, in degrees, of a camera that names none (Zero123++ v1.2 uses the same)."""

Projection = Literal["perspective", "orthographic"]


@dataclass(frozen=True)
class Camera:
    """A camera on an orbit: a pinhole, or one whose rays are parallel.

    Args:
        azimuth: degrees, relative to the input view; growing azimuth moves the camera to its own right.
        elevation: degrees above the horizon, -90 to 90.
        distance: from the object's centre, in units of its bounding-box diagonal; ``None`` lets the
            engine step back just far enough to see the whole object from every side.
            An orthographic camera's picture does not change with it: depth counts from there.
        fov: field of view in degrees, 1 to 120; counts for nothing in an orthographic camera.
        projection: ``"perspective"`` or ``"orthographic"``.
        scale: of an orthographic camera, what its picture is high (and wide), in bounding-box diagonals, 0.01 to
            1000; ``None`` lets the engine take just enough to see the whole object from every side.

    Raises:
        InvalidRequest: a value is outside its range or not a finite number, or a perspective camera has a scale.
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    distance: float | None = None
    fov: float = DEFAULT_FOV
    projection: Projection = "perspective"
    scale: float | None = None

    def __post_init__(self) -> None:
        def check(name: str, low: float, high: float) -> None:
            value = getattr(self, name)
            if not (
                isinstance(value, (int, float))
                and not isinstance(value, bool)
                and math.isfinite(value)
                and low <= value <= high
            ):
                raise InvalidRequest(
                    f"The camera's {name} must be a number from {low:g} to {high:g}, not {value!r}.",
                    hint="Cameras are azimuth, elevation, distance and fov; angles are in degrees.",
                    field=f"cameras.{name}",
                )

        check("azimuth", -36000, 36000)
        check("elevation", -90, 90)
        check("fov", 1, 120)
        if self.distance is not None:
            check("distance", 0.55, 1000)
        if self.projection not in ("perspective", "orthographic"):
            raise InvalidRequest(
                f"The camera's projection is perspective or orthographic, not {self.projection!r:.40}.",
                hint="Leave it out for a perspective camera.",
                field="cameras.projection",
            )
        if self.scale is not None:
            check("scale", 0.01, 1000)
            if not self.orthographic:
                raise InvalidRequest(
                    "A perspective camera has no scale.",
                    hint="Give it fov, or say projection='orthographic'.",
                    field="cameras.scale",
                )

    @property
    def orthographic(self) -> bool:
        """Whether its rays are parallel."""
        return self.projection == "orthographic"

    def at(self, distance: float) -> Camera:
        """This camera with ``distance`` filled in where it was left open."""
        return self if self.distance is not None else replace(self, distance=float(distance))

    def around(self, radius: float) -> Camera:
        """This camera, what was left open filled in so that it sees a sphere around the origin whole.

        A distance is stepped back; an orthographic camera's scale is widened.
        """
        placed = self.at(max(radius * 1.04 / np.sin(np.radians(self.fov) / 2), 0.55))
        if placed.orthographic and placed.scale is None:
            return replace(placed, scale=max(2.08 * float(radius), 0.01))
        return placed

    @property
    def _distance(self) -> float:
        if self.distance is None:
            raise InvalidRequest(
                "This camera has no distance yet.",
                hint="Give Camera(distance=...), or take the camera from a finished View.",
                field="cameras.distance",
            )
        return self.distance

    @property
    def _scale(self) -> float:
        if self.scale is None:
            raise InvalidRequest(
                "This orthographic camera has no scale yet.",
                hint="Give Camera(scale=...), or take the camera from a finished View.",
                field="cameras.scale",
            )
        return self.scale

    @property
    def rotation(self) -> Matrix:
        """3×3, columns are the camera's right, down and forward axes in the world (OpenCV axes)."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        right = [math.cos(a), 0.0, -math.sin(a)]
        back = [math.sin(a) * math.cos(e), math.sin(e), math.cos(a) * math.cos(e)]
        up = np.cross(back, right)
        return np.stack([right, -up, -np.asarray(back)], axis=1)

    @property
    def position(self) -> Matrix:
        """(3,) position in the world."""
        return -self._distance * self.rotation[:, 2]

    @property
    def camera_to_world(self) -> Matrix:
        """4×4 OpenCV pose: x right, y down, z forward."""
        pose = np.eye(4)
        pose[:3, :3] = self.rotation
        pose[:3, 3] = self.position
        return pose

    @property
    def camera_to_world_opengl(self) -> Matrix:
        """4×4 OpenGL (NeRF ``transforms.json``) pose: x right, y up, z backward."""
        return self.camera_to_world @ np.diag([1.0, -1.0, -1.0, 1.0])

    @property
    def world_to_camera(self) -> Matrix:
        """4×4 OpenCV extrinsics, the inverse of :attr:`camera_to_world`."""
        return np.asarray(np.linalg.inv(self.camera_to_world))

    def intrinsics(self, size: int) -> Matrix:
        """3×3 matrix K of a square picture of ``size`` pixels (pixel centres at half integers).

        A point (x, y, z) in the camera's axes falls on the pixel ``K @ (x, y, z)`` after division by z. Of an
        orthographic camera K is affine: the pixel is ``K @ (x, y, 1)``, whatever z; see :meth:`project` for both.

        Raises:
            InvalidRequest: an orthographic camera's scale was left open.
        """
        focal = size / self._scale if self.orthographic else 0.5 * size / math.tan(math.radians(self.fov) / 2)
        return np.array([[focal, 0, size / 2], [0, focal, size / 2], [0, 0, 1]])

    def project(self, points: NDArray[np.floating], size: int) -> Matrix:
        """(N, 3) pixel columns, pixel rows and depths of (N, 3) world points in a picture of ``size`` pixels."""
        local = (np.asarray(points, np.float64) - self.position) @ self.rotation
        depth = local[:, 2:]
        plane = local[:, :2] if self.orthographic else local[:, :2] / depth
        return np.hstack([plane * self.intrinsics(size)[0, 0] + size / 2, depth])

    def numbers(self) -> dict[str, Any]:
        """Its fields by name, those that count for its projection: what JSON tells of it."""
        told: dict[str, Any] = {"azimuth": self.azimuth, "elevation": self.elevation, "distance": self.distance}
        if self.orthographic:
            return told | {"projection": self.projection, "scale": self.scale}
        return told | {"fov": self.fov}


CameraLike = Camera | Sequence[float] | Mapping[str, Any]
"""A camera, ``(azimuth, elevation[, distance[, fov]])``, or a dictionary with a Camera's names."""


def as_camera(value: object) -> Camera:
    """A :data:`CameraLike` as a Camera.

    Examples:
        >>> as_camera((30, 20)) == as_camera({"azimuth": 30, "elevation": 20}) == Camera(30, 20)
        True

    Raises:
        InvalidRequest: it is none.
    """
    hint = "Write Camera(30, 20), (30, 20) or {'azimuth': 30, 'elevation': 20}; angles are in degrees."
    if isinstance(value, Camera):
        return value
    names = [field.name for field in fields(Camera)]
    if isinstance(value, Mapping):
        wrong = [name for name in value if name not in names]
        if wrong:
            near = get_close_matches(str(wrong[0]), names, 1, 0.4)
            raise InvalidRequest(
                f"A camera has no {wrong[0]!r}.",
                hint=f"Did you mean {near[0]}?" if near else f"It has {', '.join(names)}.",
                field="cameras",
            )
        return Camera(**value)
    if isinstance(value, str | bytes) or not isinstance(value, Sequence | np.ndarray):
        raise InvalidRequest(f"{value!r:.60} is not a camera.", hint=hint, field="cameras")
    if not 1 <= len(value) <= 4:
        raise InvalidRequest(f"A camera has one to four numbers, not {len(value)}.", hint=hint, field="cameras")
    return Camera(*(v.item() if isinstance(v, np.generic) else v for v in value))


def _around(azimuths: Sequence[float], elevations: Sequence[float], fov: float = DEFAULT_FOV) -> list[Camera]:
    return [Camera(azimuth=a, elevation=elevations[i % len(elevations)], fov=fov) for i, a in enumerate(azimuths)]


_SIX = (30, 90, 150, 210, 270, 330)
_ORBIT = re.compile(r"orbit-(\d{1,3})(?:@(-?\d+(?:\.\d+)?))?")

RIGS: dict[str, str] = {
    "zero123plus-v1.1": "six views, azimuths 30, 90, …, 330; elevations 30 and -20 in turn (Zero123++ v1.1)",
    "zero123plus-v1.2": "six views, azimuths 30, 90, …, 330; elevations 20 and -10 in turn (Zero123++ v1.2)",
    "mvadapter-6": "six orthographic views at eye level, azimuths 0, 45, 90, 180, 270 and 315 (MV-Adapter)",
    "sides-4": "front, right, back and left at eye level: a turnaround sheet",
    "syncdreamer-16": "sixteen views at elevation 30, every 22.5 degrees (SyncDreamer)",
    "orbit-N[@elevation]": "N views evenly around, for instance orbit-36@20 (N up to 360)",
}
"""Name and description of every rig; ``orbit-N[@elevation]`` stands for the whole family."""

DEFAULT_RIG = "zero123plus-v1.2"


def rig(name: str) -> list[Camera]:
    """The cameras of a named rig.

    Examples:
        >>> [camera.azimuth for camera in rig("sides-4")]
        [0, 90, 180, 270]

    Raises:
        InvalidRequest: no rig has that name.
    """
    if name == "zero123plus-v1.1":
        return _around(_SIX, (30, -20))
    if name == "zero123plus-v1.2":
        return _around(_SIX, (20, -10))
    if name == "mvadapter-6":  # distance and scale as published, in units of the longer side of what fills 0.9 of it
        return [Camera(a, 0, 1.8, projection="orthographic", scale=1.1) for a in (0, 45, 90, 180, 270, 315)]
    if name == "sides-4":
        return _around((0, 90, 180, 270), (0,))
    if name == "syncdreamer-16":
        return [Camera(22.5 * i, 30, 1.5, 49.1) for i in range(16)]
    match = _ORBIT.fullmatch(name)
    if match:
        count, elevation = int(match[1]), float(match[2] or 10)
        if 1 <= count <= 360:
            return _around([360 / count * i for i in range(count)], (elevation,))
    raise InvalidRequest(f"There is no rig named {name!r}.", hint="Rigs: " + ", ".join(RIGS) + ".", field="rig")
