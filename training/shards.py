"""Read what :mod:`training.data` packed, with flips and colour changes, as batches for the loop."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from orbitview.engines.lift.frustum import BINS, GRID

from .data import POINTS

RECORD = np.dtype([("at", "<f2", 3), ("rgb", "u1", 3), ("hidden", "u1")])

LEARNED, HELD_BACK = ("train", "stretched", "shape"), ("val",)
"""Shards to train on, and to validate on."""
_TOLD = ((1, 1), (0, 0), (1, 0), (0, 1))
"""What is known of a camera: its elevation; its slope and width."""
_HOW_OFTEN = (0.45, 0.3, 0.15, 0.1)


@dataclass
class Batch:
    """Attributes:
    picture: (B, 4, S, S), as the network takes it.
    hint: (B, 7), with some entries hidden at random.
    occupancy: (B, BINS, GRID, GRID) uint8, 255 for filled; a ray's cells are neighbours in memory.
    at, rgb, hidden: (B, POINTS, 3), (B, POINTS, 3) and (B, POINTS).
    camera: (B, 5) the camera's true numbers.
    """

    picture: Tensor
    hint: Tensor
    occupancy: Tensor
    at: Tensor
    rgb: Tensor
    hidden: Tensor
    camera: Tensor


class Packed:
    """What :class:`training.data.ShardWriter` wrote: all files in a folder whose names start with one of ``names``."""

    maker = "training.data"

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        files = sorted(p for name in names for p in folder.glob(f"{name}-*.npz"))
        if not files:
            raise SystemExit(
                f"No {' or '.join(names)} shards in {folder}. Make them with: python -m {self.maker} OBJECTS {folder}"
            )
        self._index: list[tuple[int, int]] = []
        self._blobs, self._cameras = [], []
        for number, path in enumerate(files):
            with np.load(path) as meta:
                self._cameras.append(meta["cameras"])
                self._blobs.append((np.memmap(path.with_suffix(".bin"), np.uint8, "r"), meta["offsets"]))
                self._index += [(number, i) for i in range(len(meta["cameras"]))]

    def __len__(self) -> int:
        return len(self._index)

    def parts(self, i: int) -> tuple[np.ndarray, list[bytes], np.ndarray]:
        """Picture (S, S, 4) in [0, 1], the two further blobs, and the camera's numbers (a copy) of sample ``i``."""
        shard, number = self._index[i]
        blob, offsets = self._blobs[shard]
        parts = [blob[offsets[3 * number + k] : offsets[3 * number + k + 1]].tobytes() for k in range(3)]
        rgba = np.asarray(Image.open(io.BytesIO(parts[0])).convert("RGBA"), np.float32) / 255
        return rgba, parts[1:], self._cameras[shard][number].copy()


class Shards(Packed):
    """Samples for the lift network."""

    def batches(self, size: int, seed: int | None) -> Iterator[Batch]:
        """Endless shuffled and augmented batches, or (``seed=None``) one plain pass in order."""
        if seed is None:
            for start in range(0, len(self) - size + 1, size):
                yield self._batch(range(start, start + size), None)
            return
        rng = np.random.default_rng(seed)
        while True:
            order = rng.permutation(len(self))
            for start in range(0, len(order) - size + 1, size):
                yield self._batch(order[start : start + size], rng)

    def _batch(self, chosen: np.ndarray | range, rng: np.random.Generator | None) -> Batch:
        samples = [self._sample(int(i), rng) for i in chosen]
        batch = Batch(*(torch.from_numpy(np.stack(c)) for c in zip(*samples, strict=True)))
        batch.occupancy = batch.occupancy.permute(0, 3, 1, 2)
        return batch

    def _sample(self, i: int, rng: np.random.Generator | None) -> tuple[np.ndarray, ...]:
        rgba, (filled, coloured), camera = self.parts(i)
        occupancy = np.frombuffer(zlib.decompress(filled), np.uint8).reshape(BINS, GRID, GRID).transpose(1, 2, 0)
        points = np.frombuffer(coloured, RECORD, count=POINTS)
        at, rgb = points["at"].astype(np.float32), points["rgb"].astype(np.float32) / 255
        camera[3:] = np.log(camera[3:])
        colour, alpha = rgba[..., :3], rgba[..., 3:]
        known = np.ones(2, np.float32)
        if rng is not None:
            if rng.random() < 0.5:
                colour, alpha, occupancy = colour[:, ::-1], alpha[:, ::-1], occupancy[:, ::-1]
                at[:, 0] *= -1
                camera[0] *= -1
            order = rng.permutation(3) if rng.random() < 0.6 else np.arange(3)
            gain, gamma = rng.uniform(0.75, 1.25, 3).astype(np.float32), np.float32(rng.uniform(0.8, 1.25))
            colour = np.clip(colour[..., order] * gain, 0, 1) ** gamma
            rgb = np.clip(rgb[:, order] * gain, 0, 1) ** gamma
            # Callers tell all, or nothing, or (now and then) a part.
            known = np.array(_TOLD[rng.choice(len(_TOLD), p=_HOW_OFTEN)], np.float32)
        picture = np.concatenate([(colour * 2 - 1) * alpha, alpha], -1).transpose(2, 0, 1)
        hint = np.concatenate([camera * np.repeat(known, [3, 2]), known]).astype(np.float32)
        return (
            np.ascontiguousarray(picture, np.float32),
            hint,
            np.ascontiguousarray(occupancy),
            at,
            rgb.astype(np.float32),
            (points["hidden"] > 0).astype(np.float32),
            camera.astype(np.float32),
        )
