"""Tiny random models in the published folder layouts, so that the real loading code runs on them."""

from __future__ import annotations

import json
from pathlib import Path

import torch


def zero123plus_folder(folder: Path, seed: int = 0) -> Path:
    """A Zero123++ of toy size, saved part by part."""
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    width = 16
    unet = UNet2DConditionModel(
        sample_size=16,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=width,
        attention_head_dim=(2, 4),
        use_linear_projection=True,
    )
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 8, 8),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        norm_num_groups=4,
        layers_per_block=1,
    )
    scheduler = EulerAncestralDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="linear", prediction_type="v_prediction", steps_offset=1
    )
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=100, hidden_size=width, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
            bos_token_id=0, eos_token_id=1, pad_token_id=1,
        )
    )  # fmt: skip
    vision = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=32,
            patch_size=16, projection_dim=width,
        )
    )  # fmt: skip
    for name, part in {"unet": unet, "vae": vae, "scheduler": scheduler, "text_encoder": text}.items():
        part.save_pretrained(str(folder / name))
    vision.save_pretrained(str(folder / "vision_encoder"))
    tiny_tokenizer(folder / "tokenizer")
    for name, size, mean, std in (
        ("vae", {"width": 320, "height": 320}, [0.5] * 3, [0.8] * 3),
        ("clip", {"shortest_edge": 32}, [0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711]),
    ):
        config = {"do_resize": True, "size": size, "resample": 3, "image_mean": mean, "image_std": std}
        config |= {"do_center_crop": name == "clip", "crop_size": {"width": 32, "height": 32}}
        (folder / f"feature_extractor_{name}").mkdir()
        (folder / f"feature_extractor_{name}" / "preprocessor_config.json").write_text(json.dumps(config))
    ramp = [i / 76 for i in range(77)]
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "Zero123Plus", "ramping_coefficients": ramp}))
    return folder


def tiny_tokenizer(folder: Path) -> None:
    """CLIP's tokenizer over single letters."""
    letters = [chr(c) for c in range(97, 123)]
    words = ["<|startoftext|>", "<|endoftext|>", "ab</w>", *letters, *(f"{c}</w>" for c in letters)]
    folder.mkdir(parents=True)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )


def mvadapter_folder(folder: Path, wide: bool, seed: int = 0) -> Path:
    """An MV-Adapter of toy size over a toy SDXL (``wide``) or Stable Diffusion 2.1, part by part as published."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, PNDMScheduler, T2IAdapter, UNet2DConditionModel
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.manual_seed(seed)
    base, width = folder / "base", 16
    common = {"layers_per_block": 1, "norm_num_groups": 4, "use_linear_projection": True}
    if wide:
        widths: tuple[int, ...] = (8, 16, 24)
        unet = UNet2DConditionModel(
            block_out_channels=widths,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            cross_attention_dim=2 * width, attention_head_dim=(1, 2, 3), transformer_layers_per_block=(1, 1, 2),
            addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=6 * 8 + width, **common,
        )  # fmt: skip
    else:
        widths = (8, 16, 24, 24)
        unet = UNet2DConditionModel(
            block_out_channels=widths,
            down_block_types=(*["CrossAttnDownBlock2D"] * 3, "DownBlock2D"),
            up_block_types=("UpBlock2D", *["CrossAttnUpBlock2D"] * 3),
            cross_attention_dim=width, attention_head_dim=(1, 2, 3, 3), **common,
        )  # fmt: skip
    unet.save_pretrained(str(base / "unet"))
    vae = AutoencoderKL(
        block_out_channels=(4, 4, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, norm_num_groups=4, layers_per_block=1, scaling_factor=0.13025,
    )  # fmt: skip
    vae.save_pretrained(str(folder / "vae" if wide else base / "vae"))
    schedule = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "steps_offset": 1}
    scheduler = (
        EulerDiscreteScheduler(**schedule, timestep_spacing="leading")
        if wide
        else PNDMScheduler(**schedule, skip_prk_steps=True)
    )
    scheduler.save_pretrained(str(base / "scheduler"))
    written = base / "scheduler" / "scheduler_config.json"  # which says more than that scheduler heeds
    written.write_text(json.dumps(json.loads(written.read_text()) | {"clip_sample": False}))
    config = CLIPTextConfig(
        vocab_size=100, hidden_size=width, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        projection_dim=width, bos_token_id=0, eos_token_id=1, pad_token_id=1,
    )  # fmt: skip
    for suffix, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection))[: 2 if wide else 1]:
        kind(config).save_pretrained(str(base / f"text_encoder{suffix}"))
        tiny_tokenizer(base / f"tokenizer{suffix}")
    encoder = T2IAdapter(
        in_channels=6, channels=[*widths, widths[-1]] if wide else list(widths), num_res_blocks=2 if wide else 1,
        downscale_factor=16 if wide else 8, adapter_type="full_adapter_xl" if wide else "full_adapter",
    )  # fmt: skip
    adapter = dict(encoder.state_dict())
    for name in unet.attn_processors:
        if ".attn1." in name:
            side = unet.get_submodule(name.removesuffix(".processor")).to_q.in_features
            for branch in ("mv", "ref"):
                for part in ("to_q", "to_k", "to_v"):
                    adapter[f"{name}.{part}_{branch}.weight"] = torch.randn(side, side) / side**0.5
                adapter[f"{name}.to_out_{branch}.0.weight"] = torch.randn(side, side) / side**0.5
                adapter[f"{name}.to_out_{branch}.0.bias"] = torch.randn(side) / 4
    save_file(adapter, str(folder / f"mvadapter_i2mv_{'sdxl' if wide else 'sd21'}.safetensors"))
    return folder


def triposr_folder(folder: Path, seed: int = 0) -> Path:
    """A TripoSR of toy size as ``model.ckpt``; its sizes are in :data:`TINY`."""
    from orbitview.engines.triposr.model import TripoSR

    torch.manual_seed(seed)
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(TripoSR(tiny_sizes()).state_dict(), folder / "model.ckpt")
    return folder


def tiny_sizes():  # type: ignore[no-untyped-def]
    """Sizes of the toy TripoSR."""
    from orbitview.engines.triposr.model import Sizes

    return Sizes(
        picture=64, vit_width=32, vit_layers=2, vit_heads=2, vit_inner=64, vit_picture=32, plane=4, width=32,
        layers=2, heads=4, channels=6, neurons=16, hidden=3,
    )  # fmt: skip
