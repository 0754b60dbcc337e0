"""How files are made, checked once for the command line, the server and the library."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields
from difflib import get_close_matches
from typing import Any, Literal, get_args

from ..errors import InvalidRequest
from ..grid import parse_background

Direction = Literal["clockwise", "counterclockwise"]
Easing = Literal["linear", "smooth"]
FrameType = Literal["jpg", "webp", "png"]
UNITS = {"mm": 0.001, "cm": 0.01, "m": 1.0, "in": 0.0254, "ft": 0.3048}


@dataclass(frozen=True)
class OutputOptions:
    """What can be chosen about files.

    Attributes:
        width, height: of the grid in pixels.
        background: of grid, turntables and JPEG frames.
        turntable_size: side of turntables and frames in pixels, 32 to 2048.
        frames: of one turn, 4 to 360.
        seconds: that an animation's turn takes, 0.2 to 60.
        elevations: of the camera in degrees, one row of frames for each; animations take the first.
        start: azimuth of the first frame in degrees.
        direction: in which the object turns, seen from above.
        easing: ``smooth`` starts and ends an animation's turn slowly.
        frame_type: of ``frames``.
        frame_name: of ``frames``: ``{name}``, ``{index}`` from 1, ``{row}`` from 1; ``{index:02d}`` pads with zeros.
        object_name: what ``{name}`` stands for, and the title of ``spin.html``.
        object_height, object_width, object_length: the object's real size along y, x or z, such as ``"12cm"``; one of
            them scales the mesh. Without, the bounding box's diagonal is 1 (GLB, OBJ, PLY, USDZ: 1 m; print: 100 mm).
        faces: most triangles of a mesh, 100 to 1,000,000.
        texture: side of the mesh's texture in pixels, 64 to 4096.

    Raises:
        InvalidRequest: a value that is none of these.
    """

    width: int = 640
    height: int = 960
    background: str = "white"
    turntable_size: int = 512
    frames: int = 36
    seconds: float = 2.0
    elevations: tuple[float, ...] = (15.0,)
    start: float = 0.0
    direction: Direction = "clockwise"
    easing: Easing = "linear"
    frame_type: FrameType = "jpg"
    frame_name: str = ""
    object_name: str = "object"
    object_height: str | None = None
    object_width: str | None = None
    object_length: str | None = None
    faces: int | None = None
    texture: int | None = None

    def __post_init__(self) -> None:
        parse_background(self.background)
        self._between("turntable_size", 32, 2048)
        self._between("frames", 4, 360)
        self._between("seconds", 0.2, 60, whole=False)
        self._between("start", -360, 360, whole=False)
        self._between("faces", 100, 1_000_000)
        self._between("texture", 64, 4096)
        for name, kinds in (("direction", Direction), ("easing", Easing), ("frame_type", FrameType)):
            if getattr(self, name) not in get_args(kinds):
                raise InvalidRequest(
                    f"{getattr(self, name)!r} is no {name.replace('_', ' ')}.",
                    hint=f"Use {' or '.join(get_args(kinds))}.",
                    field=name,
                )
        if not self.elevations or not all(isinstance(e, int | float) and -90 <= e <= 90 for e in self.elevations):
            raise InvalidRequest("Elevations are one or more numbers from -90 to 90.", field="elevations")
        self.frame(1, 1)
        _ = self.metres

    def _between(self, name: str, low: float, high: float, whole: bool = True) -> None:
        value = getattr(self, name)
        if value is None and getattr(OutputOptions, name) is None:
            return
        kinds = (int,) if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not low <= value <= high:
            raise InvalidRequest(
                f"{name.replace('_', ' ').capitalize()} must be a {'whole ' if whole else ''}number "
                f"from {low:g} to {high:g}, not {value!r}.",
                field=name,
            )

    def frame(self, index: int, row: int) -> str:
        """A frame's file name."""
        pattern = self.frame_name or ("{name}-{index}" if len(self.elevations) == 1 else "{name}-{row}-{index}")
        hint = "For instance {name}-{index:02d}; with several elevations also {row}."
        try:
            name = pattern.format(name=self.object_name, index=index, row=row)
            again = pattern.format(name=self.object_name, index=index + 1, row=row)
            other = pattern.format(name=self.object_name, index=index, row=row + 1)
        except (KeyError, ValueError, IndexError, AttributeError) as error:
            raise InvalidRequest(f"{pattern!r} names no frames.", hint=hint, field="frame_name") from error
        if name == again or (len(self.elevations) > 1 and name == other):
            raise InvalidRequest(f"{pattern!r} gives several frames one name.", hint=hint, field="frame_name")
        if re.search(r'[/\\<>:"|?*\x00-\x1f]', name) or name.startswith("."):
            raise InvalidRequest(f"{name!r} is no file name.", hint=hint, field="frame_name")
        return f"{name}.{self.frame_type}"

    @property
    def metres(self) -> tuple[int, float] | None:
        """Axis (0 x, 1 y, 2 z) and the object's size along it; None where no size was given."""
        given = [
            (axis, text)
            for axis, text in enumerate((self.object_width, self.object_height, self.object_length))
            if text is not None
        ]
        if len(given) > 1:
            raise InvalidRequest(
                "Give one of the object's height, width and length.",
                hint="The others follow from its shape.",
                field="object_height",
            )
        return (given[0][0], parse_length(given[0][1])) if given else None


def parse_length(text: str) -> float:
    """Metres of ``12cm``, ``120 mm``, ``0.12m``, ``4.7in`` or ``1ft``.

    Raises:
        InvalidRequest: it is none of these, or not from 0.1 mm to 1 km.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(mm|cm|m|in|ft)\s*", str(text), re.IGNORECASE)
    metres = float(match[1]) * UNITS[match[2].lower()] if match else 0.0
    if not 1e-4 <= metres <= 1000:
        raise InvalidRequest(
            f"{str(text)[:40]!r} is not a length.",
            hint="Write 12cm, 120mm, 0.12m, 4.7in or 1ft.",
            field="object_height",
        )
    return metres


def output_options(given: dict[str, Any]) -> OutputOptions:
    """Options from keywords.

    Raises:
        InvalidRequest: an unknown keyword, with the nearest known one.
    """
    known = [field.name for field in fields(OutputOptions)]
    refuse_unknown(given, known)
    return OutputOptions(**given)


def refuse_unknown(given: dict[str, Any], known: list[str], what: str = "option") -> None:
    """Raises InvalidRequest: a name that is not known; its hint is the nearest that is."""
    for name in given:
        if name not in known:
            near = get_close_matches(name, known, 1, 0.5)
            hint = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(known)}." if known else "There are none."
            raise InvalidRequest(f"There is no {what} {name!r}.", hint=hint, field=name)
