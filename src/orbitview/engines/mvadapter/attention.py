"""Decoupled attention: beside a layer's own self-attention run two copies of it, across views and to the picture.

The three results are added (Huang et al. 2024, section 3.2: a parallel architecture), so that the base model's weights
stay as they are.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BRANCHES = ("mv", "ref")
"""Names in the published file: across views, and to the reference picture."""


class Reference:
    """Hidden states that the picture had in every self-attention layer, written by one pass of the UNet.

    Attributes:
        kept: by the layer's name, (N, L, C); N is the number of groups of views.
        views: in a group.
        writing: whether this pass is the picture's; then layers are as in the base model.
    """

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}
        self.views = 1
        self.writing = False

    def clear(self) -> None:
        """Forget the picture."""
        self.kept.clear()
        self.writing = False


class MultiViewAttention(nn.Module):
    """An attention processor for a self-attention layer of diffusers, with the published names of parameters."""

    def __init__(self, name: str, width: int, inner: int, reference: Reference) -> None:
        super().__init__()
        self.name, self.reference = name, reference
        for branch in BRANCHES:
            for part in ("to_q", "to_k", "to_v"):
                self.add_module(f"{part}_{branch}", nn.Linear(width, inner, bias=False))
            self.add_module(f"to_out_{branch}", nn.ModuleList([nn.Linear(inner, width), nn.Dropout(0.0)]))

    def _linear(self, part: str, x: Tensor) -> Tensor:
        result: Tensor = self.get_submodule(part)(x)
        return result

    def forward(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        """(N V, L, C) hidden states of N groups of V views, square pictures of L tokens, row by row."""
        own = attend(attn.heads, attn.to_q(hidden_states), attn.to_k(hidden_states), attn.to_v(hidden_states))
        out: Tensor = attn.to_out[1](attn.to_out[0](own))
        if self.reference.writing:
            self.reference.kept[self.name] = hidden_states
            return out
        return out + self._across_views(attn.heads, hidden_states) + self._to_picture(attn.heads, hidden_states)

    def _across_views(self, heads: int, x: Tensor) -> Tensor:
        """A row attends to the same row of all views: level cameras see a point in the same row."""
        views, side = self.reference.views, math.isqrt(x.shape[1])

        def rows(y: Tensor) -> Tensor:  # (N side, V side, C)
            return y.unflatten(1, (side, side)).unflatten(0, (-1, views)).transpose(1, 2).flatten(2, 3).flatten(0, 1)

        q, k, v = (rows(self._linear(f"to_{part}_mv", x)) for part in "qkv")
        found = attend(heads, q, k, v).unflatten(0, (-1, side)).unflatten(2, (views, side))
        return self._linear("to_out_mv.0", found.transpose(1, 2).flatten(2, 3).flatten(0, 1))

    def _to_picture(self, heads: int, x: Tensor) -> Tensor:
        """All tokens of a group attend to the picture's, where it was in this layer."""
        seen = self.reference.kept[self.name]
        q = self._linear("to_q_ref", x).unflatten(0, (len(seen), -1))
        k, v = self._linear("to_k_ref", seen), self._linear("to_v_ref", seen)
        found = attend(heads, q.flatten(1, 2), k, v)
        return self._linear("to_out_ref.0", found.reshape(x.shape[0], x.shape[1], -1))


def attend(heads: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(B, L, C) scaled dot-product attention of (B, L, C) queries to (B, M, C) keys and values, by heads."""

    def split(x: Tensor) -> Tensor:
        return x.unflatten(-1, (heads, -1)).transpose(1, 2)

    return F.scaled_dot_product_attention(split(q), split(k), split(v)).transpose(1, 2).flatten(2)


def install(unet: Any) -> Reference:
    """Give every self-attention layer of a UNet the two branches, without values yet; returns what they share."""
    reference = Reference()
    processors = dict(unet.attn_processors)
    with torch.device("meta"):
        for name in processors:
            if name.endswith("attn1.processor"):
                query = unet.get_submodule(name.removesuffix(".processor")).to_q
                processors[name] = MultiViewAttention(name, query.in_features, query.out_features, reference)
    unet.set_attn_processor(processors)
    return reference
