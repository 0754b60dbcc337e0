"""Weights of MV-Adapter: names, shapes and sizes as published, and one sentence where a file does not fit."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import make_figure

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, diffusion engines are not tested")
pytest.importorskip("diffusers", reason="LOUD: diffusers is not installed, MV-Adapter is not tested")
pytest.importorskip("transformers", reason="LOUD: transformers is not installed, MV-Adapter is not tested")

import orbitview  # noqa: E402
from orbitview.engines.mvadapter.parts import load_parts  # noqa: E402
from orbitview.engines.mvadapter.variants import SD21, SDXL, Variant  # noqa: E402
from orbitview.engines.registry import load_engine  # noqa: E402
from orbitview.engines.warm import WARM  # noqa: E402

SMALL = {"mvadapter": replace(SDXL, size=64), "mvadapter-sd21": replace(SD21, size=64)}
NAMES = list(SMALL)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from tiny_models import mvadapter_folder

    root = tmp_path_factory.mktemp("weights")
    return {name: mvadapter_folder(root / name, variant.wide) for name, variant in SMALL.items()}


def spoiled(path: Path, change: Any) -> None:
    from safetensors.torch import load, save_file

    state = load(path.read_bytes())
    change(state)
    save_file(state, str(path))


MV = "mid_block.attentions.0.transformer_blocks.0.attn1.processor.to_out_mv.0.bias"
CHANGES = {
    "missing in the UNet": lambda state: state.pop(MV),
    "missing in the encoder": lambda state: state.pop("adapter.body.1.in_conv.weight"),
    "unexpected": lambda state: state.update({MV.replace("_mv", "_text"): torch.zeros(3)}),
    "misshapen": lambda state: state.update({MV: torch.zeros(3)}),
}


@pytest.mark.parametrize("what", [*CHANGES, "cut", "pointer", "gone"])
@pytest.mark.parametrize("name", NAMES)
def test_an_adapter_that_does_not_fit_is_named(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, what: str
) -> None:
    shutil.copytree(folders[name], tmp_path / name)
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path))
    WARM.clear()
    adapter = SMALL[name].adapter
    path = tmp_path / name / adapter
    if what == "cut":
        path.write_bytes(path.read_bytes()[:-50])
    elif what == "pointer":
        path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 492265168\n")
    elif what == "gone":
        path.unlink()
    else:
        spoiled(path, CHANGES[what])
    with pytest.raises(orbitview.EngineUnavailable) as caught:
        orbitview.generate(make_figure(64), engine=name, num_inference_steps=1)
    assert adapter in caught.value.message
    assert f"orbitview engines pull {name} --accept-license" in caught.value.hint


WIDE = {
    "block_out_channels": (320, 640, 1280),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "cross_attention_dim": 2048,
    "attention_head_dim": (5, 10, 20),
    "transformer_layers_per_block": (1, 2, 10),
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,
}
PLAIN = {"cross_attention_dim": 1024, "attention_head_dim": (5, 10, 20, 20), "use_linear_projection": True}


@pytest.mark.parametrize(
    ("variant", "sizes", "published"), [(SDXL, WIDE, 3.60e9), (SD21, PLAIN, 0.708e9)], ids=["SDXL", "SD 2.1"]
)
def test_at_full_size_the_adapter_has_the_published_files_size(
    variant: Variant, sizes: dict[str, Any], published: float
) -> None:
    """Without values: in float32 the tensors that loading expects take what the hub says of the file; and they fit."""
    from diffusers import UNet2DConditionModel

    from orbitview.engines.mvadapter.attention import install
    from orbitview.engines.mvadapter.parts import condition_encoder

    side = variant.size // 8
    with torch.device("meta"), torch.no_grad():
        unet = UNet2DConditionModel(**sizes)
        reference, encoder = install(unet), condition_encoder(variant, unet)
        expected = {n: t for n, t in unet.state_dict().items() if ".processor." in n} | encoder.state_dict()
        assert sum(4 * t.numel() for t in expected.values()) == pytest.approx(published, rel=2e-3)
        reference.views = 6
        for count in (1, 6):
            reference.writing = count == 1
            features = encoder(torch.zeros(count, 6, variant.size, variant.size)) if count > 1 else None
            added = {"text_embeds": torch.zeros(count, 1280), "time_ids": torch.zeros(count, 6)}
            text = torch.zeros(count, 77, sizes["cross_attention_dim"])
            out = unet(
                torch.zeros(count, 4, side, side), torch.zeros(()), text,
                added_cond_kwargs=added if variant.wide else None, down_intrablock_additional_residuals=features,
            )[0]  # fmt: skip
    assert out.shape == (6, 4, side, side)


@pytest.mark.parametrize("name", NAMES)
def test_readiness_looks_for_exactly_what_loading_needs(folders: dict[str, Path], tmp_path: Path, name: str) -> None:
    folder = tmp_path / name
    shutil.copytree(folders[name], folder)
    weights = load_engine(name).weights  # type: ignore[attr-defined]
    needed = {next(n for n in names if (folder / n).is_file()) for names in weights.needed}
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        if path.relative_to(folder).as_posix() not in needed:
            path.unlink()
    load_parts(folder, SMALL[name])
    for one in sorted(needed):
        content = (folder / one).read_bytes()
        (folder / one).unlink()
        with pytest.raises(orbitview.EngineUnavailable, match=one.rsplit("/", 1)[-1].split(".")[0]):
            load_parts(folder, SMALL[name])
        (folder / one).write_bytes(content)


def test_half_precision_files_are_taken_where_they_are(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "mvadapter"
    shutil.copytree(folders["mvadapter"], folder)
    for path in [*folder.glob("base/*/*.safetensors")]:
        path.rename(path.with_name(path.name.replace(".safetensors", ".fp16.safetensors")))
    assert (
        load_parts(folder, SMALL["mvadapter"]).bytes() == load_parts(folders["mvadapter"], SMALL["mvadapter"]).bytes()
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_says_what_a_shop_must_know(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from orbitview.engines.weights import pull

    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path))
    engine = load_engine(name)
    assert "Apache-2.0" in engine.info.licence
    assert "RAIL++-M" in engine.info.licence
    assert engine.info.rig == "mvadapter-6"
    with pytest.raises(orbitview.InvalidRequest, match="RAIL"):
        pull(engine.weights, accept=False)  # type: ignore[attr-defined]
    with pytest.raises(orbitview.EngineUnavailable) as caught:
        orbitview.generate(make_figure(), engine=name)
    assert f"orbitview engines pull {name}" in caught.value.hint
