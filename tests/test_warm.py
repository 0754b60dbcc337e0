"""Where networks run and which of them stay warm, and that the GPU benchmark needs little more than torch."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, diffusion engines are not tested")

from orbitview.engines.devices import best_device, chosen_precision  # noqa: E402
from orbitview.engines.warm import WarmModels  # noqa: E402


def test_the_benchmark_needs_neither_this_package_installed_nor_its_other_parts() -> None:
    """Where a GPU is lent, there is little more than torch."""
    code = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in {
            "trimesh", "embreex", "pydantic", "pydantic_settings", "onnxruntime", "av", "dbos", "structlog", "fastapi",
            "sqlalchemy", "manifold3d", "xatlas", "obstore", "prometheus_client", "fast_simplification",
        }:
            raise ImportError(f"{name} is absent there")
import importlib.metadata
real = importlib.metadata.version
def version(name):
    if name == "orbitview":
        raise importlib.metadata.PackageNotFoundError(name)
    return real(name)
importlib.metadata.version = version
sys.meta_path.insert(0, Absent())
sys.argv = ["bench.gpu", "--help"]
import bench.gpu
bench.gpu.main()
"""
    root = Path(__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120,
        env={"PYTHONPATH": str(root / "src"), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "--minutes" in done.stdout


def test_where_networks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORBITVIEW_PRECISION", raising=False)
    for cuda, mps, device in ((True, False, "cuda"), (True, True, "cuda"), (False, True, "mps"), (False, False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda cuda=cuda: cuda)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda mps=mps: mps)
        assert best_device() == device
        assert chosen_precision(device) == (torch.float32 if device == "cpu" else torch.float16)


def test_models_give_way_before_the_next_is_loaded() -> None:
    """By the size of its files: memory never holds both."""
    alive: list[str] = []

    class Model:
        def __init__(self, name: str) -> None:
            self.name = name
            assert sum({"a": 4, "b": 5, "c": 6}[n] for n in [*alive, name]) <= 10
            alive.append(name)

        def __del__(self) -> None:
            alive.remove(self.name)

    warm = WarmModels(lambda: 10.0)
    sizes = {"a": 4.0, "b": 5.0, "c": 6.0}
    for name in ("a", "b", "c", "b", "a", "c"):
        warm.get(name, lambda name=name: Model(name), lambda _, name=name: sizes[name], lambda name=name: sizes[name])
    assert alive == ["a", "c"]
    warm.clear()
    assert not alive


def test_a_warm_model_can_be_had_while_another_loads() -> None:
    warm, begun, go_on, loads = WarmModels(lambda: 10.0), threading.Event(), threading.Event(), []

    def slow() -> str:
        loads.append("slow")
        begun.set()
        assert go_on.wait(60)
        return "slow"

    warm.get("quick", lambda: "quick", lambda _: 1)
    threads = [threading.Thread(target=lambda: warm.get("slow", slow, lambda _: 1), daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    assert begun.wait(60)
    got: list[str] = []
    asking = threading.Thread(target=lambda: got.append(warm.get("quick", lambda: "again", lambda _: 1)), daemon=True)
    asking.start()
    asking.join(30)
    assert got == ["quick"]
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert loads == ["slow"]  # two who want the same wait for one load

    def fails() -> str:
        raise RuntimeError("no memory")

    with pytest.raises(RuntimeError):
        warm.get("other", fails, lambda _: 1)
    assert warm.get("other", lambda: "other", lambda _: 1) == "other"
