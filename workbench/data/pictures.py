"""Pictures of a row to the messages whose text shows their place. Knows paths as text; opens no picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Place, clean

PICTURE = "<image>"


def picture_paths(value: object, place: Place, field: str) -> tuple[str, ...]:
    """The paths or addresses in ``value``: text, an object that holds one, or a list of these; none where null."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(path for at, item in enumerate(value) for path in picture_paths(item, place, f"{field}[{at}]"))
    if isinstance(value, dict):
        key = next((k for k in ("path", "url") if value.get(k) is not None), "path")
        return (clean(value.get(key), place, f"{field}.{key}"),)
    return (clean(value, place, field),)


def place_pictures(messages: list[Message], left: dict[str, Any], place: Place) -> list[Message]:
    """Give the row's ``image`` or ``images`` to the messages, one for each ``<image>`` of their text, in order.

    Raises:
        BadRow: there are more or fewer pictures than places.
    """
    key = "images" if left.get("images") is not None else "image"
    paths = list(picture_paths(left.pop(key, None), place, key))
    if left.get("image", left.get("images")) is None:
        left.pop("image", None), left.pop("images", None)  # the nulls that tables fill in
    if not paths:
        return messages
    places = sum(m.content.count(PICTURE) for m in messages if not m.images)
    if places != len(paths):
        raise BadRow("data.pictures", place, field=key, found=len(paths), places=places)
    made = []
    for message in messages:
        count = 0 if message.images else message.content.count(PICTURE)
        made.append(replace(message, images=tuple(paths[:count])) if count else message)
        paths = paths[count:]
    return made
