"""MV-Adapter on toy models in the published layout, against the published procedure done the long way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, diffusion engines are not tested")
pytest.importorskip("diffusers", reason="LOUD: diffusers is not installed, MV-Adapter is not tested")
pytest.importorskip("transformers", reason="LOUD: transformers is not installed, MV-Adapter is not tested")

from mvadapter_long_way import WORDS, long_way, published_rays  # noqa: E402

import orbitview  # noqa: E402
from orbitview import Camera  # noqa: E402
from orbitview.engines.loading import keep_in_main_memory  # noqa: E402
from orbitview.engines.mvadapter import pipeline  # noqa: E402
from orbitview.engines.mvadapter.engine import MVAdapterEngine, MVAdapterSD21Engine, framed  # noqa: E402
from orbitview.engines.mvadapter.noise import GivenNoise, SeededNoise  # noqa: E402
from orbitview.engines.mvadapter.parts import Parts, load_parts  # noqa: E402
from orbitview.engines.mvadapter.rays import ray_maps  # noqa: E402
from orbitview.engines.mvadapter.variants import SD21, SDXL  # noqa: E402
from orbitview.engines.registry import load_engine  # noqa: E402
from orbitview.engines.warm import WARM  # noqa: E402

SMALL = {"mvadapter": replace(SDXL, size=64), "mvadapter-sd21": replace(SD21, size=64)}
NAMES = list(SMALL)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tiny_models import mvadapter_folder

    root = tmp_path_factory.mktemp("weights")
    return {name: mvadapter_folder(root / name, variant.wide) for name, variant in SMALL.items()}


@pytest.fixture(scope="module")
def loaded(folders: dict[str, Path]) -> dict[str, Parts]:
    return {name: load_parts(folders[name], variant) for name, variant in SMALL.items()}


@pytest.fixture
def picture() -> Image.Image:
    return framed(make_figure(200), 64)


# --- the conditions, against the published procedure done the long way ------------------------------------------


def test_ray_maps_are_the_published_numbers() -> None:
    cameras = orbitview.rig("mvadapter-6")
    maps = ray_maps(cameras, 8)
    assert maps.shape == (6, 6, 8, 8)
    for camera, one in zip(cameras, maps, strict=True):
        expected = (published_rays(camera.azimuth) + 1) / 2
        assert np.allclose(one.numpy(), expected[:, None, None], atol=1e-6)
    # And of other cameras of the kind; the front camera looks along +y of the model's world.
    raised = ray_maps([Camera(200, 25, projection="orthographic")], 4)[0, :, 0, 0]
    assert np.allclose(raised.numpy(), (published_rays(200, 25) + 1) / 2, atol=1e-6)
    assert np.allclose(maps[0, :, 0, 0].numpy(), [0.5, 1, 0.5, 0.5, 0, 0.5])


def test_the_rig_is_six_orthographic_views_at_eye_level() -> None:
    cameras = orbitview.rig("mvadapter-6")
    assert [c.azimuth for c in cameras] == [0, 45, 90, 180, 270, 315]
    assert {(c.elevation, c.projection, c.scale) for c in cameras} == {(0, "orthographic", 1.1)}
    drawn = orbitview.generate(make_figure(), "mvadapter-6", engine="inflate", size=48)
    assert [view.camera for view in drawn] == cameras  # other engines draw the same


def test_the_shifted_schedule_keeps_the_start_and_an_eighth_of_the_end() -> None:
    from orbitview.engines.mvadapter.sampler import shifted_betas

    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    before = np.cumprod(1 - betas)
    after = np.cumprod(1 - shifted_betas(torch.tensor(before, dtype=torch.float32)).numpy().astype(np.float64))
    ratio = (after / (1 - after)) / (before / (1 - before))
    assert np.allclose(ratio, 8.0 ** -(np.arange(1000) / 999), rtol=2e-3)


@pytest.mark.parametrize("name", NAMES)
def test_text_is_embedded_as_the_librarys_own_pipelines_do(loaded: dict[str, Parts], name: str) -> None:
    from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline

    parts = loaded[name]
    common = {"vae": parts.vae, "unet": parts.unet, "scheduler": parts.scheduler}
    ours = pipeline.embed_text(parts, ["ab a"]).after(pipeline.embed_text(parts, ["b"]))
    with torch.no_grad():
        if parts.variant.wide:
            (first, second), (encoder, projected) = parts.tokenizers, parts.text_encoders
            pipe = StableDiffusionXLPipeline(
                **common, tokenizer=first, tokenizer_2=second, text_encoder=encoder, text_encoder_2=projected
            )
            yes, no, whole, no_whole = pipe.encode_prompt("ab a", negative_prompt="b", device="cpu")
            assert ours.whole is not None
            assert torch.allclose(ours.whole, torch.cat([no_whole, whole]), atol=1e-6)
            sizes = pipe._get_add_time_ids((64, 64), (0, 0), (64, 64), torch.float32, whole.shape[-1])
            told = pipeline._conditions(parts, ours)
            assert told is not None
            assert torch.equal(told["time_ids"], sizes.repeat(2, 1))
        else:
            pipe = StableDiffusionPipeline(
                **common, tokenizer=parts.tokenizers[0], text_encoder=parts.text_encoders[0],
                safety_checker=None, feature_extractor=None, requires_safety_checker=False,
            )  # fmt: skip
            yes, no = pipe.encode_prompt("ab a", "cpu", 1, True, negative_prompt="b")
            assert pipeline._conditions(parts, ours) is None
    assert torch.allclose(ours.tokens, torch.cat([no, yes]), atol=1e-6)


def given(steps: int) -> GivenNoise:
    g = torch.Generator().manual_seed(3)
    shape = (1, 6, 4, 8, 8)
    return GivenNoise(
        torch.randn(shape, generator=g),
        [torch.randn(shape, generator=g) for _ in range(steps)],
        torch.randn(1, 4, 8, 8, generator=g),
    )


@pytest.mark.parametrize("name", NAMES)
def test_ten_steps_equal_the_long_way(
    folders: dict[str, Path], loaded: dict[str, Parts], picture: Image.Image, name: str
) -> None:
    ours = pipeline.run(loaded[name], [picture], given(10), steps=10, guidance=3.0, **WORDS)
    theirs = long_way(folders[name], SMALL[name], picture, given(10), 10)
    assert ours.shape == (1, 6, 4, 8, 8)
    assert ((ours - theirs).norm() / theirs.norm()) < 1e-3


def test_the_pictures_pass_is_the_plain_base_model(folders: dict[str, Path], loaded: dict[str, Parts]) -> None:
    from diffusers import UNet2DConditionModel

    parts = loaded["mvadapter-sd21"]
    plain = UNet2DConditionModel.from_pretrained(str(folders["mvadapter-sd21"] / "base/unet")).eval()
    x, text = torch.randn(2, 4, 8, 8), torch.randn(2, 77, 16)
    with torch.no_grad():
        parts.reference.writing = True
        ours, theirs = parts.unet(x, 500, text)[0], plain(x, 500, text)[0]
    assert len(parts.reference.kept) == len([n for n in parts.unet.attn_processors if ".attn1." in n])
    parts.reference.clear()
    assert torch.allclose(ours, theirs, atol=1e-5)


# --- what a run depends on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_single_runs(loaded: dict[str, Parts], picture: Image.Image, name: str) -> None:
    other = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    words = [("a", "b"), ("b a", "")]
    together = pipeline.run(
        loaded[name], [picture, other], SeededNoise([1, 2]), steps=3,
        prompts=[w[0] for w in words], negative_prompts=[w[1] for w in words],
    )  # fmt: skip
    for index, one in enumerate((picture, other)):
        alone = pipeline.run(
            loaded[name], [one], SeededNoise([index + 1]), steps=3,
            prompts=[words[index][0]], negative_prompts=[words[index][1]],
        )  # fmt: skip
        assert torch.allclose(together[index], alone[0], rtol=1e-3, atol=1e-3)
    assert not torch.allclose(together[0], together[1], atol=1e-2)


def test_each_condition_counts(loaded: dict[str, Parts], picture: Image.Image) -> None:
    """Another picture, other words, other cameras: other views; and views are told apart by their cameras alone."""
    parts, cameras = loaded["mvadapter"], orbitview.rig("mvadapter-6")
    first = pipeline.run(parts, [picture], given(2), steps=2, **WORDS)
    flipped = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    others = [
        pipeline.run(parts, [flipped], given(2), steps=2, **WORDS),
        pipeline.run(parts, [picture], given(2), steps=2, **(WORDS | {"prompts": ["b b"]})),
        pipeline.run(parts, [picture], given(2), steps=2, **WORDS, cameras=[*cameras[:5], Camera(10, 0)]),
    ]
    for other in others:
        assert (first - other).abs().max() > 1e-3
    assert (others[2] - first)[0, 0].abs().max() > 1e-6  # the first view sees the last one's rows
    order = [3, 0, 1, 2, 4, 5]
    noise = GivenNoise(given(2).initial(())[:, order], (), given(2).encode(()))
    moved = pipeline.run(parts, [picture], noise, steps=2, **WORDS, cameras=[cameras[i] for i in order])
    assert torch.allclose(moved, first[:, order], rtol=1e-3, atol=1e-3)


def test_half_precision_stays_near(folders: dict[str, Path], loaded: dict[str, Parts], picture: Image.Image) -> None:
    parts = load_parts(folders["mvadapter"], SMALL["mvadapter"], dtype=torch.bfloat16)
    assert {p.dtype for p in parts.unet.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in parts.encoder.parameters()} == {torch.float32}  # it runs once, and must not overflow
    single, half = (pipeline.run(some, [picture], given(3), steps=3, **WORDS) for some in (loaded["mvadapter"], parts))
    assert ((single - half).norm() / single.norm()) < 0.05


def test_weights_in_main_memory_give_the_same(
    folders: dict[str, Path], loaded: dict[str, Parts], picture: Image.Image
) -> None:
    kept = load_parts(folders["mvadapter"], SMALL["mvadapter"])
    keep_in_main_memory(kept, "cpu")
    assert all(p.device.type == "meta" for network in kept.networks for p in network.parameters())
    plain, same = (
        pipeline.run(parts, [picture], SeededNoise([1]), steps=2, **WORDS) for parts in (loaded["mvadapter"], kept)
    )
    assert torch.allclose(plain, same, atol=1e-5)


def test_guidance_of_one_runs_without_the_empty_half(loaded: dict[str, Parts], picture: Image.Image) -> None:
    parts, sizes = loaded["mvadapter"], list[int]()
    handle = parts.unet.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    pipeline.run(parts, [picture], SeededNoise([1]), steps=2, guidance=1.0, **WORDS)
    pipeline.run(parts, [picture], SeededNoise([1]), steps=1, guidance=2.0, **WORDS)
    handle.remove()
    assert sizes == [1, 6, 6, 1, 12]


# --- through the public face ------------------------------------------------------------------------------------


@pytest.fixture
def installed(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(folders["mvadapter"].parent))
    monkeypatch.setattr(MVAdapterEngine, "variant", SMALL["mvadapter"])
    monkeypatch.setattr(MVAdapterSD21Engine, "variant", SMALL["mvadapter-sd21"])
    WARM.clear()


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("name", NAMES)
def test_six_views_in_the_rigs_order(name: str) -> None:
    stages: list[str] = []
    asked = {"engine": name, "seed": 5, "num_inference_steps": 2, "keep_grey": True, "size": 64}
    views = orbitview.generate(make_figure(), progress=lambda share, stage: stages.append(stage), **asked)  # type: ignore[arg-type]
    assert [v.camera for v in views] == orbitview.rig("mvadapter-6")
    assert [s for s in stages if s.startswith("denoise")] == ["denoise 1/2", "denoise 2/2"]
    assert views.meta["ignored"] == []
    assert views.meta["guidance"] == 3.0
    assert {v.image.size for v in views} == {(64, 64)}
    assert views.grid(640, 960).size == (640, 960)
    again = orbitview.generate(make_figure(), **asked)  # type: ignore[arg-type]
    assert all(a.image.tobytes() == b.image.tobytes() for a, b in zip(views, again, strict=True))
    other = orbitview.generate(make_figure(), **(asked | {"seed": 6}))  # type: ignore[arg-type]
    assert views[0].image.tobytes() != other[0].image.tobytes()
    elsewhere = orbitview.generate(make_figure(), "sides-4", **asked)  # type: ignore[arg-type]
    assert elsewhere.meta["ignored"] == ["cameras"]
    assert len(elsewhere) == 6


@pytest.mark.usefixtures("installed")
def test_cancel_at_a_step() -> None:
    seen: list[str] = []

    def stop(share: float, stage: str) -> None:
        seen.append(stage)
        if stage == "denoise 3/6":
            raise orbitview.Cancelled("enough")

    with pytest.raises(orbitview.Cancelled):
        orbitview.generate(make_figure(), engine="mvadapter", num_inference_steps=6, progress=stop)
    assert seen[-1] == "denoise 3/6"
    # And the next run is not disturbed by what the stopped one kept.
    assert len(orbitview.generate(make_figure(), engine="mvadapter", num_inference_steps=1, seed=1)) == 6


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize(
    ("steps", "guidance", "field"),
    [
        (0, None, "num_inference_steps"),
        ("5", None, "num_inference_steps"),
        (True, None, "num_inference_steps"),
        (2, float("nan"), "guidance_scale"),
        (2, "much", "guidance_scale"),
    ],
)
def test_impossible_numbers_are_refused(steps: object, guidance: object, field: str) -> None:
    from orbitview.engines.base import EngineRequest

    request = EngineRequest(make_figure(), [], steps=steps, guidance=guidance)  # type: ignore[arg-type]
    for ask in (
        lambda: load_engine("mvadapter").generate([request]),
        lambda: orbitview.generate(
            make_figure(),
            engine="mvadapter",
            num_inference_steps=steps,  # type: ignore[arg-type]
            guidance_scale=guidance,  # type: ignore[arg-type]
        ),
    ):
        with pytest.raises(orbitview.InvalidRequest) as caught:
            ask()
        assert caught.value.field == field


@pytest.mark.usefixtures("installed")
def test_many_requests_run_in_a_few_sizes(monkeypatch: pytest.MonkeyPatch) -> None:
    from orbitview.engines.base import EngineRequest

    sizes: list[int] = []

    def run(parts, pictures, noise, *, steps, **_):  # type: ignore[no-untyped-def]
        sizes.append(len(pictures))
        return torch.full((len(pictures), 6, 4, 8, 8), float(steps))

    monkeypatch.setattr(pipeline, "run", run)
    grey = Image.new("RGB", (64, 64), (127, 127, 127))
    monkeypatch.setattr(pipeline, "decode", lambda parts, latents: [grey] * len(latents))
    requests = [
        EngineRequest(make_figure(64), [], steps=5 if n % 2 else 6, options={"keep_grey": True}) for n in range(5)
    ]
    shares: list[float] = []
    made = load_engine("mvadapter").generate(requests, lambda share, stage: shares.append(share))
    assert sizes == [2, 1, 2]
    assert [views.meta["steps"] for views in made] == [5 if n % 2 else 6 for n in range(5)]
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_the_object_fills_what_was_published() -> None:
    there = np.abs(np.asarray(framed(make_figure(400), 768), np.int16) - 127).max(2) > 12
    high, wide = (np.ptp(np.nonzero(there)[axis]) + 1 for axis in (0, 1))
    assert max(high, wide) / 768 == pytest.approx(0.9, abs=0.01)
