"""What every engine gives back: views with their cameras, and the mesh where there is one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from .cameras import Camera

if TYPE_CHECKING:
    import trimesh

Floats = NDArray[np.float32]


@dataclass
class View:
    """One picture of the object.

    Attributes:
        image: RGBA, straight alpha.
        camera: where it was taken from; its distance is always filled in.
        depth: (H, W) along the camera's forward axis, in bounding-box diagonals; infinite off the object.
            None where the engine has no geometry.
        normal: (H, W, 3) unit world normals, zero off the object; None like ``depth``.
    """

    image: Image.Image
    camera: Camera
    depth: Floats | None = None
    normal: Floats | None = None

    @property
    def mask(self) -> Image.Image:
        """The silhouette as an 8-bit grey picture."""
        return self.image.getchannel("A")


@dataclass
class ViewSet(Sequence[View]):
    """Views of one object, in the order of the cameras asked for.

    Attributes:
        views: the views.
        mesh: textured, y up, bounding-box diagonal 1, around the origin; None for engines without geometry.
        meta: what was done: engine, seed, the input camera that was used, parameters that had no effect.
    """

    views: list[View]
    mesh: trimesh.Trimesh | None = None
    meta: dict[str, Any] = field(default_factory=dict)
    scene: Any = None
    """The engine's own object that renders further cameras, see :meth:`orbitview.engines.Scene.render`."""

    @overload
    def __getitem__(self, index: int) -> View: ...
    @overload
    def __getitem__(self, index: slice) -> list[View]: ...
    def __getitem__(self, index: int | slice) -> View | list[View]:
        return self.views[index]

    def __len__(self) -> int:
        return len(self.views)

    def __iter__(self) -> Iterator[View]:
        return iter(self.views)

    def grid(
        self, width: int = 640, height: int = 960, background: str = "white", columns: int | None = None
    ) -> Image.Image:
        """All views in one picture, row by row; see :func:`orbitview.outputs.make_grid`."""
        from .outputs import make_grid

        return make_grid([view.image for view in self.views], width, height, background, columns)

    def save(self, directory: str | Path, **options: Any) -> dict[str, Path]:
        """Write views, maps, ``views.json`` and ``transforms.json``; see :func:`orbitview.outputs.save_views`."""
        from .outputs import save_views

        return save_views(self, Path(directory), **options)
