"""A picture's bytes to pixels: the one door, for training and for serving. Knows Pillow and what may be decoded.

What a stranger sends is looked at before it is decoded: its bytes, its format by its first bytes, its width and height.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.limits import SHARED, limits
from workbench.data.picture import BadPicture, Picture

if TYPE_CHECKING:
    from PIL.Image import Image

# Those that are decoded, in Pillow's names.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
# Pixels of one picture: of a person's own, and of one that somebody else sends.
MOST_PIXELS, MOST_PIXELS_SHARED = 50_000_000, 25_000_000
# A picture so many times as long as wide loses its detail when it is padded to a square.
NARROW = 4.0
# Rows of pixels that are laid on white at once.
_STRIP = 256
# The EXIF field that says how a camera was held.
_ORIENTATION = 0x0112
# Formats that are refused with advice of their own, by their first bytes.
_HEADS = {
    "lfs": (b"version https://git-lfs",),
    "page": (b"<!doctype html", b"<html"),
    "tiff": (b"ii*\0", b"mm\0*"),
    "pdf": (b"%pdf",),
}
_BRANDS = (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1", b"avif", b"avis")
_SIGNS = (b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"GIF8", b"BM")


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what a picture is before it is made RGB.

    Args:
        width: in pixels, as it is shown.
        height: in pixels, as it is shown.
        format: Pillow's name.
        changes: what is done to it: ``turned``, ``first_frame``, ``on_white``, ``sixteen_bit``, ``inks``.
    """

    width: int
    height: int
    format: str
    changes: tuple[str, ...] = ()

    @property
    def narrow(self) -> bool:
        """Tell whether it is so long that padding it to a square leaves little of it."""
        return max(self.width, self.height) > NARROW * min(self.width, self.height)


def opened(picture: Picture) -> Image:
    """Return the picture as everyone sees it: RGB, turned as its camera was held, its first frame, on white.

    Raises:
        BadPicture: it cannot be had, is of no format that is decoded, is too large, or is damaged.
    """
    return _seen(picture)[1]


def look(picture: Picture) -> Seen:
    """Return what the picture is, and what becomes of it; raises as :func:`opened` does."""
    return _seen(picture)[0]


def fault(picture: Picture) -> str:
    """Return what keeps the picture from being seen, a key under ``data.picture``; ``''`` where nothing does."""
    try:
        opened(picture)
    except BadPicture as error:
        return error.fault
    return ""


def most_pixels() -> int:
    """Return how many pixels a picture may have."""
    return MOST_PIXELS_SHARED if limits() is SHARED else MOST_PIXELS


def encoded(image: Image) -> bytes:
    """Return pixels as a PNG file without anything but the pixels: no place, no camera, no thumbnail."""
    out = io.BytesIO()
    image.convert("RGB").save(out, "PNG")
    return out.getvalue()


def clean(picture: Picture) -> Picture:
    """Return the picture anew from its pixels, so that nothing else that its file held goes any further; raises as
    :func:`opened` does."""
    return Picture(picture.name, data=encoded(opened(picture)))


def refused_format(data: bytes) -> str:
    """Return why bytes are of no format that is decoded, a key under ``data.picture``; ``''`` where they may be."""
    if not data:
        return "empty"
    head = data[:64].lower()
    for name, beginnings in _HEADS.items():
        if head.lstrip().startswith(beginnings):
            return name
    if head[4:8] == b"ftyp" and head[8:12] in _BRANDS:
        return "heic"
    if b"<svg" in data[:2000].lower():
        return "svg"
    return "" if data.startswith(_SIGNS) else "unknown"


def _seen(picture: Picture) -> tuple[Seen, Image]:
    from PIL import Image

    content = picture.content()
    if reason := refused_format(content):
        raise BadPicture(reason, picture.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # of odd metadata, which nobody reads here
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(content), formats=FORMATS) as raw:
                _check_pixels(raw.size, picture.name)
                return _decoded(raw)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPicture("pixels", picture.name, size="–", most=most_pixels() / 1e6) from None
    except BadPicture:
        raise
    except MemoryError:
        raise BadPicture("pixels", picture.name, size="–", most=most_pixels() / 1e6) from None
    except Exception as error:  # whatever a decoder raises on a damaged file
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadPicture("damaged", picture.name, reason=words.replace("<", "").replace(">", "")) from None


def _check_pixels(size: tuple[int, int], name: str) -> None:
    if size[0] * size[1] > most_pixels():
        raise BadPicture("pixels", name, size=f"{size[0]} x {size[1]}", most=most_pixels() / 1e6)


def _decoded(raw: Any) -> tuple[Seen, Image]:
    """What a picture is, and its pixels; ``raw`` is Pillow's, not yet loaded."""
    from PIL import ImageOps

    changes = []
    if getattr(raw, "n_frames", 1) > 1 and raw.format != "MPO":
        changes.append("first_frame")
        raw.seek(0)
    raw.load()
    upright = raw
    if raw.getexif().get(_ORIENTATION, 1) in range(2, 9):
        changes.append("turned")
        upright = ImageOps.exif_transpose(raw)
    if upright.mode.startswith("I"):
        changes.append("sixteen_bit")
        upright = _eight_bit(upright)
    if upright.mode in ("CMYK", "YCCK"):
        changes.append("inks")
    if upright.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in upright.info:
        upright, opaque = _on_white(upright)
        changes += [] if opaque else ["on_white"]
    rgb = upright if upright.mode == "RGB" else upright.convert("RGB")
    return Seen(rgb.width, rgb.height, str(raw.format), tuple(changes)), rgb


def _eight_bit(image: Any) -> Image:
    """A grey picture of 16 bits a pixel in 8: Pillow's own conversion cuts all above 255 to white."""
    import numpy as np
    from PIL import Image

    pixels = np.array(image)
    np.clip(pixels, 0, 65_535, out=pixels)  # in its place: a picture may take much of the memory
    pixels >>= 8
    return Image.fromarray(pixels.astype(np.uint8))


def _on_white(image: Any) -> tuple[Image, bool]:
    """The picture on white paper, as it is seen on a page, and whether it was opaque: to leave alpha out shows the
    colours under it, most often black."""
    from PIL import Image

    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    shown = Image.new("RGB", layered.size)
    for top in range(0, layered.height, _STRIP):  # whole, it would lie in the memory four times
        strip = layered.crop((0, top, layered.width, min(top + _STRIP, layered.height)))
        paper = Image.new("RGBA", strip.size, "white")
        paper.alpha_composite(strip)
        shown.paste(paper.convert("RGB"), (0, top))
    return shown, layered.getextrema()[3][0] == 255
