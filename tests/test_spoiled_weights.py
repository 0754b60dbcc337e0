"""Weights with something wrong in them: one sentence with the file and the command, never a run that succeeds."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import make_figure

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, spoiled weights are not tested")
pytest.importorskip("diffusers", reason="LOUD: diffusers is not installed, spoiled weights are not tested")

import orbitview  # noqa: E402
from orbitview.engines.registry import load_engine  # noqa: E402
from orbitview.engines.warm import WARM  # noqa: E402

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 492265168\n"
Spoil = Callable[[Path], object]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tiny_models import triposr_folder, zero123plus_folder

    folder = tmp_path_factory.mktemp("whole")
    zero123plus_folder(folder / "zero123plus")
    triposr_folder(folder / "triposr")
    return folder


@pytest.fixture
def weights(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    from tiny_models import tiny_sizes

    from orbitview.engines.triposr import model

    sizes = tiny_sizes()
    monkeypatch.setattr(model, "Sizes", lambda: sizes)
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path / "weights"))
    shutil.copytree(whole, tmp_path / "weights")
    WARM.clear()
    return tmp_path / "weights"


def tensors(change: Callable[[dict[str, torch.Tensor]], object]) -> Spoil:
    def spoil(path: Path) -> None:
        if path.suffix == ".ckpt":
            state = torch.load(path, weights_only=True)
            change(state)
            torch.save(state, path)
            return
        from safetensors.torch import load, save_file

        state = load(path.read_bytes())
        change(state)
        save_file(state, path, metadata={"format": "pt"})

    return spoil


def first(state: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(state) if name.endswith("weight"))


missing = tensors(lambda state: state.pop(first(state)))
unexpected = tensors(lambda state: state.update({"further.weight": torch.zeros(3)}))
misshapen = tensors(lambda state: state.update({first(state): torch.zeros(7, 3)}))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def pointer(path: Path) -> None:
    path.write_text(POINTER)


NETWORKS = [
    "zero123plus/unet/diffusion_pytorch_model.safetensors",
    "zero123plus/vae/diffusion_pytorch_model.safetensors",
    "zero123plus/text_encoder/model.safetensors",
    "zero123plus/vision_encoder/model.safetensors",
    "triposr/model.ckpt",
]


@pytest.mark.parametrize("spoil", [missing, unexpected, misshapen, cut, pointer],
                         ids=["missing", "unexpected", "misshapen", "cut", "pointer"])  # fmt: skip
@pytest.mark.parametrize("file", NETWORKS)
def test_tensors(weights: Path, file: str, spoil: Spoil) -> None:
    spoil(weights / file)
    complains(file)


def complains(file: str) -> None:
    engine, name = file.split("/", 1)
    with pytest.raises(orbitview.EngineUnavailable) as caught:
        orbitview.generate(make_figure(), engine=engine, num_inference_steps=1)
    assert name in caught.value.message
    assert caught.value.hint == f"Run: orbitview engines pull {engine} --accept-license."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("model_index.json", "{"),
        ("model_index.json", "{}"),
        ("model_index.json", '{"ramping_coefficients": [1, 2]}'),
        ("model_index.json", POINTER),
        ("scheduler/scheduler_config.json", "[]"),
        ("scheduler/scheduler_config.json", '{"prediction_type": "v_prediction", "beta_schedule": "none such"}'),
        ("tokenizer/vocab.json", '{"a": '),
        ("tokenizer/merges.txt", None),
        ("tokenizer/vocab.json", None),
        ("tokenizer/tokenizer_config.json", None),
        ("unet/config.json", ""),
        ("unet/config.json", None),
        ("vae/config.json", "\x00\x01"),
        ("text_encoder/config.json", "{}"),
        ("feature_extractor_vae/preprocessor_config.json", '{"size": 3}'),
        ("feature_extractor_clip/preprocessor_config.json", None),
    ],
)
def test_other_files(weights: Path, name: str, content: str | None) -> None:
    path = weights / "zero123plus" / name
    path.unlink() if content is None else path.write_text(content)
    engine = load_engine("zero123plus")
    assert engine.readiness().ready == (content is not None)
    if name == "text_encoder/config.json":  # valid, but of a network of another size
        name = "text_encoder/model.safetensors"
    complains(f"zero123plus/{name}")


def test_readiness_looks_for_exactly_what_loading_needs(weights: Path) -> None:
    """Everything else may go; of what is left nothing may."""
    engine = load_engine("zero123plus")
    needed = {name if isinstance(name, str) else name[0] for name in engine.weights.files}  # type: ignore[attr-defined]
    folder = weights / "zero123plus"
    for path in [p for p in folder.rglob("*") if p.is_file()]:
        if path.relative_to(folder).as_posix() not in needed:
            path.unlink()
    from orbitview.engines.zero123plus.pipeline import load_parts

    assert engine.readiness().ready
    load_parts(folder)
    for name in needed:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        state = engine.readiness()
        assert not state.ready
        assert name in state.reason
        (folder / name).write_bytes(content)
    assert json.loads((folder / "model_index.json").read_text())
