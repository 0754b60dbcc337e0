"""An engine that waits where a test wants it to: the embedded one, held back by files in ``ORBITVIEW_TEST_HOLD``.

``start`` holds it before its views, ``rest`` after them. Turntables and meshes are coarse.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from orbitview.engines.base import EngineInfo, EngineRequest
from orbitview.engines.lift.engine import InflateEngine
from orbitview.engines.lift.scene import LiftScene
from orbitview.progress import Progress, no_progress
from orbitview.views import ViewSet

HOLD = Path(os.environ.get("ORBITVIEW_TEST_HOLD", "."))


def wait(name: str) -> None:
    while (HOLD / name).exists():
        time.sleep(0.02)


class HeldEngine(InflateEngine):
    info: EngineInfo = replace(InflateEngine.info, name="held", rank=1000, summary="The embedded engine, held back.")

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        progress(0.01, "frame")
        wait("start")
        made = super().generate(requests, progress)
        LiftScene.render, LiftScene.mesh = _held_render, _small_mesh  # type: ignore[method-assign]
        return made


_render, _mesh = LiftScene.render, LiftScene.mesh


def _held_render(self, camera, size):  # type: ignore[no-untyped-def]
    if size == 512:  # a turntable's frame: small, so that tests of the page need not wait for what they do not test
        wait("rest")
        size = 96
    return _render(self, camera, size)


def _small_mesh(self, texture=128, most_faces=600):  # type: ignore[no-untyped-def]
    wait("rest")
    return _mesh(self, min(texture, 128), min(most_faces, 600))
