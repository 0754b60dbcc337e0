"""The matte network and its loop: ``python -m training.matte SHARDS BACKGROUNDS RUN``.

EfficientNet-Lite0 and a light top-down decoder find the object in a whole photograph. Pictures are put together
as they are needed: an object with its cast shadow (:mod:`training.matte_data`) before a photograph or a made-up
studio, room or clutter, then exposed, blurred and compressed as cameras do. Composites are not photographs: with
``--held`` a share of every batch are crops of pictures that are none, on which the network is held to what it said
before this run (Hinton et al. 2015, "Distilling the Knowledge in a Neural Network").
"""

from __future__ import annotations

import argparse
import math
import zlib
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from .running import Running, adamw
from .schedule import Schedule, prepared, run_arguments
from .shards import Packed
from .u2net import MEAN, SIDE, SPREAD, MatteNetwork
from .weights import write_weights


def smooth_noise(rng: np.random.Generator, side: int, cells: int) -> np.ndarray:
    """(side, side, 3) in about [-1, 1], varying over ``cells`` cells."""
    coarse = rng.normal(0, 0.5, (cells + 1, cells + 1, 3)).astype(np.float32)
    return cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC)


def background(rng: np.random.Generator, photographs: list[np.ndarray], horizon: float) -> tuple[np.ndarray, bool]:
    """(SIDE, SIDE, 3) in [0, 1], and whether it has a floor that takes shadows."""
    kind = rng.random()
    y = (np.arange(SIDE, dtype=np.float32) + 0.5) / SIDE * 2 - 1
    if kind < 0.3:
        photo = photographs[rng.integers(len(photographs))]
        side = int(min(photo.shape[:2]) * rng.uniform(0.4, 1))
        top, left = (int(rng.integers(0, n - side + 1)) for n in photo.shape[:2])
        picture = cv2.resize(photo[top : top + side, left : left + side], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        picture = picture.astype(np.float32) / 255
        return (picture[:, ::-1] if rng.random() < 0.5 else picture), bool(rng.random() < 0.6)
    grey = rng.random() < 0.6
    first = np.clip(rng.uniform(0.1, 1.0) ** 0.6 + rng.normal(0, 0.01 if grey else 0.15, 3), 0, 1).astype(np.float32)
    picture = np.tile(first, (SIDE, SIDE, 1))
    if kind < 0.4:
        return picture, bool(rng.random() < 0.7)
    if kind < 0.7:  # studio paper: a gradient and a vignette
        slope = rng.normal(0, 0.12, (2, 3)) if not grey else rng.normal(0, 0.12, (2, 1))
        centre = rng.normal(0, 0.3, 2)
        picture += y[:, None, None] * slope[0] + y[None, :, None] * slope[1]
        picture -= rng.uniform(0, 0.18) * ((y[:, None, None] - centre[0]) ** 2 + (y[None, :, None] - centre[1]) ** 2)
    else:  # a wall and a floor, with or without a pattern
        second = np.clip(first + rng.normal(0, 0.2, 1 if grey else 3), 0, 1)
        edge = max(horizon, -1.2) + abs(rng.normal(0, 0.35))
        soft = rng.uniform(0.004, 0.3)
        picture += (1 / (1 + np.exp(-np.clip((y - edge) / soft, -30, 30))))[:, None, None] * (second - first)
        if rng.random() < 0.5:
            x, z = np.meshgrid(y, y)
            turn, often = rng.uniform(0, np.pi), rng.uniform(8, 60)
            wave = np.sin((np.cos(turn) * x + np.sin(turn) * z) * often + rng.uniform(0, 6))
            picture += (wave if rng.random() < 0.5 else np.sign(wave))[..., None] * rng.uniform(0.01, 0.12)
    if rng.random() < 0.5:
        picture += smooth_noise(rng, SIDE, int(rng.integers(2, 40))) * rng.uniform(0.02, 0.2)
    return picture, bool(rng.random() < 0.85)


class Composites(Packed):
    """Endless pictures of objects before backgrounds."""

    maker = "training.matte_data"

    def __init__(self, folder: Path, name: str, photographs: list[np.ndarray]) -> None:
        super().__init__(folder, (name,))
        self.photographs = photographs

    def sample(self, i: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Photograph (3, SIDE, SIDE) in [-1, 1] and alpha (1, SIDE, SIDE)."""
        rgba, (darkened, _), camera = self.parts(i)
        dark = np.frombuffer(zlib.decompress(darkened), np.uint8).astype(np.float32) / 255
        dark = dark.reshape(math.isqrt(dark.size), -1)
        colour, alpha = rgba[..., :3], rgba[..., 3:]
        if rng.random() < 0.5:
            colour = colour[..., rng.permutation(3)]
        colour = np.clip(colour * rng.uniform(0.7, 1.25) + rng.normal(0, 0.04, 3), 0, 1) ** rng.uniform(0.7, 1.4)
        behind, floor = background(rng, self.photographs, float(camera[0]))
        behind = np.clip(behind, 0, 1)
        if floor:
            shade = cv2.resize(cv2.GaussianBlur(dark, (0, 0), rng.uniform(0.3, 2.5)), (SIDE, SIDE))[..., None]
            behind = behind * (1 - np.clip(rng.uniform(0.3, 1.1) * shade, 0, 0.95) * rng.uniform(0.85, 1, 3))
        if rng.random() < 0.4:
            behind = cv2.GaussianBlur(behind.astype(np.float32), (0, 0), rng.uniform(0.4, 3))
        picture = colour * alpha + behind * (1 - alpha)
        if rng.random() < 0.5:
            picture, alpha = picture[:, ::-1], alpha[:, ::-1]
        picture = np.clip(picture * rng.uniform(0.75, 1.2) + rng.normal(0, rng.uniform(0, 0.02), picture.shape), 0, 1)
        if rng.random() < 0.35:
            picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.3, 1.0))
        small = (picture * 255 + 0.5).astype(np.uint8)
        if rng.random() < 0.4:
            small = cv2.imdecode(
                cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(50, 95))])[1], 1
            )
        ready = np.ascontiguousarray((small.astype(np.float32) / 127.5 - 1).transpose(2, 0, 1))
        return ready, np.ascontiguousarray(alpha.transpose(2, 0, 1), np.float32)

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Endless shuffled batches, smaller where there are fewer objects."""
        rng, size = np.random.default_rng(seed), min(size, len(self))
        while True:
            order = rng.permutation(len(self))
            for start in range(0, len(order) - size + 1, size):
                columns = zip(*[self.sample(int(i), rng) for i in order[start : start + size]], strict=True)
                photograph, alpha = (torch.from_numpy(np.stack(c)) for c in columns)
                yield photograph, alpha


class Held:
    """Endless crops of pictures that are no composites.

    Args:
        folders: of JPEG and PNG files; transparent ones are put before an even ground.
    """

    def __init__(self, folders: list[Path]) -> None:
        paths = sorted(p for folder in folders for p in folder.iterdir() if p.suffix in (".jpg", ".png"))
        self.pictures = [Image.open(p).convert("RGBA") for p in paths]
        for picture in self.pictures:
            picture.thumbnail((3 * SIDE, 3 * SIDE))

    def batch(self, size: int, rng: np.random.Generator) -> Tensor:
        """(size, 3, SIDE, SIDE) in [-1, 1]."""
        return torch.from_numpy(np.stack([self._crop(rng) for _ in range(size)]))

    def _crop(self, rng: np.random.Generator) -> np.ndarray:
        rgba = np.asarray(self.pictures[rng.integers(len(self.pictures))], np.float32)
        rows, columns = (slice((cut := int(n * rng.uniform(0, 0.15))), n - int(n * 0.15) + cut) for n in rgba.shape[:2])
        if rng.random() < 0.5:
            rgba = rgba[rows, columns]
        rgba = cv2.resize(rgba, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        alpha = rgba[..., 3:] / 255
        picture = rgba[..., :3] * alpha + rng.uniform(90, 255) * (1 - alpha)
        picture = np.clip(picture * rng.uniform(0.8, 1.2), 0, 255) / 127.5 - 1
        if rng.random() < 0.5:
            picture = picture[:, ::-1]
        return np.ascontiguousarray(picture.transpose(2, 0, 1), np.float32)


class Batches(IterableDataset[tuple[Tensor, Tensor]]):
    """Endless batches for a loader: (B + few, 3, SIDE, SIDE) photographs, the last ``few`` held, and (B, 1, …) alpha.

    Args:
        seed: of the run; each of a loader's processes adds its number.
    """

    def __init__(self, training: Composites, held: Held | None, size: int, few: int, seed: int) -> None:
        self._training, self._held, self._size, self._few, self._seed = training, held, size, few, seed

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        worker = get_worker_info()
        seed = self._seed + (100_000 * worker.id if worker else 0)
        rng = np.random.default_rng((seed, 1))
        for photograph, alpha in self._training.batches(self._size, seed):
            if self._held:
                photograph = torch.cat([photograph, self._held.batch(self._few, rng)])
            yield photograph, alpha


def as_seen(photograph: Tensor) -> Tensor:
    """(B, 3, S, S) in [-1, 1] as the network takes it: brightest value 1, ImageNet's mean and spread."""
    bright = photograph * 0.5 + 0.5
    bright = bright / bright.amax((1, 2, 3), keepdim=True).clamp(min=1e-3)
    mean, spread = (torch.tensor(v, device=bright.device)[:, None, None] for v in (MEAN, SPREAD))
    return (bright - mean) / spread


def losses(logits: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """Cross entropy (heavier at the outline) plus soft IoU, of all heads; and the first one's IoU of the cut."""
    edge = F.max_pool2d(alpha, 9, 1, 4) + F.max_pool2d(-alpha, 9, 1, 4)
    true = alpha.expand_as(logits)
    cross = F.binary_cross_entropy_with_logits(logits, true, reduction="none")
    found = torch.sigmoid(logits)
    shared, either = (found * true).sum((2, 3)), (found + true - found * true).sum((2, 3))
    hard, sure = logits[:, :1] > 0, alpha > 0.5
    iou = (hard & sure).sum((1, 2, 3)) / (hard | sure).sum((1, 2, 3)).clamp(min=1)
    return (cross * (1 + 2 * edge)).mean() + 0.5 * (1 - shared / either).mean(), iou.mean()


def split_photographs(folder: Path) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Photographs to train with, and every sixth (by scene) to validate with."""
    paths = sorted(p for p in folder.iterdir() if p.suffix == ".jpg")
    scene = {
        p: zlib.crc32(p.stem.rsplit("_", 1)[0].encode() if "hdri" in p.stem else p.stem.encode()) % 6 for p in paths
    }
    pictures = {p: np.asarray(Image.open(p).convert("RGB")) for p in paths}
    return [pictures[p] for p in paths if scene[p]], [pictures[p] for p in paths if not scene[p]]


@torch.no_grad()
def validate(network: MatteNetwork, checking: Composites, batches: int = 2) -> dict[str, float]:
    """Loss and IoU on unseen families of objects before unseen photographs, always the same pictures."""
    network.eval()
    device = next(network.parameters()).device
    found = [
        losses(network(as_seen(p.to(device))), a.to(device))
        for (p, a), _ in zip(checking.batches(16, 7), range(batches), strict=False)
    ]
    network.train()
    return {k: round(float(np.mean([float(f[i]) for f in found])), 4) for i, k in enumerate(("loss", "iou"))}


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("backgrounds", type=Path, help="folder of photographs")
    parser.add_argument("--start", type=Path, help="the published u2netp.onnx to start from, see training.u2net")
    parser.add_argument("--held", type=Path, nargs="+", default=[], help="folders of pictures that are no composites")
    parser.add_argument("--share", type=float, default=0.35, help="of each batch that is such pictures")
    parser.add_argument("--half", action="store_true", help="bfloat16")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=0, help="processes that make pictures; 0: this one")
    run_arguments(parser, rate=1e-4, decay=0.5)
    options = parser.parse_args(arguments)
    if options.held and options.start is None:
        parser.error("--held needs --start: what the network is held to.")
    prepared(options)
    known, unknown = split_photographs(options.backgrounds)
    training, checking = Composites(options.shards, "matte", known), Composites(options.shards, "matteval", unknown)

    def optimiser_of(network: MatteNetwork) -> torch.optim.AdamW:
        return adamw(network, options.rate, 0.98, 0.01)

    def begin(network: MatteNetwork) -> None:
        if options.start is not None:
            network.load_published(options.start)

    device = torch.device(options.device)
    run = Running(options.run, MatteNetwork(), begin, optimiser_of, keep=0.998, buffers=True, device=device)
    teacher = MatteNetwork().requires_grad_(False)
    begin(teacher)
    teacher = teacher.to(device, memory_format=torch.channels_last)
    held = Held(options.held) if options.held else None
    few = max(1, round(options.batch * options.share)) if held else 0
    made = Batches(training, held, options.batch - few, few, seed=run.step + 1)
    loader = DataLoader(made, None, num_workers=options.workers, pin_memory=device.type == "cuda")
    schedule, recent = Schedule(options, warm=100), []
    for pictures, alpha in loader:
        schedule.step(run.optimiser)
        seen = as_seen(pictures.to(device, non_blocking=True)).contiguous(memory_format=torch.channels_last)
        alpha = alpha.to(device, non_blocking=True)
        with torch.autocast(device.type, torch.bfloat16, enabled=options.half):
            logits = run.network(seen).float()
            said = torch.sigmoid(teacher(seen[len(alpha) :]).float()) if few else logits[:0]
        loss, iou = losses(logits[: len(alpha)], alpha)
        apart = F.binary_cross_entropy_with_logits(logits[len(alpha) :], said) if few else loss.detach() * 0
        run.learn(loss + 2 * apart, len(alpha))
        recent.append(torch.stack([loss.detach(), iou, apart.detach()]))
        if schedule.due:
            means = [round(float(v), 4) for v in torch.stack(recent).mean(0)]
            schedule.log(run.samples, means, validate(run.average, checking))
            run.save()
            write_weights(run.average, options.run, {"samples": run.samples})
            recent = []
        if schedule.ended:
            break


if __name__ == "__main__":
    main()
