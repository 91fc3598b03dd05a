"""The values of the templates room. Knows conversations; nothing of tokenizers' or models' classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from workbench.data.conversation import Role

IGNORE_INDEX = -100
LossOn = Literal["assistant", "last", "all"]


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of rendered text.

    Args:
        text: what is encoded, by itself.
        role: whose piece it is; the markers before an answer belong to the assistant.
        field: the template field that produced it: ``bos``, ``system``, ``user`` (the markers round the user's text),
            ``assistant`` (the markers before the answer), ``content`` (somebody's own words), ``end`` (the end-of-turn), ``sep``.
        trained: whether its tokens carry labels.
        control: whether control tokens in it are control tokens (the template's own markers) or text (what somebody wrote).
        turn: index of the message that it comes from.
        rule: why it is trained or not, a key of the texts (``templates.rule.…``).
    """

    text: str
    role: Role
    field: str
    trained: bool
    control: bool
    turn: int
    rule: str


@dataclass(frozen=True, slots=True)
class Example:
    """Token ids and labels of one conversation.

    Args:
        input_ids: (T,) token ids.
        labels: (T,) the same id where trained, −100 elsewhere.
        segment: (T,) index of the segment that each token comes from; empty where not asked for.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    segment: tuple[int, ...] = ()

    @property
    def trained(self) -> int:
        """How many tokens are trained."""
        return sum(label != IGNORE_INDEX for label in self.labels)


@dataclass(frozen=True, slots=True)
class Pack:
    """Several examples in one row; attention is isolated by the restarts of ``position_ids``.

    Args:
        input_ids: (T,)
        labels: (T,), −100 at the first token of each example.
        position_ids: (T,), restarting from 0 at each example.
        lengths: the examples' lengths, in order.
    """

    input_ids: tuple[int, ...]
    labels: tuple[int, ...]
    position_ids: tuple[int, ...]
    lengths: tuple[int, ...]
