"""Pictures a minute, one after the other, in threads and in processes: ``python -m bench.many``."""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from orbitview import generate, generate_many

PICTURE = Path(__file__).parent.parent / "examples" / "rocket.jpg"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=24)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    pictures = [PICTURE] * options.pictures
    generate(PICTURE, seed=1)  # warm

    def alone() -> None:
        for picture in pictures:
            generate(picture, seed=1)

    def threads() -> None:
        with ThreadPoolExecutor(options.workers) as pool:
            list(pool.map(lambda picture: generate(picture, seed=1), pictures))

    def processes() -> None:
        for _ in generate_many(pictures, workers=options.workers, seed=1):
            pass

    told: dict[str, float] = {}
    for run in (alone, threads, processes):
        begun = time.perf_counter()
        run()
        told[run.__name__] = round(60 * options.pictures / (time.perf_counter() - begun), 1)
    print(json.dumps({"pictures_a_minute": told, "workers": options.workers, "pictures": options.pictures}))


if __name__ == "__main__":
    main()
