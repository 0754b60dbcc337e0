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
    letters = [chr(c) for c in range(97, 123)]
    words = ["<|startoftext|>", "<|endoftext|>", "ab</w>", *letters, *(f"{c}</w>" for c in letters)]
    (folder / "tokenizer").mkdir()
    (folder / "tokenizer" / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(words)}))
    (folder / "tokenizer" / "merges.txt").write_text("#version: 0.2\na b</w>\n")
    (folder / "tokenizer" / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "CLIPTokenizer", "model_max_length": 77})
    )
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
