"""What every engine gives back: views with their cameras, and the object itself where the engine has geometry."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from PIL import Image

from .grid import make_grid
from .outputs import save_views
from .view import View

if TYPE_CHECKING:
    import trimesh

__all__ = ["View", "ViewSet"]


@dataclass(repr=False)
class ViewSet(Sequence[View]):
    """Views of one object, in the order of the cameras asked for. It can be copied and pickled.

    Attributes:
        views: the views.
        meta: what was done: engine, seed, the input camera that was used, parameters that had no effect.
        scene: the engine's own object that renders further cameras, see :meth:`orbitview.engines.Scene.render`;
            None for engines without geometry.
        cutout: RGBA, what was taken for the object in the picture.
    """

    views: list[View]
    meta: dict[str, Any] = field(default_factory=dict)
    scene: Any = None
    cutout: Image.Image | None = None
    _mesh: Any = None

    @property
    def mesh(self) -> trimesh.Trimesh | None:
        """Textured, y up, bounding-box diagonal 1, around the origin; None for engines without geometry.

        Made when first asked for, which takes some seconds; ``scene.mesh(texture=2048, most_faces=4000)`` makes others.
        """
        if self._mesh is None and hasattr(self.scene, "mesh"):
            self._mesh = self.scene.mesh()
        mesh: trimesh.Trimesh | None = self._mesh
        return mesh

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

    def __repr__(self) -> str:
        sides = sorted({view.image.width for view in self.views})
        size = f"{sides[0]}" if len(sides) == 1 else "mixed"
        engine, seed = self.meta.get("engine", "?"), self.meta.get("seed", "?")
        geometry = "with geometry" if self.scene is not None else "pictures only"
        count = f"{len(self)} view{'' if len(self) == 1 else 's'}"
        return f"<ViewSet: {count} of {size} px, engine {engine}, seed {seed}, {geometry}>"

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: the grid."""
        if not self.views:
            return None
        side = (640, 960) if len(self) == 6 else (960, 960)
        buffer = io.BytesIO()
        self.grid(*side).save(buffer, "PNG")
        return buffer.getvalue()

    def grid(
        self, width: int = 640, height: int = 960, background: str = "white", columns: int | None = None
    ) -> Image.Image:
        """All views in one picture, row by row; see :func:`orbitview.outputs.make_grid`."""
        return make_grid([view.image for view in self.views], width, height, background, columns)

    def save(self, directory: str | Path, **options: Any) -> dict[str, Path]:
        """Write views, maps and camera files; see :func:`orbitview.outputs.save_views`."""
        return save_views(self, Path(directory), **options)
