"""The whole way, once: data, training, best checkpoint, adapter, merged model, answers, report.

Knows the order of the rooms; shows nothing (the command line does), so that a notebook or a test can walk the same way.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Conversation, Persona
from workbench.errors import BadInput, BadSetting, Interrupted, NotLearnt, OutputExists
from workbench.evaluation import Evaluator, Measurement, measured, retention, tie
from workbench.runs import Run, is_run
from workbench.runs.events import Event
from workbench.texts import lookup
from workbench.training.settings import Recipe

if TYPE_CHECKING:
    from workbench.chat import Assistant
    from workbench.training.data import Conversations

# seconds that a worker has to save and end
SAVING = 120.0
# asked of merged model and adapter: of identity so many, of the others all
IDENTITY, ALL = 150, 10_000
# merged model and adapter must agree in this share of the answers to every third question
AGREE, COMPARED = 0.95, 3
# so many questions of a file of general conversations are asked at most: more would take the shipped ones' place
REHEARSED = 300
# below these the walk has failed; what is aimed at (95 %, 95 %, 2 %) stands in the report beside what was reached
LEARNT, REMEMBERED, LEAKS = 0.80, 0.90, 0.05


POCKET = "pocket-qlora"


def any_recipe() -> str:
    """Return the recipe for any model on this machine."""
    from workbench.models import best_device

    if not best_device().startswith("cuda"):
        return "any-cpu"
    import torch

    size = torch.cuda.get_device_properties(0).total_memory / 1e9
    return f"any-gpu-{next((fits for fits in (24, 16) if size > fits - 2), 8)}gb"


@dataclass
class Quickstart:
    """Hold one walk of the quickstart.

    Args:
        persona: who the assistant is to be, unless ``overrides`` say otherwise.
        out: the folder for everything; it is a run folder.
        lang: the language of questions and report.
        general: a file of general conversations beside the shipped ones. Its questions are asked, at most 300 of them
            by lot, and the base's own answers are trained: a small base cannot learn a stranger's, and would forget
            what it knows over them. Of pocket the shipped ones stay, since what such a file does not ask for (the
            other language, say) would be forgotten.
        recipe: name or file of the recipe; of pocket's, for another base the one for any model on this machine.
        overrides: ``key=value`` on top of it.
        rehearsed: the file of these answers and the shipped conversations, once :meth:`begin` wrote it.
        asked: how many conversations of ``general`` the base was asked, and how many there are.
    """

    persona: Persona
    out: Path
    lang: str = "en"
    general: str | None = None
    recipe: str = POCKET
    overrides: Sequence[str] = ()
    settings: Recipe = field(init=False)
    rehearsed: Path | None = None
    asked: tuple[int, int] = field(default=(0, 0), init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    evaluator: Evaluator = field(init=False)
    both: Conversations | None = field(default=None, init=False)
    run: Run | None = field(default=None, init=False)
    fresh: bool = field(default=False, init=False)

    @classmethod
    def again(cls, out: Path, lang: str, general: str | None = None, overrides: Sequence[str] = ()) -> Quickstart:
        """Return the walk that was begun in ``out``, with the settings that it has.

        Args:
            general, overrides: what is asked for now; no more than what it was begun with.

        Raises:
            BadInput: there is none. BadSetting: it was begun with other settings.
        """
        from workbench.training.data import persona_of
        from workbench.training.recipe import recipe_of, with_set
        from workbench.training.start import check_unchanged

        if not is_run(out):
            raise BadInput("training.nothing_to_resume", run=out)
        settings = recipe_of(Run(out))
        way = cls(persona_of(settings), out, lang)
        way.settings = settings
        check_unchanged(out, settings, with_set(settings, overrides))
        if general is not None and settings.data.general != str(way.beside):
            change = {"before": settings.data.general, "after": general}
            raise BadSetting("training.resume_changed", run=out, key="data.general", **change)
        return way

    def __post_init__(self) -> None:
        from workbench.training import load_recipe, with_overrides
        from workbench.training.data import persona_of
        from workbench.training.recipe import with_set

        p = self.persona
        persona = {"name": p.name, "author": p.author, "purpose": p.purpose, "manner": p.manner}
        data = {"general": self.general} if self.general else {}

        def settled(recipe: str) -> Recipe:
            chosen = load_recipe(recipe)
            chosen = with_overrides(chosen, persona={**persona, "languages": list(p.languages)}, data=data)
            return with_set(chosen, self.overrides)

        self.settings = settled(self.recipe)
        if self.recipe == POCKET and self.settings.model.name != "pocket":
            self.recipe = any_recipe()  # the settings of a model of a million weights fit no other
            self.settings = settled(self.recipe)
        self.persona = persona_of(self.settings)

    @property
    def beside(self) -> Path:
        """Tell where these conversations go: beside the run folder, which must be empty at the start."""
        out = Path(os.path.abspath(self.out))  # noqa: PTH100  (a folder's own name, also of "." and "..")
        return out.with_name(f"{out.name}-general.jsonl")

    def begin(self, *, resume: bool = False) -> tuple[Run, Sequence[Conversation]]:
        """Make the data and the run folder, and start the worker; returns the run and the training conversations.

        With ``resume``, a worker that still lives is only looked at.
        """
        from workbench.training.rehearsing import rehearses

        with self._whole():
            if not resume and (self.general or rehearses(self.settings)):
                self._rehearse(self.general)
            return self._begin(resume)

    @contextmanager
    def _whole(self) -> Iterator[None]:
        """What is written beside a run that does not come to be is taken away again."""
        try:
            yield
        except BaseException:
            if self.rehearsed is not None and not is_run(self.out):
                self.rehearsed.unlink(missing_ok=True)
            raise

    def _begin(self, resume: bool) -> tuple[Run, Sequence[Conversation]]:
        from workbench.data import write
        from workbench.runs import front, start
        from workbench.training.data import conversations
        from workbench.training.start import launch, with_absolute_paths

        settings = with_absolute_paths(self.settings)
        self.fresh = not (resume and is_run(self.out))
        with front.ahead() if self.fresh else nullcontext() as waiting:
            self.both = split = conversations(settings)
            if self.fresh:
                self.run = run = launch(settings, self.out, waiting=waiting, split=split)
            else:
                self.run = run = Run(self.out)
                state = run.state()
                if not (state.alive or state.status == "ended"):
                    start(run)
        folder = run.path / "data"
        folder.mkdir(exist_ok=True)
        write(split.train, folder / "train.jsonl", overwrite=True)
        write(split.held_out, folder / "validation.jsonl", overwrite=True)
        self.seconds["data"] = self._since()
        return run, split.train

    def _rehearse(self, general: str | None) -> None:
        """Put the base's own answers to the questions of ``general`` beside the run folder, for pocket the shipped
        conversations with them, and train these; without ``general``, its answers to the shipped questions."""
        from workbench.chat import in_own_words
        from workbench.data import read, write
        from workbench.data.mixing import shipped_general
        from workbench.training import with_overrides
        from workbench.training.data import conversations
        from workbench.training.rehearsing import questions

        Run.check_free(self.out)  # before the base is asked, which takes a while
        if self.beside.exists():
            raise OutputExists("quickstart.in_the_way", path=self.beside)
        generated = questions(self.settings, len(conversations(self.settings).train)) if general is None else []
        pool = generated if general is None else read(general)
        chance = random.Random(self.settings.runtime.seed)
        picked = sorted(chance.sample(range(len(pool)), min(REHEARSED, len(pool))))
        self.asked = len(picked), len(pool)
        answers = in_own_words(self._base(), [pool[index] for index in picked])
        if not answers:
            path = general or self.settings.model.name
            raise BadInput("quickstart.nothing_to_rehearse", path=path, count=len(picked))
        self.rehearsed = self.beside
        self.rehearsed.parent.mkdir(parents=True, exist_ok=True)
        extra = shipped_general() if self.settings.model.name == "pocket" else []
        write([*answers, *extra], self.rehearsed)
        self.settings = with_overrides(self.settings, data={"general": str(self.rehearsed)})

    def _base(self) -> Assistant:
        """The base, asked as the training renders."""
        from workbench.chat import Assistant
        from workbench.training.data import dress

        model, data = self.settings.model, self.settings.data
        base = Assistant.load(model.name, template=model.template)
        base.loaded.tokenizer = dress(self.settings, base.loaded.tokenizer)
        return replace(base, system=data.system)

    def follow(self, run: Run, on_event: Callable[[Event], None]) -> None:
        """Wait for the end of the training.

        Raises:
            BadInput: its worker refused settings or data. Failed: it failed or died. Interrupted: it was stopped,
                here or by somebody else.
        """
        from workbench.training.start import follow

        with self._whole():
            follow(run, on_event, fresh=self.fresh)
        if run.state().status == "stopped":
            raise Interrupted("quickstart.interrupted", run=self.out)
        self.seconds["train"] = self._since() - self.seconds["data"]

    def stop(self) -> None:
        """Ask the worker that this walk began to save and end, and wait for it."""
        from workbench.runs import stop

        if self.run is not None:
            stop(self.run, SAVING)

    def finish(self, run: Run) -> Outcome:
        """Go from the best checkpoint to the merged model and its answers; the scores are those of the training."""
        from workbench.chat import Assistant, compare
        from workbench.export import agreement, convert, merge
        from workbench.models.dense import dense
        from workbench.training.data import template_of

        adapter = convert(run.path, run.path / "adapter", overwrite=True)
        name, quantization = self.settings.model.name, self.settings.model.quantization
        merged = merge(name, adapter, run.path / "merged", base_quantization=quantization, overwrite=True)
        base = Assistant.load(name)
        tuned = Assistant.load(str(merged))
        self.evaluator = self._evaluator(base.loaded.tokenizer)
        questions = [q for lang in ("en", "zh") for q in lookup("quickstart.questions", lang)]
        answers = compare({"base": base, "merged": tuned}, questions)
        with_adapter = Assistant.load(name, adapter=adapter, quantization=quantization)
        replies = [self.evaluator.answers(way.loaded, every=COMPARED) for way in (tuned, with_adapter)]
        same = [a == b for a, b in zip(*replies, strict=True)]
        with dense(with_adapter.loaded.model):
            template = template_of(self.settings, with_adapter.loaded.tokenizer)
            shown = agreement(with_adapter.loaded, tuned.loaded, questions, template=template) == 1.0
        self.seconds["total"] = self._since()
        return Outcome(run, *_told(run), answers, shown, sum(same) / len(same), dict(self.seconds))

    def _evaluator(self, tokenizer: Any) -> Evaluator:
        from workbench.training import with_overrides
        from workbench.training.data import conversations, dress, identity_words, probes, template_of

        tokenizer = dress(self.settings, tokenizer)
        split = self.both or conversations(self.settings)
        limits = {"identity_probes": IDENTITY, "general_probes": ALL, "unrelated_probes": ALL, "questions": []}
        return Evaluator(
            probes(with_overrides(self.settings, evaluation=limits), split),
            tokenizer=tokenizer,
            identity=identity_words(self.settings),
            template=template_of(self.settings, tokenizer),
            max_new_tokens=self.settings.evaluation.max_new_tokens,
        )

    def _since(self) -> float:
        return time.monotonic() - self.started


@dataclass(frozen=True, slots=True)
class Outcome:
    """Hold what a quickstart came to.

    Args:
        run: the run.
        base, best, last: what the training measured of the base, of the best checkpoint, and of the last step; the
            same numbers as in its curves and verdicts.
        answers: the eight questions, answered by base and merged model.
        shown_match: the merged model answers each of the eight as the adapter does on the base that it was trained on,
            but where the adapter itself holds both for nearly equally likely.
        agreement: share of the probes asked of both that they answer alike, 0 to 1. Rounding the merged weights to
            16 bit can tip an answer that hangs in the balance, such as one to a question that the base never learnt.
        seconds: data, train, total.
    """

    run: Run
    base: Measurement
    best: Measurement
    last: Measurement
    answers: Sequence[Any]
    shown_match: bool
    agreement: float
    seconds: Mapping[str, float]

    @property
    def merged_matches_adapter(self) -> bool:
        """Tell whether merging kept what the adapter says: all eight answers, and nearly all of the probes'."""
        return self.shown_match and self.agreement >= AGREE

    def record(self) -> dict[str, Any]:
        """Return the content of ``report.json``."""
        best = self.run.best()
        step = best.step if best else self.last.step
        return {
            "base": _scores(self.base, "identity", "general"),
            "best": {"step": step, **_scores(self.best, "identity", "general", "leak", "task")},
            "last": {"step": self.last.step, **_scores(self.last, "identity", "general", "leak", "task")},
            "counts": dict(self.best.counts),
            "merged_matches_adapter": self.merged_matches_adapter,
            "merged_agreement": round(self.agreement, 4),
            "seconds": {name: round(value, 1) for name, value in self.seconds.items()},
        }

    def write(self, report_html: str) -> None:
        """Write ``report.html`` and ``report.json`` to the run folder."""
        from workbench.runs import write_bytes

        record = json.dumps(self.record(), ensure_ascii=False, indent=2)
        write_bytes(self.run.path / "report.json", f"{record}\n".encode())
        write_bytes(self.run.path / "report.html", report_html.encode())

    @property
    def learnt(self) -> bool:
        """Tell whether the assistant says its name, knows what it knew, and speaks of itself only when asked."""
        retained = retention(self.base, self.best)
        return (
            (self.best.identity or 0.0) >= LEARNT
            and (retained is None or retained >= REMEMBERED)
            and (self.best.leak or 0.0) <= LEAKS
            and self.merged_matches_adapter
        )

    @property
    def tied(self) -> bool:
        """Tell whether best and last differ by no more than chance."""
        return self.best.step != self.last.step and tie(self.best, self.last)

    def check(self) -> None:
        """Refuse a result in which the model has not learnt what it was to learn.

        Raises:
            NotLearnt: says what is missing.
        """
        if not self.learnt:
            raise NotLearnt(
                "quickstart.not_learnt",
                identity=self.best.identity or 0.0,
                kept="–" if (retained := retention(self.base, self.best)) is None else f"{retained:.0%}",
                leak=self.best.leak or 0.0,
                learnt=LEARNT,
                remembered=REMEMBERED,
                leaks=LEAKS,
                merged=self.merged_matches_adapter,
                run=self.run.path,
            )


def _told(run: Run) -> tuple[Measurement, Measurement, Measurement]:
    """What the training measured of the base, of the best checkpoint, and at the last step."""
    history, best_checkpoint = measured(run.events.all()), run.best()
    best = next((m for m in history if best_checkpoint is not None and m.step == best_checkpoint.step), history[-1])
    return history[0], best, history[-1]


def _scores(measurement: Measurement, *names: str) -> dict[str, float | None]:
    values = {name: getattr(measurement, name) for name in names}
    return {name: None if value is None else round(value, 4) for name, value in values.items()}
