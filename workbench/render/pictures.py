"""Pictures of a conversation as HTML: small, padded as a model gets them, with the grid of their patches. Knows pixels.

What is shown is drawn anew from the pixels and stands in the page itself: no address is fetched, and nothing else of a
picture's file reaches a browser.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from workbench.data.imaging import encoded, opened
from workbench.data.picture import BadPicture, Picture
from workbench.render.markup import escape, tag
from workbench.texts import text

if TYPE_CHECKING:
    from PIL.Image import Image

# The mean colour of CLIP's pictures, with which they are padded.
MEAN = (122, 116, 104)
# Pixels of a side: in a row of a gallery, and where the patches are to be seen.
SMALL, LARGE = 112, 288
# Small pictures that are kept, so that an answer that comes word by word draws them once.
REMEMBERED = 256
_drawn: dict[tuple[str, int, bool], str] = {}


def picture_html(picture: Picture, *, side: int = SMALL, lang: str | None = None) -> str:
    """Return a picture as an ``img`` element; in a picture's place the sentence that says why it cannot be seen."""
    try:
        address = _address(picture, side, square=False)
    except BadPicture as error:
        return tag("span", escape(_unseen(error, lang)), class_="wb-unseen")
    return _image(picture, address)


def gallery_html(pictures: Sequence[Picture], *, lang: str | None = None) -> str:
    """Return pictures beside each other; nothing of none."""
    shown = "".join(picture_html(picture, lang=lang) for picture in pictures)
    return tag("span", shown, class_="wb-gallery") if shown else ""


def patches_html(picture: Picture | None, patches: int, *, square: bool = True, lang: str | None = None) -> str:
    """Return the block of a picture's tokens in a mask, which opens to the picture as the model gets it, cut into its
    patches.

    Args:
        picture: None where it is not at hand.
        patches: tokens of the picture.
        square: whether they are the patches of a square, row by row, where their number is one of a square.
    """
    summary = tag("summary", escape(text("render.picture.tokens", lang, count=patches)))
    return tag("details", summary + _opened(picture, patches, square, lang), class_="wb-picture")


def _opened(picture: Picture | None, patches: int, square: bool, lang: str | None) -> str:
    if picture is None:
        return ""
    try:
        address = _address(picture, LARGE, square=square)
    except BadPicture as error:
        return tag("p", escape(_unseen(error, lang)), class_="wb-unseen")
    side = math.isqrt(patches)
    even = square and side > 0 and side * side == patches
    grid = tag("i", "", style=f"--patch:calc(100%/{side})") if even else ""
    key = "render.picture.patches" if even else "render.picture.whole"
    note = tag("p", escape(text(key, lang, side=side, count=patches)), class_="wb-soft")
    return tag("div", _image(picture, address) + grid, class_="wb-patches") + note


def _unseen(error: BadPicture, lang: str | None) -> str:
    """Why a picture is not shown; a page may be seen by others, so of the place of its folder only the name stays."""
    values: dict[str, Any] = dict(error.values)
    if "folder" in values:
        values["folder"] = PurePath(str(values["folder"])).name or "."
    return BadPicture(error.fault, **values).say(lang)


def _image(picture: Picture, address: str) -> str:
    return f'<img src="{address}" alt="{escape(picture.name[:80])}" title="{escape(picture.name[:80])}">'


def _address(picture: Picture, side: int, *, square: bool) -> str:
    """A picture in ``side`` pixels as the address of an ``img`` element, which fetches nothing.

    Remembered by what is in the file now; the file's own bytes, which may be many, are not kept for it.
    """
    key = picture.sha256, side, square
    if (address := _drawn.get(key)) is None:
        for oldest in [*_drawn][: max(0, len(_drawn) - REMEMBERED + 1)]:
            _drawn.pop(oldest, None)
        _drawn[key] = address = _draw(picture, side, square=square)
    return address


def _draw(picture: Picture, side: int, *, square: bool) -> str:
    image = opened(picture)
    if square:
        image = _padded(image)
    image.thumbnail((side, side))
    return f"data:image/png;base64,{base64.b64encode(encoded(image)).decode()}"


def _padded(image: Image) -> Image:
    """The picture in the midst of a square of a soft grey, as models of this kind pad it with a mean colour."""
    from PIL import Image as Pillow

    side = max(image.size)
    paper = Pillow.new("RGB", (side, side), MEAN)
    paper.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return paper
