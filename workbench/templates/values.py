"""The values of the templates room. Knows conversations; nothing of tokenizers' or models' classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from workbench.data.conversation import Conversation, Role
from workbench.data.picture import Picture
from workbench.texts import first_of

IGNORE_INDEX = -100
LossOn = Literal["assistant", "last", "all"]


@dataclass(frozen=True, slots=True)
class Segment:
    """Hold a piece of rendered text.

    Args:
        text: what is encoded, by itself.
        role: whose piece it is; the markers before an answer belong to the assistant.
        field: the template field that produced it: ``bos``, ``system``, ``user`` (the markers round the user's text),
            ``assistant`` (the markers before the answer), ``content`` (somebody's own words), ``end`` (the
            end-of-turn), ``sep``, ``picture`` (the placeholders of one picture, which are never trained).
        trained: whether its tokens carry labels.
        control: whether control tokens in it are control tokens (the template's own markers) or text (what somebody
            wrote).
        turn: index of the message that it comes from.
        rule: why it is trained or not, a key of the texts (``templates.rule.…``).
        ids: the token ids where they are known without encoding (BOS, EOS); empty otherwise.
    """

    text: str
    role: Role
    field: str
    trained: bool
    control: bool
    turn: int
    rule: str
    ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Example:
    """Hold token ids and labels of one conversation.

    Args:
        input_ids: (T,) token ids.
        labels: (T,) the same id where trained, −100 elsewhere.
        segment: (T,) index of the segment that each token comes from; empty where not asked for.
        media: the pictures, in the order of their placeholders.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    segment: tuple[int, ...] = ()
    media: tuple[Picture, ...] = ()

    @property
    def trained(self) -> int:
        """Tell how many tokens are trained."""
        return len(self.labels) - self.labels.count(IGNORE_INDEX)


@dataclass(frozen=True, slots=True)
class Pack:
    """Hold several examples in one row; attention is isolated by the restarts of ``position_ids``.

    Args:
        input_ids: (T,)
        labels: (T,), −100 at the first token of each example.
        position_ids: (T,), restarting from 0 at each example.
        lengths: the examples' lengths, in order.
        media: the pictures of all of them, in the order of their placeholders.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    position_ids: tuple[int, ...]
    lengths: tuple[int, ...]
    media: tuple[Picture, ...] = ()


class Prompt(list[int]):
    """Represent the ids of what serving sends, with the pictures whose placeholders stand among them.

    Args:
        ids: token ids.
        media: the pictures, in the order of their placeholders.
    """

    def __init__(self, ids: Iterable[int] = (), media: Sequence[Picture] = ()) -> None:
        super().__init__(ids)
        self.media = tuple(media)


class Places(Protocol):
    """Say which ids stand where a picture is, for one model."""

    image_token: int
    square: bool
    """Whether the placeholders of a picture are the patches of a square, row by row."""

    def ids(self, picture: Picture) -> tuple[int, ...]:
        """Return the placeholders of one picture, as the model's own processor writes them."""

    def framed(self, picture: Picture) -> tuple[int, ...]:
        """Return them with what stands before and after them, for a template that knows no pictures."""

    def fingerprint(self) -> str:
        """Return what tells two ways of making placeholders and pixels apart."""


class Template(Protocol):
    """Say how a conversation becomes segments, for one tokenizer."""

    @property
    def name(self) -> str:
        """Return a named template's name, or ``chat_template`` for the tokenizer's own."""

    @property
    def stop_words(self) -> tuple[str, ...]:
        """Return the texts at which generation stops, the end-of-turn first."""

    @property
    def ends(self) -> tuple[str, ...]:
        """Return the texts with which its answers end, which are trained."""

    def segments(
        self, conversation: Conversation, *, loss_on: LossOn = "assistant", generation_prompt: bool = False
    ) -> list[Segment]:
        """Return the rendered conversation, cut into segments.

        With ``generation_prompt`` the conversation ends with a user's (or a tool's) message, and the segments end where
        the answer is to begin: exactly what serving sends.

        Raises:
            Unfit: this conversation cannot be rendered, or what is trained in it cannot be proved.
            BadInput: no conversation of this kind can be rendered by this template.
        """

    def fingerprint(self, tokenizer: Any) -> str:
        """Return sha256 of a fixed probe conversation, rendered and encoded; tells two templates of one name apart."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Hold what :func:`workbench.templates.encode` gives.

    Args:
        examples: in the order of the conversations.
        rows: for each example the index of its conversation.
        dropped: reason (a key of the texts, ``templates.dropped.…``) -> indices of the conversations left out.
        cuts: what was taken (``turns``, ``system``, ``end``; ``parted`` where nothing was) -> indices of the
            conversations that were made to fit ``max_length`` so.
        notes: index of a dropped conversation -> what exactly was in the way, where more is known than the reason.
        mends: index of a dropped conversation -> what to change, where that is known.
        answers: index of a conversation -> how many answers it holds, of those of which there are examples.
        apart: reason (a key of the texts, ``templates.apart.…``) -> (index, message) of the answers that are not
            trained, or not as the data have them, though nobody switched them off.
    """

    examples: list[Example]
    rows: list[int]
    dropped: Mapping[str, Sequence[int]] = field(default_factory=dict)
    cuts: Mapping[str, Sequence[int]] = field(default_factory=dict)
    notes: Mapping[int, str] = field(default_factory=dict)
    mends: Mapping[int, str] = field(default_factory=dict)
    answers: Mapping[int, int] = field(default_factory=dict)
    apart: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)

    @property
    def truncated(self) -> list[int]:
        """Return indices of the conversations that were made to fit ``max_length``, in whatever way."""
        return sorted({row for rows in self.cuts.values() for row in rows})

    @property
    def tokens(self) -> int:
        """Tell how many tokens there are in all examples."""
        return sum(len(example.input_ids) for example in self.examples)

    @property
    def trained(self) -> int:
        """Tell how many of them are trained."""
        return sum(example.trained for example in self.examples)

    def summary(self, lang: str | None = None) -> str:
        """Return the counts in words: examples, tokens, trained tokens, cut and dropped conversations with their
        reasons."""
        from workbench.texts import text

        share = self.trained / self.tokens if self.tokens else 0.0
        counts = {"examples": len(self.examples), "tokens": self.tokens, "trained": self.trained, "share": share}
        lines = [text("templates.summary.examples", lang, **counts), *self.says(lang)]
        for reason, rows in self.dropped.items():
            why = text(f"templates.dropped.{reason}", lang, count=len(rows))
            sentence = text("templates.summary.dropped", lang, count=len(rows), reason=why, rows=first_rows(rows))
            note = next((self.notes[row] for row in rows if row in self.notes), "")
            lines.append(f"{sentence}: {note}" if note else sentence)
        return "\n".join(lines)

    def says(self, lang: str | None = None) -> list[str]:
        """Return what is not trained as the data have it, a sentence for each way: what was cut, and which answers."""
        from workbench.texts import text

        lines = [text(f"templates.cut.{what}", lang, count=len(rows)) for what, rows in self.cuts.items() if rows]
        for reason, where in self.apart.items():
            indices = sorted({row for row, _ in where})
            sentence = text(f"templates.apart.{reason}", lang, count=len(where), answers=self.all_answers)
            lines.append(text("templates.rows", lang, sentence=sentence, rows=first_rows(indices), count=len(indices)))
        return lines

    @property
    def all_answers(self) -> int:
        """Tell how many answers there are in the conversations of which there are examples."""
        return sum(self.answers.values())

    def notices(self) -> list[tuple[str, dict[str, Any]]]:
        """Return what is left out, cut, or not trained as the data have it: keys of the texts and their values, without
        rows, which are others in a mixture than in a file."""
        lines: list[tuple[str, dict[str, Any]]] = []
        lines += [(f"templates.left.{reason}", {"count": len(rows)}) for reason, rows in self.dropped.items() if rows]
        lines += [(f"templates.cut.{what}", {"count": len(rows)}) for what, rows in self.cuts.items() if rows]
        for reason, where in self.apart.items():
            lines.append((f"templates.apart.{reason}", {"count": len(where), "answers": self.all_answers}))
        return lines


def first_rows(rows: Sequence[int], n: int = 5) -> tuple[object, ...]:
    """Return the first ``n`` row numbers, counted from 1, for a sentence."""
    return first_of((row + 1 for row in rows), n)


class Unfit(Exception):
    """Signal that one conversation cannot be encoded by this template; it is left out and counted.

    Args:
        reason: a key of the texts, ``templates.dropped.…``.
        note: what exactly was in the way.
        mend: what to change.
    """

    def __init__(self, reason: str, note: str = "", mend: str = "") -> None:
        self.reason = reason
        self.note = note
        self.mend = mend
        super().__init__(reason, note, mend)


def unfit(kind: str, key: str, **values: Any) -> Unfit:
    """Return the refusal of a conversation, in words: ``templates.note.KEY``, and what to change,
    ``templates.mend.KEY``."""
    from workbench.texts import text

    return Unfit(kind, text(f"templates.note.{key}", **values), text(f"templates.mend.{key}", **values))


@dataclass(frozen=True, slots=True)
class Difference:
    """Hold a stretch in which two renderings differ.

    Args:
        kind: ``same``, ``changed``, ``only_a`` or ``only_b``.
        a: the text in the first.
        b: the text in the second.
    """

    kind: str
    a: str
    b: str
