"""Loosely typed bodies, as clients send them."""

from __future__ import annotations

import re
from typing import Any

from ..errors import InvalidRequest

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

    def seed(self) -> int | None:
        """The seed; None where any will do: -1, as the hosted service's clients ask for it, or none."""
        seed: int | None = self.number("seed", None, -1, 2**53)
        return None if seed == -1 else seed

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
