"""Pictures a minute, one after the other, in threads and in processes: ``python -m bench.many``."""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from orbitview import generate, generate_many

PICTURE = Path(__file__).parent.parent / "examples" / "rocket.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pictures = [PICTURE] * options.pictures
    one = partial(generate, seed=1)
    told: dict[str, float] = {}

    def measure(name: str, begun: float) -> None:
        told[name] = round(60 * options.pictures / (time.perf_counter() - begun), 1)

    one(PICTURE)  # warm
    begun = time.perf_counter()
    for picture in pictures:
        one(picture)
    measure("alone", begun)
    begun = time.perf_counter()
    for _ in generate_many(pictures, workers=options.workers, seed=1):
        pass
    measure("threads", begun)
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        list(pool.map(one, pictures[: 2 * options.workers]))  # warm
        begun = time.perf_counter()
        for _ in pool.map(one, pictures):
            pass
        measure("processes", begun)
    print(json.dumps({"pictures_a_minute": told, "workers": options.workers, "pictures": options.pictures}))


if __name__ == "__main__":
    main()
