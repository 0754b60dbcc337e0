"""Decoding and cutting out: what is read, and what is refused with which error."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import iou, make_figure
from PIL import Image, ImageFilter

from orbitview import InvalidImage, InvalidRequest, generate
from orbitview.images import cut_out, load_image


def encode(picture: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_common_formats(kind: str) -> None:
    picture = make_figure(alpha=False).convert("RGB")
    read = load_image(encode(picture, kind))
    assert (read.mode, read.size) == ("RGBA", picture.size)
    assert np.abs(np.asarray(read.convert("RGB"), int) - np.asarray(picture, int)).mean() < 6


def test_animations_give_their_first_frame() -> None:
    first, second = Image.new("RGB", (32, 32), "red"), Image.new("RGB", (32, 32), "blue")
    for kind in ("GIF", "PNG", "WEBP"):
        read = load_image(encode(first, kind, save_all=True, append_images=[second]))
        assert read.getpixel((16, 16))[0] > 200


def test_exif_orientation_is_applied() -> None:
    picture = Image.new("RGB", (40, 20), "white")
    exif = picture.getexif()
    exif[0x0112] = 6
    assert load_image(encode(picture, "JPEG", exif=exif)).size == (20, 40)


def test_odd_pixel_kinds() -> None:
    ramp = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)
    sixteen = np.asarray(load_image(encode(Image.fromarray(ramp), "PNG")))
    assert sixteen[0, 0, 0] < 3
    assert sixteen[-1, -1, 0] > 252
    cmyk = load_image(encode(Image.new("CMYK", (32, 32), (0, 255, 255, 0)), "JPEG"))
    assert cmyk.getpixel((5, 5))[0] > 200
    palette = Image.new("P", (32, 32), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30])
    assert load_image(encode(palette, "PNG")).getpixel((3, 3)) == (10, 200, 30, 255)
    assert load_image(encode(Image.new("LA", (32, 32), (9, 77)), "PNG")).getpixel((3, 3)) == (9, 9, 9, 77)
    assert load_image(encode(Image.new("1", (32, 32), 1), "PNG")).getpixel((3, 3)) == (255, 255, 255, 255)


def test_arrays_paths_and_pictures_are_taken(tmp_path: Path, figure: Image.Image) -> None:
    figure.save(tmp_path / "a.png")
    array = np.asarray(figure)
    for source in (
        tmp_path / "a.png",
        str(tmp_path / "a.png"),
        figure,
        array,
        array.astype(np.float32) / 255,
        array.astype(np.uint16) * 257,
    ):
        assert np.array_equal(np.asarray(load_image(source)), array)


def test_large_pictures_are_brought_down() -> None:
    assert load_image(Image.new("RGB", (5000, 2500))).size == (2048, 1024)


# --- what is refused -----------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int, depth: int = 8, colour: int = 2) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.png", encode(make_figure(), "PNG"))
    return buffer.getvalue()


def malformed() -> dict[str, bytes]:
    """Sixty and more things that are not pictures."""
    cases: dict[str, bytes] = {
        "empty": b"",
        "one byte": b"\x89",
        "text": b"hello, world" * 20,
        "nulls": bytes(4096),
        "ones": b"\xff" * 4096,
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
        "svg with declaration": b"<?xml version='1.0'?><svg/>",
        "svg with bom": b"\xef\xbb\xbf<svg/>",
        "html": b"<!DOCTYPE html><html><body><img src=x></body></html>",
        "json": b'{"image": "x"}',
        "zip": zipped(),
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n",
        "elf": b"\x7fELF" + bytes(200),
        "gzip": b"\x1f\x8b\x08" + bytes(60),
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\nshowpage\n",
        "mp4": b"\x00\x00\x00\x18ftypmp42" + bytes(64),
        "wav": b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24),
        "riff only": b"RIFF\x10\x00\x00\x00WEBP",
        "icns": b"icns" + bytes(60),
        "psd": b"8BPS\x00\x01" + bytes(60),
        "pickle": b"\x80\x04\x95" + bytes(60),
        "xbm": b"#define a_width 9\n#define a_height 9\nstatic char a_bits[] = {};",
        "png bomb": png_header(60000, 60000) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b""),
        "png bomb in greys": png_header(100000, 100000, 1, 0)
        + chunk(b"IDAT", zlib.compress(bytes(100000)))
        + chunk(b"IEND", b""),
        "png of no width": png_header(0, 10) + chunk(b"IEND", b""),
        "png header only": png_header(64, 64),
        "png signature": b"\x89PNG\r\n\x1a\n",
        "png without data": png_header(64, 64) + chunk(b"IEND", b""),
        "png of unknown colour": png_header(64, 64, 8, 7) + chunk(b"IEND", b""),
        "png with wrong checksum": png_header(64, 64)[:-1] + b"\x00",
        "png of huge text": png_header(9, 9) + chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))),
        "tiny": encode(Image.new("RGB", (3, 3)), "PNG"),
        "one pixel": encode(Image.new("RGB", (1, 1)), "GIF"),
        "a line": encode(Image.new("RGB", (500, 1)), "PNG"),
        "gif header": b"GIF89a" + struct.pack("<HHBBB", 100, 100, 0, 0, 0),
        "gif bomb": b"GIF89a"
        + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
        + b","
        + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0)
        + b"\x02\x01\x00\x00;",
        "bmp bomb": b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        "bmp of negative width": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -60, 60, 1, 24, 0, 0, 0, 0, 0, 0),
        "tiff header": b"II*\x00\x08\x00\x00\x00",
        "tiff loop": b"II*\x00\x08\x00\x00\x00\x00\x00\x08\x00\x00\x00",
        "big tiff": b"II+\x00\x08\x00\x00\x00" + bytes(32),
        "ppm bomb": b"P6 60000 60000 255\n",
        "ppm without data": b"P6 64 64 255\n",
        "ppm of letters": b"P6 ab cd 255\n" + bytes(100),
        "jpeg start": b"\xff\xd8\xff\xe0",
        "jpeg of markers": b"\xff\xd8" + b"\xff\xe1\x00\x02" * 50,
        "jpeg bomb": b"\xff\xd8\xff\xc0\x00\x11\x08\xff\xff\xff\xff\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01\xff\xd9",
        "avif header": b"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf" + bytes(40),
    }
    picture = make_figure().filter(ImageFilter.GaussianBlur(1))
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "TIFF", "AVIF", "BMP"):
        source = picture.convert("RGB") if kind in ("JPEG", "BMP") else picture
        whole = encode(source, kind)
        cases[f"{kind} cut in the middle"] = whole[: len(whole) // 2]
        cases[f"{kind} cut at a tenth"] = whole[: max(12, len(whole) // 10)]
        cases[f"{kind} head of noise"] = whole[:8] + np.random.default_rng(1).bytes(600)
    return cases


MALFORMED = malformed()


def test_there_are_sixty_malformed_inputs() -> None:
    assert len(MALFORMED) >= 60


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_pictures_are_refused(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(InvalidImage) as caught:
        generate(MALFORMED[name], engine="inflate")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert caught.value.message.endswith(".")
    assert caught.value.hint
    assert peak < 500 * 2**20


@pytest.mark.parametrize(
    "source",
    [
        lambda: np.zeros((10, 10, 2)),
        lambda: np.zeros((0, 10, 3)),
        lambda: np.full((20, 20, 3), np.nan),
        lambda: np.zeros(5),
        lambda: np.array([["a"]]),
        lambda: Path("no such file.png"),
        lambda: "a\0b",
        lambda: Path(__file__).parent,
    ],
)
def test_things_that_are_no_pictures(source: Callable[[], object]) -> None:
    with pytest.raises(InvalidImage):
        load_image(source())  # type: ignore[arg-type]


# --- cutting out ---------------------------------------------------------------------------------------------


def test_alpha_is_used_where_there_is_one(figure: Image.Image) -> None:
    assert cut_out(figure) == figure
    assert cut_out(figure, "alpha") == figure


def test_studio_backgrounds_come_out_clean() -> None:
    truth = np.asarray(make_figure(400))[..., 3] > 127
    rng = np.random.default_rng(0)
    y, x = np.mgrid[-1:1:400j, -1:1:400j]
    for shade in (np.zeros_like(x), -30 * (x**2 + y**2), 40 * y):
        paper = np.asarray(make_figure(400, alpha=False).convert("RGB"), float)
        paper[~truth] += shade[~truth][:, None]
        noisy = Image.fromarray(np.clip(paper + rng.normal(0, 2, paper.shape), 0, 255).astype(np.uint8))
        found = np.asarray(cut_out(noisy))[..., 3]
        assert iou(found > 127, truth) > 0.97
        assert ((found > 0) & (found < 255)).sum() > 50  # soft edges


def test_a_cast_shadow_is_not_the_object() -> None:
    truth = np.asarray(make_figure(400))[..., 3] > 127
    shadow = Image.new("L", (400, 400), 0)
    shadow.paste(110, (150, 345, 340, 385))
    soft = np.asarray(shadow.filter(ImageFilter.GaussianBlur(14)), float)[..., None] / 255
    paper = np.asarray(make_figure(400, alpha=False).convert("RGB"), float)
    paper = np.where(truth[..., None], paper, paper * (1 - 0.6 * soft))
    assert iou(np.asarray(cut_out(Image.fromarray(paper.astype(np.uint8))))[..., 3] > 127, truth) > 0.93


def test_the_sample_is_cut_out(rocket: Path) -> None:
    alpha = np.asarray(cut_out(load_image(rocket)))[..., 3]
    assert 0.15 < (alpha > 127).mean() < 0.3
    assert (alpha[:90] > 127).sum() == 0
    assert (alpha[560:640, 560:] > 127).sum() < 200  # the shadow on the right


def test_no_object_is_an_error() -> None:
    for picture in (Image.new("RGBA", (64, 64)), Image.new("RGB", (64, 64), "white")):
        with pytest.raises(InvalidImage):
            cut_out(picture)


def test_matte_choices(figure: Image.Image) -> None:
    assert np.asarray(cut_out(figure, "none"))[..., 3].min() == 255
    with pytest.raises(InvalidImage):
        cut_out(figure.convert("RGB"), "alpha")
    with pytest.raises(InvalidRequest):
        cut_out(figure, "chroma")  # type: ignore[arg-type]
