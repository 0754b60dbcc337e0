"""TripoSR as an engine: a mesh and any camera."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh
from numpy.typing import NDArray

from ...arrays import Floats
from ...cameras import Camera
from ...config import Settings
from ...errors import InvalidImage
from ...render import Hits, make_caster
from ...render.picture import render
from ...views import View, ViewSet
from ..base import EngineInfo, EngineRequest, Progress, Readiness, no_progress
from ..devices import best_device
from ..warm import WARM
from ..weights import Weights
from ..whole import check_files, found, reading

_FILES = ("model.safetensors", "model.ckpt")


class ColouredMesh:
    """A mesh with a colour per vertex that renders itself (an engine's scene)."""

    def __init__(self, vertices: Floats, faces: NDArray[np.int32], colours: Floats, normals: Floats) -> None:
        self.vertices, self.faces, self.colours, self.normals = vertices, faces, colours, normals
        self._caster = make_caster(vertices, faces)

    def shade(self, hits: Hits, points: Floats) -> Floats:
        """Colours (N, 3) of hits."""
        return hits.between(self.colours[self.faces[hits.face]])

    def render(self, camera: Camera, size: int) -> View:
        """One view of ``size`` × ``size`` pixels."""
        placed = camera.around(float(np.linalg.norm(self.vertices, axis=1).max()))
        return render(self.vertices, self.faces, self.normals, self._caster, self.shade, placed, size)

    def mesh(self, texture: int = 1024, most_faces: int = 12_000) -> trimesh.Trimesh:
        """For export, textured by one small picture: a texel for each vertex would not survive decimation."""
        from ...render.atlas import textured

        plain = trimesh.Trimesh(self.vertices, self.faces, process=False)
        if len(self.faces) > most_faces:
            plain = plain.simplify_quadric_decimation(face_count=most_faces)
        vertices, faces = np.asarray(plain.vertices, np.float32), np.asarray(plain.faces, np.int32)
        from scipy.spatial import cKDTree

        tree = cKDTree(self.vertices)

        def shade(hits: Hits, points: Floats) -> Floats:
            return np.asarray(self.colours[tree.query(points)[1]], np.float32)

        return textured(vertices, faces, np.asarray(plain.vertex_normals, np.float32), shade, texture)


class TripoSREngine:
    """One forward pass to triplanes, marching cubes, vertex colours."""

    def __init__(self) -> None:
        self.weights = Weights(
            name="triposr",
            repository="stabilityai/TripoSR",
            licence="MIT",
            files=(_FILES,),
            revision="5b521936b01fbe1890f6f9baed0254ab6351c04a",
        )
        self.info = EngineInfo(
            name="triposr",
            summary="TripoSR: feed-forward reconstruction, a mesh and any camera; wants a GPU, runs without.",
            licence="MIT (code and weights)",
            features=frozenset({"cameras", "mesh"}),
            rank=8,
            options=frozenset({"resolution"}),
        )

    def readiness(self) -> Readiness:
        """Packages and weights."""
        return self.weights.readiness(("torch", "safetensors"))

    def _model(self) -> Any:
        folder = self.weights.require()

        def load_it() -> Any:
            from .model import load

            file = found(folder, _FILES)
            check_files(folder, [file])
            with reading(folder, file):
                model = load(folder)
            return model.to(best_device())

        def size(model: Any) -> float:
            return float(sum(p.numel() * p.element_size() for p in model.parameters()))

        return WARM.get(("triposr", str(folder)), load_it, size, self.weights.bytes)

    def generate(self, requests: Sequence[EngineRequest], progress: Progress = no_progress) -> list[ViewSet]:
        """Run the requests one after the other."""
        progress(0.0, "load")
        model = self._model()
        results = []
        for number, request in enumerate(requests):

            def step(share: float, stage: str, done: int = number) -> None:
                progress((done + share) / len(requests), stage)

            results.append(self._one(model, request, step))
        return results

    def _one(self, model: Any, request: EngineRequest, progress: Progress) -> ViewSet:
        import torch

        from .framing import framed
        from .model import surface

        progress(0.02, "lift")
        device = next(model.parameters()).device
        with torch.inference_mode():
            planes = model(framed(request.picture, model.sizes.picture)[None].to(device))[0]
        resolution = int(request.options.get("resolution") or Settings().triposr_resolution)  # type: ignore[call-overload]
        points, faces, colours = surface(
            model, planes, resolution, told=lambda share: progress(0.1 + 0.6 * share, "surface")
        )
        if not len(points):
            raise InvalidImage("The model saw no object in the picture.", hint="Try another picture.", field="image")
        scene = ColouredMesh(*_ours(points.numpy(), faces.numpy(), colours.numpy()))
        views = []
        for index, camera in enumerate(request.cameras):
            progress(0.7 + 0.3 * index / len(request.cameras), "render")
            views.append(scene.render(camera, request.size))
        progress(1.0, "done")
        return ViewSet(views, scene=scene)


def _ours(
    points: Floats, faces: NDArray[np.int64], colours: Floats
) -> tuple[Floats, NDArray[np.int32], Floats, Floats]:
    """The model's axes (x to the camera, y right, z up) to ours (z to the camera, x right, y up), diagonal 1."""
    turned = points[:, [1, 2, 0]]
    low, high = turned.min(0), turned.max(0)
    vertices = ((turned - (low + high) / 2) / np.linalg.norm(high - low)).astype(np.float32)
    mesh = trimesh.Trimesh(vertices, faces, process=False)
    if mesh.volume < 0:
        mesh.invert()
    return (
        vertices,
        np.ascontiguousarray(mesh.faces, np.int32),
        colours.astype(np.float32),
        np.asarray(mesh.vertex_normals, np.float32),
    )
