"""The loop: ``python -m training.train SHARDS RUN``.

Warm-up, then a constant learning rate for as long as the run lasts, then a linear descent over its last part
(``--decay``): a run may be taken up again from ``RUN/last.pt`` and prolonged at any time. On a fresh machine
``--start`` takes the weights out of a shipped ONNX file instead.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from .calibrate import calibrate
from .export import weights_of
from .network import LiftNetwork, with_extents
from .optimiser import Optimiser
from .running import Running
from .schedule import Schedule, run_arguments
from .shards import HELD_BACK, LEARNED, Batch, Shards
from .silhouettes import silhouettes


def losses(network: LiftNetwork, batch: Batch, half: bool) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum to minimise, and its parts; ``half`` runs the decoder in bfloat16."""
    device = batch.picture.device.type
    features = network.encoder(batch.picture.contiguous(memory_format=torch.channels_last))
    with torch.autocast(device, torch.bfloat16, enabled=half):
        logits, colour, camera = network.decode(features, with_extents(batch.hint, batch.picture[:, 3]))
    colour, camera = colour.float(), camera.float()
    # Rays outside the matte are known to be empty: the engine clamps them, the network need not learn them.
    sample, row, column = rays = torch.nonzero(in_matte(batch.picture), as_tuple=True)
    mine, true = logits[sample, :, row, column].float(), batch.occupancy[sample, :, row, column].float() / 255
    cross = F.binary_cross_entropy_with_logits(mine, true)
    filled = torch.sigmoid(mine)
    count = len(batch.picture)
    overlap = filled.new_zeros(count).index_add(0, sample, (filled * true).sum(1))
    total = filled.new_zeros(count).index_add(0, sample, filled.sum(1) + true.sum(1))
    dice = 1 - (2 * overlap / (total + 1e-3)).mean()
    some = torch.randperm(logits.shape[1])[: logits.shape[1] // 2]
    drawn, shape = silhouettes(filled, true, rays, logits.shape[-1], batch.camera, steps=some)
    outline = 1 - (2 * (drawn * shape).sum((1, 2)) / (drawn.sum((1, 2)) + shape.sum((1, 2)) + 1e-3)).mean()
    rgb, shown, blend = colours_at(colour, batch.at, batch.picture)
    weight = 0.25 + 0.75 * batch.hidden
    difference = sum(
        gain * ((value - batch.rgb).abs().mean(-1) * weight).mean()
        for gain, value in ((0.5, rgb), (0.25, shown), (1.0, blend))
    )
    # Distances, not their squares: odd cameras that no picture tells would have the most to say.
    aim = (camera[:, :3] - batch.camera[:, :3]).norm(dim=1).mean() + (camera[:, 3:] - batch.camera[:, 3:]).abs().mean()
    parts = {"cross": cross, "dice": dice, "outline": outline, "colour": difference, "camera": aim}
    return 3 * cross + 0.5 * dice + outline + difference + aim, parts


def in_matte(picture: Tensor) -> Tensor:
    """(B, GRID, GRID) which rays of the frustums the matte does not leave empty."""
    return F.avg_pool2d(picture[:, 3:], 2)[:, 0] > 0.05


def colours_at(colour: Tensor, at: Tensor, picture: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Regressed colour, colour looked up elsewhere in the picture, and their blend, at (B, P, 3) points."""
    grid = at[:, :, None, None, :]
    found = F.grid_sample(colour, grid, align_corners=False, padding_mode="border")[..., 0, 0].transpose(1, 2)
    rgb = torch.sigmoid(found[..., :3])
    source = F.avg_pool2d(picture[:, :3] * 0.5 + 0.5, 2)
    places = (at[..., :2] + found[..., 3:5])[:, :, None, :]
    shown = F.grid_sample(source, places, align_corners=False, padding_mode="border")[..., 0].transpose(1, 2)
    trust = torch.sigmoid(found[..., 5:])
    return rgb, shown, trust * shown + (1 - trust) * rgb


@torch.no_grad()
def validate(network: LiftNetwork, shards: Shards, size: int, most: int = 384) -> dict[str, float]:
    """Mean loss parts over the validation shards, IoU of the volume within the matte, elevation error."""
    network.eval()
    sums: dict[str, list[float]] = {}
    for number, batch in enumerate(shards.batches(size, None)):
        if number * size >= most:
            break
        # The first half of each batch is told nothing of the camera, the second half everything.
        batch.hint[: size // 2] = 0
        _, parts = losses(network, batch, False)
        logits, _, camera = network(batch.picture, batch.hint)
        rays = in_matte(batch.picture)[:, None]
        mine, true = (logits > 0) & rays, (batch.occupancy > 127) & rays
        iou = (mine & true).sum((1, 2, 3)) / (mine | true).sum((1, 2, 3)).clamp(min=1)
        angle = torch.rad2deg(
            torch.asin(-camera[:, 2].clamp(-1, 1)) - torch.asin(-batch.camera[:, 2].clamp(-1, 1))
        ).abs()
        parts |= {
            "iou_blind": iou[: size // 2].mean(),
            "iou_told": iou[size // 2 :].mean(),
            "elevation": angle[: size // 2].median(),
        }
        for name, value in parts.items():
            sums.setdefault(name, []).append(float(value))
    network.train()
    return {name: round(float(np.mean(values)), 4) for name, values in sums.items()}


@torch.no_grad()
def picture_of(network: LiftNetwork, shards: Shards, path: Path, rows: int = 8) -> None:
    """Input, and the volume from above: the network's and the true one, a row for each of some objects."""
    batch = next(shards.batches(rows, None))
    batch.hint[:] = 0
    logits, _, _ = network(batch.picture, batch.hint)
    matte = F.avg_pool2d(batch.picture[:, 3:], 2)
    panels = [batch.picture[:, :3] * 0.5 + 0.5]
    for volume in (torch.sigmoid(logits) * matte, batch.occupancy / 255):
        for axis in (2, 3):
            flat = volume.amax(axis)
            panels.append(F.interpolate(flat[:, None], size=128).expand(-1, 3, -1, -1))
    sheet = torch.cat(panels, 3).permute(0, 2, 3, 1).reshape(rows * 128, -1, 3)
    Image.fromarray((sheet.clamp(0, 1).numpy() * 255).astype(np.uint8)).save(path)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    run_arguments(parser, rate=8e-4, decay=0.2)
    parser.add_argument("--half", action="store_true", help="decoder in bfloat16")
    parser.add_argument("--start", type=Path, help="ONNX file to take the weights from")
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    options.run.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)

    def begin(network: LiftNetwork) -> None:
        if options.start is not None:
            network.load_state_dict(weights_of(options.start))
        else:
            network.encoder.load_imagenet()

    run = Running(
        options.run, LiftNetwork(), begin, lambda network: Optimiser(network, options.rate, encoder=0.4), keep=0.999
    )
    training, checking = Shards(options.shards, LEARNED), Shards(options.shards, HELD_BACK)
    print(f"{len(training)} training and {len(checking)} validation samples; starting at {run.samples}", flush=True)
    schedule, recent = Schedule(options, warm=200), []
    for batch in training.batches(options.batch, seed=run.samples + 1):
        schedule.step(run.optimiser)
        loss, parts = losses(run.network, batch, options.half)
        run.learn(loss, len(batch.picture))
        recent.append({k: float(v.detach()) for k, v in parts.items()} | {"loss": float(loss.detach())})
        if schedule.due:
            means = {k: round(float(np.mean([r[k] for r in recent])), 4) for k in recent[0]}
            calibrate(run.average, training)
            picture_of(run.average, checking, options.run / "validation.png")
            schedule.log(run.samples, means, validate(run.average, checking, options.batch))
            run.save()
            recent = []
        if schedule.ended:
            break


if __name__ == "__main__":
    main()
