"""Write the matte network as the shipped file: ``python -m training.matte_export WEIGHTS OUT.onnx``.

``WEIGHTS`` is a run's folder or the published ``u2netp.onnx`` (see :mod:`training.u2net`). Trained on composites alone
a network forgets photographs: with ``--published u2netp.onnx --share 0.25`` the file is that much of the way from
the published weights to the run's (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch

from .export import export
from .u2net import SIDE, MatteNetwork
from .weights import read_weights

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
    network.load_state_dict(read_weights(weights))
    samples = json.loads((weights / "about.json").read_text())["samples"]
    return network, {**ABOUT, "licence": ABOUT["licence"] + " and trained on", "samples": str(samples)}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--published", type=Path, help="u2netp.onnx, to stay near to")
    parser.add_argument("--share", type=float, default=0.25, help="of the way from there to WEIGHTS")
    options = parser.parse_args(arguments)
    network, about = network_of(options.weights)
    if options.published:
        start, _ = network_of(options.published)
        with torch.no_grad():
            for mine, theirs in zip(network.parameters(), start.parameters(), strict=True):
                mine.copy_(torch.lerp(theirs, mine, options.share))
        about = {**about, "share": str(options.share)}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    export(network, {"photograph": torch.zeros(1, 3, SIDE, SIDE)}, ["alpha"], options.out, about)
    print(f"{options.out}: {options.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
