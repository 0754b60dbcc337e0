"""Write a matte run's averaged weights as ONNX: ``python -m training.matte_export RUN/last.pt OUT.onnx``."""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .export import export
from .matte import MatteNetwork


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    network = MatteNetwork()
    network.load_state_dict(state["average"])
    options.out.parent.mkdir(parents=True, exist_ok=True)
    sides = {"photograph": {2: "height", 3: "width"}, "alpha": {2: "half_height", 3: "half_width"}}
    export(
        network,
        {"photograph": torch.zeros(1, 3, 256, 256)},
        ["alpha"],
        options.out,
        {"samples": str(state["samples"])},
        sides,
    )
    print(f"{options.out}: {state['samples']} samples, {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
