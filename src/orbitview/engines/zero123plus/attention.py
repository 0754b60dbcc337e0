"""Reference attention: the picture's own hidden states are further keys and values for the sample's."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F


class ReferenceStore:
    """Hidden states of every self-attention layer, written by one pass of the UNet and read by the next."""

    def __init__(self) -> None:
        self.kept: dict[str, Tensor] = {}
        self.writing = False


class ReferenceAttention:
    """An attention processor for diffusers. With an empty store it is plain scaled dot-product attention."""

    def __init__(self, name: str, store: ReferenceStore) -> None:
        self.name, self.store = name, store
        self.own = ".attn1." in f".{name}."

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        **_: Any,
    ) -> Tensor:
        context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
        if self.own:
            if self.store.writing:
                self.store.kept[self.name] = context
            elif self.name in self.store.kept:
                context = torch.cat([context, self.store.kept[self.name]], 1)

        def split(x: Tensor) -> Tensor:
            return x.unflatten(-1, (attn.heads, -1)).transpose(1, 2)

        out = F.scaled_dot_product_attention(
            split(attn.to_q(hidden_states)), split(attn.to_k(context)), split(attn.to_v(context)), attention_mask
        )
        out = out.transpose(1, 2).flatten(2)
        result: Tensor = attn.to_out[1](attn.to_out[0](out))
        return result


def install(unet: Any) -> ReferenceStore:
    """Give every attention layer of a UNet a reference processor; returns their common store."""
    store = ReferenceStore()
    unet.set_attn_processor({name: ReferenceAttention(name, store) for name in unet.attn_processors})
    return store
