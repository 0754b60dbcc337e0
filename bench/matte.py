"""Cut-outs: ``python -m bench.matte [--photographs FOLDER] [--composites SHARDS BACKGROUNDS] [--sheet PNG]``.

Photographs are a folder of ``NAME.jpg`` beside ``NAME.mask.png``. Composites (shards of training.matte_data) show
objects of families that training left out, before photographs that it left out and made-up studios and rooms, always
the same pictures. IoU of the cut at one half: by the network alone, and as the engines use it; with ``--peer``
another ONNX file of the same form (U²-Netp as its authors published it) runs beside them.
"""

from __future__ import annotations

import argparse
import platform
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from orbitview.images import finder, matte
from orbitview.onnx import open_session

Pair = tuple[str, np.ndarray, np.ndarray]
"""Name, (H, W, 3) uint8, (H, W) bool."""


def photographs(folder: Path) -> Iterator[Pair]:
    """Ordinary photographs with masks drawn by hand."""
    for path in sorted(folder.glob("*.mask.png")):
        mask = np.asarray(Image.open(path).convert("L")) > 127
        picture = path.with_name(path.name.replace(".mask.png", ".jpg"))
        yield picture.stem, np.asarray(Image.open(picture).convert("RGB")), mask


def composites(shards: Path, backgrounds: Path, limit: int) -> Iterator[Pair]:
    """Rendered objects before photographs and made-up rooms."""
    from training.matte import Composites, split_photographs

    made = Composites(shards, "matteval", split_photographs(backgrounds)[1])
    rng = np.random.default_rng(7)
    for i in rng.permutation(len(made))[:limit]:
        picture, alpha = made.sample(int(i), rng)
        rgb = np.ascontiguousarray(((picture.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8))
        yield str(i), rgb, alpha[0] > 0.5


def published(path: Path, rgb: np.ndarray) -> np.ndarray:
    """(H, W) what the authors' file says, stretched to 0 to 1 as their own code does."""
    session = open_session(path)
    small = cv2.resize(rgb, (320, 320), interpolation=cv2.INTER_AREA).astype(np.float32)
    ready = ((small / max(1.0, small.max()) - finder.MEAN) / finder.SPREAD).transpose(2, 0, 1)[None]
    found = session.run(None, {session.get_inputs()[0].name: np.ascontiguousarray(ready, np.float32)})[0][0, 0]
    found = (found - found.min()) / max(1e-6, found.max() - found.min())
    return cv2.resize(found, rgb.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path)
    parser.add_argument("--composites", type=Path, nargs=2, metavar=("SHARDS", "BACKGROUNDS"))
    parser.add_argument("--peer", type=Path, help="u2netp.onnx as published, to run beside")
    parser.add_argument("--limit", type=int, default=200, help="composites")
    parser.add_argument("--sheet", type=Path, help="write a picture of the worst cuts")
    options = parser.parse_args()
    sets: dict[str, Iterator[Pair]] = {}
    if options.photographs:
        sets["photographs"] = photographs(options.photographs)
    if options.composites:
        sets["composites"] = composites(*options.composites, options.limit)
    if not sets:
        parser.error("Name --photographs or --composites.")
    cells = []
    for title, pairs in sets.items():
        found: dict[str, list[float]] = {}
        seconds = []
        for name, rgb, true in pairs:
            begun = time.perf_counter()
            cuts = {"engines": matte.find_object(rgb)}
            seconds.append(time.perf_counter() - begun)
            likely = finder.likelihood(rgb)
            if likely is not None:
                cuts["network"] = likely
            if options.peer:
                cuts["published"] = published(options.peer, rgb)
            for kind, cut in cuts.items():
                shared, either = ((cut > 0.5) & true).sum(), ((cut > 0.5) | true).sum()
                found.setdefault(kind, []).append(float(shared / max(1, either)))
            print(f"\r{title} {name:30.30}", end="", flush=True)
            pink, alpha = np.array([255, 0, 255]), cuts["engines"][..., None]
            shown = np.concatenate([rgb, (rgb * alpha + pink * (1 - alpha)).astype(np.uint8)], 1)
            cells.append((found["engines"][-1], cv2.resize(shown, (480, 240), interpolation=cv2.INTER_AREA)))
        print(f"\r{title}, {len(seconds)} pictures, {np.median(seconds):.2f} s each (median)")
        for kind, values in found.items():
            good = np.mean(np.array(values) > 0.9)
            print(
                f"  {kind:10} mean IoU {np.mean(values):.3f}, median {np.median(values):.3f}, "
                f"worst {min(values):.3f}, over 0.9: {good:.0%}"
            )
    print(f"{platform.machine()}, {date.today()}")
    if options.sheet:
        worst = [cell for _, cell in sorted(cells, key=lambda entry: entry[0])[:24]]
        rows = [np.concatenate(worst[i : i + 3], 1) for i in range(0, len(worst) - len(worst) % 3, 3)]
        Image.fromarray(np.concatenate(rows)).save(options.sheet)


if __name__ == "__main__":
    main()
