"""Where networks run and in what precision: CUDA before Apple's Metal before the CPU. Imports torch when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..config import Settings
from ..errors import EngineUnavailable

if TYPE_CHECKING:
    import torch


def best_device() -> str:
    """``cuda``, ``mps`` or ``cpu``."""
    import torch

    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def chosen_precision(device: str) -> torch.dtype:
    """What ``ORBITVIEW_PRECISION`` means there.

    Raises:
        EngineUnavailable: half precision on a CPU, which lacks it for some layers and is slow in the others.
    """
    import torch

    stated = Settings().precision
    if stated == "float16" and device == "cpu":
        raise EngineUnavailable(
            "float16 needs a GPU, and there is none here that torch can use.",
            hint="Set ORBITVIEW_PRECISION to auto or float32, or install a torch that knows your GPU.",
            field="engine",
        )
    if stated == "auto":
        stated = "float32" if device == "cpu" else "float16"
    dtype: torch.dtype = getattr(torch, stated)
    return dtype


def memory_for_models() -> float:
    """Bytes that warm models may take: what is stated, else most of the GPU's, else 12 GB."""
    stated = Settings().model_memory_gb
    if stated:
        return stated * 2**30
    import torch

    device = best_device()
    if device == "cuda":
        return 0.85 * float(torch.cuda.get_device_properties(0).total_memory)
    return 0.85 * float(torch.mps.recommended_max_memory()) if device == "mps" else 12 * 2**30


def free_unused() -> None:
    """Give the memory of models that are gone back to the device."""
    import gc

    import torch

    gc.collect()
    device = best_device()
    if device == "cuda":
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()
