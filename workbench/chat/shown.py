"""Pictures that visitors show to an assistant. Knows limits and pixels; keeps no file and no page."""

from __future__ import annotations

import base64
import threading
from collections.abc import Sequence

from workbench.data.imaging import encoded, opened
from workbench.data.picture import MOST_BYTES_SHARED, BadPicture, Picture
from workbench.errors import BadInput

# Pictures of one question.
MOST = 2
# Pixels of a side of what is kept: no tower here sees more, and a conversation holds many.
SIDE = 512
# A picture of many pixels takes much memory for a moment: those of several visitors are opened one after the other.
_ALONE = threading.Lock()


def from_visitor(pictures: Sequence[Picture]) -> tuple[Picture, ...]:
    """Return pictures anew from their pixels: what else their files held, such as where a photo was taken, goes no
    further, and nothing of a hostile file reaches a page or a model.

    Raises:
        BadInput: there are too many. BadPicture: one cannot be seen, or is too large.
    """
    if len(pictures) > MOST:
        raise BadInput("web.many_pictures", found=len(pictures), most=MOST)
    return tuple(_anew(picture) for picture in pictures)


def _anew(picture: Picture) -> Picture:
    content = picture.content()
    if len(content) > MOST_BYTES_SHARED:
        raise BadPicture("bytes", picture.name, size=len(content) / 1e6, most=MOST_BYTES_SHARED / 1e6)
    with _ALONE:
        image = opened(Picture(picture.name, data=content))
        if max(image.size) > SIDE:
            image.thumbnail((SIDE, SIDE))
    return Picture(picture.name, data=encoded(image))


def address(picture: Picture) -> str:
    """Return a picture that :func:`from_visitor` gave as the address of an ``img`` element, which fetches nothing."""
    return f"data:image/png;base64,{base64.b64encode(picture.data).decode()}"
