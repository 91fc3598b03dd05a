"""Columns of a row, beside its messages, that change what it means. Knows their usual names; nothing of formats."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from workbench.data.fields import BadRow, Location, name_set, shorten
from workbench.data.flags import plain_name, switch, unread_flags

# the two sides of a preference, as the usual sets call them
CHOSEN = (
    "chosen", "chosen_response", "chosen_answer", "preferred", "preferred_output", "preferred_response", "winner",
    "better", "response_j",
)  # fmt: skip
REJECTED = (
    "rejected", "rejected_response", "rejected_answer", "rejected_responses", "rejected_output", "dispreferred",
    "non_preferred_output", "nonpreferred_output", "loser", "worse", "response_k",
)  # fmt: skip
MEDIA = ("videos", "video", "audios", "audio")
# a rating that says of the row's own answer whether it is good, and its words for a bad one
_RATINGS = name_set(
    "label kto_tag kto_label rating rated feedback thumb thumbs thumbs_up vote quality is_good good is_correct "
    "correct accepted is_accepted approved is_preferred valid is_valid desirable keep use usable status verdict review "
    "review_result judgement judgment"
)
_FAULTS = name_set(
    "deleted is_deleted discard discarded rejected is_rejected bad is_bad wrong is_wrong flagged invalid "
    "is_invalid spam is_spam toxic is_toxic harmful is_harmful undesirable thumbs_down"
)
_BAD = name_set(
    "bad false wrong incorrect rejected reject negative undesirable thumbs_down down dislike no low poor fail "
    "failed unsafe 坏 差 错误 错"
)
_SCALES = name_set("score scores rating ratings reward rewards stars quality_score preference_score")
_SPLITS = name_set("split subset partition set")
HELD_OUT = name_set("test testing validation valid val dev eval evaluation holdout held_out")
# what was to stand before the model when it answers, or another answer than the one that is read
_CONTEXT = name_set(
    "context contexts passage passages documents knowledge background retrieved evidence system_prompt "
    "system_message instruction instructions few_shot image_url image_urls history chosen response responses "
    "answer answers output outputs completion completions reply solution thinking reasoning reasoning_content "
    "thought thoughts cot chain_of_thought prompt query question problem"
)


def present(value: object) -> bool:
    """Tell whether a column says anything: tables fill in nulls, and empty texts and lists."""
    return value not in (None, "", [], {}, ())


def refuse_media(row: Mapping[str, Any], location: Location) -> None:
    """Refuse a row whose columns name films or sounds.

    Raises:
        BadRow: there are some.
    """
    for key in row:
        if plain_name(key) in MEDIA and present(row[key]) and not isinstance(row[key], (bool, int, float)):
            raise BadRow("data.media", location, field=key, given=shorten(row[key]))


def rejected_columns(meta: Mapping[str, Any]) -> list[str]:
    """Return the columns that hold a worse answer, which is not trained."""
    return [k for k, v in meta.items() if plain_name(k) in REJECTED and present(v) and switch(v) is None]


def faults(meta: Mapping[str, Any]) -> list[str]:
    """Return the columns that say that the row's own answer is bad, or that the row is not to be used, with what they
    say."""
    columns = []
    for key, value in meta.items():
        name, state = plain_name(key), switch(value)
        word = value.strip().lower() if isinstance(value, str) else ""
        bad = state is False or word in _BAD or (isinstance(value, (int, float)) and value == -1)
        if (name in _RATINGS and bad) or (name in _FAULTS and state is True):
            columns.append(f"{key}: {shorten(value)}")
    return columns


def scales(meta: Mapping[str, Any]) -> dict[str, float]:
    """Return the columns that rate the row by a number."""
    return {
        key: float(value)
        for key, value in meta.items()
        if plain_name(key) in _SCALES and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def split_of(meta: Mapping[str, Any]) -> str:
    """Return the part of a set that the row says it belongs to, in small letters; ``''`` where it says nothing."""
    for key, value in meta.items():
        if plain_name(key) in _SPLITS and isinstance(value, str) and value.strip():
            return value.strip().lower()
    return ""


def unread(meta: Mapping[str, Any], texts: Collection[str] = ()) -> list[str]:
    """Return the other columns that change what the row means and are not read; what ``texts`` hold is read."""
    columns = [k for k, v in meta.items() if plain_name(k) in _CONTEXT and present(v) and not _is_in(v, texts)]
    return columns + [key for key in unread_flags(dict(meta)) if key not in columns]


def _is_in(value: object, texts: Collection[str]) -> bool:
    return isinstance(value, str) and any(value.strip() in text for text in texts)
