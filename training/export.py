"""Write a run's averaged weights as the shipped file: ``python -m training.export RUN/last.pt SHARDS OUT.onnx``.

Parameters keep their names and are stored in half precision, so the file is also what training resumes from
on a fresh machine (``training.train --start OUT.onnx``).
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from .calibrate import calibrate
from .network import LiftNetwork
from .shards import LEARNED, Shards


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    """The network's parameters, by name, out of an exported file."""
    model = onnx.load(path)
    stored = {
        entry.name: torch.from_numpy(numpy_helper.to_array(entry).astype(np.float32))
        for entry in model.graph.initializer
    }
    own = LiftNetwork().state_dict()
    return {
        name: stored.get(f"half.{name}", stored.get(name, value))  # counters of batch norms are not stored
        for name, value in own.items()
    }


def export(
    network: torch.nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: list[str],
    path: Path,
    about: dict[str, str],
    sizes: dict[str, dict[int, str]] | None = None,
) -> None:
    """Export in evaluation mode, weights as float16 with a cast in front of each.

    Args:
        inputs: examples by name; their sizes are fixed but for the axes named in ``sizes``.
        about: metadata written into the file.
    """
    network = network.eval().to(memory_format=torch.contiguous_format)
    torch.onnx.export(
        network,
        tuple(inputs.values()),
        str(path),
        dynamo=False,
        opset_version=17,
        do_constant_folding=False,
        input_names=list(inputs),
        output_names=outputs,
        dynamic_axes=sizes,
    )
    model = onnx.load(path)
    casts, kept = [], []
    for entry in model.graph.initializer:
        value = numpy_helper.to_array(entry)
        if value.dtype == np.float32 and value.size > 256:
            half = numpy_helper.from_array(value.astype(np.float16), f"half.{entry.name}")
            kept.append(half)
            casts.append(helper.make_node("Cast", [half.name], [entry.name], to=TensorProto.FLOAT))
        else:
            kept.append(entry)
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(casts + nodes)
    for key, value in about.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model)
    onnx.save(model, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("shards", type=Path, help="to measure the batch norms' statistics on")
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    state = torch.load(options.checkpoint, map_location="cpu", weights_only=True)
    network = LiftNetwork()
    network.load_state_dict(state["average"])
    calibrate(network, Shards(options.shards, LEARNED), batches=64)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    inputs = {"picture": torch.zeros(1, 4, 128, 128), "hint": torch.zeros(1, 7)}
    about = {"samples": str(state["samples"]), "steps": str(state["step"])}
    export(network, inputs, ["occupancy", "colour", "camera"], options.out, about)
    back = weights_of(options.out)
    worst = max(float((back[k] - v).abs().max()) for k, v in network.state_dict().items() if v.is_floating_point())
    print(
        json.dumps(
            {
                "samples": state["samples"],
                "megabytes": round(options.out.stat().st_size / 1e6, 1),
                "largest_rounding": worst,
            }
        )
    )


if __name__ == "__main__":
    main()
