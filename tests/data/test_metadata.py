"""What a picture's file says beside its pixels is left out before a library reads it, but how its camera was held."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from tests.data.pictured import moving, saved
from workbench.data import Picture
from workbench.data.imaging import fault, look, opened, size
from workbench.data.metadata import PARTS, SCANS, Damaged, stripped

ORIENTATION = 0x0112
XMP = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'


def half() -> Image.Image:
    """40 x 20 pixels, the left half black."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    return image


def exif(orientation: int) -> Image.Exif:
    described = Image.Exif()
    described[ORIENTATION] = orientation
    return described


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def in_png(*chunks: bytes, image: Image.Image | None = None) -> bytes:
    """A PNG with chunks behind its head."""
    data = saved(image or half(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def in_jpeg(*segments: bytes) -> bytes:
    """A JPEG with segments behind its first two bytes."""
    data = saved(half(), "JPEG", quality=95)
    return data[:2] + b"".join(segments) + data[2:]


def app1(content: bytes) -> bytes:
    return b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content


def entries(count: int, size: int) -> bytes:
    """EXIF of so many entries, each of which stands for the same ``size`` bytes."""
    begin = 14 + 12 * count
    listed = b"".join(struct.pack(">HHII", 0x8000 + n, 1, size, begin) for n in range(count))
    return b"MM\0*" + struct.pack(">IH", 8, count) + listed + bytes(4 + size)


def raw_profile() -> bytes:
    content = exif(6).tobytes()
    return b"Raw profile type exif\0\0" + zlib.compress(f"\nexif\n{len(content):8}\n{content.hex()}\n".encode())


def seen(data: bytes) -> Image.Image:
    return opened(Picture("a", data=data))


HELD = {
    "JPEG": saved(half(), "JPEG", exif=exif(6), quality=95),
    "PNG": saved(half(), "PNG", exif=exif(6)),
    "WebP": saved(half(), "WEBP", exif=exif(6), quality=95),
    "XMP in JPEG": in_jpeg(app1(b"http://ns.adobe.com/xap/1.0/\0" + XMP)),
    "XMP in PNG": in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + XMP)),
    "XMP in PNG, packed": in_png(chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(XMP))),
    "XMP in WebP": saved(half(), "WEBP", xmp=XMP, quality=95),
    "a profile in PNG": in_png(chunk(b"zTXt", raw_profile())),
}


@pytest.mark.parametrize("name", [*HELD])
def test_how_the_camera_was_held_is_read_wherever_it_stands(name: str) -> None:
    image = seen(HELD[name])
    assert image.size == (20, 40) and max(image.getpixel((9, 2))) < 60  # type: ignore[arg-type]
    assert b"Exif" not in stripped(HELD[name]).data and b"tiff:" not in stripped(HELD[name]).data


@pytest.mark.parametrize("orientation", range(10))
def test_each_way_to_hold_a_camera_is_turned_as_by_pillow(orientation: int) -> None:
    data = saved(half(), "PNG", exif=exif(orientation))
    with Image.open(io.BytesIO(data)) as raw:
        assert seen(data).tobytes() == ImageOps.exif_transpose(raw).tobytes()


PLAIN = {
    "JPEG": saved(half(), "JPEG", exif=exif(1), comment=b"hello", quality=90),
    "progressive JPEG": saved(half(), "JPEG", progressive=True),
    "JPEG of inks": saved(half().convert("CMYK"), "JPEG"),
    "grey JPEG": saved(half().convert("L"), "JPEG"),
    "JPEG of filling": in_jpeg(b"\xff\xff\xff", app1(b"x" * 9)),
    "PNG of a palette": saved(half().convert("P"), "PNG", transparency=0),
    "PNG of one bit": saved(half().convert("1"), "PNG"),
    "WebP without loss": saved(half(), "WEBP", lossless=True, exif=exif(1), icc_profile=b"x" * 200),
    "WebP with alpha": saved(half().convert("RGBA"), "WEBP", exif=exif(1)),
    "GIF": saved(half().convert("P"), "GIF", comment=b"hello"),
    "moving GIF": moving(),
    "moving PNG": saved(half(), "PNG", save_all=True, append_images=[Image.new("RGB", (40, 20))]),
    "moving WebP": saved(half(), "WEBP", save_all=True, append_images=[Image.new("RGB", (40, 20))], exif=exif(1)),
    "BMP": saved(half(), "BMP"),
}


@pytest.mark.parametrize("name", [*PLAIN])
def test_the_pixels_stay_as_they_are(name: str) -> None:
    with Image.open(io.BytesIO(PLAIN[name])) as before, Image.open(io.BytesIO(stripped(PLAIN[name]).data)) as after:
        assert (before.mode, before.format) == (after.mode, after.format)
        assert before.convert("RGBA").tobytes() == after.convert("RGBA").tobytes()
    assert ("first_frame" in look(Picture("a", data=PLAIN[name])).changes) == name.startswith("moving")


@pytest.mark.parametrize("name", [*PLAIN, *HELD])
def test_the_size_is_told_without_the_pixels(name: str) -> None:
    data = (PLAIN | HELD)[name]
    assert size(Picture("a", data=data)) == seen(data).size


@pytest.mark.parametrize("name", [*PLAIN, *HELD])
def test_a_file_that_is_cut_off_anywhere_stays_one(name: str) -> None:
    data = (PLAIN | HELD)[name]
    faults = {fault(Picture("a", data=data[:length])) for length in range(len(data) - 1)}
    assert faults <= {"", "empty", "unknown", "damaged", "pixels"}
    assert fault(Picture("a", data=data[: len(data) // 3])) == "damaged"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most that a process held is told by Linux")
def test_a_megabyte_that_stands_for_a_gigabyte_is_not_unpacked(tmp_path: Path) -> None:
    described = entries(1000, 900_000)
    segments = [app1(b"Exif\0\0" + described[n : n + 65_000]) for n in range(0, len(described), 65_000)]
    kinds = [in_jpeg(*segments), in_png(chunk(b"eXIf", described)), saved(half(), "WEBP", exif=described)]
    for number, data in enumerate(kinds):
        (tmp_path / str(number)).write_bytes(data)
    code = (
        "import sys; from pathlib import Path; from workbench.data.imaging import look\n"
        "from workbench.data.picture import Picture\n"
        "def most(): return int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1000\n"
        "before = most(); files = [Path(name).read_bytes() for name in sys.argv[1:]]\n"
        "assert all(look(Picture('a', data=data)).width == 40 for data in files); print(most() - before)"
    )
    files = [str(file) for file in sorted(tmp_path.iterdir())]
    done = subprocess.run([sys.executable, "-c", code, *files], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 100


def test_comments_without_number_are_not_joined() -> None:
    data = saved(half().convert("P"), "GIF")
    frame = data.index(b",")
    talking = data[:frame] + b"!\xfe\1a\0" * 200_000 + data[frame:]
    assert len(stripped(talking).data) <= len(data) and fault(Picture("a", data=talking)) == ""


def scans(count: int) -> bytes:
    """A JPEG that goes over its pixels so many times more."""
    data = saved(Image.new("L", (64, 64), 90), "JPEG", progressive=True)
    last = data.rindex(b"\xff\xc4")
    return data[:-2] + data[last:-2] * count + data[-2:]


@pytest.mark.parametrize(
    "data",
    [
        scans(SCANS + 1), in_png(chunk(b"abCd", b"") * (PARTS + 1)), in_png(chunk(b"IDAT", b"") * (PARTS + 1)),
        in_jpeg(app1(b"") * (PARTS + 1)), saved(half(), "GIF")[:-1] + b"!\xfe\0" * (PARTS + 1) + b";",
    ],
    ids=["scans", "chunks", "parts of the pixels", "segments", "extensions"],
)  # fmt: skip
def test_a_file_that_is_built_to_take_long_is_refused(data: bytes) -> None:
    with pytest.raises(Damaged):
        stripped(data)
    assert fault(Picture("a", data=data)) == "damaged"


def test_usual_scans_are_no_fault() -> None:
    assert fault(Picture("a", data=scans(20))) == ""
