"""Pictures made on the spot; no test reads a file from outside the repository."""

from __future__ import annotations

import os
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image, ImageDraw

import orbitview

if "PYTEST_XDIST_WORKER" in os.environ:  # threads of one process that wait for each other starve beside another process
    os.environ.setdefault("OMP_NUM_THREADS", "1")

for call in (httpx.get, httpx.post, httpx.put, httpx.patch, httpx.delete, httpx.head, httpx.options, httpx.request):
    call.__kwdefaults__["timeout"] = 120  # not 5 s: no test may depend on the machine's speed

ROCKET = Path(__file__).parent.parent / "examples" / "rocket.jpg"


def make_figure(size: int = 200, alpha: bool = True) -> Image.Image:
    """A red body with a white eye and two legs, cut out or on grey paper."""
    picture = Image.new("RGBA", (size, size), (0, 0, 0, 0) if alpha else (190, 192, 196, 255))
    draw = ImageDraw.Draw(picture)
    s = size / 200
    draw.ellipse((50 * s, 30 * s, 150 * s, 140 * s), fill=(200, 40, 30, 255))
    draw.rectangle((70 * s, 120 * s, 90 * s, 180 * s), fill=(40, 60, 160, 255))
    draw.rectangle((110 * s, 120 * s, 130 * s, 180 * s), fill=(40, 60, 160, 255))
    draw.ellipse((85 * s, 60 * s, 115 * s, 90 * s), fill=(250, 250, 250, 255))
    return picture


@pytest.fixture
def figure() -> Image.Image:
    return make_figure()


@pytest.fixture(scope="session")
def rocket() -> Path:
    return ROCKET


@pytest.fixture(scope="session", params=["inflate", "lift"])
def lifted(request: pytest.FixtureRequest) -> orbitview.ViewSet:
    """The figure lifted once by each embedded engine."""
    return orbitview.generate(make_figure(), engine=request.param, seed=1)


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


LONG = ("test_fleet.py", "test_training.py", "test_page_result.py", "test_cli.py", "test_rest.py", "test_openapi.py")
"""Begun first, so that the processes end at about the same time."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long first, in this order."""
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
