from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
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


def small(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A quick run of ``generate``."""
    return run("generate", *arguments, "--size", "48", "--engine", "inflate", cwd=cwd)


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


def test_pictures_of_one_name_do_not_overwrite_each_other(tmp_path: Path, figure: Image.Image) -> None:
    for name in ("sku1/main.png", "sku2/main.png", "sku2/MAIN.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        figure.save(tmp_path / name)
    done = small("sku1/main.png", "sku2/main.png", "sku2/MAIN.webp", "sku1/main.png", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    grids = sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("grid.png"))
    assert len(grids) == 3  # the picture named twice is made once
    assert len({grid.casefold() for grid in grids}) == 3
    assert "sku1/main/grid.png" in grids
    assert "3 pictures: 3 done" in done.stderr


def test_a_second_run_leaves_nothing_of_the_first_and_nothing_of_the_users_is_lost(
    tmp_path: Path, figure: Image.Image
) -> None:
    figure.save(tmp_path / "toy.png")
    assert small("toy.png", "-o", "z", "--rig", "orbit-8@10", cwd=tmp_path).returncode == 0
    (tmp_path / "z" / "notes.txt").write_text("mine")
    assert small("toy.png", "-o", "z", "--rig", "sides-4", "--zip", cwd=tmp_path).returncode == 0
    views = [p.name for p in (tmp_path / "z").glob("view-*")]
    assert len(views) == 4
    with zipfile.ZipFile(tmp_path / "z" / "views.zip") as archive:
        names = archive.namelist()
    assert sorted(n for n in names if n.startswith("view-")) == sorted(views)
    assert "notes.txt" not in names
    assert (tmp_path / "z" / "notes.txt").read_text() == "mine"
    # A failing run leaves the results before as they were.
    (tmp_path / "bad.png").write_text("no picture")
    assert small("bad.png", "-o", "z", cwd=tmp_path).returncode == 1
    assert len(list((tmp_path / "z").glob("view-*"))) == 4
    assert not list((tmp_path / "z").glob(".orbitview-*"))


def test_files_of_others_are_overwritten_by_force_only(tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "toy.png")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "grid.png").write_text("years of work")
    refused = small("toy.png", "-o", "mine", cwd=tmp_path)
    assert refused.returncode == 1
    assert "--force" in refused.stderr
    assert (tmp_path / "mine" / "grid.png").read_text() == "years of work"
    assert small("toy.png", "-o", "mine", "--force", cwd=tmp_path).returncode == 0
    assert Image.open(tmp_path / "mine" / "grid.png").size == (640, 960)


def test_skip_existing_skips_what_is_there_and_was_asked_for_alike(tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "a.png")
    figure.save(tmp_path / "b.png")
    small("a.png", "b.png", "-o", "out", cwd=tmp_path)
    (tmp_path / "out" / "b" / "view-002.png").unlink()
    again = small("a.png", "b.png", "-o", "out", "--skip-existing", cwd=tmp_path)
    assert "2 pictures: 1 done, 1 skipped" in again.stderr
    other = small("a.png", "b.png", "-o", "out", "--skip-existing", "--glb", cwd=tmp_path)
    assert "2 pictures: 2 done" in other.stderr


def test_stdin_and_stdout(tmp_path: Path, figure: Image.Image) -> None:
    buffer = io.BytesIO()
    figure.save(buffer, "PNG")

    def piped(*arguments: str) -> subprocess.CompletedProcess[bytes]:
        command = [sys.executable, "-m", "orbitview.cli", "generate", "-", "--size", "48", "--engine", "inflate"]
        return subprocess.run([*command, *arguments], input=buffer.getvalue(), capture_output=True, timeout=120)

    done = piped("-o", "-")
    assert done.returncode == 0, done.stderr
    assert Image.open(io.BytesIO(done.stdout)).size == (640, 960)
    assert piped("-o", "-", "--format", "stl").stdout[80:84] != b""
    frames = piped("-o", "-", "--format", "frames", "--frames", "4", "--turntable-size", "48").stdout
    with zipfile.ZipFile(io.BytesIO(frames)) as archive:  # a folder goes as a zip of it alone
        assert archive.namelist() == [f"stdin-{i}.jpg" for i in range(1, 5)]
    with zipfile.ZipFile(io.BytesIO(piped("-o", "-", "--format", "views").stdout)) as archive:
        assert "mask-005.png" in archive.namelist()
    with zipfile.ZipFile(io.BytesIO(piped("-o", "-", "--format", "obj,stl").stdout)) as archive:
        assert {"grid.png", "object.obj", "object.mtl", "object.png", "object.stl"} <= set(archive.namelist())
    assert piped("-o", str(tmp_path / "out")).returncode == 0
    assert (tmp_path / "out" / "grid.png").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--size", "5000"], "size"),
        (["--engine", "nope"], "no engine named"),
        (["--rig", "nope"], "no rig named"),
        (["--matte", "nope"], "no matte"),
        (["--steps", "0"], "steps"),
        (["--guidance", "nan"], "guidance"),
        (["--elevation", "200"], "camera's elevation"),
        (["--format", "fbx"], "no format"),
        (["--height", "12"], "not a length"),
        (["--height", "12cm", "--width", "3cm"], "one of"),
        (["--faces", "3"], "Faces"),
        (["--frames", "1"], "Frames"),
        (["--frame-name", "same"], "one name"),
        (["--frame-name", "../{index}"], "file name"),
        (["--direction", "up"], "direction"),
        (["--engine", "zero123plus", "--glb"], "is not ready"),
        (["-o", "x.png"], "is a file"),
        (["-o", "x.png/deep"], "lies in one"),
        (["-o", "-", "--json"], "stdout"),
        (["--nonsense"], "nonsense"),
    ],
)
def test_bad_options_are_refused_once_and_before_the_first_picture(
    arguments: list[str], says: str, tmp_path: Path, figure: Image.Image
) -> None:
    figure.save(tmp_path / "x.png")
    figure.save(tmp_path / "y.png")
    done = run("generate", "x.png", "y.png" if "-" not in arguments else "x.png", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert done.stderr.count(says) == 1
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("grid.png"))


def test_texts_are_shown_as_they_are(tmp_path: Path, figure: Image.Image) -> None:
    deep = tmp_path / ("folder-with-a-very-long-name-" * 3) / "a [red] toy [@2x].png"
    deep.parent.mkdir()
    figure.save(deep)
    done = small(deep, "-o", tmp_path / "out")
    assert f"{deep}: engine inflate" in done.stderr  # neither eaten nor wrapped
    missing = small(tmp_path / "b[/red].png")
    assert str(tmp_path / "b[/red].png") in missing.stderr
    assert "orbit-N[@elevation]" in run("generate", "--help").stdout.replace("\n", "")
    for line in run("doctor").stdout.splitlines():
        assert "pip install" not in line or re.search(r"\[\w+\]|pip install (av|manifold3d)", line)


def test_the_version() -> None:
    import orbitview

    assert run("--version").stdout.strip() == f"orbitview {orbitview.__version__}"


def test_a_finished_result_gives_further_files_without_the_engine(tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "toy.png")
    small("toy.png", "-o", "out", cwd=tmp_path)
    (tmp_path / "toy.png").unlink()
    before = {p.name: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("view-*")}
    done = run("convert", "out", "--glb", "-f", "stl,frames,colmap", "--turntable-size", "48", "--zip", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    made = tmp_path / "out"
    assert (made / "object.glb").read_bytes()[:4] == b"glTF"
    assert (made / "colmap" / "sparse" / "0" / "images.txt").exists()
    assert len(list((made / "frames").glob("toy-*.jpg"))) == 36
    with zipfile.ZipFile(made / "views.zip") as archive:
        assert {"object.glb", "frames/toy-1.jpg", "view-000.png"} <= set(archive.namelist())
        assert "scene.orbitview" not in archive.namelist()
    assert before == {p.name: p.stat().st_mtime_ns for p in made.glob("view-*")}
    done = run("convert", "out", "-f", "frames,grid", "--frames", "8", "--turntable-size", "48", cwd=tmp_path)
    assert "frames, 9 files" in done.stderr
    assert len(list((made / "frames").iterdir())) == 8
    with zipfile.ZipFile(made / "views.zip") as archive:  # the zip that was there follows
        assert len([name for name in archive.namelist() if name.startswith("frames/")]) == 8
    run("convert", "out", "-f", "grid", "--background", "#ff0000", cwd=tmp_path)
    with Image.open(made / "grid.png") as grid:
        assert grid.getpixel((1, 1)) == (255, 0, 0)
    for bad in ([], ["-f", "fbx"], ["--glb", "--height", "12"], ["--glb", "--faces", "3"], ["--glb", "--nonsense"]):
        refused = run("convert", "out", *bad, cwd=tmp_path)
        assert refused.returncode == 2, bad
        assert "Traceback" not in refused.stderr
    (tmp_path / "empty").mkdir()
    assert "no kept scene" in run("convert", "empty", "--glb", cwd=tmp_path).stderr
    # A scene file that is none of ours runs no code.
    (made / "scene.orbitview").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    assert run("convert", "out", "--glb", "--force", cwd=tmp_path).returncode == 1
    assert not (tmp_path / "owned").exists()


def test_engines_and_doctor() -> None:
    assert "lift" in run("engines").stdout
    shown = run("doctor").stdout
    assert "renderer" in shown
    assert "3D print (stl, 3mf)" in shown
    assert "generate" in run("--help").stdout
