"""orbitview: one picture of an object in, the object from every side out.

>>> import orbitview
>>> views = orbitview.generate("mug.png")            # doctest: +SKIP
>>> views.grid(640, 960).save("grid.png")            # doctest: +SKIP
"""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

from .api import generate
from .cameras import RIGS, Camera, rig
from .engines import engine_names, get_engine
from .errors import Cancelled, EngineUnavailable, InvalidImage, InvalidRequest, OrbitviewError
from .images import cut_out, upscale
from .lifting import lift_views
from .many import generate_many
from .views import View, ViewSet

try:
    __version__ = version("orbitview")
except PackageNotFoundError:  # run from its sources, as on a borrowed GPU machine
    __version__ = "0+sources"
__all__ = [
    "RIGS",
    "AsyncClient",
    "Camera",
    "Cancelled",
    "Client",
    "EngineUnavailable",
    "InvalidImage",
    "InvalidRequest",
    "OrbitviewError",
    "View",
    "ViewSet",
    "cut_out",
    "engine_names",
    "generate",
    "generate_many",
    "get_engine",
    "lift_views",
    "rig",
    "upscale",
]


def __getattr__(name: str) -> Any:
    """The clients load on first use: most who import orbitview need no HTTP."""
    if name in ("Client", "AsyncClient"):
        from . import client

        return getattr(client, name)
    raise AttributeError(f"module 'orbitview' has no attribute {name!r}")
