"""Zero123++ on a GPU: ``python -m bench.gpu``. Full-size architecture, random weights: timing does not depend on them.

Seconds per six views and throughput by batch size, beside the plain way (a chained attention processor, one
request at a time, the library's scheduler, no compile), and the share of the GPU's measured matrix-multiply rate.
Without a GPU a toy configuration runs, to show that the benchmark does; its figures mean nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from datetime import date
from types import SimpleNamespace
from typing import Any

import torch
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode

from orbitview.engines.zero123plus.attention import install
from orbitview.engines.zero123plus.noise import SeededNoise
from orbitview.engines.zero123plus.pipeline import HEIGHT, WIDTH, Parts, decode, run

CLIP = {"image_mean": [0.48] * 3, "image_std": [0.27] * 3}
FULL = {
    "unet": {"block_out_channels": (320, 640, 1280, 1280), "attention_head_dim": (5, 10, 20, 20),
             "cross_attention_dim": 1024},
    "vae": {"block_out_channels": (128, 256, 512, 512), "layers_per_block": 2},
    "text": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 23, "num_attention_heads": 16},
    "vision": {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 16,
               "patch_size": 14, "projection_dim": 1024},
}  # fmt: skip
TOY = {
    "unet": {"block_out_channels": (32, 32, 32, 32), "attention_head_dim": (2, 2, 2, 2), "cross_attention_dim": 32,
             "layers_per_block": 1},
    "vae": {"block_out_channels": (32, 32, 32, 32), "layers_per_block": 1},
    "text": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2},
    "vision": {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2,
               "patch_size": 14, "projection_dim": 32},
}  # fmt: skip


def make_parts(sizes: dict[str, dict[str, Any]], device: str, dtype: torch.dtype) -> Parts:
    """Random networks of these sizes; a stub stands in for the tokenizer."""
    from diffusers import AutoencoderKL, EulerAncestralDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.device(device):
        unet = UNet2DConditionModel(use_linear_projection=True, **sizes["unet"])
        vae = AutoencoderKL(
            down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, **sizes["vae"]
        )
        text = CLIPTextModel(CLIPTextConfig(**sizes["text"]))
        vision = CLIPVisionModelWithProjection(CLIPVisionConfig(**sizes["vision"]))
    unet, vae, text, vision = (m.to(device, dtype).eval().requires_grad_(False) for m in (unet, vae, text, vision))

    class Tokenizer:
        model_max_length = 77

        def __call__(self, texts: list[str], **_: object) -> SimpleNamespace:
            ids = torch.ones(len(texts), 77, dtype=torch.long)
            return SimpleNamespace(input_ids=ids, attention_mask=torch.ones_like(ids))

    return Parts(
        vae, text, Tokenizer(), unet,
        EulerAncestralDiscreteScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="linear", prediction_type="v_prediction",
            timestep_spacing="trailing",
        ),
        vision, {"size": {"width": 320, "height": 320}, "image_mean": [0.5] * 3, "image_std": [0.8] * 3},
        {"size": {"shortest_edge": 224}, **CLIP}, torch.linspace(0, 1, 77), install(unet),
    )  # fmt: skip


class Plain:
    """The way of the published custom pipeline: wrap each processor, one request at a time."""

    def __init__(self, parts: Parts, size: tuple[int, int]) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        kept: dict[str, torch.Tensor] = {}
        self.parts, self.size, self.mode = parts, size, "r"
        inner = AttnProcessor2_0()

        def processor(name: str) -> Any:
            def call(
                attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, attention_mask: Any = None, **_: Any
            ) -> Any:
                if encoder_hidden_states is None:
                    encoder_hidden_states = hidden_states
                if "attn1" in name:
                    if self.mode == "w":
                        kept[name] = encoder_hidden_states
                    else:
                        encoder_hidden_states = torch.cat([encoder_hidden_states, kept.pop(name)], 1)
                return inner(attn, hidden_states, encoder_hidden_states, attention_mask)

            class Processor:
                __call__ = staticmethod(call)

            return Processor()

        parts.unet.set_attn_processor({name: processor(name) for name in parts.unet.attn_processors})

    @torch.inference_mode()
    def __call__(self, steps: int, guidance: float = 4.0) -> torch.Tensor:
        parts = self.parts
        like = {"device": parts.device, "dtype": parts.dtype}
        pixels = torch.randn(1, 3, 320, 320, **like)
        condition = torch.cat([parts.vae.encode(p).latent_dist.sample() for p in (torch.zeros_like(pixels), pixels)])
        seen = parts.vision_encoder(torch.randn(1, 3, 224, 224, **like)).image_embeds
        words = parts.text_encoder(torch.ones(2, 77, dtype=torch.long, device=parts.device))[0]
        text = words + seen[:, None] * parts.ramp.to(words)[None, :, None]
        scheduler = parts.scheduler
        scheduler.set_timesteps(steps, device=parts.device)
        sample = torch.randn(1, 4, self.size[1] // 8, self.size[0] // 8, **like) * scheduler.init_noise_sigma
        for moment in scheduler.timesteps:
            noisy = scheduler.add_noise(condition, torch.randn_like(condition), moment[None])
            self.mode = "w"
            parts.unet(scheduler.scale_model_input(noisy, moment), moment, text)
            self.mode = "r"
            out = parts.unet(scheduler.scale_model_input(torch.cat([sample] * 2), moment), moment, text)[0]
            without, with_it = out.chunk(2)
            sample = scheduler.step(without + guidance * (with_it - without), moment, sample).prev_sample
        decode(parts, sample.float())
        return sample


def seconds(work: Callable[[], object], device: str, runs: int) -> float:
    """Median of some runs after one to warm up."""
    times = []
    for _ in range(runs + 1):
        begun = time.perf_counter()
        work()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - begun)
    return sorted(times[1:])[runs // 2]


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of large matrix products, the peak that can be had."""
    n = 8192 if device == "cuda" else 512
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 20 * 2 * n**3 / seconds(lambda: [a @ b for _ in range(20)], device, 3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--precision", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--compile", action="store_true")
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        print("NO GPU HERE: a toy configuration in float32 runs instead; these figures mean nothing.")
        options.precision, options.steps, options.batches, options.runs = "float32", 2, [1, 2], 1
    dtype = getattr(torch, options.precision)
    torch.manual_seed(0)
    parts = make_parts(FULL if device == "cuda" else TOY, device, dtype)
    name = torch.cuda.get_device_name() if device == "cuda" else "CPU"
    picture = Image.new("RGB", (320, 320), (127, 90, 60))
    size = (WIDTH, HEIGHT) if device == "cuda" else (128, 192)

    def ours(batch: int) -> object:
        noise = SeededNoise(range(batch))
        latents = run(parts, [picture] * batch, noise, steps=options.steps, width=size[0], height=size[1])
        return decode(parts, latents)

    plain = seconds(lambda: Plain(parts, size)(options.steps), device, options.runs)
    print(f"{name}, {options.precision}, {options.steps} steps, {date.today()}")
    print(f"  plain way, one at a time   {plain:7.3f} s for six views   {1 / plain:6.3f} requests/s")
    parts.store = install(parts.unet)
    with FlopCounterMode(display=False) as counter:
        ours(1)
    work, peak = counter.get_total_flops(), matmul_rate(device, dtype)
    if options.compile:
        parts.unet.compile(dynamic=False)
    for batch in options.batches:
        took = seconds(lambda batch=batch: ours(batch), device, options.runs)  # type: ignore[misc]
        print(
            f"  ours, batch {batch:2}             {took:7.3f} s{'':16}   {batch / took:6.3f} requests/s"
            f"   {batch / took * plain:4.2f}x   {work * batch / took / peak:5.1%} of matmul rate"
        )
    if device == "cuda":
        print(f"  peak memory {torch.cuda.max_memory_allocated() / 2**30:.1f} GB")


if __name__ == "__main__":
    main()
