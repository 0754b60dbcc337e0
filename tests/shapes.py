"""Documented answers as shapes: key for key, type for type."""

from __future__ import annotations

from typing import Any


class Exactly:
    """This value and no other."""

    def __init__(self, value: object) -> None:
        self.value = value


class Link:
    """A URL, perhaps with a certain ending."""

    def __init__(self, ending: str = "") -> None:
        self.ending = ending


def misfits(answer: Any, shape: Any, where: str = "answer") -> list[str]:
    """What of a documented shape an answer lacks; more keys than documented are fine.

    A shape is a type (``int`` is no bool, ``float`` is any number), a value wrapped in :class:`Exactly`, a
    :class:`Link`, a dictionary of shapes by key, or a list with the shape of each of its entries.
    """
    if isinstance(shape, Exactly):
        same = type(answer) is type(shape.value) and answer == shape.value
        return [] if same else [f"{where} is {answer!r}, not {shape.value!r}"]
    if isinstance(shape, Link):
        good = isinstance(answer, str) and answer.startswith("http") and answer.endswith(shape.ending)
        return [] if good else [f"{where} is {answer!r}, no link to {shape.ending or 'anything'}"]
    if isinstance(shape, dict):
        if not isinstance(answer, dict):
            return [f"{where} is {answer!r}, no object"]
        found = [f"{where}.{key} is missing" for key in shape if key not in answer]
        return found + [m for key in shape.keys() & answer for m in misfits(answer[key], shape[key], f"{where}.{key}")]
    if isinstance(shape, list):
        if not isinstance(answer, list) or len(answer) != len(shape):
            return [f"{where} is {answer!r}, no list of {len(shape)}"]
        return [m for i, inner in enumerate(shape) for m in misfits(answer[i], inner, f"{where}[{i}]")]
    good = type(answer) in ((int, float) if shape is float else (shape,))
    return [] if good else [f"{where} is {answer!r}, no {shape.__name__}"]
