"""The upscaling network's loop: ``python -m training.upscale SHARDS BACKGROUNDS RUN``.

Large pictures are windows of rendered objects (:mod:`training.upscale_data`) before photographs and plain paper,
photographs themselves, outlines, and drawn letters. They are made small as cameras, editors and shops do: several
kernels, some blur, noise and JPEG. The network learns the way back.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from .matte import smooth_noise, split_photographs
from .running import Running, adamw
from .schedule import Schedule, prepared, run_arguments
from .shards import Packed
from .upscale_network import SCALES, UpscaleNetwork

PATCH = 32
"""Side of the small pictures."""
MARGIN = 4
"""Around them, so that kernels see what lies outside."""
KERNELS = (
    (Image.Resampling.BICUBIC, 0.3),
    (Image.Resampling.LANCZOS, 0.2),
    (Image.Resampling.BOX, 0.25),
    (Image.Resampling.BILINEAR, 0.15),
    (Image.Resampling.HAMMING, 0.1),
)


def window(rng: np.random.Generator, picture: np.ndarray, side: int) -> np.ndarray:
    """A random (side, side, C) part, turned and mirrored."""
    top, left = (int(rng.integers(0, n - side + 1)) for n in picture.shape[:2])
    part = np.rot90(picture[top : top + side, left : left + side], rng.integers(4))
    return part[:, ::-1] if rng.random() < 0.5 else part


def photograph(
    rng: np.random.Generator, photographs: list[np.ndarray], side: int, often: np.ndarray | None = None
) -> np.ndarray:
    """(side, side, 3) in [0, 1] of a photograph, often made smaller first: that sharpens soft ones.

    Args:
        often: shares of the photographs; else all alike.
    """
    photo = photographs[rng.choice(len(photographs), p=often)]
    least = side / min(photo.shape[:2])
    share = max(least, rng.uniform(0.35, 1)) if least < 1 else least
    height, width = (max(side, round(n * share)) for n in photo.shape[:2])
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA if share < 1 else cv2.INTER_CUBIC)
    return window(rng, small, side).astype(np.float32) / 255


def paper(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) plain or with a soft gradient."""
    colour = rng.uniform(0, 1, 3) if rng.random() < 0.5 else np.full(3, rng.choice([0.0, 0.5, 0.95, 1.0, 1.0]))
    plain = np.tile(colour.astype(np.float32), (side, side, 1))
    return plain if rng.random() < 0.6 else plain + smooth_noise(rng, side, int(rng.integers(1, 5))) * np.float32(0.1)


def drawing(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side, 3) letters, lines and discs as on packages and labels, drawn large and made smaller."""
    ground, *inks = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(4))
    sheet = Image.new("RGB", (2 * side, 2 * side), ground)
    draw = ImageDraw.Draw(sheet)
    for _ in range(int(rng.integers(4, 12))):
        x, y, u, v = (int(n) for n in rng.integers(-20, 2 * side, 4))
        ink, wide = inks[rng.integers(3)], int(rng.integers(2, 14))
        kind = rng.integers(4)
        if kind == 0:
            draw.line((x, y, u, v), ink, wide)
        elif kind == 1:
            draw.ellipse((min(x, u), min(y, v), max(x, u), max(y, v)), outline=ink, width=wide)
        else:
            letters = "".join(chr(c) for c in rng.integers(33, 127, 8))
            draw.text((x - 40, y), letters, ink, ImageFont.load_default(float(rng.uniform(14, 120))))
    return np.asarray(sheet.resize((side, side), Image.Resampling.BOX), np.float32) / 255


def shrunk(rng: np.random.Generator, large: np.ndarray, scale: int, clean: bool = False) -> np.ndarray:
    """(H, W, 3) uint8 made ``scale`` times smaller, by bicubic alone where ``clean``."""
    if clean:
        kernel = Image.Resampling.BICUBIC
    else:
        kernel = KERNELS[rng.choice(len(KERNELS), p=[share for _, share in KERNELS])][0]
        if rng.random() < 0.25:
            large = cv2.GaussianBlur(large, (0, 0), scale * rng.uniform(0.1, 0.4))
    height, width = large.shape[:2]
    small = np.asarray(Image.fromarray(large).resize((width // scale, height // scale), kernel))
    if clean:
        return small
    if rng.random() < 0.15:
        grain = rng.normal(0, rng.uniform(0.5, 6), (*small.shape[:2], 3 if rng.random() < 0.6 else 1))
        small = np.clip(small + grain + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < 0.3:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(55, 97))]
        small = np.asarray(cv2.imdecode(cv2.imencode(".jpg", small, quality)[1], 1))
    return small


class Pairs(Packed):
    """Endless small pictures and what they were made from."""

    maker = "training.upscale_data"

    def __init__(self, folder: Path, name: str, photographs: list[np.ndarray]) -> None:
        super().__init__(folder, (name,))
        self.photographs = photographs
        detail = np.array([np.abs(np.diff(photo.astype(np.int16), axis=1)).mean() for photo in photographs])
        self.often = detail / detail.sum()

    def large(self, rng: np.random.Generator, side: int) -> np.ndarray:
        """(side, side, 3) uint8."""
        kind = rng.random()
        if kind < 0.55:
            picture = photograph(rng, self.photographs, side, self.often)
        elif kind < 0.6:
            picture = drawing(rng, side)
        else:
            rgba = window(rng, self.parts(int(rng.integers(len(self))))[0], side)
            alpha = rgba[..., 3:]
            if kind < 0.68:  # an outline: transparency is made larger by the same network
                picture = np.repeat(alpha, 3, 2)
            else:
                behind = paper(rng, side) if rng.random() < 0.65 else photograph(rng, self.photographs, side)
                picture = rgba[..., :3] * alpha + behind * (1 - alpha)
        picture = picture[..., rng.permutation(3)]
        if rng.random() < 0.3:
            picture = picture * rng.uniform(0.5, 1.2, 3)
        return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)

    def sample(self, rng: np.random.Generator, scale: int, clean: bool) -> tuple[np.ndarray, np.ndarray]:
        """(3, PATCH, PATCH) and (3, scale·PATCH, scale·PATCH), uint8."""
        large = np.ascontiguousarray(self.large(rng, (PATCH + 2 * MARGIN) * scale))
        small = shrunk(rng, large, scale, clean)
        inner, wide = np.s_[MARGIN:-MARGIN, MARGIN:-MARGIN], scale * MARGIN
        return small[inner].transpose(2, 0, 1), large[wide:-wide, wide:-wide].transpose(2, 0, 1)

    def batch(self, rng: np.random.Generator, size: int, scale: int, clean: bool = False) -> tuple[Tensor, Tensor]:
        """``size`` pairs in [0, 1]."""
        pairs = [self.sample(rng, scale, clean) for _ in range(size)]
        small, large = (torch.from_numpy(np.stack(part)).float() / 255 for part in zip(*pairs, strict=True))
        return small.contiguous(memory_format=torch.channels_last), large

    def batches(self, size: int, seed: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Endless batches, each of one scale; half of them four times as large."""
        rng = np.random.default_rng(seed)
        while True:
            scale = int(rng.choice(SCALES, p=[0.25, 0.25, 0.5]))
            yield *self.batch(rng, size, scale), scale


def decibels(found: Tensor, true: Tensor) -> float:
    """Mean PSNR over pictures."""
    error = ((found.clamp(0, 1) - true) ** 2).mean((1, 2, 3)).clamp(min=1e-6)
    return float((-10 * torch.log10(error)).mean())


def lanczos(small: Tensor, scale: int) -> Tensor:
    """What everybody has."""
    pictures = [(p.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8) for p in small]
    side = small.shape[-1] * scale
    large = [np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.LANCZOS)) for p in pictures]
    return torch.from_numpy(np.stack(large)).permute(0, 3, 1, 2).float() / 255


@torch.no_grad()
def validate(network: UpscaleNetwork, checking: Pairs) -> dict[str, float]:
    """dB over Lanczos on unseen families before unseen photographs, always the same: made small plainly, and badly."""
    network.eval()
    gains = {}
    for scale in SCALES:
        for clean in (True, False):
            small, large = checking.batch(np.random.default_rng(7), 48, scale, clean)
            gain = decibels(network(small, scale), large) - decibels(lanczos(small, scale), large)
            gains[f"x{scale} {'plain' if clean else 'poor'}"] = round(gain, 3)
    network.train()
    return gains


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("backgrounds", type=Path, help="folder of photographs")
    run_arguments(parser, rate=1e-3, decay=0.7)
    options = parser.parse_args(arguments)
    prepared(options)
    known, unknown = split_photographs(options.backgrounds)
    training, checking = Pairs(options.shards, "upscale", known), Pairs(options.shards, "upscaleval", unknown)

    def optimiser_of(network: UpscaleNetwork) -> torch.optim.AdamW:
        return adamw(network, options.rate, 0.99, 1e-4)

    run = Running(options.run, UpscaleNetwork(), lambda _: None, optimiser_of, keep=0.999)
    schedule, recent = Schedule(options, warm=100), []
    for small, large, scale in training.batches(options.batch, seed=run.step + 1):
        schedule.step(run.optimiser)
        loss = (run.network(small, scale) - large).abs().mean()
        run.learn(loss, len(small))
        recent.append(float(loss.detach()))
        if schedule.due:
            schedule.log(run.samples, round(float(np.mean(recent)), 5), validate(run.average, checking))
            run.save()
            recent = []
        if schedule.ended:
            break


if __name__ == "__main__":
    main()
