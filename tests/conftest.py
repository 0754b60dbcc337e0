"""Pictures made on the spot; no test reads a file from outside the repository."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

import orbitview

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
