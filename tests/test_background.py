"""Backgrounds taken away: cut-outs and masks in Python and on the command line, alpha matting where it is installed."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import iou, make_figure
from PIL import Image, ImageDraw, ImageFilter

import orbitview

MATTING = importlib.util.find_spec("pymatting") is not None
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")  # pymatting as plain Python: compiling it would take a minute


@pytest.fixture(scope="module")
def paper() -> Image.Image:
    return make_figure(240, alpha=False).convert("RGB")


def alpha_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture)[..., 3]


def test_cut_out_and_mask_are_one(paper: Image.Image) -> None:
    cut, mask = orbitview.cut_out(paper), orbitview.cut_out(paper, only_mask=True)
    assert (cut.mode, mask.mode, mask.size) == ("RGBA", "L", paper.size)
    assert np.array_equal(alpha_of(cut), np.asarray(mask))
    assert iou(np.asarray(mask) > 127, alpha_of(make_figure(240)) > 127) > 0.95


def test_inverse_is_the_background(paper: Image.Image) -> None:
    mask = np.asarray(orbitview.cut_out(paper, only_mask=True))
    inverse = orbitview.cut_out(paper, inverse_mask=True)
    assert np.array_equal(alpha_of(inverse), 255 - mask)
    shown = np.asarray(inverse)[alpha_of(inverse) > 250][:, :3]
    assert (np.abs(shown.astype(int) - (190, 192, 196)).max(1) > 40).mean() < 0.01  # paper alone


def test_a_processed_mask_has_no_half_tones(paper: Image.Image) -> None:
    plain = np.asarray(orbitview.cut_out(paper, only_mask=True))
    processed = np.asarray(orbitview.cut_out(paper, only_mask=True, post_process_mask=True))
    assert set(np.unique(processed)) == {0, 255}
    assert iou(processed > 127, plain > 127) > 0.97


def test_all_that_stands_out_or_the_main_object(paper: Image.Image) -> None:
    wide = Image.new("RGB", (520, 260), (190, 192, 196))
    wide.paste(paper, (10, 10))
    ImageDraw.Draw(wide).ellipse((390, 90, 470, 170), fill=(30, 120, 60))
    both, main = (
        np.asarray(orbitview.cut_out(wide, objects=which, only_mask=True)) > 127  # type: ignore[arg-type]
        for which in ("all", "main")
    )
    assert both[130, 430]
    assert not main[130, 430]
    assert main[90, 130]
    assert both[90, 130]


@pytest.mark.parametrize(
    "options",
    [
        {"objects": "some"},
        {"alpha_matting_foreground_threshold": 300},
        {"alpha_matting_background_threshold": -1},
        {"alpha_matting_erode_size": 2.5},
        {"matte": "chroma"},
    ],
)
def test_what_is_refused(options: dict[str, object], paper: Image.Image) -> None:
    with pytest.raises(orbitview.InvalidRequest):
        orbitview.cut_out(paper, **options)  # type: ignore[arg-type]


@pytest.mark.skipif(MATTING, reason="pymatting is installed")
def test_alpha_matting_says_what_is_missing(paper: Image.Image) -> None:
    with pytest.raises(orbitview.EngineUnavailable) as refused:
        orbitview.cut_out(paper, alpha_matting=True)
    assert "[matting]" in str(refused.value)


@pytest.mark.skipif(not MATTING, reason="LOUD: pymatting is not installed, alpha matting is not tested")
def test_alpha_matting_finds_fine_strands() -> None:
    """The mask is coarse, the fur is not: solved alpha is nearer to the truth than the network's own."""
    rng = np.random.default_rng(3)
    fur = Image.new("L", (120, 120), 0)
    draw = ImageDraw.Draw(fur)
    draw.ellipse((35, 35, 85, 85), fill=255)
    for angle in rng.uniform(0, 2 * np.pi, 60):
        reach = rng.uniform(27, 36)
        tip = (60 + reach * np.cos(angle), 60 + reach * np.sin(angle))
        draw.line((60, 60, *tip), fill=255, width=1)
    true = np.asarray(fur.filter(ImageFilter.GaussianBlur(0.7)), np.float64) / 255
    picture = true[..., None] * (150, 70, 30) + (1 - true[..., None]) * (205, 210, 215)
    options = {"alpha_matting_foreground_threshold": 240, "alpha_matting_background_threshold": 20}
    plain, matted = (
        np.asarray(orbitview.cut_out(picture.astype(np.uint8), only_mask=True, **more), np.float64) / 255  # type: ignore[arg-type]
        for more in ({}, {"alpha_matting": True, "alpha_matting_erode_size": 10, **options})
    )
    assert np.abs(matted - true).mean() < 0.8 * np.abs(plain - true).mean()
    untouched = orbitview.cut_out(make_figure(60), alpha_matting=True, alpha_matting_erode_size=0)
    assert iou(alpha_of(untouched) > 127, alpha_of(make_figure(60)) > 127) > 0.99


def run(*arguments: str | Path, cwd: Path, stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "orbitview.cli", "cutout", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, input=stdin, capture_output=True, timeout=120)


def test_command_line(tmp_path: Path, paper: Image.Image) -> None:
    paper.save(tmp_path / "toy.png")
    (tmp_path / "bad.png").write_text("no picture")
    done = run("toy.png", "bad.png", "-o", "out", "--json", cwd=tmp_path)
    assert done.returncode == 1
    good, bad = json.loads(done.stdout)
    assert bad["error"]["code"] == "invalid_image"
    assert Image.open(tmp_path / good["file"]).mode == "RGBA"
    mask = run("-", "-o", "-", "--mask", "--smooth", cwd=tmp_path, stdin=(tmp_path / "toy.png").read_bytes())
    assert Image.open(io.BytesIO(mask.stdout)).mode == "L"
    for wrong in (["--erode-size", "99"], ["--matte", "chroma"], ["-o", "bad.png"]):
        refused = run("toy.png", *wrong, cwd=tmp_path)
        assert refused.returncode == 2
        assert b"Traceback" not in refused.stderr
