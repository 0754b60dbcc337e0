"""Read what :mod:`training.data` packed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from PIL import Image


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
