"""Pictures of a row to the messages whose text shows their place. Knows paths as text; opens no picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from workbench.data.conversation import Message
from workbench.data.fields import BadRow, Location, clean

PICTURE = "<image>"


def picture_paths(value: object, location: Location, field: str) -> tuple[str, ...]:
    """Return the paths or addresses in ``value``: text, an object that holds one, or a list of these; none where
    null."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(
            path for index, item in enumerate(value) for path in picture_paths(item, location, f"{field}[{index}]")
        )
    if isinstance(value, dict):
        key = next((k for k in ("path", "url") if value.get(k) is not None), "path")
        return (clean(value.get(key), location, f"{field}.{key}"),)
    return (clean(value, location, field),)


def place_pictures(messages: list[Message], remaining: dict[str, Any], location: Location) -> list[Message]:
    """Give the row's ``image`` or ``images`` to the messages, one for each ``<image>`` of their text, in order.

    Raises:
        BadRow: there are more or fewer pictures than places.
    """
    key = "images" if remaining.get("images") is not None else "image"
    paths = list(picture_paths(remaining.pop(key, None), location, key))
    if remaining.get("image", remaining.get("images")) is None:
        remaining.pop("image", None), remaining.pop("images", None)  # the nulls that tables fill in
    if not paths:
        return messages
    places = sum(m.content.count(PICTURE) for m in messages if not m.images)
    if places != len(paths):
        raise BadRow("data.pictures", location, field=key, found=len(paths), places=places)
    illustrated = []
    for message in messages:
        count = 0 if message.images else message.content.count(PICTURE)
        illustrated.append(replace(message, images=tuple(paths[:count])) if count else message)
        paths = paths[count:]
    return illustrated
