"""Write the upscaling network as the shipped files, one a scale: ``python -m training.upscale_export RUN FOLDER``.

``FOLDER/upscale2.onnx``, ``upscale3.onnx`` and ``upscale4.onnx`` share their body: each can be run without the others'
heads.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from .export import export
from .upscale_network import SCALES, UpscaleNetwork


class OneScale(nn.Module):
    """The network with one of its heads."""

    def __init__(self, network: UpscaleNetwork, scale: int) -> None:
        super().__init__()
        self.network, self.scale = network, scale

    def forward(self, picture: Tensor) -> Tensor:
        large: Tensor = self.network(picture, self.scale)
        return large


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="folder of a run")
    parser.add_argument("out", type=Path, help="folder for the files")
    options = parser.parse_args(arguments)
    state = torch.load(options.run / "last.pt", map_location="cpu", weights_only=True)
    network = UpscaleNetwork()
    network.load_state_dict(state["average"])
    options.out.mkdir(parents=True, exist_ok=True)
    about = {"licence": "Apache-2.0", "samples": str(state["samples"])}
    sizes = {"picture": {2: "height", 3: "width"}, "large": {2: "large height", 3: "large width"}}
    for scale in SCALES:
        path = options.out / f"upscale{scale}.onnx"
        export(OneScale(network, scale), {"picture": torch.zeros(1, 3, 32, 32)}, ["large"], path, about, sizes)
        print(f"{path}: {path.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
