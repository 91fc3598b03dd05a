"""Pictures that visitors show to an assistant. Knows limits and pixels; keeps no file and no page."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Sequence

from workbench.data.imaging import encoded, opened
from workbench.data.picture import MOST_BYTES_SHARED, BadPicture, Picture
from workbench.errors import BadInput, WorkbenchError

# Pictures of one question.
MOST = 2
# Pixels of a side of what is kept, where nothing is known of who looks at it: a conversation holds many.
SIDE = 512
# A picture of many pixels takes much memory for a moment: those of several visitors are opened one after the other.
_ALONE = threading.Lock()


def from_visitor(pictures: Sequence[Picture], side: int = SIDE) -> tuple[Picture, ...]:
    """Return pictures anew from their pixels: what else their files held, such as where a photo was taken, goes no
    further, and nothing of a hostile file reaches a page or a model.

    Args:
        side: pixels of the longer side at most.

    Raises:
        BadInput: there are too many. BadPicture: one cannot be seen, or is too large.
    """
    if len(pictures) > MOST:
        raise BadInput("web.many_pictures", found=len(pictures), most=MOST)
    return tuple(_anew(picture, side) for picture in pictures)


def side_for(models: Iterable[str]) -> int:
    """Return the pixels of a side of what is shown to ``models``, the most that one of them takes; of a model that is
    not on this machine nothing is known."""
    return max([SIDE, *map(_widest, models)])


def _widest(model: str) -> int:
    from workbench.models.eyes_registry import eyes_in
    from workbench.models.loading import TEXTS, on_disk

    try:
        eyes = eyes_in(on_disk(model, TEXTS, fetch=False))
    except WorkbenchError:
        return SIDE
    return SIDE if eyes is None else eyes.widest


def _anew(picture: Picture, side: int) -> Picture:
    content = picture.content()
    if len(content) > MOST_BYTES_SHARED:
        raise BadPicture("bytes", picture.name, size=len(content) / 1e6, most=MOST_BYTES_SHARED / 1e6)
    with _ALONE:
        image = opened(Picture(picture.name, data=content))
        if max(image.size) > side:
            image.thumbnail((side, side))
    return Picture(picture.name, data=encoded(image))


def address(picture: Picture) -> str:
    """Return a picture that :func:`from_visitor` gave as the address of an ``img`` element, which fetches nothing."""
    return f"data:image/png;base64,{base64.b64encode(picture.data).decode()}"
