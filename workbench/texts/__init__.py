"""Every sentence shown to people, in English and Chinese. Knows nothing of who shows it.

A key is ``room.name`` (``room.group.name`` for nested ones); the entry stands in ``LANG/room.yaml``. Values go into
``{braces}``, and what depends on a count beside it, as one and as several: ``{count:# row has|# rows have} no answer``.
"""

from __future__ import annotations

import locale
import os
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

LANGUAGES = ("en", "zh")


def language(lang: str | None = None) -> str:
    """Return the language to speak: ``lang``, else ``WORKBENCH_LANG``, else the locale's, else English."""
    code = lang or os.environ.get("WORKBENCH_LANG") or os.environ.get("LC_ALL") or os.environ.get("LANG")
    if not code:
        code = locale.getlocale()[0] or "en"
    return "zh" if code.lower().startswith(("zh", "chinese")) else "en"


@cache
def _room(lang: str, room: str) -> Mapping[str, Any]:
    import yaml

    file = Path(__file__).parent / lang / f"{room}.yaml"
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as quick
    loaded = yaml.load(file.read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
    return loaded if isinstance(loaded, dict) else {}


def lookup(key: str, lang: str | None = None) -> Any:
    """Return the raw entry of ``key``: a string, a list or a mapping.

    Raises:
        KeyError: no such key; a mistake of ours, never of the person's.
    """
    room, *path = key.split(".")
    node: Any = _room(language(lang), room)
    for part in path:
        if not isinstance(node, Mapping) or part not in node:
            raise KeyError(f"no text {key!r} in {language(lang)}")
        node = node[part]
    return node


def entry(key: str, lang: str | None = None) -> dict[str, str]:
    """Return the entry of an error: ``say`` and ``do``, not yet filled in."""
    value = lookup(key, lang)
    return {"say": value} if isinstance(value, str) else dict(value)


def text(key: str, /, lang: str | None = None, **values: object) -> str:
    """Return the sentence of ``key``, with ``values`` filled in."""
    return fill(str(lookup(key, lang)), values, lang)


def fill(sentence: str, values: Mapping[str, object], lang: str | None = None) -> str:
    """Return ``sentence`` with ``values`` in its braces, in the form that each count asks for; several names stand as
    the language lists them."""
    return _Forms(lang).vformat(sentence, (), values)


def listed(items: Iterable[object], lang: str | None = None) -> str:
    """Return ``items`` one after the other, as the language lists them: ``a, b``, in Chinese ``a、b``.

    A last ``…`` says that there are more.
    """
    words = list(map(str, items))
    more = [words.pop()] if words[-1:] == ["…"] else []
    return " ".join([str(lookup("render.comma", lang)).join(words), *more])


def language_of(words: str) -> str:
    """Return the language in which somebody writes: ``zh`` where a Chinese character stands among the words."""
    return "zh" if any("\u4e00" <= letter <= "\u9fff" for letter in words) else "en"


def first_of(items: Iterable[object], most: int) -> tuple[object, ...]:
    """Return the first ``most`` items, for a sentence that lists them, and ``…`` where there are more."""
    every = tuple(items)
    return every if len(every) <= most else (*every[:most], "…")


class _Forms(Formatter):
    """Fill sentences of a language.

    Args:
        lang: the language, by which several names are listed.
    """

    def __init__(self, lang: str | None) -> None:
        self.lang = lang

    def format_field(self, value: object, format_spec: str) -> str:
        """Return ``value``; or, by ``[format|]one|several``, the phrase that goes with it, where # is the number."""
        if isinstance(value, list | tuple) and not format_spec:
            return listed(value, self.lang)
        if "|" not in format_spec:
            return str(super().format_field(value, format_spec))
        *formats, one, several = format_spec.split("|")
        number = format(value, "".join(formats))
        return (one if number == "1" else several).replace("#", number)
