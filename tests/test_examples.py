"""Examples and documentation do what they say."""

from __future__ import annotations

import ast
import html
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import httpx
import numpy as np
import pytest
from server_process import free_port
from standardwebhooks import Webhook

import orbitview
from orbitview.outputs import save_views

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


def test_the_example_engine_is_found_and_runs(tmp_path: Path, rocket: Path) -> None:
    """Installed as a package: its module, and the entry point that its pyproject.toml declares."""
    project = tomllib.loads((EXAMPLES / "plugin" / "pyproject.toml").read_text())["project"]
    shutil.copy(EXAMPLES / "plugin" / "orbitview_card.py", tmp_path)
    info = tmp_path / "orbitview_card-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    entries = project["entry-points"]["orbitview.engines"].items()
    (info / "entry_points.txt").write_text("[orbitview.engines]\n" + "".join(f"{k} = {v}\n" for k, v in entries))
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "orbitview.cli",
            "generate",
            rocket,
            "-o",
            tmp_path / "out",
            "--engine",
            "card",
            "--json",
        ],
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)[0]["meta"]["engine"] == "card"
    assert (tmp_path / "out" / "grid.png").exists()


def test_batch_turntables_skip_what_is_done(tmp_path: Path, rocket: Path) -> None:
    sys.path.insert(0, str(EXAMPLES))
    import batch_turntables

    shutil.copy(rocket, tmp_path / "photos.jpg")
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for state in ("done", "already there"):
        batch_turntables.main([str(tmp_path), str(tmp_path / "out")])
        report = (tmp_path / "out" / "report.csv").read_text()
        assert f"photos.jpg,{state}" in report
        assert "failed: This is not a picture" in report
    assert (tmp_path / "out" / "photos" / "turntable.mp4").stat().st_size > 5000


def test_cameras_and_depth_agree(tmp_path: Path, lifted: orbitview.ViewSet) -> None:
    """The points that a consumer lifts from different views lie on one surface."""
    sys.path.insert(0, str(EXAMPLES))
    import read_transforms

    save_views(lifted, tmp_path)
    assert read_transforms.main([str(tmp_path), str(tmp_path / "cloud.ply")]) < 0.01
    assert (tmp_path / "cloud.ply").stat().st_size > 1000


def test_the_webhook_receiver_believes_signatures_only() -> None:
    secret, port = "whsec_" + "a" * 32, free_port()
    process = subprocess.Popen(
        [sys.executable, EXAMPLES / "webhook_receiver.py", str(port)],
        env=os.environ | {"WEBHOOK_SECRET": secret},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        from datetime import UTC, datetime

        now, body = datetime.now(UTC), json.dumps({"status": "success", "track_id": "a", "output": ["link"]})
        headers = {"webhook-id": "evt_1", "webhook-timestamp": str(int(now.timestamp()))}
        headers["webhook-signature"] = Webhook(secret).sign("evt_1", now, body)
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(transport=httpx.HTTPTransport(retries=20)) as client:
            assert client.post(url, content=body, headers=headers).status_code == 204
            assert client.post(url, content=body, headers=headers).status_code == 204
            assert client.post(url, content=body + " ", headers=headers).status_code == 401
    finally:
        process.terminate()
        out = process.communicate(timeout=10)[0]
    assert out.splitlines() == ["a success link"]


def test_the_notebook_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(EXAMPLES)
    names: dict[str, object] = {}
    for cell in json.loads((EXAMPLES / "tour.ipynb").read_text())["cells"]:
        if cell["cell_type"] == "code":
            exec("".join(cell["source"]), names)
    assert np.asarray(names["back"].image).shape == (400, 400, 4)  # type: ignore[attr-defined]


@pytest.mark.parametrize("page", sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]), ids=lambda p: p.stem)
def test_python_and_json_in_the_documents_are_well_formed(page: Path) -> None:
    for language, text in re.findall(r"```(python|json)\n(.*?)```", page.read_text(), re.DOTALL):
        text = textwrap.dedent(text)
        if "--8<--" in text:
            continue
        ast.parse(text) if language == "python" else json.loads(text)


def test_the_documentation_builds(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="LOUD: mkdocs is not installed, the documentation is not built")
    pytest.importorskip("material", reason="LOUD: mkdocs-material is not installed, the documentation is not built")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", tmp_path / "site"],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    reference = (tmp_path / "site" / "reference" / "http" / "index.html").read_text()
    assert "/v1/jobs/{job_id}/events" in reference
    assert "num_inference_steps" in reference
    pages = list((tmp_path / "site").rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        shown = html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))
        assert not re.search(r"--\s*8\s*<\s*--", shown), f"{page} shows a raw include"
        assert not re.search(r"<!-- (openapi|settings|formats) -->", shown)
    extend = re.sub(r"<[^>]+>", "", (tmp_path / "site" / "guide" / "extend" / "index.html").read_text())
    assert "class CardEngine" in extend
    assert "[project.entry-points" in extend
