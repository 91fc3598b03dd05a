"""A picture becomes what a person sees of it, and what is no picture is refused before it is decoded."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.data.pictured import bomb, grey16, moving, png, saved, turned
from workbench.data import Picture
from workbench.data.imaging import clean, fault, look, opened
from workbench.data.limits import SHARED
from workbench.data.picture import BadPicture


def of(data: bytes) -> Picture:
    return Picture("a", data=data)


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_each_usual_format_is_opened(form: str) -> None:
    image = opened(of(saved(Image.new("RGB", (9, 7), (250, 0, 0)), form)))
    assert (image.mode, image.size) == ("RGB", (9, 7))
    assert max(abs(a - b) for a, b in zip(image.getpixel((4, 4)), (250, 0, 0), strict=True)) < 6  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"hello", "unknown"),
        (b"<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", "svg"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "heic"),
        (b"II*\0" + bytes(40), "tiff"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "lfs"),
        (b"<!DOCTYPE html><html>404</html>", "page"),
        (b"%PDF-1.7", "pdf"),
        (png()[:60], "damaged"),
        (saved(Image.effect_noise((60, 60), 90).convert("RGB"), "JPEG")[:-300], "damaged"),
        (b"\x89PNG\r\n\x1a\n" + bytes(30), "damaged"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_kind(data: bytes, why: str) -> None:
    assert fault(of(data)) == why


def test_a_bomb_is_refused_by_its_width_and_height() -> None:
    assert fault(of(bomb())) == "pixels"


def test_too_many_bytes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workbench.data.picture.MOST_BYTES", 50)
    (tmp_path / "a.png").write_bytes(png())
    assert [fault(Picture.of(tmp_path / "a.png")), fault(of(png()))] == ["bytes", "bytes"]


@pytest.mark.parametrize(("orientation", "size", "black"), [(1, (40, 20), (2, 9)), (3, (40, 20), (37, 9)),
                                                           (6, (20, 40), (9, 2)), (8, (20, 40), (9, 37))])  # fmt: skip
def test_a_photo_is_turned_as_its_camera_was_held(
    orientation: int, size: tuple[int, int], black: tuple[int, int]
) -> None:
    image = opened(of(turned(orientation)))
    assert image.size == size
    assert max(image.getpixel(black)) < 60  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "data", [png((0, 0, 0, 0), mode="RGBA"), png((0, 0), mode="LA"), png(0, mode="P", transparency=0)]
)
def test_what_is_transparent_lies_on_white(data: bytes) -> None:
    assert opened(of(data)).getpixel((3, 3)) == (255, 255, 255)
    assert look(of(data)).changes == ("on_white",)


def test_opaque_alpha_is_no_change() -> None:
    assert look(of(png((1, 2, 3, 255), mode="RGBA"))).changes == ()


def test_sixteen_bits_a_pixel_keep_their_grey() -> None:
    assert opened(of(grey16(40_000))).getpixel((3, 3)) == (156, 156, 156)


def test_printing_inks_become_their_colour() -> None:
    inks = saved(Image.new("CMYK", (20, 20), (0, 255, 255, 0)), "JPEG")
    assert opened(of(inks)).getpixel((9, 9)) == (255, 0, 0)


def test_of_a_moving_picture_the_first_frame_is_seen() -> None:
    assert opened(of(moving())).getpixel((3, 3)) == (255, 0, 0)
    assert look(of(moving())).changes == ("first_frame",)


def test_a_clean_picture_holds_its_pixels_and_nothing_else() -> None:
    plain = clean(of(turned(6)))
    assert opened(plain).tobytes() == opened(of(turned(6))).tobytes()
    assert not Image.open(__import__("io").BytesIO(plain.data)).getexif()


@pytest.mark.parametrize("name", ["../secret.png", "/etc/hostname", "a/../../secret.png", "link.png", "~/x.png"])
def test_no_name_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png())
    home = tmp_path / "data"
    (home / "a").mkdir(parents=True)
    (home / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(BadPicture) as caught:
        Picture(name, str(home)).content()
    assert caught.value.fault in ("outside", "missing")


@pytest.mark.parametrize(
    "name", ["http://a.example/b.png", "https://a.example/b.png", "file:///etc/hostname", "//h/s/a.png"]
)
def test_an_address_is_never_fetched(name: str, tmp_path: Path) -> None:
    assert fault(Picture(name, str(tmp_path))) == "address"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no such files here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    assert fault(Picture("a.png", str(tmp_path))) == "unreadable"


def test_a_picture_is_found_in_the_archive_beside_the_rows(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "set.zip", "w") as archive:
        archive.writestr("train/images/a.png", png("blue"))
    for name in ("train/images/a.png", "images/a.png", "a.png"):
        assert opened(Picture(name, str(tmp_path))).getpixel((1, 1)) == (0, 0, 255)
    assert fault(Picture("b.png", str(tmp_path))) == "missing"
    assert opened(Picture("a.png", str(tmp_path / "set.zip"))).size == (40, 20)


def test_the_hash_is_of_the_bytes_wherever_they_lie(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    picture = Picture.of(tmp_path / "a.png")
    assert picture.sha256 == of(png()).sha256
    (tmp_path / "a.png").write_bytes(png("blue"))
    assert picture.sha256 == of(png("blue")).sha256


def test_a_picture_is_the_same_after_another_process() -> None:
    for picture in (of(b"\x00\xff"), Picture("a.png", "/data", placed=False)):
        again = Picture.from_dict(picture.to_dict())
        assert (again, again.placed) == (picture, picture.placed)


def ramp(mode: str, side: int) -> Image.Image:
    """A picture that is of no single colour, its alpha too."""
    band = Image.linear_gradient("L").resize((side, side))
    return Image.merge(mode, [band] * len(mode)) if len(mode) > 1 else band.convert(mode)


def note() -> dict[str, Any]:
    """The note that the camera was turned."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"exif": exif}


VAST: dict[str, Callable[[], bytes]] = {
    "16 bits": lambda: saved(Image.new("I;16", (5000, 5000), 9), "PNG"),
    "RGBA": lambda: saved(ramp("RGBA", 5000), "PNG"),
    "RGBA, turned": lambda: saved(ramp("RGBA", 5000), "PNG", **note()),
    "grey with alpha, turned": lambda: saved(ramp("LA", 5000), "PNG", **note()),
    "a colour that is none": lambda: saved(ramp("RGB", 5000), "PNG", transparency=(1, 1, 1)),
    "a palette with alpha, turned": lambda: saved(
        ramp("P", 5000), "PNG", transparency=bytes(range(256)), **note()
    ),
    "GIF of frames": lambda: saved(
        Image.new("P", (5000, 5000)), "GIF", save_all=True, append_images=[Image.new("P", (5000, 5000), 1)] * 3,
        transparency=0,
    ),
    "progressive JPEG": lambda: saved(ramp("RGB", 5000), "JPEG", progressive=True, subsampling=0, **note()),
    "JPEG of inks": lambda: saved(ramp("CMYK", 3500), "JPEG", progressive=True, **note()),
    "WebP": lambda: saved(ramp("RGBA", 3500), "WEBP", quality=30, method=0, **note()),
    "WebP of frames": lambda: saved(
        Image.new("RGBA", (3500, 3500)), "WEBP", save_all=True, method=0,
        append_images=[Image.new("RGBA", (3500, 3500), (9, 9, 9, 9))] * 2,
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the most that a process held is told by Linux")
@pytest.mark.parametrize("name", [*VAST])
def test_the_largest_picture_of_a_visitor_takes_no_more_memory_than_a_server_has(name: str, tmp_path: Path) -> None:
    """A small file of about as many pixels as may be, of each kind that is decoded otherwise."""
    file = tmp_path / "vast"
    file.write_bytes(VAST[name]())
    code = (
        "import sys; from pathlib import Path; from workbench.data.limits import serve_others\n"
        "from workbench.data.imaging import opened; from workbench.data.picture import Picture; import numpy\n"
        "def most(): return int(open('/proc/self/status').read().partition('VmHWM:')[2].split()[0]) // 1000\n"
        "serve_others(); before = most(); data = Path(sys.argv[1]).read_bytes()\n"
        "assert opened(Picture('a', data=data)).width >= 3500; print(most() - before)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert file.stat().st_size < 16_000_000 and int(done.stdout) < 270


@pytest.mark.parametrize("form", ["WEBP", "JPEG"])
def test_of_strangers_pictures_that_decoders_lay_down_several_times_fewer_pixels_are_decoded(
    form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workbench.data.imaging.MOST_PIXELS_SHARED", 10_000)
    data = saved(Image.new("RGB" if form == "WEBP" else "CMYK", (90, 90)), form)
    assert fault(of(data)) == ""
    monkeypatch.setattr("workbench.data.imaging.limits", lambda: SHARED)
    assert fault(of(data)) == "pixels"
    assert fault(of(saved(Image.new("RGB", (90, 90)), "JPEG"))) == ""
