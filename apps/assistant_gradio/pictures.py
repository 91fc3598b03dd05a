"""The box in which a visitor shows a picture: drop, paste or camera. Knows Gradio's component; opens no picture.

The server keeps what is sent as a file of its own cache; it is read once, here, within the limits for strangers, and
goes with the page's cache.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.data.imaging import opened
from workbench.data.picture import MOST_BYTES_SHARED, BadPicture, Picture
from workbench.runs.files import read_bounded
from workbench.texts import text

HEIGHT = 160  # pixels of the box


def picture_box(lang: str, *, visible: bool = True, element: str = "image", **how: Any) -> Any:
    """A box that takes one picture; what it holds is the path of a file that is as it was sent. ``how`` is Gradio's."""
    box = gr.Image(
        label=text("web.page.image", lang),
        sources=["upload", "clipboard", "webcam"],
        type="filepath",
        format="png",
        image_mode=None,
        buttons=[],
        visible=visible,
        height=HEIGHT,
        elem_id=element,
        elem_classes="wb-picture",
        **how,
    )
    box.preprocess = _path  # the library's own opens it, with every decoder that it has, before anybody looked at it
    return box


def _path(sent: Any) -> str | None:
    """The file that was sent; what a page calls a picture by an address is none."""
    path = getattr(sent, "path", None)
    return path if isinstance(path, str) else None


def boxed(pictures: Sequence[Picture]) -> Any:
    """What the box is given so that it holds the first of ``pictures`` again; None empties it."""
    return opened(pictures[0]) if pictures else None


def uploaded(value: Any) -> tuple[Picture, ...]:
    """The picture that a visitor sent, its bytes read; none where the box is empty.

    Raises:
        BadPicture: it is no file of this page's, or has too many bytes.
    """
    if not isinstance(value, str) or not value:
        return ()
    file = Path(value)
    try:
        return (Picture(file.name[-80:], data=read_bounded(file, MOST_BYTES_SHARED)),)
    except OSError as error:
        raise BadPicture("unreadable", file.name[-80:], reason=error.strerror or type(error).__name__) from None
