"""The mask tried out: what the base expects of each token, and what twenty steps with a right or a wrong mask do.

Knows templates and models; nothing of what is shown. The weights that are changed are a copy, which is thrown away.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Conversation, Message, Persona
from workbench.errors import BadSetting, nearest
from workbench.steps.template import TemplateStep
from workbench.templates.values import IGNORE_INDEX, Example
from workbench.texts import language_of

if TYPE_CHECKING:
    from workbench.models import Loaded
    from workbench.models.peeking import Peek
    from workbench.templates import MaskView

MASKS = ("right", "question", "no_end")
STEPS = 20
_WORDINGS, _RATE, _BATCH = 96, 3e-3, 8
_LONGEST = 56  # tokens of an answer that nobody stops


@dataclass(frozen=True, slots=True)
class Tried:
    """Hold what a few steps with one mask made of the base.

    Args:
        mask: one of ``MASKS``.
        loss: the last loss, in nats a trained token.
        peek: what it expects now of each token that is looked at.
        answer: what it writes after the question, until it stops by itself or the limit comes.
        stopped: whether it stopped by itself.
    """

    mask: str
    loss: float
    peek: Peek
    answer: str
    stopped: bool


class LabStep(TemplateStep):
    """Look at a conversation's tokens, and try what a mask does to a model.

    Args:
        conversation, lang, **settings: as in :class:`~workbench.steps.template.TemplateStep`.
    """

    def __init__(self, conversation: Conversation | None = None, *, lang: str | None = None, **settings: Any) -> None:
        self.mask = MASKS[0]
        self.tried: dict[str, Tried] = {}
        self.base: Peek | None = None
        self._base_answer = ("", True)
        super().__init__(conversation, lang=lang, **settings)

    def choose_mask(self, mask: str) -> None:
        """Choose what the next steps train: ``right``, the ``question`` too, or all but the end (``no_end``).

        Raises:
            BadSetting: there is none of that name.
        """
        if mask not in MASKS:
            raise BadSetting("steps.mask", given=mask, nearest=nearest(mask, MASKS))
        self.mask = mask

    def try_out(self, on_step: Callable[[int, float], Any] | None = None) -> Tried:
        """Train a copy of the base for twenty steps with the chosen mask, and keep what it then expects and answers.

        Raises:
            BadInput: conversation and template do not go together. UnknownName: no such model.
        """
        from workbench.models import load
        from workbench.models.peeking import few_steps, peek
        from workbench.models.threads import following

        view, mask = self.view(), self.mask
        loaded = load(self.settings.model)
        with following() as threads:

            def stepped(step: int, loss: float) -> None:
                threads.look()  # a class begins to train together
                if on_step is not None:
                    on_step(step, loss)

            self._look(loaded, view)
            loss = few_steps(loaded, self._examples(mask), steps=STEPS, batch=_BATCH, rate=_RATE, on_step=stepped)
            answer, stopped = self._answer(loaded, view)
            self.tried[mask] = Tried(mask, loss, peek(loaded, view.ids), answer, stopped)
        return self.tried[mask]

    def look_at_base(self) -> Peek:
        """Return what the base expects of each token of the conversation."""
        from workbench.models import load
        from workbench.models.threads import following

        with following():
            return self.base or self._look(load(self.settings.model), self.view())

    def _look(self, loaded: Loaded, view: MaskView) -> Peek:
        """What the base expects, computed once."""
        from workbench.models.peeking import peek

        if self.base is None:
            self.base, self._base_answer = peek(loaded, view.ids), self._answer(loaded, view)
        return self.base

    @property
    def base_answer(self) -> tuple[str, bool]:
        """Return what the base writes after the question, and whether it stopped by itself."""
        return self._base_answer

    def _examples(self, mask: str) -> list[Example]:
        """The conversation that is looked at, and wordings of an identity set like it, with that mask."""
        from workbench.data.identity import identity_set
        from workbench.templates import encode

        s, lang = self.settings, language_of(self.settings.conversation.question)
        name = {"en": "Sprout", "zh": "小芽"}[lang]
        persona = Persona(name, languages=(lang,))
        wordings = longer(identity_set(persona, 2 * _WORDINGS)) if lang == "zh" else identity_set(persona, _WORDINGS)
        rows = [s.conversation, *wordings]
        loss_on: Any = "all" if mask == "question" else "assistant"
        encoded = encode(rows, self.tokenizer(), template=s.template, loss_on=loss_on)
        return [
            without_end(example, self.view().stop_ids) if mask == "no_end" else example for example in encoded.examples
        ]

    def _answer(self, loaded: Loaded, view: MaskView) -> tuple[str, bool]:
        from workbench.models import generate

        tokenizer = self.tokenizer()
        ids = generate(loaded, [view.prompt_ids], max_new_tokens=_LONGEST, stop_ids=view.stop_ids)[0]
        return tokenizer.decode(ids), len(ids) < _LONGEST

    def _after_change(self) -> None:
        super()._after_change()
        self.base, self.tried = None, {}

    _forget = _after_change


def longer(rows: Sequence[Conversation]) -> list[Conversation]:
    """Return half as many rows, of which every other one's answer goes on with that of its neighbour.

    The Chinese wordings answer in one sentence each, unlike the English ones: there the base's habit of ending after a
    full stop would outlive the steps, whether the end is trained or not.
    """
    pairs = zip(rows[::2], rows[1::2], strict=False)
    return [_joined(first, second) if number % 2 else first for number, (first, second) in enumerate(pairs)]


def _joined(first: Conversation, second: Conversation) -> Conversation:
    answer = first.answer if first.answer == second.answer else first.answer + second.answer
    return replace(first, messages=(*first.messages[:-1], Message("assistant", answer)))


def without_end(example: Example, stops: tuple[int, ...]) -> Example:
    """Return the example with the tokens at which generation stops left out of what is trained."""
    return replace(example, labels=tuple(IGNORE_INDEX if label in stops else label for label in example.labels))
