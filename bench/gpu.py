"""Zero123++ on a GPU: ``python -m bench.gpu``. Full-size architecture, random weights: timing does not depend on them.

Seconds per six views, requests a second and the share of the GPU's measured matrix-multiply rate; of the published way
(a chained attention processor, the library's scheduler) as it is, compiled, and with several pictures at once, and of
this package's by batch size, with its steps recorded as CUDA graphs, and compiled. Rows for which ``--minutes`` do not
suffice are left out and say so; a second run on the same machine finds what the first one compiled. Without a GPU a toy
configuration runs, to show that the benchmark does; its figures mean nothing.

It needs torch, transformers, accelerate, safetensors, diffusers, numpy, SciPy, OpenCV, httpx and Pillow, and not this
package installed.
"""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from types import SimpleNamespace
from typing import Any

import torch
import torch.nn.attention
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
        {"size": {"shortest_edge": 224}, **CLIP}, torch.linspace(0, 1, 77), install(unet), torch.device(device),
    )  # fmt: skip


class Chained:
    """The published pipeline's attention processor: around the library's, with what it keeps by its name."""

    def __init__(self, name: str, kept: dict[str, torch.Tensor], writing: list[bool]) -> None:
        from diffusers.models.attention_processor import AttnProcessor2_0

        self.name, self.own, self.kept, self.writing = name, "attn1" in name, kept, writing
        self.inner = AttnProcessor2_0()

    def __call__(
        self, attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, attention_mask: Any = None
    ) -> Any:
        if encoder_hidden_states is None:
            encoder_hidden_states = hidden_states
        if self.own:
            if self.writing[0]:
                self.kept[self.name] = encoder_hidden_states
            else:
                encoder_hidden_states = torch.cat([encoder_hidden_states, self.kept.pop(self.name)], 1)
        return self.inner(attn, hidden_states, encoder_hidden_states, attention_mask)


class Plain:
    """The way of the published custom pipeline: chain each processor, leave the steps to the library's scheduler."""

    def __init__(self, parts: Parts, size: tuple[int, int], steps: int) -> None:
        kept: dict[str, torch.Tensor] = {}
        self.parts, self.size, self.steps, self.writing = parts, size, steps, [False]
        parts.unet.set_attn_processor({n: Chained(n, kept, self.writing) for n in parts.unet.attn_processors})

    @torch.inference_mode()
    def __call__(self, batch: int, guidance: float = 4.0) -> torch.Tensor:
        parts = self.parts
        like = {"device": parts.device, "dtype": parts.dtype}
        pixels = torch.randn(batch, 3, 320, 320, **like)
        condition = torch.cat([parts.vae.encode(p).latent_dist.sample() for p in (torch.zeros_like(pixels), pixels)])
        seen = parts.vision_encoder(torch.randn(batch, 3, 224, 224, **like)).image_embeds
        words = parts.text_encoder(torch.ones(2 * batch, 77, dtype=torch.long, device=parts.device))[0]
        text = words + torch.cat([torch.zeros_like(seen), seen])[:, None] * parts.ramp.to(words)[None, :, None]
        scheduler = parts.scheduler
        scheduler.set_timesteps(self.steps, device=parts.device)
        sample = torch.randn(batch, 4, self.size[1] // 8, self.size[0] // 8, **like) * scheduler.init_noise_sigma
        for moment in scheduler.timesteps:
            noisy = scheduler.add_noise(condition, torch.randn_like(condition), moment[None])
            self.writing[0] = True
            parts.unet(scheduler.scale_model_input(noisy, moment), moment, text)
            self.writing[0] = False
            out = parts.unet(scheduler.scale_model_input(torch.cat([sample] * 2), moment), moment, text)[0]
            without, with_it = out.chunk(2)
            sample = scheduler.step(without + guidance * (with_it - without), moment, sample).prev_sample
        decode(parts, sample.float())
        return sample


class Ours:
    """This package's engine, from pictures to pictures."""

    def __init__(self, parts: Parts, size: tuple[int, int], steps: int, graphs: bool) -> None:
        parts.store = install(parts.unet)
        self.parts, self.size, self.steps, self.graphs = parts, size, steps, graphs
        self.picture = Image.new("RGB", (320, 320), (127, 90, 60))

    def latents(self, batch: int) -> torch.Tensor:
        """What is left after the last step, from seeds 0, 1, …"""
        return run(
            self.parts, [self.picture] * batch, SeededNoise(range(batch)), steps=self.steps,
            width=self.size[0], height=self.size[1], graphs=self.graphs,
        )  # fmt: skip

    def __call__(self, batch: int) -> object:
        return decode(self.parts, self.latents(batch))


class TooLong(Exception):
    """A row's time is up."""


@contextlib.contextmanager
def within(seconds: float) -> Iterator[None]:
    """Raise TooLong in this thread after some seconds: a compiler is not always quick."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(0.01, seconds))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def seconds(work: Callable[[], object], runs: int) -> float:
    """Median of some runs after one to warm up."""
    times = []
    for _ in range(runs + 1):
        synchronise()
        begun = time.perf_counter()
        work()
        synchronise()
        times.append(time.perf_counter() - begun)
    return sorted(times[1:])[runs // 2]


def matmul_rate(device: str, dtype: torch.dtype) -> float:
    """FLOP/s of large matrix products, the peak that can be had."""
    n = 8192 if device == "cuda" else 512
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return 20 * 2 * n**3 / seconds(lambda: [a @ b for _ in range(20)], 3)


@dataclass
class Table:
    """Rows as they are measured, in Markdown."""

    runs: int
    until: float
    flop: float = 0.0
    peak: float = 1.0
    first: float = 0.0

    def begin(self) -> None:
        print(
            "| way | batch | seconds per six views | requests/s | beside the first row | share of peak | GPU memory |"
        )
        print("|---|---|---|---|---|---|---|", flush=True)

    def row(self, way: str, work: Callable[[int], object], batch: int, share: float = 1.0) -> bool:
        """Measure one in at most a share of the time that is left; whether it was done."""
        left = share * (self.until - time.monotonic())
        if left < 2:
            print(f"| {way} | {batch} | left out: no time |||||", flush=True)
            return False
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        begun = time.monotonic()
        try:
            with within(left):
                took = seconds(lambda: work(batch), self.runs)
        except TooLong:
            print(f"| {way} | {batch} | not done in {left:.0f} s |||||", flush=True)
            return False
        except Exception as error:  # one way that fails must not take the others along
            print(f"| {way} | {batch} | {type(error).__name__}: {str(error).splitlines()[0][:120]} |||||", flush=True)
            return False
        self.first = self.first or took / batch
        memory = f"{torch.cuda.max_memory_allocated() / 2**30:.1f} GB" if torch.cuda.is_available() else "–"
        print(
            f"| {way} | {batch} | {took / batch:.3f} | {batch / took:.2f} | {self.first * batch / took:.2f}× | "
            f"{self.flop * batch / took / self.peak:.1%} | {memory} |",
            flush=True,
        )
        print(f"  ({way}, batch {batch}: {time.monotonic() - begun:.0f} s for the row)", file=sys.stderr, flush=True)
        return True


def compiled(parts: Parts) -> list[Any]:
    """What the compiled ways compile: the network of the steps, and the pictures' decoder."""
    return [parts.unet, parts.vae.decoder]


def compile_anew(parts: Parts) -> None:
    """Compile networks, also such whose attention was exchanged."""
    torch._dynamo.reset()
    torch._dynamo.config.recompile_limit = 64  # two passes for each batch
    for network in compiled(parts):
        network.compile(dynamic=False)


def as_they_were(parts: Parts) -> None:
    """Undo :func:`compile_anew`."""
    for network in compiled(parts):
        network._compiled_call_impl = None


WAYS = ("graphs", "published", "layout", "cudnn", "ours", "compiled", "published-compiled")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=28)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--minutes", type=float, default=4.5, help="all of it")
    parser.add_argument("--precision", default="float16", choices=["float16", "bfloat16", "float32"])
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=WAYS, help="in this order, after the first row")
    parser.add_argument("--profile", action="store_true", help="what the GPU does in one request, by kernel")
    options = parser.parse_args()
    table = Table(options.runs, time.monotonic() + 60 * options.minutes)
    gpu = torch.cuda.is_available()
    device = "cuda" if gpu else "cpu"
    if not gpu:
        print("NO GPU HERE: a toy configuration in float32 runs instead; these figures mean nothing.")
        options.precision, options.steps, options.batches, table.runs = "float32", 2, [1, 2], 1
        options.ways = ("published", "ours")
    dtype = getattr(torch, options.precision)
    torch.manual_seed(0)
    parts = make_parts(FULL if gpu else TOY, device, dtype)
    size = (WIDTH, HEIGHT) if gpu else (128, 192)
    with FlopCounterMode(display=False) as counter:
        truth = Ours(parts, size, options.steps, False).latents(1)
    table.flop, table.peak = counter.get_total_flops(), matmul_rate(device, dtype)
    name = torch.cuda.get_device_name() if gpu else "CPU"
    print(
        f"{name}, torch {torch.__version__}, {options.precision}, {options.steps} steps, {date.today()}: "
        f"{table.flop / 1e12:.1f} TFLOP a request, {table.peak / 1e12:.0f} TFLOP/s at matrix products\n"
    )
    table.begin()
    table.row("published way", Plain(parts, size, options.steps), 1)
    for way in options.ways:
        measure(way, table, parts, size, options, truth)
    if options.profile and gpu:
        profile(Ours(parts, size, options.steps, False))


def measure(
    way: str, table: Table, parts: Parts, size: tuple[int, int], options: argparse.Namespace, truth: torch.Tensor
) -> None:
    """The rows of one way."""
    several = [batch for batch in options.batches if batch > 1]
    parts.graphs.clear()
    if way == "published":
        plain = Plain(parts, size, options.steps)
        for batch in several:
            table.row("published way", plain, batch)
        return
    if way == "published-compiled":
        compile_anew(parts)
        table.row("published way, compiled", Plain(parts, size, options.steps), 1)
        as_they_were(parts)
        return
    ours = Ours(parts, size, options.steps, graphs=way != "ours")
    batches = options.batches
    extra: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
    if way == "layout":
        lay_out(parts, torch.channels_last)
        batches = [min(batches), max(batches)]
    elif way == "cudnn":
        extra = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.CUDNN_ATTENTION)
        batches = [min(batches), max(batches)]
    elif way == "compiled":
        compile_anew(parts)  # for each batch anew; the largest is what a queue would use
        batches = [min(batches), *reversed(several)]
    label = {
        "ours": "ours",
        "graphs": "ours, CUDA graphs",
        "layout": "ours, CUDA graphs, channels last",
        "cudnn": "ours, CUDA graphs, cuDNN's attention",
        "compiled": "ours, CUDA graphs, compiled",
    }[way]
    with extra:
        done = [table.row(label, ours, batch) for batch in dict.fromkeys(batches)]
        if done[0] and batches[0] == 1:
            off(truth, ours.latents(1))
    if way == "layout":
        lay_out(parts, torch.contiguous_format)
    if way == "compiled":
        as_they_were(parts)


def lay_out(parts: Parts, form: torch.memory_format) -> None:
    """Convolutions' weights in another order; their outputs follow."""
    for network in (parts.unet, parts.vae):
        network.to(memory_format=form)


def profile(ours: Ours) -> None:
    """Print the kernels that take longest in one request."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    with watch(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as seen:
        ours(1)
    print(seen.key_averages().table(sort_by="self_device_time_total", row_limit=25, max_name_column_width=70))


def off(truth: torch.Tensor, other: torch.Tensor) -> None:
    """Say how far the last latents of another way are from the plain run's."""
    print(
        f"  (relative error of the last latents: {float((truth - other).norm() / truth.norm()):.1e})", file=sys.stderr
    )


if __name__ == "__main__":
    main()
