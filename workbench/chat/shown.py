"""Pictures that visitors show to an assistant. Knows limits and pixels; keeps no file and no page."""

from __future__ import annotations

import base64
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from workbench.data.imaging import encoded, opened
from workbench.data.picture import MOST_BYTES_SHARED, BadPicture, Picture
from workbench.errors import BadInput, WorkbenchError

if TYPE_CHECKING:
    from workbench.models.eyes import Eyes

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


def side_for(models: Iterable[Any]) -> int:
    """Return the pixels of a side of what is shown to ``models``, the most that one of them takes; of a model that is
    not on this machine nothing is known.

    Args:
        models: names and folders, where an adapter's stands for its base; or assistants.
    """
    return max([SIDE, *(_widest(one) if isinstance(one, str) else _of_loaded(one) for one in models)])


def _of_loaded(assistant: Any) -> int:
    return side_of(getattr(getattr(assistant, "loaded", None), "eyes", None))


def _widest(model: str) -> int:
    from workbench.models.eyes_registry import eyes_in
    from workbench.models.glance import place_of

    try:
        return side_of(eyes_in(place_of(model)))
    except WorkbenchError:
        return SIDE


def side_of(eyes: Eyes | None) -> int:
    """Return the pixels of a side of what is shown to a model with these eyes."""
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
