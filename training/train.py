"""The loop, on a processor or a GPU: ``python -m training.train PARTS RUN --seconds 420 --device cuda``.

Warm-up, a constant learning rate, then a descent over the last part (``--decay``) of the time given. A run may be
taken up again from ``RUN/last.pt``; on a fresh machine ``--start`` takes what fits out of a shipped ONNX file or
a file of weights, and says what did not. At the end the averaged weights are calibrated, measured on the validation
objects and written in half precision, in pieces of at most 15 MB (``RUN/weights-0.pt``, …).
"""

from __future__ import annotations

import argparse
import copy
import json
import time
from pathlib import Path

import torch
from torch import Tensor, nn

from .losses import losses, measure
from .network import LiftNetwork
from .optimiser import Optimiser
from .plan import plan
from .prefetch import prefetched
from .sampler import Batch, Objects, Sampler
from .weights import load_fitting, read_weights, write_weights


@torch.no_grad()
def calibrate(network: nn.Module, batches: list[Batch], half: bool) -> None:
    """Measure the batch norms' statistics anew: those of averaged weights are nobody's average."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over the batches
    network.train()
    for batch in batches:
        with torch.autocast(batch.picture.device.type, torch.bfloat16, enabled=half):
            network(batch.picture, batch.hint)
    for norm in norms:
        norm.momentum = 0.1
    network.eval()


def rate_at(done: float, step: int, options: argparse.Namespace) -> float:
    """The learning rate after a share of the run's time."""
    falling = min(1.0, max(0.0, 1 - done) / max(options.decay, 1e-6))
    return float(options.rate * min(1.0, (step + 1) / options.warm) * falling)


def arguments() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", type=Path, help="folder of what training.pack wrote")
    parser.add_argument("run", type=Path)
    parser.add_argument("--seconds", type=float, default=3600, help="how long to train; setting up is not counted")
    parser.add_argument("--samples", type=int, help="end after this many samples, if the seconds last")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rays", type=int, default=3072, help="of each picture that the loss looks at")
    parser.add_argument("--rate", type=float, default=8e-4)
    parser.add_argument("--warm", type=int, default=200, help="steps of warm-up")
    parser.add_argument("--decay", type=float, default=0.4, help="last share of the time with a falling learning rate")
    parser.add_argument("--outlines", type=float, default=0.45, help="share of the time after which outlines count")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--every", type=float, default=240, help="seconds between validations")
    parser.add_argument("--start", type=Path, help="ONNX file or file of weights to start from")
    parser.add_argument("--half", action="store_true", help="bfloat16")
    parser.add_argument("--realistic", type=Path, help="names of objects to show twice as often, a line each")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--dry-run", action="store_true", help="say what would be sent and how long it should take")
    return parser


def main(given: list[str] | None = None) -> None:
    options = arguments().parse_args(given)
    parts = sorted(options.parts.rglob("part-*.xz"))
    if not parts:
        raise SystemExit(f"{options.parts} holds no part-*.xz: make them with training.pack.")
    if options.dry_run:
        print(plan(parts, options.start, options.seconds, options.device))
        return
    device = torch.device(options.device)
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    torch.backends.cudnn.benchmark = True
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    options.run.mkdir(parents=True, exist_ok=True)
    began = time.time()
    network, last = LiftNetwork(), options.run / "last.pt"
    resumed = torch.load(last, weights_only=True) if last.exists() else None
    if resumed is not None:
        network.load_state_dict(resumed["network"])
    elif options.start is not None:
        print("not in the start file:", ", ".join(load_fitting(network, read_weights(options.start))) or "nothing")
    else:
        network.encoder.load_imagenet()
    network = network.to(device, memory_format=torch.channels_last)
    average = copy.deepcopy(network).requires_grad_(False)
    optimiser = Optimiser(network, options.rate, encoder=0.4)
    step = samples = 0
    if resumed is not None:
        average.load_state_dict(resumed["average"])
        optimiser.load_state_dict(resumed["optimiser"])
        step, samples = resumed["step"], resumed["samples"]
    names = frozenset(options.realistic.read_text().split()) if options.realistic else frozenset()
    workers = 16 if device.type == "cuda" else 2
    training = Objects(parts, ("train", "shape"), device, names, workers)
    checking = Objects(parts, ("val",), device, processes=workers)
    fixed = Sampler(checking, len(checking), seed=1, augment=False)
    validation = fixed.draw(torch.arange(len(checking)).numpy())
    batches = prefetched(Sampler(training, options.batch, seed=options.seed + samples + 1), device)
    print(
        f"{len(training)} objects, {len(checking)} to validate on; ready after {time.time() - began:.0f} s", flush=True
    )

    steady = list(average.parameters()), list(network.parameters())
    begun = shown = time.time()
    seen, recent, first, earlier = 0, [], step, samples
    ended = False
    while not ended:
        done = (time.time() - begun) / options.seconds
        if options.samples:
            done = max(done, (samples + options.batch - earlier) / options.samples)
        rate = rate_at(done, step - first, options)
        for group in optimiser.param_groups:
            group["lr"] = rate * group["scale"]
        batch = next(batches)
        loss, pieces = losses(network, batch, options.rays, options.half, float(done > options.outlines))
        optimiser.zero_grad()
        loss.backward()
        pieces["norm"] = nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        step, samples, seen = step + 1, samples + len(batch.picture), seen + len(batch.picture)
        keep = min(0.999, (1 + step) / (10 + step))
        with torch.no_grad():
            torch._foreach_lerp_(*steady, 1 - keep)
        recent.append({k: v.detach() for k, v in pieces.items()} | {"loss": loss.detach()})
        ended = done >= 1
        if ended or time.time() - shown > options.every:
            means = _means(recent)
            calibrate(average, [next(batches) for _ in range(12)], options.half)
            line = {
                "samples": samples,
                "seconds": round(time.time() - begun, 1),
                "rate": round(rate, 6),
                "per_second": round(seen / (time.time() - shown), 1),
                "train": means,
                "val": measure(average, validation, options.half),
            }
            with open(options.run / "log.jsonl", "a") as log:
                log.write(json.dumps(line) + "\n")
            print(json.dumps(line), flush=True)
            write_weights(average, options.run, {"samples": samples, "steps": step})
            if device.type == "cpu":
                _save(last, network, average, optimiser, step, samples)
            shown, seen, recent = time.time(), 0, []
    batches.close()


def _means(recent: list[dict[str, Tensor]]) -> dict[str, float]:
    keys = recent[-1]
    return {k: round(float(torch.stack([r[k] for r in recent if k in r]).mean()), 4) for k in keys}


def _save(path: Path, network: nn.Module, average: nn.Module, optimiser: Optimiser, step: int, samples: int) -> None:
    """Write whole or not at all."""
    state = {"network": network.state_dict(), "average": average.state_dict(), "optimiser": optimiser.state_dict()}
    torch.save(state | {"step": step, "samples": samples}, path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)


if __name__ == "__main__":
    main()
