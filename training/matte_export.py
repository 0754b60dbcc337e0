"""Write the matte network as the shipped file: ``python -m training.matte_export WEIGHTS OUT.onnx``.

``WEIGHTS`` is a run's ``last.pt`` or the published ``u2netp.onnx`` (see :mod:`training.u2net`).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from .export import export
from .u2net import SIDE, MatteNetwork

ABOUT = {
    "architecture": "U²-Net, small form (Qin et al. 2020)",
    "licence": "Apache-2.0; weights from the authors' u2netp, changed to half precision",
}


def network_of(weights: Path) -> tuple[MatteNetwork, dict[str, str]]:
    """The network with a run's or the published weights, and what to say of them."""
    network = MatteNetwork()
    if weights.suffix == ".onnx":
        network.load_published(weights)
        return network, ABOUT
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict({name: value.float() for name, value in state["average"].items()})
    return network, {**ABOUT, "licence": ABOUT["licence"] + " and trained on", "samples": str(state["samples"])}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args(arguments)
    network, about = network_of(options.weights)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    export(network, {"photograph": torch.zeros(1, 3, SIDE, SIDE)}, ["alpha"], options.out, about)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
