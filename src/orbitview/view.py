"""One picture of the object, and what files are made from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from PIL import Image

from .arrays import Floats
from .cameras import Camera

if TYPE_CHECKING:
    import trimesh


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


class Views(Protocol):
    """What files are made from: a :class:`orbitview.ViewSet`, as the modules below it know it."""

    meta: dict[str, Any]
    scene: Any
    cutout: Image.Image | None

    @property
    def mesh(self) -> trimesh.Trimesh | None:
        """The object's mesh, or None."""
        ...

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[View]: ...
    def __getitem__(self, index: int, /) -> View: ...
