"""Every sentence shown to people, in English and Chinese. Knows nothing of who shows it.

A key is ``room.name`` (``room.group.name`` for nested ones); the entry stands in ``LANG/room.yaml``. Values go into
``{braces}``.
"""

from __future__ import annotations

import locale
import os
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
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
    sentence = str(lookup(key, lang)).format(**values)
    return _SEVERAL.sub(_one, sentence) if values and language(lang) == "en" else sentence


# "1 conversations are": what is counted in the sentences, after a one
_SEVERAL = re.compile(
    r"(?<![\d.,])1 ((?:different |general |held-out |identity |more |oldest |trained |training )?)"
    r"(answer|byte|character|checkpoint|conversation|file|finding|group|lesson|message|question|row|step|token)s\b"
    r"(?: (are|were|have)\b)?"
)
_SINGULAR = {"are": "is", "were": "was", "have": "has"}


def _one(several: re.Match[str]) -> str:
    what, verb = f"1 {several[1]}{several[2]}", several[3]
    return f"{what} {_SINGULAR[verb]}" if verb else what
