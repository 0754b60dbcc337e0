"""The picture itself: colour spaces, ranges, what browsers read and what callers hold in their hands."""

from __future__ import annotations

import base64
import functools
import http.server
import io
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from conftest import make_figure
from PIL import Image, ImageCms, ImageDraw

from orbitview import InvalidImage, InvalidRequest
from orbitview.images import decode_base64, load_image
from orbitview.images.limits import MAX_PIXELS

GREEN = (60, 160, 70)


def encode(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0\0\0\0\1" + round(gamma * 256).to_bytes(2, "big") + b"\0\0"


def xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(round(v * 65536).to_bytes(4, "big", signed=True) for v in values)


def profile(
    space: bytes = b"RGB ", gamma: float = 2.2, primaries: tuple[tuple[float, float, float], ...] = ()
) -> bytes:
    """A matrix or grey ICC profile (version 2) written by hand."""
    tags: dict[bytes, bytes] = {b"wtpt": xyz((0.9642, 1, 0.8249)), b"desc": b"desc\0\0\0\0\0\0\0\2x\0" + bytes(79)}
    if space == b"GRAY":
        tags[b"kTRC"] = curve(gamma)
    for letter, primary in zip(b"rgb", primaries, strict=False):
        tags[bytes([letter]) + b"XYZ"], tags[bytes([letter]) + b"TRC"] = xyz(primary), curve(gamma)
    table, body, at = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + (at + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    head = bytearray(128)
    head[8:12], head[12:16], head[16:20], head[20:24] = b"\2\x10\0\0", b"mntr", space, b"XYZ "
    head[36:40], head[68:80] = b"acsp", b"\0\0\xf6\xd6\0\1\0\0\0\0\xd3\x2d"
    whole = bytes(head) + len(tags).to_bytes(4, "big") + table + body
    return len(whole).to_bytes(4, "big") + whole[4:]


# Red, green and blue of Display P3 and Adobe RGB as seen from D50.
P3 = profile(gamma=2.2, primaries=((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841)))
ADOBE = profile(gamma=2.2, primaries=((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446)))


@functools.cache
def stored_as(icc: bytes, colour: tuple[int, int, int] = GREEN) -> tuple[int, ...]:
    """What a colour of sRGB is called in another space."""
    one = Image.new("RGB", (1, 1), colour)
    there = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    return ImageCms.profileToProfile(one, ImageCms.createProfile("sRGB"), there).getpixel((0, 0))  # type: ignore


@pytest.mark.parametrize("icc", [P3, ADOBE], ids=["Display P3", "Adobe RGB"])
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_wide_colours_become_srgb(icc: bytes, kind: str) -> None:
    stored = stored_as(icc)
    assert max(abs(a - b) for a, b in zip(stored, GREEN, strict=True)) > 15
    read = load_image(encode(Image.new("RGB", (64, 64), stored), kind, icc_profile=icc))
    assert max(abs(a - b) for a, b in zip(read.getpixel((30, 30))[:3], GREEN, strict=True)) <= 4
    assert "icc_profile" not in read.info


def test_alpha_and_palettes_survive_colour_management() -> None:
    picture = Image.new("RGBA", (64, 64), (*stored_as(P3), 77))
    picture.putpixel((2, 2), (0, 0, 0, 0))
    for stored in (picture, picture.quantize(8)):
        read = load_image(encode(stored, icc_profile=P3))
        assert read.getpixel((2, 2))[3] == 0
        colour = read.getpixel((30, 30))
        assert abs(colour[3] - 77) <= 1
        assert max(abs(a - b) for a, b in zip(colour[:3], GREEN, strict=True)) <= 6


def test_grey_profiles_count_for_grey_pictures() -> None:
    bright = load_image(encode(Image.new("L", (32, 32), 100), icc_profile=profile(b"GRAY", 1.0)))
    assert abs(bright.getpixel((9, 9))[0] - 167) <= 3  # linear 100 of 255 in sRGB


@pytest.mark.parametrize("icc", [b"no profile", P3[:200], profile(b"GRAY"), profile(b"CMYK")])
def test_broken_and_unfitting_profiles_are_ignored(icc: bytes) -> None:
    assert load_image(encode(make_figure(64), icc_profile=icc)).getpixel((2, 2)) == (0, 0, 0, 0)
    assert load_image(encode(Image.new("RGB", (32, 32), GREEN), icc_profile=icc)).getpixel((9, 9)) == (*GREEN, 255)
    assert load_image(encode(Image.new("L", (32, 32), 80), icc_profile=P3)).getpixel((9, 9)) == (80, 80, 80, 255)


def test_a_transparent_grey_of_16_bits_is_transparent() -> None:
    values = np.full((40, 40), 30000, np.uint16)
    values[10:30, 10:30] = 12000
    read = load_image(encode(Image.fromarray(values), transparency=30000))
    assert (read.getpixel((2, 2))[3], read.getpixel((20, 20))) == (0, (47, 47, 47, 255))


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30}])
def test_a_jpeg_without_its_last_bytes_is_read(options: dict[str, object]) -> None:
    rng = np.random.default_rng(0)
    noise = np.clip(128 + rng.normal(0, 40, (400, 300, 3)).cumsum(1) / 4, 0, 255).astype(np.uint8)
    noise[200:] = 255  # its lower half holds next to nothing
    data = encode(Image.fromarray(noise), "JPEG", **options)
    for less in (1, 2, 12):
        assert load_image(data[:-less]).size == (300, 400)
    for share in (0.5,) if "progressive" in options else (0.5, 0.9):  # a progressive one is whole, if coarser, at 0.9
        with pytest.raises(InvalidImage):
            load_image(data[: round(len(data) * share)])


def test_a_jpeg_beyond_the_limit_is_decoded_smaller() -> None:
    wide, high = 10000, MAX_PIXELS // 10000 + 500
    assert load_image(encode(Image.new("RGB", (wide, high), GREEN), "JPEG")).size == (2048, round(high * 2048 / wide))
    with pytest.raises(InvalidImage, match="megapixels"):
        load_image(encode(Image.new("1", (wide, high)), "PNG"))


def test_a_heic_picture_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    stub = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)
    with pytest.raises(InvalidImage, match="HEIC"):
        load_image(stub)


ARRAY = np.asarray(make_figure(96))


@pytest.mark.parametrize(
    "array",
    [
        ARRAY.astype(np.float32),
        ARRAY.astype(np.float64) / 255,
        ARRAY.astype(np.float16),
        ARRAY.astype(np.uint16),
        ARRAY.astype(np.int32) * 257,
        ARRAY.astype(np.int64),
        ARRAY.astype(np.uint16) * 257,
    ],
    ids=["floats to 255", "floats to 1", "halves to 255", "uint16 to 255", "int32 of 16 bits", "int64", "uint16"],
)
def test_arrays_are_read_by_their_range(array: np.ndarray) -> None:
    assert np.abs(np.asarray(load_image(array)).astype(int) - ARRAY).max() <= 1


def test_greys_of_any_depth() -> None:
    grey = np.linspace(0, 255, 64 * 64).reshape(64, 64)
    for source in (
        grey.astype(np.uint8)[..., None],
        Image.fromarray(grey.astype(np.float32)),
        Image.fromarray((grey / 255).astype(np.float32)),
        Image.fromarray((grey * 257).astype(np.int32)),
    ):
        read = np.asarray(load_image(source)).astype(int)
        assert np.abs(read[..., 0] - grey).max() <= 1.5
    assert np.asarray(load_image(np.eye(32, dtype=bool)))[..., 0].max() == 255


@pytest.mark.parametrize(
    "array",
    [
        np.linspace(-1, 1, 1200).reshape(20, 20, 3),
        np.full((20, 20), -4),
        np.full((20, 20), 10**6),
        np.full((9, 9), np.inf),
    ],
    ids=["-1 to 1", "negative", "beyond 16 bits", "infinite"],
)
def test_ranges_of_no_colours_are_refused(array: np.ndarray) -> None:
    with pytest.raises(InvalidImage):
        load_image(array)


def test_files_buffers_and_data_urls_are_taken(tmp_path: Path) -> None:
    data = encode(make_figure(64))
    (tmp_path / "a.png").write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    with (tmp_path / "a.png").open("rb") as file:
        for source in (io.BytesIO(data), memoryview(data), bytearray(data), file, url):
            assert load_image(source).size == (64, 64)
    for wrong in (io.StringIO("text"), 7, None):
        with pytest.raises(InvalidImage):
            load_image(wrong)  # type: ignore[arg-type]


def test_urls_are_fetched_and_private_ones_only_where_allowed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encode(make_figure(64)))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/a.png"
        with pytest.raises(InvalidRequest, match="not public"):
            load_image(url)
        monkeypatch.setenv("ORBITVIEW_ALLOW_HOSTS", "127.0.0.1")
        assert load_image(f" {url} ").size == (64, 64)
        server.shutdown()


def test_base64_given_as_a_path_gets_a_short_sentence() -> None:
    text = base64.b64encode(encode(make_figure(300))).decode()
    with pytest.raises(InvalidImage) as caught:
        load_image(text)
    assert len(caught.value.message) < 300
    assert "base64" in caught.value.hint


def test_base64_as_forms_and_shells_leave_it() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
    data = encode(Image.fromarray(noise))
    text = base64.b64encode(data).decode()
    assert "+" in text
    lines = [text[i : i + 76] for i in range(0, len(text), 76)]
    for sent in (
        text,
        quote(text, safe=""),
        text.replace("+", " "),
        "\r\n".join(lines),
        " ".join(lines),
        text.rstrip("="),
        base64.urlsafe_b64encode(data).decode(),
    ):
        assert decode_base64(sent) == data
        assert decode_base64(f" data:image/png;base64,{sent}\n") == data
    for wrong in ("data:image/png,abc", "not base64!", 7):
        with pytest.raises(InvalidImage):
            decode_base64(wrong)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="LOUD: memory is read from Linux's /proc")
def test_a_large_picture_is_never_held_twice(tmp_path: Path) -> None:
    """64 megapixels with alpha: under 600 MB in a process of its own."""
    wide = Image.new("RGBA", (8000, 8000), (*GREEN, 200))
    ImageDraw.Draw(wide).rectangle((0, 0, 4000, 8000), fill=(0, 0, 0, 0))
    wide.save(tmp_path / "a.png", compress_level=1)
    script = (
        "import re, sys; from orbitview.images import load_image; p = load_image(sys.argv[1]);"
        "peak = re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1];"
        "print(*p.size, *p.getpixel((1500, 99)), p.getpixel((9, 9))[3], peak)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path / "a.png")], capture_output=True, text=True)
    *told, peak = map(int, done.stdout.split())
    assert told == pytest.approx([2048, 2048, *GREEN, 200, 0], abs=2)
    assert peak < 600 * 1024
