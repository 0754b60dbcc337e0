"""The file format of packed objects: what :mod:`training.pack` writes and :mod:`training.sampler` reads."""

from __future__ import annotations

import io
import lzma
from pathlib import Path

import numpy as np
from PIL import Image

STEPS = 4095
"""Steps of a position along the unit that holds the object."""
TEXELS = 2048
"""Steps of a texture coordinate."""
SPLITS = ("train", "val", "shape")

Entry = dict[str, np.ndarray]


def _planes(values: np.ndarray) -> np.ndarray:
    """16-bit columns as differences of neighbours, low bytes apart from high ones: they compress twice as well."""
    steps = np.diff(values.astype(np.int32), axis=0, prepend=0).astype(np.uint16)
    steps = (steps << 1) ^ np.where(steps & 0x8000, np.uint16(0xFFFF), np.uint16(0))  # small either way of zero
    return np.concatenate([(steps & 255).astype(np.uint8).T.ravel(), (steps >> 8).astype(np.uint8).T.ravel()])


def _from_planes(data: np.ndarray, columns: int) -> np.ndarray:
    low, high = data.reshape(2, columns, -1).astype(np.uint16)
    steps = low | (high << 8)
    steps = (steps >> 1) ^ np.where(steps & 1, np.uint16(0xFFFF), np.uint16(0))
    return np.cumsum(steps.T, axis=0, dtype=np.uint16)


def write_part(path: Path, entries: list[tuple[str, str, Entry]]) -> None:
    """Write (split, name, arrays) triples as one compressed file."""
    keys = ("vertices", "faces", "uv", "seen", "colours", "hull", "box", "frame", "texture")
    columns: dict[str, list[np.ndarray]] = {key: [] for key in keys}
    for _, _, entry in entries:
        for key in keys:
            value = entry.get(key, np.zeros(0, np.uint8))
            columns[key].append(_planes(value) if value.dtype == np.uint16 else value.ravel())
    arrays: dict[str, np.ndarray] = {
        "names": np.array([name for _, name, _ in entries]),
        "splits": np.array([SPLITS.index(split) for split, _, _ in entries], np.uint8),
    }
    for key, values in columns.items():
        arrays[f"{key}_ends"] = np.cumsum([len(v) for v in values])
        arrays[key] = np.concatenate(values) if any(len(v) for v in values) else np.zeros(0, np.uint8)
    file = io.BytesIO()
    np.savez(file, **arrays)  # type: ignore[arg-type]
    path.write_bytes(lzma.compress(file.getvalue(), preset=6))


def read_part(path: Path) -> list[tuple[str, str, Entry]]:
    """What :func:`write_part` wrote; textures decoded to (H, W, 3) uint8."""
    made = []
    with np.load(io.BytesIO(lzma.decompress(path.read_bytes()))) as arrays:
        data = {key: arrays[key] for key in arrays.files}
    for i, name in enumerate(data["names"]):
        entry = {}
        for key in ("vertices", "faces", "uv", "seen", "colours", "hull", "box", "frame", "texture"):
            ends = data[f"{key}_ends"]
            entry[key] = data[key][ends[i - 1] if i else 0 : ends[i]]
        entry["vertices"] = _from_planes(entry["vertices"], 3)
        entry["faces"] = _from_planes(entry["faces"], 3)
        entry["uv"] = _from_planes(entry["uv"], 2)
        entry["seen"] = np.unpackbits(entry["seen"])[: len(entry["faces"])]
        entry["colours"] = entry["colours"].reshape(-1, 3)
        entry["hull"] = np.unpackbits(entry["hull"])[: entry["box"].prod()].reshape(entry["box"])
        if len(entry["texture"]):
            entry["texture"] = np.asarray(Image.open(io.BytesIO(entry["texture"].tobytes())).convert("RGB"))
        made.append((SPLITS[data["splits"][i]], str(name), entry))
    return made
