"""A verdict's reason in words, from the keys and values that an event log keeps. Knows texts only."""

from __future__ import annotations

from collections.abc import Mapping

from workbench.texts import text


def reason_text(reason: str, values: Mapping[str, object], lang: str | None = None) -> str:
    """Return the reason whose keys (of ``evaluation.reason``) ``reason`` joins by ``+``.

    Raises:
        KeyError: a newer version's.
    """
    parts = [text(f"evaluation.reason.{key}", lang, **values) for key in reason.split("+")]
    return text("evaluation.joint", lang).join(parts)
