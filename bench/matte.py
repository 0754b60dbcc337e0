"""Cut-outs: ``python -m bench.matte SHARDS BACKGROUNDS`` (shards of training.matte_data).

Objects of families that training left out, before photographs that it left out and made-up studios and rooms, always
the same pictures. IoU of the cut at one half: by colours alone, by the network alone, and as the engines use it.
"""

from __future__ import annotations

import argparse
import platform
import time
from datetime import date
from pathlib import Path

import numpy as np
from PIL import Image

from orbitview.images import finder, matte
from training.matte import Composites, split_photographs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("backgrounds", type=Path)
    parser.add_argument("--limit", type=int, default=200)
    parser.add_argument("--sheet", type=Path, help="write a picture of the worst cuts")
    options = parser.parse_args()
    composites = Composites(options.shards, "matteval", split_photographs(options.backgrounds)[1])
    rng = np.random.default_rng(7)
    chosen = rng.permutation(len(composites))[: options.limit]
    found: dict[str, list[float]] = {"colours": [], "network": [], "both": []}
    cells, begun = [], time.perf_counter()
    for i in chosen:
        picture, alpha = composites.sample(int(i), rng)
        rgb, true = ((picture.transpose(1, 2, 0) + 1) * 127.5).astype(np.uint8), alpha[0] > 0.5
        weights = finder.WEIGHTS
        likely = finder.likelihood(rgb)
        both = matte.find_object(rgb)
        finder.WEIGHTS = Path("none")
        colours = matte.find_object(rgb)
        finder.WEIGHTS = weights
        for name, cut in (("colours", colours), ("network", likely), ("both", both)):
            if cut is not None:
                found[name].append(float(((cut > 0.5) & true).sum() / max(1, ((cut > 0.5) | true).sum())))
        pink = np.array([255, 0, 255])
        shown = [rgb, *((rgb * m[..., None] + pink * (1 - m[..., None])).astype(np.uint8) for m in (likely, both))]
        cells.append((found["both"][-1], np.concatenate(shown, 1)))
    for name, values in found.items():
        if values:
            good = np.mean(np.array(values) > 0.9)
            print(f"{name:8} mean IoU {np.mean(values):.3f}, median {np.median(values):.3f}, over 0.9: {good:.0%}")
    each = (time.perf_counter() - begun) / len(chosen)
    print(f"{len(chosen)} pictures, {each:.2f} s each; {platform.machine()}, {date.today()}")
    if options.sheet:
        worst = [cell for _, cell in sorted(cells, key=lambda entry: entry[0])[:24]]
        rows = [np.concatenate(worst[i : i + 3], 1) for i in range(0, len(worst) - len(worst) % 3, 3)]
        Image.fromarray(np.concatenate(rows)).save(options.sheet)


if __name__ == "__main__":
    main()
