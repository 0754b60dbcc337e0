"""Weights in files: out of a shipped ONNX file, or in pieces of half precision that travel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

PIECE = 15_000_000
"""Most bytes in one file."""


def write_weights(network: nn.Module, folder: Path, about: dict[str, Any]) -> None:
    """Write a network's state as ``weights-0.pt``, ``weights-1.pt``, … in half precision, and what it is."""
    piece: dict[str, Tensor] = {}
    size = number = 0
    for name, value in network.state_dict().items():
        half = value.detach().cpu().half() if value.is_floating_point() else value.cpu()
        if piece and size + half.nbytes > PIECE:
            torch.save(piece, folder / f"weights-{number}.pt")
            piece, size, number = {}, 0, number + 1
        piece[name] = half.contiguous()
        size += half.nbytes
    torch.save(piece, folder / f"weights-{number}.pt")
    (folder / "about.json").write_text(json.dumps(about))


def read_weights(path: Path) -> dict[str, Tensor]:
    """State by name, of an ONNX file, of one file of weights or of a folder of pieces."""
    if path.suffix == ".onnx":
        import onnx
        from onnx import numpy_helper

        found = {
            entry.name.removeprefix("half."): torch.from_numpy(numpy_helper.to_array(entry).astype(np.float32))
            for entry in onnx.load(path).graph.initializer
        }
    else:
        files = sorted(path.glob("weights-*.pt")) if path.is_dir() else [path]
        found = {}
        for file in files:
            found |= torch.load(file, map_location="cpu", weights_only=True)
    return {name: value.float() if value.is_floating_point() else value for name, value in found.items()}


def load_fitting(network: nn.Module, weights: dict[str, Tensor]) -> list[str]:
    """Load what has the same name and shape; returns the names of what did not fit."""
    own = network.state_dict()
    missing = []
    for name, value in own.items():
        if name in weights and weights[name].shape == value.shape:
            own[name] = weights[name].to(value.dtype)
        elif not name.endswith("num_batches_tracked"):
            missing.append(name)
    network.load_state_dict(own)
    return missing
