"""A reconstructed object kept in a file, so that more can be made of it later without running the engine again.

The file is a compressed pickle that is read with an allow-list: the classes of this package that carry data, and
NumPy's arrays. A file from elsewhere can name nothing else, so that opening one runs none of its code
(Python's manual, "Restricting Globals").
"""

from __future__ import annotations

import importlib
import io
import pickle
import zlib
from pathlib import Path
from typing import Any

from PIL import Image

from .errors import InvalidRequest, OrbitviewError
from .progress import Progress, no_progress
from .views import ViewSet

SCENE = "scene.orbitview"
_HEAD = b"orbitview scene 1\n"
_MOST = 2**30
"""Bytes of a scene when unpacked; more is no scene of ours."""
_PARTS = {
    "orbitview.cameras": {"Camera"},
    "orbitview.engines.lift.scene": {"LiftScene"},
    "orbitview.engines.triposr.engine": {"ColouredMesh"},
    "orbitview.render.caster": {"EmbreeCaster"},
    "orbitview.render.rasteriser": {"NumpyCaster"},
    "numpy": {"ndarray", "dtype"},
    "numpy._core.multiarray": {"_reconstruct", "scalar"},
    "numpy._core.numeric": {"_frombuffer"},
}
_ROOMS = ("orbitview.engines.lift.",)
"""Packages whose dataclasses are parts of scenes."""
_DAMAGE = (
    *(pickle.UnpicklingError, zlib.error, EOFError, KeyError, TypeError, AttributeError, ImportError, ValueError),
    *(IndexError, OverflowError, MemoryError),
)
"""What reading a damaged pickle raises."""


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if name in _PARTS.get(module, ()):
            return getattr(importlib.import_module(module), name)
        if module.startswith(_ROOMS) and name.isidentifier():
            found = getattr(importlib.import_module(module), name, None)
            if isinstance(found, type) and found.__module__ == module and hasattr(found, "__dataclass_fields__"):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a scene")


def can_be_kept(views: ViewSet) -> bool:
    """Not where the engine has no geometry, or is not ours: what could not be read again is not kept."""
    return len(views) > 0 and type(views.scene).__name__ in _PARTS.get(type(views.scene).__module__, ())


def pack_scene(views: ViewSet) -> bytes | None:
    """The object of a view set as bytes; None where it cannot be kept."""
    if not can_be_kept(views):
        return None
    content = {
        "scene": views.scene,
        "cameras": [view.camera for view in views],
        "size": views[0].image.width,
        "meta": views.meta,
        "cutout": _png(views.cutout),
    }
    raw = pickle.dumps(content, protocol=4)
    return _HEAD + zlib.compress(raw, 1)  # most of it is noise: more effort saves two percent


def _png(picture: Image.Image | None) -> bytes | None:
    if picture is None:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def unpack_scene(data: bytes, progress: Progress | None = no_progress) -> ViewSet:
    """The view set again: its object, and its views rendered anew.

    Args:
        progress: None leaves the views out; turntables and meshes need none.

    Raises:
        InvalidRequest: this is no scene, or one of another version.
    """
    if not data.startswith(_HEAD):
        raise InvalidRequest("This is no scene kept by orbitview.", hint="Make the views again.", field="formats")
    try:
        unpacker = zlib.decompressobj()
        raw = unpacker.decompress(data[len(_HEAD) :], _MOST)
        content = _Reader(io.BytesIO(raw)).load()
        scene, cameras, size, meta = (content[name] for name in ("scene", "cameras", "size", "meta"))
    except _DAMAGE as error:
        raise InvalidRequest(
            "The kept scene is damaged, or of another version of orbitview.",
            hint="Make the views again.",
            field="formats",
        ) from error
    views = ViewSet([], meta, scene)
    if isinstance(kept := content.get("cutout"), bytes):
        views.cutout = Image.open(io.BytesIO(kept), formats=["PNG"])
    if progress is not None:
        for i, camera in enumerate(cameras):
            progress(i / len(cameras), "render")
            views.views.append(scene.render(camera, size))
    return views


def read_scene(folder: Path, progress: Progress | None = no_progress) -> ViewSet:
    """The view set whose results are in ``folder``.

    Raises:
        OrbitviewError: there is none.
    """
    try:
        data = (folder / SCENE).read_bytes()
    except OSError as error:
        raise OrbitviewError(
            f"There is no kept scene in {folder}.",
            hint="Only engines with geometry leave one: orbitview generate PICTURE -o DIR.",
        ) from error
    return unpack_scene(data, progress)
