"""Step five, before and after: the same question to several models, with the same seed. Knows assistants and runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Message
from workbench.data.picture import Picture
from workbench.data.pictures import illustrated
from workbench.errors import BadInput, Interrupted, UnknownName, nearest
from workbench.runs import Run
from workbench.steps.models import Model, Stamp, as_model, first_shown, models_of, readable_recipe, stamp
from workbench.steps.step import Step, Stopper
from workbench.texts import lookup, text

if TYPE_CHECKING:
    from workbench.chat import Assistant
    from workbench.evaluation import Probe
    from workbench.tools import Card, End

_MOST_LOADED = 4
_BATCH = 16  # probes at once; between two batches it is asked whether to stop


@dataclass(frozen=True, slots=True)
class ChatSettings:
    """Hold what is asked, and how.

    Args:
        question: the question.
        system: the system message; empty for none.
        shown: the labels of the models that are asked, in order.
        seed, temperature, top_p, max_new_tokens: of every answer alike.
        tools: names of the tools that each may call; empty for none.
    """

    question: str = ""
    system: str = ""
    shown: tuple[str, ...] = ()
    seed: int = 0
    temperature: float = 0.0
    top_p: float = 1.0
    max_new_tokens: int = 64
    tools: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """Hold a probe and each model's answer to it.

    Args:
        question: as asked.
        kind: ``identity``, ``general``, ``unrelated``; ``sample`` where nothing is scored.
        answers: by label.
        right: by label; None where not scored.
    """

    question: str
    kind: str
    answers: Mapping[str, str]
    right: Mapping[str, bool | None]


class ChatStep(Step[ChatSettings]):
    """Ask models by label, answers side by side.

    :meth:`ask` gives the pieces as they come; a front end calls it in a thread, and :meth:`cancel` from another.
    Answers stay in :attr:`answers`.

    Args:
        models: label -> model (a name, a folder, a :class:`Model`, or a loaded assistant); or a run, whose base,
            checkpoints and merged model are the models.
        lang: the language of the questions to choose from.
        **settings: fields of :class:`ChatSettings`.
    """

    def __init__(
        self,
        models: Mapping[str, Any] | Run | str | Path | None = None,
        *,
        lang: str | None = None,
        **settings: Any,
    ) -> None:
        self.lang = lang
        self.run: Run | None = None
        self.models: dict[str, Model | Assistant] = {}
        self.answers: dict[str, str] = {}
        self.cards: dict[str, tuple[Card, ...]] = {}
        self.notes: dict[str, str] = {}
        self.asked = ""
        self.images: tuple[Picture, ...] = ()
        self.probed: list[Probed] = []
        self.cancelled = Stopper()
        self._loaded: dict[str, tuple[Stamp, Assistant]] = {}
        self._loading = threading.Lock()
        self._asking = threading.Lock()
        super().__init__(ChatSettings(**{"question": self.questions()[0], **settings}))
        self.use(models if models is not None else {"base": "pocket"})

    # --- models ---

    def use(self, models: Mapping[str, Any] | Run | str | Path) -> None:
        """Take these models in the place of the earlier ones.

        Raises:
            UnknownName: no such run.
        """
        if isinstance(models, Mapping):
            self.models = {label: as_model(model) for label, model in models.items()}
        else:
            self.run = models if isinstance(models, Run) else Run(models)
            self.models = dict(models_of(self.run))
        self._loaded = {}
        self._settings, self._first, self._past = self._known(self._settings), self._known(self._first), []
        self.tell("models")

    def _known(self, settings: ChatSettings) -> ChatSettings:
        """The settings with models that there are."""
        shown = tuple(label for label in settings.shown if label in self.models)
        return replace(settings, shown=shown or first_shown(list(self.models)))

    def refresh(self) -> bool:
        """Look again which checkpoints the run has; True where that changed."""
        if self.run is None:
            return False
        models: dict[str, Model | Assistant] = dict(models_of(self.run))
        if models == self.models:
            return False
        with self._guard:
            self.models = models
            self._adopt(lambda settings: self._known(settings) if set(settings.shown) - set(models) else settings)
        self._loaded = {label: assistant for label, assistant in self._loaded.items() if label == "base"}
        self.tell("models")
        return True

    @property
    def labels(self) -> list[str]:
        """Return all labels to choose from."""
        return list(self.models)

    def label_text(self, label: str, lang: str | None = None) -> str:
        """Return a label in words: ``base``, ``best`` and ``merged``, and the steps of checkpoints."""
        step = label.removeprefix("step ")
        if step != label:
            return text("steps.label.step", lang or self.lang, step=step)
        return text(f"steps.label.{label}", lang or self.lang) if label in ("base", "best", "merged") else label

    def load(self, label: str) -> Assistant:
        """Return the assistant of ``label``; loaded once, and again where its folder was made anew. The last few are
        kept.

        Raises:
            UnknownName: no such label. BadInput: the model cannot be loaded as it was trained.
        """
        if label not in self.models:
            raise UnknownName("steps.unknown_model", given=label, nearest=nearest(label, self.models))
        with self._loading:
            created = stamp(self.models[label])
            assistant = self._kept(label, created) or self._open(label)
            while len(self._loaded) >= _MOST_LOADED:
                self._loaded.pop(next(iter(self._loaded)))
            self._loaded[label] = created, assistant
        return assistant

    def _kept(self, label: str, created: Stamp) -> Assistant | None:
        before, assistant = self._loaded.pop(label, (created, None))
        return assistant if before == created else None

    def _open(self, label: str) -> Assistant:
        from workbench.chat import Assistant

        model = self.models[label]
        if not isinstance(model, Model):
            return model
        return Assistant.load(model.model, adapter=model.adapter or None, template=model.template)

    # --- asking ---

    def show(self, pictures: Sequence[Picture]) -> None:
        """Put pictures before the questions that are asked from now on; none takes them away.

        Raises:
            BadPicture: one of them cannot be seen; those that were shown stay.
        """
        from workbench.chat.shown import from_visitor, side_for

        models = list(self.models.values()) if pictures else []
        side = side_for(model.model if isinstance(model, Model) else model for model in models)
        self.images = from_visitor(pictures, side)
        self.tell("shown")

    def questions(self, lang: str | None = None) -> list[str]:
        """Return questions to choose from."""
        return list(lookup("quickstart.questions", lang or self.lang))

    def ask(
        self, question: str | None = None, *, before: Mapping[str, Sequence[Message]] | None = None
    ) -> Iterator[tuple[str, str]]:
        """Ask every model that is shown; gives (label, piece) as pieces come, of each model in turn.

        Each model gets the same question, system message and seed, and knows nothing of earlier ones but what
        ``before`` says under its label; ``question`` None takes that of the settings.

        Raises:
            BadInput: the question is empty or too long, no model is chosen or one cannot be loaded, or another question
                is still being answered.
        """
        if question is not None:
            self.change(question=question)
        s = self.settings
        if not s.question.strip():
            raise BadInput("steps.no_question")
        if not s.shown:
            raise BadInput("steps.nobody_asked")
        if not self._asking.acquire(blocking=False):
            raise BadInput("steps.still_answering")
        try:
            self.cancelled.begin()
            self.asked, self.answers = s.question, dict.fromkeys(s.shown, "")
            self.cards, self.notes = {}, {}
            self.tell("asked")
            yield from self._pieces(s, before or {})
        finally:
            self._asking.release()
            self.tell("answered")

    def _pieces(self, s: ChatSettings, before: Mapping[str, Sequence[Message]]) -> Iterator[tuple[str, str]]:
        options: dict[str, Any] = {
            "system": s.system or None,
            "seed": s.seed,
            "temperature": s.temperature,
            "top_p": s.top_p,
            "max_new_tokens": s.max_new_tokens,
        }
        asked = illustrated(s.question, self.images)
        streams = {
            label: self.load(label).stream(
                [*before.get(label, ()), asked] if before.get(label) or self.images else s.question,
                should_stop=self.cancelled,
                on_cut=lambda _: None,
                **options,
                **self._calling(label, s.tools),
            )
            for label in s.shown
            if not self.cancelled()
        }
        while streams:
            for label, stream in list(streams.items()):
                piece, answer = next(stream, None), self.answers.get(label)
                if piece is None or answer is None:  # a reset has forgotten the question
                    del streams[label]
                    continue
                self.answers = {**self.answers, label: answer + piece}
                yield label, piece

    def _calling(self, label: str, tools: str) -> dict[str, Any]:
        """What a model is asked with where it may call tools; its calls stay in :attr:`cards`."""

        def on_card(card: Card) -> None:
            cards = [one for one in self.cards.get(label, ()) if one.number != card.number]
            self.cards = {**self.cards, label: (*cards, card)}
            if card.result is None and label in self.answers:  # the words before a call stand on its card
                self.answers = {**self.answers, label: ""}

        def on_end(end: End) -> None:
            self.notes = {**self.notes, label: end.says(self.lang)}

        return {"tools": tools, "on_card": on_card, "on_end": on_end} if tools else {}

    def ask_whole(self, question: str | None = None) -> dict[str, str]:
        """Ask as :meth:`ask` does, but give the whole answers by label."""
        for _ in self.ask(question):
            pass
        return dict(self.answers)

    def cancel(self) -> None:
        """Stop answering; what was said stays."""
        self.cancelled.ask()

    @property
    def answering(self) -> bool:
        """Tell whether a question is being answered now."""
        return self._asking.locked()

    # --- probes ---

    def probes(self) -> list[Probe]:
        """Return what :meth:`ask_all_probes` asks: of a run the probes that it was judged by, else the general ones."""
        from workbench.evaluation import general_probes, unrelated_probes

        recipe = readable_recipe(self.run) if self.run else None
        if recipe is None:
            return [*general_probes(limit=24), *unrelated_probes(limit=8)]
        from workbench.training.data import conversations, probes

        # what needs a tool is measured in the training; here nothing is called
        return [probe for probe in probes(recipe, conversations(recipe)) if not probe.tools]

    def ask_all_probes(self, progress: Callable[[int, int], None] | None = None) -> list[Probed]:
        """Ask every probe of every model that is shown.

        Args:
            progress: told the answers given and the answers in all.

        Raises:
            BadInput: no model is chosen, one cannot be loaded, or another question is still being answered.
            Interrupted: cancelled.
        """
        if not self.settings.shown:
            raise BadInput("steps.nobody_asked")
        if not self._asking.acquire(blocking=False):
            raise BadInput("steps.still_answering")
        try:
            self.cancelled.begin()
            probes, shown = self.probes(), self.settings.shown
            heard: dict[str, list[str]] = {}
            for label in shown:
                before = len(probes) * len(heard)
                heard[label] = self._heard(label, probes, before, len(probes) * len(shown), progress)
            if self.cancelled():
                raise Interrupted("steps.cancelled")
            self.probed = _scored(probes, heard, self.label_of_base(shown))
        finally:
            self._asking.release()
        self.tell("probed")
        return self.probed

    def label_of_base(self, shown: Sequence[str]) -> str:
        """Return the label whose answers count as those of before."""
        return "base" if "base" in shown else shown[0]

    def _heard(
        self,
        label: str,
        probes: Sequence[Probe],
        before: int,
        total: int,
        progress: Callable[[int, int], None] | None,
    ) -> list[str]:
        assistant = self.load(label)
        answers: list[str] = []
        for start in range(0, len(probes), _BATCH):
            if self.cancelled():
                raise Interrupted("steps.cancelled")
            batch = [probe.messages for probe in probes[start : start + _BATCH]]
            answers += assistant.ask_all(batch, max_new_tokens=48)
            if progress:
                progress(before + len(answers), total)
        return answers

    def scores(self) -> dict[str, dict[str, float]]:
        """Return of the probes asked last, by label, the share of right ``identity``, ``task`` and ``general``
        answers."""
        shares: dict[str, dict[str, float]] = {}
        for label in self.probed[0].answers if self.probed else ():
            for kind in ("identity", "task", "general"):
                marks = [row.right[label] for row in self.probed if row.kind == kind and row.right[label] is not None]
                if marks:
                    shares.setdefault(label, {})[kind] = sum(map(bool, marks)) / len(marks)
        return shares

    def code(self) -> str:
        """Return the lines that ask the same."""
        from workbench.steps.chat_code import code_of

        return code_of(self.settings, self.models, [picture.name for picture in self.images])

    def _checked(self, settings: ChatSettings) -> ChatSettings:
        for label in settings.shown:
            if label not in self.models:
                raise UnknownName("steps.unknown_model", given=label, nearest=nearest(label, self.models))
        if settings.tools:
            from workbench.tools import chosen

            chosen(settings.tools)
        return replace(settings, shown=tuple(settings.shown))

    def _forget(self) -> None:
        self.cancelled.ask()
        self.answers, self.asked, self.probed, self.cards, self.notes = {}, "", [], {}, {}
        self.images = ()


def _scored(probes: Sequence[Probe], heard: Mapping[str, Sequence[str]], base: str) -> list[Probed]:
    from workbench.evaluation.scoring import correct, scored

    rows = []
    for index, probe in enumerate(probes):
        answers = {label: replies[index] for label, replies in heard.items()}
        # what the base itself does not know tells nothing of what was kept
        judged = scored(probe) and (probe.kind != "general" or correct(probe, answers[base]))
        right = {label: correct(probe, reply) if judged else None for label, reply in answers.items()}
        rows.append(Probed(probe.question, probe.kind, answers, right))
    return rows
