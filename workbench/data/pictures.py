"""Pictures of a row to the messages whose text shows their place. Knows what rows write; opens no picture."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.data.fields import BadRow, Location, Undecoded, clean, name_set
from workbench.data.flags import plain_name
from workbench.data.picture import Picture, inline

PICTURE = "<image>"
# under what other names sets keep a row's or a message's pictures, and what the name of a picture's file is like
_ALIASES = name_set(
    "picture pictures img imgs photo photos image_path image_paths image_file image_files image_url image_urls "
    "img_path img_url picture_path 图片 图像 照片 图片路径"
)
_FILE = re.compile(
    r"[^\n]+\.(?:png|jpe?g|webp|gif|bmp|tiff?|heic|avif|svg)(?:[?#]\S*)?|data:image/\S+|https?://\S+", re.I
)


def pictures_in(value: object, location: Location, field: str) -> tuple[Picture, ...]:
    """Return the pictures in ``value``: a path or an address, an object that holds one or the bytes, or a list of
    these; none where null."""
    if value is None:
        return ()
    if isinstance(value, (list, tuple)):
        return tuple(
            picture for index, item in enumerate(value) for picture in pictures_in(item, location, f"{field}[{index}]")
        )
    if isinstance(value, dict):
        content = value.get("bytes")
        if isinstance(content, Undecoded) and content.data:
            path = value.get("path")
            name = clean(path, location, f"{field}.path") if path else f"{location.row}:{field}"
            return (Picture(name, data=content.data),)
        key = next((k for k in ("path", "url") if value.get(k) is not None), "path")
        return pictures_in(clean(value.get(key), location, f"{field}.{key}"), location, field)
    if isinstance(value, Undecoded) and value.data:
        return (Picture(f"{location.row}:{field}", data=value.data),)
    text = clean(value, location, field)
    return (inline(text) if text[:5].lower() == "data:" else Picture(text),)


def rename_pictures(fields: dict[str, Any]) -> None:
    """Put what ``fields`` keep as pictures under another name, such as ``img`` or ``image_path``, under ``images``."""
    if fields.get("image") is not None or fields.get("images") is not None:
        return
    for key, value in fields.items():
        if plain_name(key) in _ALIASES and _are_pictures(value):
            fields["images"] = fields.pop(key)
            return


def _are_pictures(value: object) -> bool:
    """Whether a value names pictures' files or holds them: one, or a list of nothing else."""
    if isinstance(value, (list, tuple)):
        return bool(value) and all(_are_pictures(item) for item in value)
    if isinstance(value, dict):
        return bool({"bytes", "path", "url"} & value.keys())
    if isinstance(value, Undecoded):
        return bool(value.data)
    return isinstance(value, str) and bool(_FILE.fullmatch(value.strip()))


def place_pictures(messages: list[Message], remaining: dict[str, Any], location: Location) -> list[Message]:
    """Give the row's ``image`` or ``images`` to the messages, one for each ``<image>`` of their text, in order; all of
    them to the first question where the text shows no place.

    Raises:
        BadRow: there are more or fewer pictures than places.
    """
    key = "images" if remaining.get("images") is not None else "image"
    value = remaining.pop(key, None)
    pictures = [] if value == "" else list(pictures_in(value, location, key))
    if remaining.get("image", remaining.get("images")) is None:
        remaining.pop("image", None), remaining.pop("images", None)  # the nulls that tables fill in
    if not pictures:
        return messages
    places = sum(m.content.count(PICTURE) for m in messages if not m.images)
    if not places and not any(m.images for m in messages):
        return _in_front(messages, pictures, location, key)
    if places != len(pictures):
        raise BadRow("data.pictures", location, field=key, found=len(pictures), places=places)
    illustrated = []
    for message in messages:
        count = 0 if message.images else message.content.count(PICTURE)
        illustrated.append(replace(message, images=tuple(pictures[:count])) if count else message)
        pictures = pictures[count:]
    return illustrated


def shown(message: Message) -> Message:
    """Return the message with a place for each of its pictures; those without one are put first."""
    short = len(message.images) - message.content.count(PICTURE)
    if short <= 0:
        return message
    images = (*(replace(image, placed=False) for image in message.images[:short]), *message.images[short:])
    return replace(message, content=f"{PICTURE}\n" * short + message.content, images=images)


def illustrated(question: str, pictures: Sequence[Picture]) -> Message:
    """Return a person's message with pictures before the words; an ``<image>`` in the words stays text."""
    return Message("user", f"{PICTURE}\n" * len(pictures) + question, images=tuple(pictures))


def anchored(conversation: Conversation, folder: str) -> Conversation:
    """Return the conversation with the folder in which its pictures' files are to lie."""
    if not conversation.pictures:
        return conversation
    messages = (
        replace(m, images=tuple(replace(p, folder=folder) if _is_path(p) else p for p in m.images))
        for m in conversation.messages
    )
    return conversation.with_messages(*messages)


def _is_path(picture: Picture) -> bool:
    return not (picture.data or picture.folder or picture.name.startswith("data:"))


def _in_front(messages: list[Message], pictures: list[Picture], location: Location, field: str) -> list[Message]:
    first = next((index for index, m in enumerate(messages) if m.role == "user"), None)
    if first is None:
        raise BadRow("data.pictures", location, field=field, found=len(pictures), places=0)
    question = replace(messages[first], images=tuple(pictures))
    return [*messages[:first], shown(question), *messages[first + 1 :]]
