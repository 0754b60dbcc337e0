"""The networks of a variant, loaded from the folder of weights and checked tensor by tensor."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from ..whole import check_files, check_tensors, found, reading
from .attention import Reference, install
from .sampler import shifted_scheduler
from .variants import Variant, tensors

RAYS = 6
"""Channels of a ray map."""


@dataclass
class Parts:
    """The loaded networks and their configuration, on one device."""

    variant: Variant
    unet: Any
    vae: Any
    encoder: Any
    """Of ray maps: one feature map for each resolution of the UNet's way down."""
    tokenizers: list[Any]
    text_encoders: list[Any]
    scheduler: Any
    reference: Reference
    device: torch.device
    """Where the networks run, whether or not their weights stay there."""
    turn: threading.Lock = field(default_factory=threading.Lock)
    """Held by a run: the reference serves one at a time."""

    @property
    def networks(self) -> list[Any]:
        """All of them."""
        return [self.unet, self.vae, self.encoder, *self.text_encoders]

    @property
    def dtype(self) -> torch.dtype:
        """What the UNet computes in."""
        return cast(torch.dtype, self.unet.dtype)

    def bytes(self) -> float:
        """Of all parameters."""
        return float(sum(p.numel() * p.element_size() for m in self.networks for p in m.parameters()))


def load_parts(folder: Path, variant: Variant, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Parts:
    """Load a variant from the folder that a pull fills; reads local files only and runs no code from them.

    Raises:
        EngineUnavailable: a file is missing, is cut short, or has not the tensors that it should have.
    """
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    own = [source.here(name) for source in variant.sources for name in source.extras]
    wanted: list[str | tuple[str, ...]] = [variant.adapter]
    for source in variant.sources:
        wanted += [
            source.here(names) if isinstance(names, str) else tuple(map(source.here, names)) for names in source.files
        ]
    check_files(folder, [*(found(folder, names) for names in wanted), *(n for n in own if (folder / n).exists())])

    def network(kind: Any, name: str, file: str, precision: torch.dtype = dtype) -> Any:
        path = found(folder, tensors(name, file))
        half = {"variant": "fp16"} if ".fp16." in path else {}
        with reading(folder, path):
            loaded, told = kind.from_pretrained(
                str(folder / name), torch_dtype=precision, local_files_only=True, output_loading_info=True, **half
            )
            check_tensors(
                folder, path, *(told.get(f"{what}_keys") or () for what in ("missing", "unexpected", "mismatched"))
            )
        return loaded.to(device).eval().requires_grad_(False)

    tokenizers, text_encoders = [], []
    for number, suffix in enumerate(variant.suffixes):
        with reading(folder, f"base/tokenizer{suffix}/vocab.json"):
            tokenizers.append(
                CLIPTokenizer.from_pretrained(str(folder / f"base/tokenizer{suffix}"), local_files_only=True)
            )
        kind = CLIPTextModelWithProjection if number else CLIPTextModel
        text_encoders.append(network(kind, f"base/text_encoder{suffix}", "model"))
    with reading(folder, "base/scheduler/scheduler_config.json"):
        scheduler = shifted_scheduler(variant.sampler, str(folder / "base/scheduler"))
    vae = network(AutoencoderKL, variant.vae_folder, "diffusion_pytorch_model")
    if dtype == torch.float16 and vae.config.force_upcast:  # it overflows in half precision
        vae = vae.float()
    unet = network(UNet2DConditionModel, "base/unet", "diffusion_pytorch_model")
    reference = install(unet)
    encoder = condition_encoder(variant, unet)
    load_adapter(folder, variant.adapter, unet, encoder, dtype)
    for module in (unet, encoder):
        module.to(device).eval().requires_grad_(False)
    return Parts(variant, unet, vae, encoder, tokenizers, text_encoders, scheduler, reference, torch.device(device))


def condition_encoder(variant: Variant, unet: Any) -> Any:
    """The T2I adapter (Mou et al. 2023) that reads ray maps, without values yet."""
    from diffusers import T2IAdapter

    widths = tuple(unet.config.block_out_channels)
    with torch.device("meta"):
        return T2IAdapter(
            in_channels=RAYS,
            channels=(*widths, widths[-1]) if variant.wide else widths,
            num_res_blocks=2 if variant.wide else unet.config.layers_per_block,
            downscale_factor=16 if variant.wide else 8,
            adapter_type="full_adapter_xl" if variant.wide else "full_adapter",
        )


def load_adapter(folder: Path, file: str, unet: Any, encoder: Any, dtype: torch.dtype) -> None:
    """Put the adapter's tensors into the UNet's processors, in ``dtype``, and into the condition encoder.

    The published file has both: names that begin with ``adapter.`` are the encoder's, the others the UNet's. The
    encoder stays in single precision: it runs once, and what it tells every layer cannot overflow there.

    Raises:
        EngineUnavailable: a tensor is missing, has another shape, or is beyond the model.
    """
    from safetensors.torch import load_file

    with reading(folder, file):
        state = load_file(str(folder / file))
    own = {name: tensor for name, tensor in unet.state_dict().items() if ".processor." in name}
    expected: dict[str, Tensor] = own | encoder.state_dict()
    misshapen = [name for name in expected.keys() & state.keys() if expected[name].shape != state[name].shape]
    check_tensors(folder, file, expected.keys() - state.keys(), state.keys() - expected.keys(), misshapen)
    with reading(folder, file):
        unet.load_state_dict({name: state[name].to(dtype) for name in own}, strict=False, assign=True)
        encoder.load_state_dict({name: state[name].float() for name in encoder.state_dict()}, assign=True)
