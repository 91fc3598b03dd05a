"""A finding and how it is said. Knows rows and texts; nothing of how findings are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from workbench.data.conversation import Conversation
from workbench.data.fields import printable
from workbench.texts import first_of, listed, text

CODES = (
    "placeholder_left",
    "empty_turn",
    "missing_answer",
    "role_order",
    "garbled_text",
    "preference_rows",
    "rated_rows",
    "held_out_rows",
    "replies_left_out",
    "unread_columns",
    "pictures_unseen",
    "picture_missing",
    "picture_outside",
    "picture_too_large",
    "picture_unreadable",
    "picture_places",
    "picture_narrow",
    "picture_changed",
    "one_picture",
    "picture_in_both",
    "contradictory_answers",
    "similar_questions",
    "near_duplicates",
    "filled_cells",
    "turns_in_text",
    "marked_speakers",
    "short_answers",
    "mended_calls",
    "broken_calls",
    "contradicted_results",
    "invented_arguments",
    "always_calls",
    "identity_share",
    "would_be_truncated",
    "no_trained_token",
    "control_tokens_in_text",
    "persona_name_differs",
    "another_identity",
    "leakage_between_train_and_validation",
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Hold something in a set that would teach what is not meant.

    Args:
        code: one of ``CODES``.
        rows: the rows concerned, as the file counts them, from 1; of several files, counted through.
        message: what was found.
        why: why it matters.
        remedy: the command that mends it.
        surplus: indices, from 0, of the conversations without which the finding is gone; ``--drop`` leaves these out.
    """

    code: str
    rows: tuple[int, ...]
    message: str
    why: str
    remedy: str
    surplus: tuple[int, ...] = ()


class Rows:
    """Represent the row numbers of conversations, for people.

    Args:
        conversations: the set; where all come from one file, its own row numbers are used.
        lang: the language of the sentences.
    """

    def __init__(self, conversations: Sequence[Conversation], lang: str | None) -> None:
        self.conversations, self.lang = conversations, lang
        sources = [c.source.rpartition(":") for c in conversations]
        files = {file for file, _, _ in sources}
        single = len(files) == 1 and all(row.isdecimal() for _, _, row in sources)
        self.file = printable(next(iter(files))) if single else "FILE"
        self._numbers = [int(row) for _, _, row in sources] if single else list(range(1, len(conversations) + 1))

    def numbers(self, indices: Sequence[int]) -> tuple[int, ...]:
        """Return the numbers of the rows at ``indices``, in order."""
        return tuple(sorted({self._numbers[index] for index in indices}))

    def index_of(self, number: int) -> int | None:
        """Return the index of the conversation whose row has this number, or None."""
        return self._numbers.index(number) if number in self._numbers else None

    def some(self, indices: Sequence[int], most: int = 8) -> str:
        """Return their first few numbers, for a sentence."""
        return listed(first_of(self.numbers(indices), most), self.lang)

    def finding(
        self,
        code: str,
        indices: Sequence[int],
        *,
        surplus: Sequence[int] | None = None,
        form: str = "",
        **values: object,
    ) -> Finding:
        """Return the finding at ``indices``, said in the language of this set; ``form`` picks one of several
        sayings."""
        key = f"data.findings.{code}" + (f".{form}" if form else "")
        placeholders = {"file": _quoted(self.file), "count": len(set(indices)), "some": self.some(indices), **values}
        sentences = {part: text(f"{key}.{part}", self.lang, **placeholders) for part in ("message", "why", "remedy")}
        dropped = indices if surplus is None else surplus
        return Finding(
            code,
            self.numbers(indices),
            sentences["message"],
            sentences["why"],
            sentences["remedy"],
            tuple(sorted(dropped)),
        )


def _quoted(file: str) -> str:
    import shlex

    return file if file == "FILE" else shlex.quote(file)
