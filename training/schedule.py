"""What both loops share: their options, the learning rate over a run, the log."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, Protocol

import torch


def run_arguments(parser: argparse.ArgumentParser, rate: float, decay: float) -> None:
    """The options of a run; its folder is a positional argument of its own."""
    parser.add_argument("run", type=Path, help="folder for checkpoints, log and pictures")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--samples", type=int, help="end after this many samples, if the minutes last")
    parser.add_argument("--decay", type=float, default=decay, help="last share of the run with a falling learning rate")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=rate)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=float, default=4, help="minutes between validations")


def prepared(options: argparse.Namespace) -> None:
    """Make the run's folder; the same options give the same run."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    options.run.mkdir(parents=True, exist_ok=True)


class HasGroups(Protocol):
    """An optimiser, as far as a schedule is concerned."""

    param_groups: list[dict[str, Any]]


class Schedule:
    """Warm-up, a constant learning rate, a linear descent over the last part; ended by minutes or by samples.

    Args:
        warm: steps of warm-up.
    """

    def __init__(self, options: argparse.Namespace, warm: int) -> None:
        self._options, self._warm, self._steps = options, warm, 0
        self._begun = self._shown = self._now = time.time()
        self._since = 0
        self.rate, self.ended = 0.0, False

    def step(self, optimiser: HasGroups) -> None:
        """Set the learning rate for the next step; parameter groups scale it by their own ``scale``."""
        options = self._options
        self._now = time.time()
        done = (self._now - self._begun) / (options.minutes * 60)
        self._steps += 1
        if options.samples:
            done = max(done, self._steps * options.batch / options.samples)
        self.ended = done >= 1
        falling = min(1.0, max(0.0, 1 - done) / max(options.decay, 1e-6))
        self.rate = options.rate * min(1.0, self._steps / self._warm) * falling
        for group in optimiser.param_groups:
            group["lr"] = self.rate * group["scale"]

    @property
    def due(self) -> bool:
        """Whether it is time to validate and save."""
        return self.ended or self._now - self._shown > self._options.every * 60

    def log(self, samples: int, train: Any, val: Any) -> None:
        """Write and print a line."""
        speed = self._options.batch * (self._steps - self._since) / max(self._now - self._shown, 1e-9)
        line = {"samples": samples, "minutes": round((self._now - self._begun) / 60, 1), "rate": self.rate}
        line |= {"per_second": round(speed, 1), "train": train, "val": val}
        with open(self._options.run / "log.jsonl", "a") as log:
            log.write(json.dumps(line) + "\n")
        print(json.dumps(line), flush=True)
        self._shown, self._since = time.time(), self._steps
