"""Builds and calls ``kernels.cu``: with nvcc for a GPU, with the C++ compiler for a processor; same pictures."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.cu")
_COMMANDS = {
    "cuda": ["nvcc", "-arch=native", "-O3", "-shared", "-Xcompiler", "-fPIC"],
    "cpu": [os.environ.get("CXX", "g++"), "-x", "c++", "-O3", "-march=native", "-shared", "-fPIC"],
}


@cache
def library(kind: str) -> ctypes.CDLL:
    """The compiled kernels for ``"cpu"`` or ``"cuda"``, built on first use and kept in the temporary folder."""
    command = _COMMANDS[kind]
    name = hashlib.sha256(SOURCE.read_bytes() + " ".join(command).encode()).hexdigest()[:16]
    path = Path(tempfile.gettempdir()) / f"orbitview-kernels-{kind}-{name}.so"
    if not path.exists():
        new = path.with_suffix(f".{os.getpid()}")
        subprocess.run([*command, "-o", str(new), str(SOURCE)], check=True)
        new.replace(path)
    return ctypes.CDLL(str(path))


class _Tensors(ctypes.Structure):
    """A C structure of pointers, from tensors that it keeps alive."""

    def __init__(self, *tensors: Tensor) -> None:
        for tensor in tensors:
            if not tensor.is_contiguous():
                raise ValueError("Kernels take contiguous tensors.")
        super().__init__(*(tensor.data_ptr() for tensor in tensors))
        self.tensors = tensors


class BatchPointers(_Tensors):
    """``struct Batch`` of the source; the order of fields is the source's."""

    _fields_ = tuple(
        (name, ctypes.c_void_p)
        for name in [
            "place",
            "screen",
            "normal",
            "uv",
            "colour",
            "faces",
            "sample",
            "texture",
            "texels",
            "light",
            "camera",
        ]
    )


class ShapePointers(_Tensors):
    """``struct Shapes`` of the source."""

    _fields_ = tuple((name, ctypes.c_void_p) for name in ["undo", "hulls", "hull", "frame"])


def call(name: str, device: torch.device, *arguments: object) -> None:
    """Run an entry point on the device's current stream; tensors go as pointers, whole numbers as 64 bits.

    Raises:
        RuntimeError: the launch was refused.
    """
    stream = torch.cuda.current_stream().cuda_stream if device.type == "cuda" else 0
    converted: list[object] = [ctypes.c_void_p(stream)]
    for value in arguments:
        if isinstance(value, Tensor):
            if not value.is_contiguous():
                raise ValueError("Kernels take contiguous tensors.")
            converted.append(ctypes.c_void_p(value.data_ptr()))
        elif isinstance(value, _Tensors):
            converted.append(ctypes.byref(value))
        elif isinstance(value, float):
            converted.append(ctypes.c_float(value))
        else:
            converted.append(value)
    code = getattr(library(device.type), name)(*converted)
    if code:
        raise RuntimeError(f"Kernel {name} failed with CUDA error {code}.")


def count(value: int) -> ctypes.c_longlong:
    """A ``long long``; plain integers go as ``int``."""
    return ctypes.c_longlong(value)


def seed(value: int) -> ctypes.c_ulonglong:
    """An ``unsigned long long``."""
    return ctypes.c_ulonglong(value)
