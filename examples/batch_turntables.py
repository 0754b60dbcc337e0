"""Turntables for a shop: every picture in a folder becomes an MP4 and a WebP; what is done already is skipped.

python examples/batch_turntables.py PHOTOS OUT [--background white]
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

import orbitview
from orbitview.outputs import write_format

PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--background", default="white")
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for path in sorted(p for p in options.photos.iterdir() if p.suffix.lower() in PICTURES):
        folder = options.out / path.stem
        if (folder / "turntable.mp4").exists():
            rows.append((path.name, "already there", ""))
            continue
        try:
            views = orbitview.generate(path, "sides-4", seed=0)
            for name in ("turntable-mp4", "turntable"):
                write_format(views, name, folder, background=options.background)
            rows.append((path.name, "done", str(folder / "turntable.mp4")))
        except orbitview.OrbitviewError as error:
            rows.append((path.name, f"failed: {error}", ""))
        print(*rows[-1], sep="  ")
    with open(options.out / "report.csv", "w", newline="") as file:
        csv.writer(file).writerows([("picture", "state", "file"), *rows])


if __name__ == "__main__":
    main()
