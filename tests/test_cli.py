from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image


def run(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "orbitview.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=cwd,
    )


def test_generate_writes_what_was_asked(tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "toy.png")
    done = run(
        "generate",
        tmp_path / "toy.png",
        "-o",
        tmp_path / "out",
        "--turntable",
        "--turntable-size",
        "96",
        "--glb",
        "--zip",
        "--json",
        "--size",
        "96",
    )
    assert done.returncode == 0, done.stderr
    (result,) = json.loads(done.stdout)
    assert result["meta"]["engine"] == "lift"
    for name in (
        "grid.png",
        "view-005.png",
        "turntable.webp",
        "turntable.mp4",
        "turntable.gif",
        "object.glb",
        "views.zip",
        "transforms.json",
    ):
        assert Path(result["files"][name]).stat().st_size > 100
    assert Image.open(tmp_path / "out" / "grid.png").size == (640, 960)


def test_folders_and_globs_are_batches(tmp_path: Path, figure: Image.Image) -> None:
    for name in ("a.png", "b.webp"):
        figure.save(tmp_path / name)
    (tmp_path / "c.png").write_text("not a picture")
    done = run(
        "generate",
        tmp_path,
        "-o",
        tmp_path / "out",
        "--camera",
        "10,20",
        "--camera",
        "90,0,2,40",
        "--size",
        "48",
        "--json",
    )
    assert done.returncode == 1
    results = {Path(r["image"]).name: r for r in json.loads(done.stdout)}
    assert results["c.png"]["error"]["code"] == "invalid_image"
    assert (tmp_path / "out" / "a" / "view-001.png").exists()
    assert (tmp_path / "out" / "b" / "view-001.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["generate", "nothing.png"], "Cannot read"),
        (["generate", "*.jpg"], "no pictures"),
        (["generate", "x.png", "--camera", "left"], "not a camera"),
        (["generate", "x.png", "--background", "plaid"], "not a colour"),
        (["generate", "x.png", "--camera", "0,100"], "elevation"),
    ],
)
def test_errors_are_a_sentence_and_a_hint(arguments: list[str], says: str, tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "x.png")
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


def test_engines_and_doctor() -> None:
    assert "lift" in run("engines").stdout
    assert "renderer" in run("doctor").stdout
    assert "generate" in run("--help").stdout
