"""From what clients send, loosely typed, to one checked job request."""

from __future__ import annotations

import hashlib
import re
import secrets
from typing import Any

from ..cameras import DEFAULT_RIG, Camera, rig
from ..engines import get_engine
from ..errors import InvalidRequest, OrbitviewError
from ..images import decode_base64, load_image
from ..outputs import FORMATS, output_options, parse_background
from ..storage import Storage
from .several import pictures_of

Row = dict[str, Any]
Errors = dict[str, list[str]]
YES, NO = {"yes", "true", "1", "on"}, {"no", "false", "0", "off"}


class BadFields(InvalidRequest):
    """Some fields are wrong; all of them at once, by name."""

    def __init__(self, fields: Errors) -> None:
        self.fields = fields
        first = next(iter(fields.values()))[0]
        super().__init__(first, hint="", field=next(iter(fields)))


class Reader:
    """Takes fields out of a loosely typed body: numbers as strings, null, "null" and "" as absent, yes/no as flags."""

    def __init__(self, body: Row) -> None:
        self.body = {str(k): v for k, v in body.items() if v is not None and v not in ("", "null")}
        self.errors: Errors = {}

    def fail(self, name: str, message: str) -> None:
        """Note an error."""
        self.errors.setdefault(name, []).append(message)

    def text(self, name: str, most: int = 2000) -> str | None:
        """A string, or None."""
        value = self.body.get(name)
        if value is None:
            return None
        if isinstance(value, dict | list):
            self.fail(name, f"The {name} field must be a string.")
            return None
        if len(str(value)) > most:
            self.fail(name, f"The {name} field may not be greater than {most} characters.")
            return None
        return str(value)

    def number(self, name: str, default: Any, low: float, high: float, whole: bool = True) -> Any:
        """A number between limits."""
        value = self.body.get(name)
        if value is None:
            return default
        try:
            number = _number(value)
            if whole and number != int(number):
                raise ValueError
        except (TypeError, ValueError, OverflowError):
            self.fail(name, f"The {name} field must be {'an integer' if whole else 'a number'}.")
            return default
        if not low <= number <= high:
            self.fail(name, f"The {name} field must be between {low:g} and {high:g}.")
            return default
        return int(number) if whole else number

    def flag(self, name: str) -> bool:
        """Yes or no."""
        value = str(self.body.get(name, "no")).strip().lower()
        if value not in YES | NO:
            self.fail(name, f"The {name} field must be yes or no.")
        return value in YES

    def done(self) -> None:
        """Raise what was noted."""
        if self.errors:
            raise BadFields(self.errors)


def whole_number(text: str) -> int | None:
    """A whole number of up to 15 plain digits; None for anything else (``²`` is a digit to ``str.isdigit`` alone)."""
    return int(text) if re.fullmatch("[0-9]{1,15}", text) else None


def _number(value: object) -> int | float:
    """A number as it was sent: large whole ones are not rounded to floats.

    Raises:
        ValueError: it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    if isinstance(value, str):
        text = value.strip()
        return int(text) if re.fullmatch("[+-]?[0-9]{1,30}", text) else float(text)
    return value


def refuse_surrogates(value: object) -> None:
    """Raise where a string somewhere in a parsed body holds half a character, which nothing can store or send.

    Raises:
        InvalidRequest: it does.
    """
    waiting = [value]
    while waiting:
        found = waiting.pop()
        if isinstance(found, dict):
            waiting += [*found.keys(), *found.values()]
        elif isinstance(found, list):
            waiting += found
        elif isinstance(found, str):
            try:
                found.encode()
            except UnicodeEncodeError as error:
                raise InvalidRequest(
                    "The body holds half a character (a lone surrogate).", hint="Send well-formed Unicode."
                ) from error


def read_request(body: Row, storage: Storage, most_steps: int = 50) -> tuple[Row, list[bytes | None]]:
    """Check a multiview body.

    Returns:
        The request, and the bytes of its pictures, which :meth:`JobQueue.submit` stores; None where one is a URL.

    Raises:
        BadFields: with every wrong field.
    """
    reader = Reader(body)
    engine = reader.text("engine") or "auto"
    try:
        engine = get_engine(engine).info.name
    except OrbitviewError as error:
        reader.fail("engine", str(error))
    background = reader.text("background") or ("transparent" if reader.flag("transparent") else "white")
    try:
        parse_background(background)
    except OrbitviewError as error:
        reader.fail("background", str(error))
    width, height = reader.number("width", 640, 64, 1024), reader.number("height", 960, 64, 1024)
    guidance = reader.number("guidance_scale", None, 1, 20, whole=False)
    steps = reader.number("num_inference_steps", None, 1, most_steps)
    seed = reader.number("seed", None, -1, 2**53)
    seed = None if seed == -1 else seed  # as the hosted service's clients ask for any
    cameras = _cameras(reader)
    count = len(cameras) if isinstance(cameras, list) else 6
    formats = _formats(reader)
    output = _output(reader)
    request: Row = {
        "engine": engine,
        "cameras": cameras,
        "size": reader.number("size", max(32, min(width // 2, height // 3) if count == 6 else 320), 32, 1024),
        "width": width,
        "height": height,
        "background": background,
        "formats": formats,
        "elevation": reader.number("elevation", None, -90, 90, whole=False),
        "seed": secrets.randbelow(2**31) if seed is None else seed,
        "prompt": reader.text("prompt"),
        "negative_prompt": reader.text("negative_prompt"),
        "temp": reader.flag("temp"),
        "base64": reader.flag("base64"),
        "steps_sent": steps if steps is not None else 50,
        "guidance_sent": (int(guidance) if guidance == int(guidance) else guidance) if guidance is not None else 4,
    }
    if output:
        request["output"] = output
    # The hosted service's own defaults are no wish of the caller's: an engine without steps need not report them.
    features = get_engine(engine).info.features if "engine" not in reader.errors else frozenset()
    for name, value, feature in (("steps", steps, "steps"), ("guidance", guidance, "guidance")):
        if feature in features or value is not None:
            request[name] = value
    entries = pictures_of(reader)
    reader.done()
    pictures: list[bytes | None] = []
    places = []
    for number, entry in enumerate(entries, 1):
        try:
            place, picture = read_image(entry["image"], storage)
        except OrbitviewError as error:
            which = f"Picture {number}: " if len(entries) > 1 else ""
            raise BadFields({"image": [which + str(error)]}) from error
        places.append(place)
        pictures.append(picture)
    request["image"] = places[0]
    if len(places) > 1:
        told = ("azimuth", "elevation")
        base = entries[0].get("azimuth") or 0.0
        request["others"] = [
            {"image": place} | {name: entry[name] for name in told if entry.get(name) is not None}
            for place, entry in zip(places[1:], entries[1:], strict=True)
        ]
        for other in request["others"]:
            if "azimuth" in other:
                other["azimuth"] = (other["azimuth"] - base) % 360
    if entries[0].get("elevation") is not None:
        request["elevation"] = entries[0]["elevation"]
    return request, pictures


def _cameras(reader: Reader) -> str | list[Row]:
    given = reader.body.get("cameras")
    name = reader.text("rig") or DEFAULT_RIG
    if isinstance(given, str):
        name, given = given, None
    if given is None:
        try:
            rig(name)
        except OrbitviewError as error:
            reader.fail("rig", str(error))
        return name
    if not isinstance(given, list) or not 1 <= len(given) <= 64:
        reader.fail("cameras", "The cameras field must be a list of 1 to 64 cameras.")
        return name
    cameras = []
    for entry in given:
        try:
            if not isinstance(entry, dict) or set(entry) - {"azimuth", "elevation", "distance", "fov"}:
                raise InvalidRequest("A camera is an object with azimuth, elevation, and perhaps distance and fov.")
            values: Row = {k: float(v) for k, v in entry.items() if v is not None}
            Camera(**values)
            cameras.append(values)
        except (OrbitviewError, TypeError, ValueError) as error:
            reader.fail(
                "cameras", str(error) if isinstance(error, OrbitviewError) else "A camera's fields must be numbers."
            )
            break
    return cameras


def _formats(reader: Reader) -> list[str]:
    given = reader.body.get("formats", [])
    names = [n.strip() for n in given.split(",")] if isinstance(given, str) else given
    if not isinstance(names, list) or not all(isinstance(n, str) and n in FORMATS for n in names):
        reader.fail("formats", f"The formats field may name: {', '.join(FORMATS)}.")
        return []
    return list(dict.fromkeys(names))


def _output(reader: Reader) -> Row:
    given = reader.body.get("output", {})
    if not isinstance(given, dict):
        reader.fail("output", "The output field must be an object.")
        return {}
    return check_output(given, reader)


def check_output(given: Row, reader: Reader) -> Row:
    """How files are made, as far as it is said; what is wrong is noted under ``output``."""
    told = {name: value for name, value in given.items() if value is not None}
    try:
        output_options({k: tuple(v) if isinstance(v, list) else v for k, v in told.items()})
    except OrbitviewError as error:
        reader.fail("output", str(error))
    return told


def read_files_request(body: Row, job: Row, scene: str) -> Row:
    """A request for further files of a finished job.

    Args:
        body: formats, background and output.
        job: the finished job's own request.
        scene: the key of its scene.

    Raises:
        BadFields: with every wrong field.
    """
    reader = Reader(body)
    background = reader.text("background") or "white"
    try:
        parse_background(background)
    except OrbitviewError as error:
        reader.fail("background", str(error))
    formats, output = _formats(reader), _output(reader)
    reader.done()
    # Its picture is the first job's to delete.
    image = {name: value for name, value in job["image"].items() if name != "temporary"}
    job = {name: value for name, value in job.items() if name != "others"}
    return job | {"image": image, "scene": scene, "formats": formats, "background": background, "output": output}


def read_image(image: object, storage: Storage) -> tuple[Row, bytes | None]:
    """Where a job finds its picture (``{"url": …}``, ``{"key": …}``), or what it is and its bytes, not stored yet.

    Raises:
        InvalidImage: bytes, data URL or base64 that are no picture.
    """
    if isinstance(image, str) and re.match(r"\s*https?://", image, re.IGNORECASE):
        image = image.strip()
        key = storage.own_key(image)
        return ({"key": key} if key else {"url": image[:4000]}), None
    data = image if isinstance(image, bytes) else decode_base64(image)
    load_image(data)
    return {"sha256": hashlib.sha256(data).hexdigest(), "ending": _ending(data), "temporary": True}, data


def _ending(data: bytes) -> str:
    kinds = {
        b"\x89PNG": "png",
        b"\xff\xd8": "jpg",
        b"GIF8": "gif",
        b"RIFF": "webp",
        b"BM": "bmp",
        b"II": "tif",
        b"MM": "tif",
    }
    return next((ending for magic, ending in kinds.items() if data.startswith(magic)), "avif")
