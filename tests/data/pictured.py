"""Small files of pictures for the tests: whole, odd and hostile ones. Draws each anew; knows Pillow."""

from __future__ import annotations

import gc
import io
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from workbench.data.picture import Picture


def png(colour: object = "red", size: tuple[int, int] = (40, 20), mode: str = "RGB", **options: Any) -> bytes:
    """The bytes of a PNG of one colour."""
    return saved(Image.new(mode, size, colour), "PNG", **options)  # type: ignore[arg-type]


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    """The bytes of a picture in a format."""
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def held(show: Callable[[Picture], Any], count: int = 30) -> int:
    """Bytes that stay in Python's memory of so many pictures, each of 120 kB and shown once."""
    show(Picture("first", data=png()))  # what is loaded at the first is no picture's
    tracemalloc.start()
    for number in range(count):
        noise = np.random.default_rng(number).integers(0, 256, (200, 200, 3), dtype=np.uint8)
        show(Picture(str(number), data=saved(Image.fromarray(noise), "PNG")))
    gc.collect()
    current, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return current


def turned(orientation: int) -> bytes:
    """A JPEG of 40 x 20 pixels, the left half black, with the way its camera was held."""
    image = Image.new("RGB", (40, 20), "white")
    image.paste("black", (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", exif=exif, quality=95)


def grey16(level: int) -> bytes:
    """A PNG with 16 bits a pixel."""
    return saved(Image.fromarray(np.full((20, 40), level, np.uint16)), "PNG")


def moving() -> bytes:
    """A GIF of two frames, red and blue."""
    return saved(Image.new("RGB", (40, 20), "red"), "GIF", save_all=True, append_images=[Image.new("RGB", (40, 20))])


def odd() -> dict[str, tuple[bytes, str]]:
    """Pictures as people and strangers send them, by what is odd about them: their bytes, and why they are refused, a
    key under ``data.picture``; ``''`` where they are seen."""
    clear = Image.new("P", (40, 20), 1)
    clear.putpalette([255, 0, 0, 0, 0, 255])
    clear.paste(0, (0, 0, 20, 20))
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8))
    return {
        "a long strip": (png(size=(20_000, 1)), ""),
        "a high strip": (png(size=(1, 20_000)), ""),
        "16 bits a pixel": (grey16(40_000), ""),
        "printing inks": (saved(Image.new("CMYK", (40, 20), (0, 255, 255, 0)), "JPEG"), ""),
        "a moving one": (moving(), ""),
        "a palette with transparency": (saved(clear, "PNG", transparency=0), ""),
        "held sideways": (turned(6), ""),
        "no bytes": (b"", "empty"),
        "cut off": (saved(noise, "PNG")[:-4_000], "damaged"),
        "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg'><script>x</script></svg>", "svg"),
        "a phone's photo called PNG": (b"\0\0\0\x18ftypheic" + bytes(40), "heic"),
    }


def bomb() -> bytes:
    """A few kilobytes that would unpack to nine hundred million pixels."""
    return saved(Image.new("1", (30_000, 30_000)), "PNG")
