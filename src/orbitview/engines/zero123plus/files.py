"""The published folder, file by file; of a tuple the first that is there."""

from __future__ import annotations

TENSORS: dict[str, tuple[str, ...]] = {
    **{
        name: (f"{name}/diffusion_pytorch_model.safetensors", f"{name}/diffusion_pytorch_model.bin")
        for name in ("vae", "unet")
    },
    **{name: (f"{name}/model.safetensors", f"{name}/pytorch_model.bin") for name in ("text_encoder", "vision_encoder")},
}
"""Of each network."""

FILES: tuple[str | tuple[str, ...], ...] = (
    "model_index.json",
    "scheduler/scheduler_config.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer_config.json",
    *(f"{name}/config.json" for name in TENSORS),
    *TENSORS.values(),
    "feature_extractor_vae/preprocessor_config.json",
    "feature_extractor_clip/preprocessor_config.json",
)
"""All that loading needs."""

EXTRAS = ("tokenizer/special_tokens_map.json",)
"""Heeded where it is there: it names the token that fills short prompts up."""
