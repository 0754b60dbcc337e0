"""Zero123++ on a toy model in the published layout, against diffusers' own parts doing it the long way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, diffusion engines are not tested")
pytest.importorskip("diffusers", reason="LOUD: diffusers is not installed, Zero123++ is not tested")
pytest.importorskip("transformers", reason="LOUD: transformers is not installed, Zero123++ is not tested")

import orbitview  # noqa: E402
from orbitview.engines.loading import keep_in_main_memory  # noqa: E402
from orbitview.engines.warm import WARM  # noqa: E402
from orbitview.engines.zero123plus import pipeline  # noqa: E402
from orbitview.engines.zero123plus.noise import GivenNoise, SeededNoise  # noqa: E402

SMALL = {"width": 64, "height": 96}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import zero123plus_folder

    return zero123plus_folder(tmp_path_factory.mktemp("weights") / "zero123plus")


@pytest.fixture(scope="module")
def parts(folder: Path) -> pipeline.Parts:
    return pipeline.load_parts(folder)


@pytest.fixture
def picture() -> Image.Image:
    return pipeline.over_grey(make_figure(320))


def given(steps: int, guided: bool = True, size: tuple[int, int] = (96, 64)) -> GivenNoise:
    g = torch.Generator().manual_seed(3)
    halves = 2 if guided else 1
    return GivenNoise(
        torch.randn(1, 4, size[0] // 8, size[1] // 8, generator=g),
        [torch.randn(halves, 4, 40, 40, generator=g) for _ in range(steps)],
        [torch.randn(1, 4, size[0] // 8, size[1] // 8, generator=g) for _ in range(steps)],
        torch.randn(1, 4, 40, 40, generator=g),
        torch.randn(1, 4, 40, 40, generator=g),
    )


def test_an_empty_store_is_the_plain_unet(folder: Path, parts: pipeline.Parts) -> None:
    from diffusers import UNet2DConditionModel

    plain = UNet2DConditionModel.from_pretrained(str(folder / "unet")).eval()
    x, text = torch.randn(2, 4, 12, 8), torch.randn(2, 77, 16)
    with torch.no_grad():
        theirs, ours = plain(x, 500, text)[0], parts.unet(x, 500, text)[0]
    assert torch.allclose(theirs, ours, atol=1e-5)


def test_what_is_kept_changes_self_attention_only(parts: pipeline.Parts) -> None:
    x, text = torch.randn(1, 4, 12, 8), torch.randn(1, 77, 16)
    store = parts.store
    with torch.no_grad():
        before = parts.unet(x, 500, text)[0]
        store.writing = True
        parts.unet(torch.randn(1, 4, 40, 40), 500, text)
        store.writing = False
        assert store.kept
        assert all(".attn1." in name for name in store.kept)
        after = parts.unet(x, 500, text)[0]
    store.kept.clear()
    assert (before - after).abs().max() > 1e-4


def test_scaling_goes_round() -> None:
    x = torch.randn(3, 4)
    assert torch.allclose(pipeline.unscale_latents(pipeline.scale_latents(x)), x, atol=1e-6)
    assert torch.allclose(pipeline.unscale_image(pipeline.scale_image(x)), x, atol=1e-6)


def long_way(folder: Path, picture: Image.Image, noise: GivenNoise, steps: int, guidance: float) -> torch.Tensor:
    """The published procedure, written down again with the library's scheduler and attention."""
    from diffusers.utils import torch_utils

    parts = pipeline.load_parts(folder)
    unet, scheduler = parts.unet, parts.scheduler
    kept: dict[str, torch.Tensor] = {}
    state = {"mode": "r"}

    class Processor:
        def __init__(self, name: str) -> None:
            self.name = name

        def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):  # type: ignore[no-untyped-def]
            context = hidden_states if encoder_hidden_states is None else encoder_hidden_states
            if "attn1" in self.name:
                if state["mode"] == "w":
                    kept[self.name] = context
                else:
                    context = torch.cat([context, kept.pop(self.name)], 1)
            q, k, v = (
                attn.head_to_batch_dim(f(x))
                for f, x in ((attn.to_q, hidden_states), (attn.to_k, context), (attn.to_v, context))
            )
            out = attn.batch_to_head_dim(torch.bmm(attn.get_attention_scores(q, k, None), v))
            return attn.to_out[1](attn.to_out[0](out))

    unet.set_attn_processor({name: Processor(name) for name in unet.attn_processors})
    image = np.asarray(picture.resize((320, 320)), np.float32) / 255
    tensor = torch.from_numpy((image - 0.5) / 0.8).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        told, nothing = (parts.vae.encode(t).latent_dist for t in (tensor, torch.zeros_like(tensor)))
        condition = torch.cat(
            [nothing.mean + nothing.std * noise.encode_negative(()), told.mean + told.std * noise.encode(())]
        )
        seen = pipeline.prepare(picture, parts.for_clip)[None]
        plain = pipeline.embed_text(parts, [""])
        text = torch.cat([plain, plain + parts.vision_encoder(seen).image_embeds[:, None] * parts.ramp[None, :, None]])
        scheduler.set_timesteps(steps)
        sample = noise.initial(()) * scheduler.init_noise_sigma
        for number, time in enumerate(scheduler.timesteps):
            noisy = scheduler.add_noise(condition, noise.reference(number, ()), time[None])
            state["mode"] = "w"
            unet(scheduler.scale_model_input(noisy, time), time, text)
            state["mode"] = "r"
            out = unet(scheduler.scale_model_input(torch.cat([sample] * 2), time), time, text)[0]
            without, with_it = out.chunk(2)
            out = without + guidance * (with_it - without)
            drawn = noise.ancestral(number, ())
            module = __import__(type(scheduler).__module__, fromlist=["randn_tensor"])
            module.randn_tensor = lambda *_, drawn=drawn, **__: drawn
            try:
                sample = scheduler.step(out, time, sample).prev_sample
            finally:
                module.randn_tensor = torch_utils.randn_tensor
    return sample


def test_ten_steps_equal_the_long_way(folder: Path, parts: pipeline.Parts, picture: Image.Image) -> None:
    noise = given(10)
    ours = pipeline.run(parts, [picture], noise, steps=10, guidance=4.0, **SMALL)
    theirs = long_way(folder, picture, noise, 10, 4.0)
    assert ((ours - theirs).norm() / theirs.norm()) < 1e-3


def test_a_ramp_of_zeros_leaves_the_text_alone(folder: Path, picture: Image.Image) -> None:
    """Then the picture's embedding counts for nothing: another one changes nothing."""
    parts = pipeline.load_parts(folder)
    first = pipeline.run(parts, [picture], given(2), steps=2, **SMALL)
    parts.ramp = torch.zeros(77)
    second = pipeline.run(parts, [picture], given(2), steps=2, **SMALL)
    parts.for_clip = parts.for_clip | {"image_mean": [0.1, 0.9, 0.3]}
    third = pipeline.run(parts, [picture], given(2), steps=2, **SMALL)
    assert not torch.equal(first, second)
    assert torch.equal(second, third)


def test_a_batch_equals_single_runs(parts: pipeline.Parts, picture: Image.Image) -> None:
    other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    together = pipeline.run(parts, [picture, other], SeededNoise([1, 2]), prompts=["a", "b"], steps=3, **SMALL)
    for index, (one, prompt) in enumerate(((picture, "a"), (other, "b"))):
        alone = pipeline.run(parts, [one], SeededNoise([index + 1]), prompts=[prompt], steps=3, **SMALL)
        assert torch.allclose(together[index], alone[0], rtol=1e-3, atol=1e-3)


def test_weights_in_main_memory_give_the_same(folder: Path, parts: pipeline.Parts, picture: Image.Image) -> None:
    kept = pipeline.load_parts(folder)
    keep_in_main_memory(kept, "cpu")
    assert all(p.device.type == "meta" for network in kept.networks for p in network.parameters())
    plain, same = (pipeline.run(p, [picture], SeededNoise([1]), steps=2, **SMALL) for p in (parts, kept))
    assert torch.allclose(plain, same, atol=1e-5)
    assert pipeline.decode(kept, same)[0].size == (64, 96)


def test_guidance_of_one_runs_without_the_empty_half(parts: pipeline.Parts, picture: Image.Image) -> None:
    sizes: list[int] = []
    handle = parts.unet.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    pipeline.run(parts, [picture], SeededNoise([1]), steps=2, guidance=1.0, **SMALL)
    handle.remove()
    assert sizes == [1, 1, 1, 1]


# --- through the public face ------------------------------------------------------------------------------------


@pytest.fixture
def installed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(folder.parent))
    WARM.clear()


def test_without_weights_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path))
    for name in ("zero123plus", "zero123plus-v1.1", "triposr"):
        with pytest.raises(orbitview.EngineUnavailable) as caught:
            orbitview.generate(make_figure(), engine=name)
        assert f"orbitview engines pull {name}" in caught.value.hint


@pytest.mark.usefixtures("installed")
def test_six_views_in_the_rigs_order() -> None:
    stages: list[str] = []
    views = orbitview.generate(
        make_figure(), engine="zero123plus", seed=5, num_inference_steps=2, keep_grey=True,
        progress=lambda share, stage: stages.append(stage),
    )  # fmt: skip
    assert [(v.camera.azimuth, v.camera.elevation) for v in views] == [
        (30, 20), (90, -10), (150, 20), (210, -10), (270, 20), (330, -10)
    ]  # fmt: skip
    assert [s for s in stages if s.startswith("denoise")] == ["denoise 1/2", "denoise 2/2"]
    assert views.meta["ignored"] == []
    again = orbitview.generate(make_figure(), engine="zero123plus", seed=5, num_inference_steps=2, keep_grey=True)
    assert all(a.image.tobytes() == b.image.tobytes() for a, b in zip(views, again, strict=True))
    other = orbitview.generate(make_figure(), engine="zero123plus", seed=6, num_inference_steps=2, keep_grey=True)
    assert views[0].image.tobytes() != other[0].image.tobytes()


@pytest.mark.usefixtures("installed")
def test_cancel_at_a_step() -> None:
    seen: list[str] = []

    def stop(share: float, stage: str) -> None:
        seen.append(stage)
        if stage == "denoise 3/6":
            raise orbitview.Cancelled("enough")

    with pytest.raises(orbitview.Cancelled):
        orbitview.generate(make_figure(), engine="zero123plus", num_inference_steps=6, progress=stop)
    assert seen[-1] == "denoise 3/6"
    # And the next run is not disturbed by what the stopped one kept.
    assert len(orbitview.generate(make_figure(), engine="zero123plus", num_inference_steps=1, seed=1)) == 6


def test_warm_models_give_way() -> None:
    from orbitview.engines.warm import WarmModels

    loads: list[str] = []
    warm = WarmModels(lambda: 10.0)

    def get(name: str, size: float) -> object:
        return warm.get(name, lambda: loads.append(name) or name, lambda _: size)

    for name, size in (("a", 4), ("b", 5), ("a", 4), ("c", 6), ("a", 4), ("b", 5)):
        get(name, size)
    assert loads == ["a", "b", "c", "b"]


def test_a_recorded_step_serves_other_runs(parts: pipeline.Parts, picture: Image.Image) -> None:
    """What a GPU replays is a step on the first run's tensors, so a later run's have to come there."""
    from types import SimpleNamespace

    from orbitview.engines.zero123plus.graphs import Graphs

    class OnTheCpu(Graphs):
        def _record(self, state, step):  # type: ignore[no-untyped-def]
            step(state)  # the warm-up spoils the state, as it does there
            return SimpleNamespace(replay=lambda: step(state))

    graphs, sizes = OnTheCpu(), (96, 64)
    with torch.inference_mode():
        for seeds in ([1], [2], [3, 4], [5]):
            pictures = [picture] * len(seeds)
            begun = pipeline._prepare(parts, pictures, SeededNoise(seeds), None, None, 2, 4.0, sizes)
            replay = graphs.prepare(begun, lambda state: pipeline._step(parts, state))
            assert replay is not None
            for _ in range(2):
                replay[1]()
            plain = pipeline.run(parts, pictures, SeededNoise(seeds), steps=2, **SMALL)
            assert torch.equal(replay[0].sample, plain)
    assert len(graphs._kept) == 2


@pytest.mark.usefixtures("installed")
def test_many_requests_run_in_a_few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 8, 4, 2 and 1, so that compiled graphs are used again; each request gets its own views, in order."""
    from orbitview.engines.base import EngineRequest
    from orbitview.engines.registry import load_engine

    sizes: list[int] = []

    def run(parts, pictures, noise, *, steps, **_):  # type: ignore[no-untyped-def]
        sizes.append(len(pictures))
        return torch.full((len(pictures), 4, 120, 80), float(steps))

    monkeypatch.setattr(pipeline, "run", run)
    grey = Image.new("RGB", (640, 960), (127, 127, 127))
    monkeypatch.setattr(pipeline, "decode", lambda parts, latents: [grey] * len(latents))
    requests = [
        EngineRequest(make_figure(), [], steps=5 if n % 2 else 6, options={"keep_grey": True}) for n in range(15)
    ]
    shares: list[float] = []
    made = load_engine("zero123plus").generate(requests, lambda share, stage: shares.append(share))
    assert sizes == [8, 4, 2, 1]
    assert [views.meta["steps"] for views in made] == [5 if n % 2 else 6 for n in range(15)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("steps", "guidance", "field"),
    [
        (0, None, "num_inference_steps"),
        (-3, None, "num_inference_steps"),
        ("5", None, "num_inference_steps"),
        (True, None, "num_inference_steps"),
        (2, float("nan"), "guidance_scale"),
        (2, "much", "guidance_scale"),
    ],
)
def test_impossible_numbers_are_refused(steps: object, guidance: object, field: str) -> None:
    from orbitview.engines.base import EngineRequest
    from orbitview.engines.registry import load_engine

    request = EngineRequest(make_figure(), [], steps=steps, guidance=guidance)  # type: ignore[arg-type]
    for ask in (
        lambda: load_engine("zero123plus").generate([request]),
        lambda: orbitview.generate(
            make_figure(),
            engine="zero123plus",
            num_inference_steps=steps,
            guidance_scale=guidance,  # type: ignore[arg-type]
        ),
    ):
        with pytest.raises(orbitview.InvalidRequest) as caught:
            ask()
        assert caught.value.field == field


@pytest.mark.parametrize(("name", "fill"), [("zero123plus", 0.85), ("zero123plus-v1.1", 0.75)])
def test_the_object_fills_what_was_published(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, fill: float
) -> None:
    (tmp_path / name).symlink_to(folder)
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path))
    WARM.clear()
    seen: list[Image.Image] = []

    def run(parts, pictures, noise, **_):  # type: ignore[no-untyped-def]
        seen.extend(pictures)
        raise orbitview.Cancelled("seen")

    monkeypatch.setattr(pipeline, "run", run)
    with pytest.raises(orbitview.Cancelled):
        orbitview.generate(make_figure(400), engine=name)
    there = np.abs(np.asarray(seen[0], np.int16) - 127).max(2) > 12
    high, wide = (np.ptp(np.nonzero(there)[axis]) + 1 for axis in (0, 1))
    assert max(high, wide) / seen[0].width == pytest.approx(fill, abs=0.01)


@pytest.mark.usefixtures("installed")
def test_half_precision_on_a_cpu_is_said_and_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("ORBITVIEW_PRECISION", "float16")
    with pytest.raises(orbitview.EngineUnavailable, match="float16 needs a GPU") as caught:
        orbitview.generate(make_figure(), engine="zero123plus", num_inference_steps=1)
    assert "ORBITVIEW_PRECISION" in caught.value.hint


def test_compiling_leaves_room_for_the_buckets(folder: Path) -> None:
    """Two passes, with and without guidance, for each size of a batch; beyond torch's limit it would run uncompiled."""
    parts = pipeline.load_parts(folder)
    pipeline.compile_unet(parts)
    assert torch._dynamo.config.recompile_limit >= 2 * 2 * 4


def test_runs_in_two_threads_do_not_disturb_each_other(parts: pipeline.Parts, picture: Image.Image) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def one(seed: int) -> torch.Tensor:
        return pipeline.run(parts, [picture], SeededNoise([seed]), steps=2, **SMALL)

    alone = [one(seed) for seed in (1, 2)]
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(one, (1, 2)))
    assert (alone[0] - alone[1]).abs().max() > 0.1
    for a, b in zip(alone, together, strict=True):  # another thread may sum in another order
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
