"""TripoSR on a toy model in the published layout; names and shapes against the published configuration."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import make_figure

torch = pytest.importorskip("torch", reason="LOUD: torch is not installed, TripoSR is not tested")

import orbitview  # noqa: E402
from orbitview.engines.triposr import engine as engine_module  # noqa: E402
from orbitview.engines.triposr import model as triposr  # noqa: E402
from orbitview.engines.warm import WARM  # noqa: E402


def published() -> dict[str, tuple[int, ...]]:
    """Names and shapes that stabilityai/TripoSR's config.yaml and facebook/dino-vitb16 imply."""
    found: dict[str, tuple[int, ...]] = {}

    def linear(name: str, out: int, into: int, bias: bool = True) -> None:
        found[f"{name}.weight"] = (out, into)
        if bias:
            found[f"{name}.bias"] = (out,)

    def norm(name: str, width: int) -> None:
        found[f"{name}.weight"] = found[f"{name}.bias"] = (width,)

    vit = "image_tokenizer.model"
    found[f"{vit}.embeddings.cls_token"] = (1, 1, 768)
    found[f"{vit}.embeddings.position_embeddings"] = (1, 197, 768)
    found[f"{vit}.embeddings.patch_embeddings.projection.weight"] = (768, 3, 16, 16)
    found[f"{vit}.embeddings.patch_embeddings.projection.bias"] = (768,)
    for i in range(12):
        layer = f"{vit}.encoder.layer.{i}"
        for part in ("query", "key", "value"):
            linear(f"{layer}.attention.attention.{part}", 768, 768)
        linear(f"{layer}.attention.output.dense", 768, 768)
        linear(f"{layer}.intermediate.dense", 3072, 768)
        linear(f"{layer}.output.dense", 768, 3072)
        norm(f"{layer}.layernorm_before", 768)
        norm(f"{layer}.layernorm_after", 768)
    norm(f"{vit}.layernorm", 768)
    linear(f"{vit}.pooler.dense", 768, 768)
    found["tokenizer.embeddings"] = (3, 1024, 32, 32)
    norm("backbone.norm", 1024)
    linear("backbone.proj_in", 1024, 1024)
    linear("backbone.proj_out", 1024, 1024)
    for i in range(16):
        block = f"backbone.transformer_blocks.{i}"
        for number in (1, 2, 3):
            norm(f"{block}.norm{number}", 1024)
        for name, context in (("attn1", 1024), ("attn2", 768)):
            linear(f"{block}.{name}.to_q", 1024, 1024, False)
            linear(f"{block}.{name}.to_k", 1024, context, False)
            linear(f"{block}.{name}.to_v", 1024, context, False)
            linear(f"{block}.{name}.to_out.0", 1024, 1024)
        linear(f"{block}.ff.net.0.proj", 8192, 1024)
        linear(f"{block}.ff.net.2", 1024, 4096)
    found["post_processor.upsample.weight"] = (1024, 40, 2, 2)
    found["post_processor.upsample.bias"] = (40,)
    linear("decoder.layers.0", 64, 120)
    for i in range(1, 9):
        linear(f"decoder.layers.{2 * i}", 64, 64)
    linear("decoder.layers.18", 4, 64)
    return found


def test_names_and_shapes_are_the_published_ones() -> None:
    with torch.device("meta"):
        model = triposr.TripoSR()
    assert {name: tuple(value.shape) for name, value in model.state_dict().items()} == published()


def test_the_picture_tokens_equal_the_transformers_library(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers", reason="LOUD: transformers is not installed")
    from tiny_models import tiny_sizes

    s = tiny_sizes()
    config = transformers.ViTConfig(
        hidden_size=s.vit_width, num_hidden_layers=s.vit_layers, num_attention_heads=s.vit_heads,
        intermediate_size=s.vit_inner, image_size=s.vit_picture, patch_size=s.patch, layer_norm_eps=1e-12,
    )  # fmt: skip
    torch.manual_seed(1)
    theirs, ours = transformers.ViTModel(config).eval(), triposr.Vit(s).eval()
    renamed = {}
    for name, value in theirs.state_dict().items():
        for new, old in (
            ("layers.", "encoder.layer."), ("attention.q_proj", "attention.attention.query"),
            ("attention.k_proj", "attention.attention.key"), ("attention.v_proj", "attention.attention.value"),
            ("attention.o_proj", "attention.output.dense"), ("mlp.fc1", "intermediate.dense"),
            ("mlp.fc2", "output.dense"),
        ):  # fmt: skip
            if "encoder.layer." not in name or not new.startswith("layers"):
                name = name.replace(new, old)
        renamed[name] = value
    ours.load_state_dict(renamed)
    picture = torch.randn(1, 3, s.vit_picture, s.vit_picture)
    with torch.no_grad():
        assert torch.allclose(ours(picture), theirs(picture).last_hidden_state, atol=1e-5)
        assert ours(torch.randn(1, 3, s.picture, s.picture)).shape == (1, 1 + (s.picture // s.patch) ** 2, s.vit_width)


def test_a_block_equals_the_diffusers_library() -> None:
    attention = pytest.importorskip("diffusers.models.attention", reason="LOUD: diffusers is not installed")
    from tiny_models import tiny_sizes

    s = tiny_sizes()
    torch.manual_seed(2)
    theirs = attention.BasicTransformerBlock(
        s.width, s.heads, s.width // s.heads, cross_attention_dim=s.vit_width
    ).eval()
    ours = triposr.Block(s).eval()
    ours.load_state_dict(theirs.state_dict())
    x, context = torch.randn(2, 48, s.width), torch.randn(2, 5, s.vit_width)
    with torch.no_grad():
        assert torch.allclose(ours(x, context), theirs(x, encoder_hidden_states=context), atol=1e-5)


def test_planes_are_read_where_they_should_be() -> None:
    """A plane that is its own coordinate comes back as that coordinate, each plane by its own two axes."""
    from tiny_models import tiny_sizes

    model = triposr.TripoSR(tiny_sizes())
    side = 64
    ramp = (torch.arange(side) + 0.5) / side * 2 - 1
    planes = torch.zeros(3, 6, side, side)
    planes[:, 0], planes[:, 1] = ramp[None, None, :], ramp[None, :, None]
    seen: list[torch.Tensor] = []
    model.decoder.forward = lambda x: (seen.append(x), torch.zeros(len(x), 4))[1]  # type: ignore[method-assign]
    points = (torch.rand(20, 3) * 1.6 - 0.8) * model.sizes.radius
    model.query(planes, points, chunk=7)
    got, at = torch.cat(seen), points / model.sizes.radius
    expected = torch.stack([at[:, 0], at[:, 1], at[:, 0], at[:, 2], at[:, 1], at[:, 2]], 1)
    assert torch.allclose(got[:, [0, 1, 6, 7, 12, 13]], expected, atol=1e-4)


def test_surface_of_a_ball_and_our_axes() -> None:
    """A ball with a red cap towards the model's camera ends in front, at our +z, with its top up."""
    from tiny_models import tiny_sizes

    model = triposr.TripoSR(tiny_sizes())

    def query(planes: torch.Tensor, points: torch.Tensor, chunk: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
        colour = torch.stack([points[:, 0] > 0.2, points[:, 1] > 0.2, points[:, 2] > 0.2], 1).float()
        return 50 * torch.sigmoid(40 * (0.5 - points.norm(dim=1))), colour

    model.query = query  # type: ignore[method-assign]
    points, faces, colours = triposr.surface(model, torch.zeros(3, 6, 8, 8), 64)
    assert np.allclose(points.norm(dim=1), 0.5, atol=0.01)
    vertices, faces, colours, normals = engine_module._ours(points.numpy(), faces.numpy(), colours.numpy())
    assert vertices[colours[:, 0] > 0.5, 2].min() > 0
    assert vertices[colours[:, 1] > 0.5, 0].min() > 0
    assert vertices[colours[:, 2] > 0.5, 1].min() > 0
    assert (normals * vertices).sum(1).min() > 0
    view = engine_module.ColouredMesh(vertices, faces, colours, normals).render(orbitview.Camera(0, 0), 64)
    assert np.asarray(view.image)[32, 32, 0] > 200


def test_from_a_checkpoint_to_views_and_a_mesh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tiny_models import tiny_sizes, triposr_folder

    triposr_folder(tmp_path / "triposr")
    monkeypatch.setenv("ORBITVIEW_WEIGHTS_DIR", str(tmp_path))
    sizes = tiny_sizes()
    monkeypatch.setattr(triposr, "Sizes", lambda: sizes)
    # A toy has no object in it: take its densities relative to their own median.
    plain = triposr.TripoSR.query

    def dense(self: triposr.TripoSR, planes: torch.Tensor, points: torch.Tensor, chunk: int = 2**18):  # type: ignore[no-untyped-def]
        density, colour = plain(self, planes, points, chunk)
        return density * torch.exp(8 * (0.4 - points.norm(dim=1))) * 60, colour

    monkeypatch.setattr(triposr.TripoSR, "query", dense)
    WARM.clear()
    views = orbitview.generate(make_figure(), "orbit-3", engine="triposr", size=64, resolution=32)
    assert len(views) == 3
    assert all(np.asarray(view.mask).max() == 255 for view in views)
    assert len(views.scene.mesh().faces) > 100
    WARM.clear()


def test_a_checkpoint_with_code_in_it_is_refused(tmp_path: Path) -> None:
    import pickle

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return print, ("executed",)

    torch.save({"weights": Evil()}, tmp_path / "model.ckpt")
    with pytest.raises(pickle.UnpicklingError):
        triposr.load(tmp_path)


@pytest.mark.parametrize("size", [(100, 60), (61, 203), (900, 700), (1, 1), (40, 1)])
def test_the_picture_is_framed_as_published(size: tuple[int, int]) -> None:
    """The published program, step by step as its documentation has it, on a soft-edged object of that size."""
    from PIL import Image

    from orbitview.engines.triposr.framing import framed

    wide, high = size
    rng = np.random.default_rng(wide)
    picture = np.zeros((high + 30, wide + 50, 4), np.uint8)
    picture[..., :3] = rng.integers(0, 256, picture[..., :3].shape)
    alpha = np.clip(rng.normal(200, 80, (high, wide)), 0, 255).astype(np.uint8)
    alpha[0, 0] = alpha[-1, -1] = 1  # so faint that nothing else counts it as there
    picture[10 : 10 + high, 20 : 20 + wide, 3] = alpha
    rows, columns = np.where(picture[..., 3] > 0)
    crop = picture[rows.min() : max(rows.max(), rows.min() + 1), columns.min() : max(columns.max(), columns.min() + 1)]
    for ratio in (1.0, 0.85):  # a square around it, then the margin
        side = int(max(crop.shape[:2]) / ratio)
        before = [(side - n) // 2 for n in crop.shape[:2]]
        crop = np.pad(crop, [*((b, side - n - b) for b, n in zip(before, crop.shape[:2], strict=True)), (0, 0)])
    colour, opaque = crop[..., :3].astype(np.float32) / 255, crop[..., 3:].astype(np.float32) / 255
    flat = Image.fromarray(((colour * opaque + (1 - opaque) * 0.5) * 255.0).astype(np.uint8))
    wanted = torch.nn.functional.interpolate(
        torch.from_numpy(np.array(flat)).float().permute(2, 0, 1)[None] / 255,
        (64, 64), mode="bilinear", align_corners=False, antialias=True,
    )  # fmt: skip
    got = framed(Image.fromarray(picture), 64)
    assert float((got - wanted[0]).abs().max()) < 0.5 / 255
