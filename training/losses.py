"""What the network is asked for: cells and layers along rays, outlines from other sides, colours, the camera."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from .grid import BINS, RAYS
from .network import LiftNetwork, with_extents
from .outlines import outlines
from .sampler import Batch


def losses(
    network: LiftNetwork, batch: Batch, rays: int, half: bool, outline: float = 0.0
) -> tuple[Tensor, dict[str, Tensor]]:
    """The sum to minimise, and its parts.

    Args:
        rays: how many of a picture's rays to compare; they are drawn from inside the matte, since the engine leaves
            all others empty.
        half: run the network in bfloat16 (on a processor the decoder only: its depthwise convolutions get slower).
        outline: weight of the outlines from random sides; nothing is drawn where it is 0.
    """
    device = batch.picture.device.type
    picture = batch.picture.contiguous(memory_format=torch.channels_last)
    with torch.autocast(device, torch.bfloat16, enabled=half and device == "cuda"):
        features = network.encoder(picture)
    with torch.autocast(device, torch.bfloat16, enabled=half):
        cells, layers, colour, camera = network.decode(features, with_extents(batch.hint, batch.picture[:, 3]))
    colour, camera = colour.float(), camera.float()

    matte = (batch.picture[:, 3] > 0.05).flatten(1)
    chosen = (torch.rand(matte.shape, device=matte.device) + matte).topk(rays, 1).indices
    valid = torch.gather(matte, 1, chosen).float()
    mine = torch.gather(cells.flatten(2), 2, chosen[:, None].expand(-1, BINS, -1)).float()
    depths = torch.gather(layers.flatten(2), 2, chosen[:, None].expand(-1, 2, -1)).float()
    mine = mine + network.gain * network.solid(depths, network.steps.reshape(1, BINS, 1), 1)
    true = torch.gather(batch.occupancy.flatten(1, 2), 1, chosen[:, :, None].expand(-1, -1, BINS))
    true = true.transpose(1, 2).float() / 255
    share = valid / valid.sum(1, keepdim=True).clamp(min=1)
    cross = (F.binary_cross_entropy_with_logits(mine, true, reduction="none").mean(1) * share).sum(1).mean()
    filled = torch.sigmoid(mine) * valid[:, None]
    overlap = (filled * true).sum((1, 2))
    dice = 1 - (2 * overlap / (filled.sum((1, 2)) + true.sum((1, 2)) + 1e-3)).mean()
    layer = ((depths - layers_of(true)).abs().sum(1) * share * (true.amax(1) > 0.5)).sum(1).mean()
    rgb, shown, blend = colours_at(colour, batch.at, batch.picture)
    weight = 0.25 + 0.75 * batch.hidden
    difference = sum(
        gain * ((value - batch.rgb).abs().mean(-1) * weight).mean()
        for gain, value in ((0.5, rgb), (0.25, shown), (1.0, blend))
    )
    # Distances, not their squares: odd cameras that no picture tells would have the most to say.
    aim = (camera[:, :3] - batch.camera[:, :3]).norm(dim=1).mean() + (camera[:, 3:] - batch.camera[:, 3:]).abs().mean()
    parts = {"cross": cross, "dice": dice, "layer": layer, "colour": difference, "camera": aim}
    total = 3 * cross + 0.5 * dice + 0.5 * layer + difference + aim
    if outline:
        some = slice(0, (len(cells) + 1) // 2)
        logits = cells[some].float() + network.gain * network.solid(layers[some].float(), network.steps, 1)
        volume = torch.sigmoid(logits) * matte[some].reshape(-1, 1, RAYS, RAYS)
        drawn, shape = outlines(volume, batch.occupancy[some], batch.camera[some])
        parts["outline"] = 1 - (2 * (drawn * shape).sum(1) / (drawn.sum(1) + shape.sum(1) + 1e-3)).mean()
        total = total + outline * parts["outline"]
    return total, parts


def layers_of(true: Tensor) -> Tensor:
    """(B, 2, N) depths where the first and the last full cell of (B, BINS, N) begins and ends."""
    full = (true > 0.5).to(torch.uint8)
    first = full.argmax(1)
    last = BINS - full.flip(1).argmax(1)
    return torch.stack([first, last], 1) * (2 / BINS) - 1


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
def measure(network: LiftNetwork, batch: Batch, half: bool) -> dict[str, float]:
    """Overlap of the volumes (all, told nothing of the camera, told all) and the elevation's median error, degrees."""
    network.eval()
    told = torch.cat([batch.camera, torch.ones_like(batch.camera[:, :2])], 1)
    matte = batch.picture[:, 3:] > 0.05
    true = batch.occupancy.permute(0, 3, 1, 2) > 127
    found = {}
    for name, hint in (("blind", torch.zeros_like(told)), ("told", told)):
        ious, angles = [], []
        for i in range(0, len(told), 64):
            some = slice(i, i + 64)
            with torch.autocast(batch.picture.device.type, torch.bfloat16, enabled=half):
                logits, _, camera = network(batch.picture[some], hint[some])
            mine = (logits > 0) & matte[some]
            both, either = (mine & true[some]).sum((1, 2, 3)), (mine | true[some]).sum((1, 2, 3))
            ious.append(both / either.clamp(min=1))
            up, aim = camera[:, 2].float(), batch.camera[some, 2]
            angles.append(torch.rad2deg(torch.asin(-up.clamp(-1, 1)) - torch.asin(-aim.clamp(-1, 1))).abs())
        found[f"iou_{name}"] = round(float(torch.cat(ious).mean()), 4)
        if name == "blind":
            found["elevation"] = round(float(torch.cat(angles).median()), 2)
    network.train()
    return found
