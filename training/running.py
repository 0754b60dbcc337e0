"""What both loops share: a run that is begun or taken up again, its averaged weights, its file."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Network = TypeVar("Network", bound=nn.Module)


def adamw(network: nn.Module, rate: float, memory: float, decay: float) -> torch.optim.AdamW:
    """AdamW over all weights, in one group whose rate :class:`.schedule.Schedule` sets; ``memory`` of the squares."""
    groups = [{"params": list(network.parameters()), "scale": 1.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, memory), weight_decay=decay)


class Running(Generic[Network]):
    """A network in training, the running mean of its weights (Polyak and Juditsky 1992) and its optimiser.

    Args:
        folder: of the run; ``last.pt`` in it is taken up where there is one.
        begin: fills a new network's weights.
        optimiser: makes the optimiser.
        keep: the mean's memory once it is long enough.
        buffers: the mean takes the batch norms' statistics from the network; else they are measured.
    """

    def __init__(
        self,
        folder: Path,
        network: Network,
        begin: Callable[[Network], None],
        optimiser: Callable[[Network], Any],
        keep: float,
        buffers: bool = False,
        device: torch.device | str = "cpu",
    ) -> None:
        self._last, self._keep, self._buffers = folder / "last.pt", keep, buffers
        state = torch.load(self._last, map_location="cpu", weights_only=True) if self._last.exists() else None
        if state is None:
            begin(network)
        else:
            network.load_state_dict(state["network"])
        self.network = network.to(device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.network).requires_grad_(False)
        self.optimiser = optimiser(self.network)
        self.step = self.samples = 0
        if state is not None:
            self.average.load_state_dict(state["average"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.step, self.samples = state["step"], state["samples"]

    def learn(self, loss: torch.Tensor, samples: int) -> None:
        """One step down the gradient, and the mean after it."""
        self.optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        self.optimiser.step()
        self.step, self.samples = self.step + 1, self.samples + samples
        keep = min(self._keep, (1 + self.step) / (10 + self.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - keep)
            if self._buffers:
                for mine, theirs in zip(self.average.buffers(), self.network.buffers(), strict=True):
                    mine.copy_(theirs)

    def save(self) -> None:
        """Write ``last.pt``, whole or not at all."""
        state = {
            "network": self.network.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "samples": self.samples,
        }
        torch.save(state, self._last.with_suffix(".new"))
        self._last.with_suffix(".new").replace(self._last)
