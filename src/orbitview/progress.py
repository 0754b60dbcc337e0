"""How long work tells how far it is."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share done (0 to 1) and the stage's name. It may raise Cancelled to stop the work."""


def no_progress(share: float, stage: str) -> None:
    """The progress callback that does nothing."""


def part(progress: Progress, low: float, high: float) -> Progress:
    """A callback for one part of the work: its 0 to 1 are ``low`` to ``high`` of the whole."""
    return lambda share, stage: progress(low + (high - low) * share, stage)
