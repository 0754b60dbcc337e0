"""What a run on a machine elsewhere would be sent, and how long it should take."""

from __future__ import annotations

from pathlib import Path

LOAD = 64 * 2**20
"""Most bytes that travel to a lent machine at a time."""
SPEED = {"cuda": 2000.0, "cpu": 25.0}
"""Samples a second: measured on one H100 in bfloat16 with batches of 256, and on two idle x86-64 cores."""
SETTING_UP = {"cuda": 55.0, "cpu": 60.0}
"""Seconds before the second step: unpacking 7,500 objects, and cuDNN trying its algorithms out."""


def _bytes(files: list[Path]) -> int:
    return sum(path.stat().st_size for path in files)


def loads(files: list[Path]) -> list[list[Path]]:
    """The files in order, parted so that no part is larger than :data:`LOAD`."""
    made: list[list[Path]] = [[]]
    for path in files:
        if made[-1] and _bytes([*made[-1], path]) > LOAD:
            made.append([])
        made[-1].append(path)
    return made


def plan(parts: list[Path], start: Path | None, seconds: float, device: str) -> str:
    """Some lines for people to read."""
    kind = "cuda" if device.startswith("cuda") else "cpu"
    files = [*([start] if start else []), *parts]
    lines = [f"{len(files)} files, {_bytes(files) / 1e6:.1f} MB, to send:"]
    for i, load in enumerate(loads(files), 1):
        lines.append(f"  {i}. {load[0].name} to {load[-1].name}: {_bytes(load) / 1e6:.1f} MB")
    samples = f"{SPEED[kind] * seconds:,.0f}"
    lines.append(f"{SETTING_UP[kind]:.0f} s to set up, {seconds:.0f} s to train: some {samples} samples on {kind}")
    return "\n".join(lines)
