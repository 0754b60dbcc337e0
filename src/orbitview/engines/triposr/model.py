"""The model, top to bottom: picture to tokens, tokens to triplanes, triplanes to density and colour.

Parameter names are those of the published checkpoint (``model.ckpt``), so it loads as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..whole import check_tensors, found


@dataclass(frozen=True)
class Sizes:
    """Every size of the architecture; the defaults are the published model's.

    Attributes:
        picture: side of the input in pixels.
        patch, vit_width, vit_layers, vit_heads, vit_inner, vit_picture: the DINO ViT-B/16.
        plane, width, layers, heads: triplane tokens (3 × plane × plane) and their transformer.
        channels: of a finished triplane of twice the plane's side.
        neurons, hidden: of the decoder.
        radius: half the side of the cube that holds the object.
    """

    picture: int = 512
    patch: int = 16
    vit_width: int = 768
    vit_layers: int = 12
    vit_heads: int = 12
    vit_inner: int = 3072
    vit_picture: int = 224
    plane: int = 32
    width: int = 1024
    layers: int = 16
    heads: int = 16
    channels: int = 40
    neurons: int = 64
    hidden: int = 9
    radius: float = 0.87


def _heads(x: Tensor, count: int) -> Tensor:
    return x.unflatten(-1, (count, -1)).transpose(1, 2)


def _attend(q: Tensor, k: Tensor, v: Tensor, count: int) -> Tensor:
    out = F.scaled_dot_product_attention(_heads(q, count), _heads(k, count), _heads(v, count))
    return out.transpose(1, 2).flatten(2)


class _Holder(nn.Module):
    """A module that only carries names."""


class VitLayer(nn.Module):
    """One pre-norm layer of the ViT."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.heads = s.vit_heads
        self.attention, self.intermediate, self.output = _Holder(), _Holder(), _Holder()
        self.attention.attention, self.attention.output = _Holder(), _Holder()
        for name in ("query", "key", "value"):
            setattr(self.attention.attention, name, nn.Linear(s.vit_width, s.vit_width))
        self.attention.output.dense = nn.Linear(s.vit_width, s.vit_width)
        self.intermediate.dense = nn.Linear(s.vit_width, s.vit_inner)
        self.output.dense = nn.Linear(s.vit_inner, s.vit_width)
        self.layernorm_before = nn.LayerNorm(s.vit_width, eps=1e-12)
        self.layernorm_after = nn.LayerNorm(s.vit_width, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        y, own = self.layernorm_before(x), self.attention.attention
        x = x + self.attention.output.dense(_attend(own.query(y), own.key(y), own.value(y), self.heads))
        return x + self.output.dense(F.gelu(self.intermediate.dense(self.layernorm_after(x))))


class Vit(nn.Module):
    """DINO ViT-B/16, (B, 3, H, W) normalised pictures to (B, 1 + patches, width) tokens."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.patch = s.patch
        self.embeddings, self.encoder, self.pooler = _Holder(), _Holder(), _Holder()
        self.embeddings.cls_token = nn.Parameter(torch.zeros(1, 1, s.vit_width))
        count = (s.vit_picture // s.patch) ** 2
        self.embeddings.position_embeddings = nn.Parameter(torch.zeros(1, count + 1, s.vit_width))
        self.embeddings.patch_embeddings = _Holder()
        self.embeddings.patch_embeddings.projection = nn.Conv2d(3, s.vit_width, s.patch, s.patch)
        self.encoder.layer = nn.ModuleList(VitLayer(s) for _ in range(s.vit_layers))
        self.layernorm = nn.LayerNorm(s.vit_width, eps=1e-12)
        self.pooler.dense = nn.Linear(s.vit_width, s.vit_width)  # in the checkpoint, without use here

    def forward(self, x: Tensor) -> Tensor:
        patches = self.embeddings.patch_embeddings.projection(x)
        tokens = patches.flatten(2).transpose(1, 2)
        places = self._places(patches.shape[2], patches.shape[3])
        x = torch.cat([self.embeddings.cls_token.expand(len(x), -1, -1), tokens], 1) + places
        for layer in self.encoder.layer:
            x = layer(x)
        return self.layernorm(x)

    def _places(self, high: int, wide: int) -> Tensor:
        """Position embeddings for another grid, with the small offset that the published model was trained with."""
        own = self.embeddings.position_embeddings
        side = math.isqrt(own.shape[1] - 1)
        if (high, wide) == (side, side):
            return own
        grid = own[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
        scale = ((high + 0.1) / side, (wide + 0.1) / side)
        grid = F.interpolate(grid, scale_factor=scale, mode="bicubic", align_corners=False)
        return torch.cat([own[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], 1)


class Attention(nn.Module):
    """Attention of the triplane's tokens to themselves or to the picture's."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=False)
        self.to_k, self.to_v = nn.Linear(context, width, bias=False), nn.Linear(context, width, bias=False)
        self.to_out = nn.ModuleList([nn.Linear(width, width), nn.Identity()])

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        return self.to_out[0](_attend(self.to_q(x), self.to_k(context), self.to_v(context), self.heads))


class FeedForward(nn.Module):
    """GEGLU, four times as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        gate = _Holder()
        gate.proj = nn.Linear(width, 8 * width)
        self.net = nn.ModuleList([gate, nn.Identity(), nn.Linear(4 * width, width)])

    def forward(self, x: Tensor) -> Tensor:
        value, gate = self.net[0].proj(x).chunk(2, -1)
        return self.net[2](value * F.gelu(gate))


class Block(nn.Module):
    """Self-attention, cross-attention, feed-forward, each after its norm."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(s.width) for _ in range(3))
        self.attn1 = Attention(s.width, s.width, s.heads)
        self.attn2 = Attention(s.width, s.vit_width, s.heads)
        self.ff = FeedForward(s.width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        y = self.norm1(x)
        x = x + self.attn1(y, y)
        x = x + self.attn2(self.norm2(x), context)
        return x + self.ff(self.norm3(x))


class Backbone(nn.Module):
    """Transformer over all triplane tokens, (B, width, N), with a residual around the whole."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(min(32, s.width // 4), s.width, eps=1e-6)
        self.proj_in, self.proj_out = nn.Linear(s.width, s.width), nn.Linear(s.width, s.width)
        self.transformer_blocks = nn.ModuleList(Block(s) for _ in range(s.layers))

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        y = self.proj_in(self.norm(x).transpose(1, 2))
        for block in self.transformer_blocks:
            y = block(y, context)
        return x + self.proj_out(y).transpose(1, 2)


class Decoder(nn.Module):
    """Triplane features of points to density and colour."""

    def __init__(self, s: Sizes) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Linear(3 * s.channels, s.neurons), nn.SiLU()]
        for _ in range(s.hidden - 1):
            layers += [nn.Linear(s.neurons, s.neurons), nn.SiLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(s.neurons, 4))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class TripoSR(nn.Module):
    """One picture to triplanes, and triplanes to what is at a point."""

    def __init__(self, sizes: Sizes | None = None) -> None:
        super().__init__()
        self.sizes = s = sizes or Sizes()
        self.image_tokenizer, self.tokenizer, self.post_processor = _Holder(), _Holder(), _Holder()
        self.image_tokenizer.model = Vit(s)
        self.tokenizer.embeddings = nn.Parameter(torch.randn(3, s.width, s.plane, s.plane) / math.sqrt(s.width))
        self.backbone = Backbone(s)
        self.post_processor.upsample = nn.ConvTranspose2d(s.width, s.channels, 2, 2)
        self.decoder = Decoder(s)

    def forward(self, picture: Tensor) -> Tensor:
        """(B, 3, S, S) in [0, 1] over mid grey to triplanes (B, 3, channels, 2 plane, 2 plane)."""
        s = self.sizes
        mean, spread = picture.new_tensor([0.485, 0.456, 0.406]), picture.new_tensor([0.229, 0.224, 0.225])
        context = self.image_tokenizer.model((picture - mean[:, None, None]) / spread[:, None, None])
        tokens = self.tokenizer.embeddings.permute(1, 0, 2, 3).reshape(1, s.width, -1).expand(len(picture), -1, -1)
        tokens = self.backbone(tokens, context)
        planes = tokens.unflatten(2, (3, s.plane, s.plane)).transpose(1, 2)
        return self.post_processor.upsample(planes.flatten(0, 1)).unflatten(0, (-1, 3))

    def query(self, planes: Tensor, points: Tensor, chunk: int = 2**18) -> tuple[Tensor, Tensor]:
        """Density (N,) and colour (N, 3) at points (N, 3) within the cube, for one picture's triplanes."""
        density, colour = [], []
        for part in points.split(chunk):
            at = part / self.sizes.radius
            pairs = torch.stack([at[:, [0, 1]], at[:, [0, 2]], at[:, [1, 2]]])[:, :, None]
            found = F.grid_sample(planes, pairs.to(planes.dtype), mode="bilinear", align_corners=False)
            out = self.decoder(found[..., 0].permute(2, 0, 1).flatten(1)).float()
            density.append(torch.exp(out[:, 0] - 1))
            colour.append(torch.sigmoid(out[:, 1:]))
        return torch.cat(density), torch.cat(colour)


def load(folder: Path, sizes: Sizes | None = None) -> TripoSR:
    """The model with the weights of ``model.safetensors`` or ``model.ckpt`` in a folder; runs no code from them.

    Raises:
        EngineUnavailable: a tensor is missing, beyond the model, or of another shape.
    """
    model = TripoSR(sizes)
    file = found(folder, ("model.safetensors", "model.ckpt"))
    if file == "model.safetensors":
        from safetensors.torch import load_file

        state = load_file(folder / "model.safetensors")
    else:
        state = torch.load(folder / "model.ckpt", map_location="cpu", weights_only=True)
    wanted = model.state_dict()
    check_tensors(
        folder,
        file,
        missing=wanted.keys() - state.keys(),
        unexpected=state.keys() - wanted.keys(),
        misshapen=[name for name in wanted.keys() & state.keys() if wanted[name].shape != state[name].shape],
    )
    model.load_state_dict(state)
    return model.eval().requires_grad_(False)


@torch.inference_mode()
def surface(
    model: TripoSR,
    planes: Tensor,
    resolution: int = 256,
    threshold: float = 25.0,
    told: Callable[[float], None] = lambda share: None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Marching cubes (Lorensen and Cline 1987) on the density.

    Returns:
        Vertices (V, 3) in the model's axes (x towards the camera, z up), faces (F, 3), colours (V, 3);
        without vertices where nothing is dense enough.
    """
    from skimage.measure import marching_cubes

    radius = model.sizes.radius
    axis = torch.linspace(-radius, radius, resolution, device=planes.device)
    field = torch.empty(resolution, resolution, resolution)
    for start in range(0, resolution, 8):  # slabs of x, so that points never take gigabytes
        told(start / resolution)
        slab = torch.stack(torch.meshgrid(axis[start : start + 8], axis, axis, indexing="ij"), -1)
        field[start : start + 8] = model.query(planes, slab.reshape(-1, 3))[0].reshape(slab.shape[:3]).cpu()
    if not float(field.min()) < threshold < float(field.max()):
        return torch.zeros(0, 3), torch.zeros(0, 3, dtype=torch.long), torch.zeros(0, 3)
    vertices, faces, _, _ = marching_cubes(field.numpy(), threshold)
    points = torch.from_numpy(vertices.copy()).float() / (resolution - 1) * 2 * radius - radius
    colour = model.query(planes, points.to(planes.device))[1].cpu()
    return points, torch.from_numpy(faces.copy()).long(), colour
