"""A picture's bytes to pixels: the one door, for training and for serving. Knows Pillow and what may be decoded.

What a stranger sends is looked at before it is decoded: its bytes, its format by its first bytes, its width and height.
"""

from __future__ import annotations

import io
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from workbench.data.limits import SHARED, limits
from workbench.data.metadata import Stripped, stripped
from workbench.data.picture import BadPicture, Picture

if TYPE_CHECKING:
    from PIL.Image import Image

T = TypeVar("T")
# Those that are decoded, in Pillow's names.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp")
# Pixels of one picture: of a person's own, and of one that somebody else sends.
MOST_PIXELS, MOST_PIXELS_SHARED = 50_000_000, 25_000_000
# A picture so many times as long as wide loses its detail when it is padded to a square.
NARROW = 4.0
# Rows of pixels that are laid on white at once.
_STRIP = 256
# Of what others send, pictures of more pixels than these are decoded one after the other: each takes much memory.
_LARGE, _ALONE = 2_000_000, threading.Lock()
# By which turn a picture is upright whose camera was held so, in Pillow's names.
_TURNS = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
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


def size(picture: Picture) -> tuple[int, int]:
    """Return width and height in pixels as the picture is shown, from its head alone: its pixels may be damaged.

    Raises:
        BadPicture: as :func:`opened`, as far as the head tells.
    """
    return _read(picture, _upright)


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
    return _read(picture, _decoded)


def _read(picture: Picture, use: Callable[[Any, Stripped], T]) -> T:
    """What ``use`` makes of Pillow's picture, which is not yet loaded, and of its file."""
    from PIL import Image

    content = picture.content()
    if reason := refused_format(content):
        raise BadPicture(reason, picture.name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", UserWarning)  # of odd files, whose pixels are whole
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            file = stripped(content)
            with Image.open(io.BytesIO(file.data), formats=FORMATS) as raw:
                _check_pixels(raw, picture.name)
                return use(raw, file)
    except (Image.DecompressionBombWarning, Image.DecompressionBombError):
        raise BadPicture("pixels", picture.name, size="–", most=most_pixels() / 1e6) from None
    except BadPicture:
        raise
    except MemoryError:
        raise BadPicture("pixels", picture.name, size="–", most=most_pixels() / 1e6) from None
    except Exception as error:  # whatever a decoder raises on a damaged file
        words = " ".join(str(error).split())[:120] or type(error).__name__
        raise BadPicture("damaged", picture.name, reason=words.replace("<", "").replace(">", "")) from None


def _check_pixels(raw: Any, name: str) -> None:
    most = most_pixels()
    if limits() is SHARED and _is_heavy(raw):
        most //= 2
    if raw.width * raw.height > most:
        raise BadPicture("pixels", name, size=f"{raw.width} x {raw.height}", most=most / 1e6)


@contextmanager
def _in_turn(pixels: int) -> Iterator[None]:
    """Hold the block until no other large picture is decoded, where the pictures are others'."""
    if limits() is SHARED and pixels > _LARGE:
        with _ALONE:
            yield
    else:
        yield


def _is_heavy(raw: Any) -> bool:
    """Whether the decoder itself lays the picture into the memory several times: WebP's keeps two canvases and hands
    over a third, JPEG's keeps the coefficients of every ink."""
    return (raw.format, raw.mode) == ("JPEG", "CMYK") or bool(raw.format == "WEBP")


def _decoded(raw: Any, file: Stripped) -> tuple[Seen, Image]:
    """What a picture is, and its pixels; ``raw`` is Pillow's, not yet loaded."""
    with _in_turn(raw.width * raw.height):
        return _pixels(raw, file)


def _pixels(raw: Any, file: Stripped) -> tuple[Seen, Image]:
    changes = ["first_frame"] if file.animated else []
    raw.load()
    image, form = raw, str(raw.format)
    if image.mode.startswith("I"):
        changes.append("sixteen_bit")
        image = _eight_bit(image)
    if image.mode in ("CMYK", "YCCK"):
        changes.append("inks")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image, opaque = _on_white(image)
        changes += [] if opaque else ["on_white"]
    if image.mode != "RGB":
        image = image.convert("RGB")
    if file.orientation in _TURNS:
        changes.insert(int(file.animated), "turned")
        image = _turned(image, raw, _TURNS[file.orientation])
    return Seen(image.width, image.height, form, tuple(changes)), image


def _upright(raw: Any, file: Stripped) -> tuple[int, int]:
    """Width and height as the camera was held."""
    return (raw.height, raw.width) if file.orientation > 4 else (raw.width, raw.height)


def _turned(image: Any, raw: Any, turn: str) -> Image:
    """The picture as its camera was held; what it was decoded from is let go before."""
    from PIL import Image

    if raw is not image:
        raw.close()
    return image.transpose(Image.Transpose[turn])  # type: ignore[no-any-return]


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

    shown, opaque = Image.new("RGB", image.size), True
    for top in range(0, image.height, _STRIP):  # as one, it would lie in the memory four times
        strip = image.crop((0, top, image.width, min(top + _STRIP, image.height))).convert("RGBA")
        opaque = opaque and strip.getextrema()[3][0] == 255
        paper = Image.new("RGBA", strip.size, "white")
        paper.alpha_composite(strip)
        shown.paste(paper.convert("RGB"), (0, top))
    return shown, opaque
