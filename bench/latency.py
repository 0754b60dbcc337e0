"""Seconds and memory of the embedded engine: ``python -m bench.latency [PICTURE]``.

One warm picture stage by stage (six 320 px views, a 36-frame turntable at 512 px), then a batch.
"""

from __future__ import annotations

import argparse
import itertools
import platform
import resource
import statistics
import time
from datetime import date
from pathlib import Path

import orbitview
from orbitview.outputs.files import turntable_frames

SAMPLE = Path(__file__).parent.parent / "examples" / "rocket.jpg"


def staged(picture: Path, engine: str) -> dict[str, float]:
    """Seconds by stage of one run, as the progress callback sees them."""
    marks: list[tuple[str, float]] = [("decode and cut out", time.perf_counter())]

    def note(share: float, stage: str) -> None:
        if marks[-1][0] != stage:
            marks.append((stage, time.perf_counter()))

    views = orbitview.generate(picture, engine=engine, seed=0, progress=note)
    marks.append(("turntable, 36 frames of 512 px", time.perf_counter()))
    turntable_frames(views, 512)
    marks.append(("end", time.perf_counter()))
    return {name: after - at for (name, at), (_, after) in itertools.pairwise(marks)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path, nargs="?", default=SAMPLE)
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    begun = time.perf_counter()
    orbitview.generate(options.picture, engine=options.engine, seed=0)
    print(f"first picture, everything cold: {time.perf_counter() - begun:.2f} s")
    runs = [staged(options.picture, options.engine) for _ in range(options.runs)]
    for name in runs[0]:
        print(f"  {name:32} {statistics.median(run[name] for run in runs):6.3f} s")
    views = [sum(seconds for name, seconds in run.items() if not name.startswith("turntable")) for run in runs]
    print(f"six 320 px views, warm: {statistics.median(views):.2f} s (median of {options.runs})")
    begun = time.perf_counter()
    for _ in range(8):
        orbitview.generate(options.picture, engine=options.engine, seed=0)
    print(f"a batch of 8: {(time.perf_counter() - begun) / 8:.2f} s each")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(f"peak memory {peak:.0f} MB; {platform.machine()}, Python {platform.python_version()}, {date.today()}")


if __name__ == "__main__":
    main()
