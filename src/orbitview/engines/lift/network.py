"""The learned predictor: one pass of the shipped network through ONNX Runtime."""

from __future__ import annotations

from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from ...onnx import open_session
from .framing import Framed
from .guess import Guess, estimated_frustum

WEIGHTS = Path(str(resources.files("orbitview.engines.lift") / "weights" / "lift.onnx"))


class LearnedPredictor:
    """Loads the network on first use and keeps it."""

    def __init__(self, path: Path = WEIGHTS, threads: int | None = None) -> None:
        self.path = path
        self._threads = threads

    @property
    def present(self) -> bool:
        """Whether the weights are there."""
        return self.path.is_file()

    @cached_property
    def _session(self) -> Any:
        return open_session(self.path, self._threads, gpu=True)

    def __call__(self, framed: Framed) -> Guess:
        """Lift a framed picture; what the caller stated of its camera goes in as a hint."""
        rgb, alpha = framed.small[..., :3], framed.small[..., 3:]
        picture = np.concatenate([(rgb * 2 - 1) * alpha, alpha], -1).transpose(2, 0, 1)[None]
        hint = np.zeros((1, 7), np.float32)
        if framed.frustum is not None:
            numbers = framed.frustum.numbers()
            hint[0] = [*numbers[:3], *np.log(numbers[3:]), 1, 1]
        elif framed.elevation is not None:
            angle = np.radians(framed.elevation)
            hint[0, :3], hint[0, 5] = [0, -np.cos(angle), -np.sin(angle)], 1
        logits, colour, camera = self._session.run(None, {"picture": picture.astype(np.float32), "hint": hint})
        elevation = framed.elevation
        if elevation is None:
            elevation = float(np.degrees(np.arcsin(np.clip(-camera[0, 2], -1, 1))))
        frustum = framed.frustum or estimated_frustum(elevation, *np.exp(camera[0, 3:5]))
        colour = colour[0].astype(np.float32)
        for channel in (0, 1, 2, 5):
            colour[channel] = 1 / (1 + np.exp(-colour[channel]))
        return Guess(logits[0].astype(np.float32), frustum, colour)
