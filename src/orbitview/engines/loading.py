"""The networks of diffusion engines: loaded where and as the settings say, and kept warm."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from ..config import Settings
from .devices import best_device, chosen_precision
from .warm import WARM
from .weights import Weights

if TYPE_CHECKING:
    import torch


class Networks(Protocol):
    """The loaded networks of an engine."""

    device: torch.device
    """Where they run, whether or not their weights stay there."""

    @property
    def networks(self) -> list[Any]:
        """All of them."""

    def bytes(self) -> float:
        """Of all parameters."""


Parts = TypeVar("Parts", bound=Networks)


def warm_parts(weights: Weights, load: Callable[[Path, str, torch.dtype], Parts]) -> Parts:
    """An engine's networks, loaded unless they are warm.

    Args:
        load: folder, device and precision to the networks there.

    Raises:
        EngineUnavailable: weights are missing or do not fit, or the precision is not to be had.
    """
    folder = weights.require()

    def loaded() -> Parts:
        device = best_device()
        offload = Settings().offload and device == "cuda"
        parts = load(folder, "cpu" if offload else device, chosen_precision(device))
        if offload:
            keep_in_main_memory(parts, device)
        return parts

    parts: Parts = WARM.get((weights.name, str(folder)), loaded, lambda p: p.bytes(), weights.bytes)
    return parts


def keep_in_main_memory(parts: Networks, device: str) -> None:
    """Have networks run on a device to which their weights go layer by layer, as each is needed."""
    import torch
    from accelerate import cpu_offload

    parts.device = torch.device(device)
    for network in parts.networks:
        cpu_offload(network, parts.device)
