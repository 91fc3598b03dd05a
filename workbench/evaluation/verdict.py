"""What the curves and probes say of a checkpoint. Knows measurements only.

learning    what is to be learnt is not yet there, and nothing is damaged
good        it is there, and what was known is still known
overfitting the held-out loss has turned, or what was known is going
collapsed   everything is answered alike, in circles, or with the identity
blind       questions about pictures are answered without looking at them
unjudged    nothing was asked that could tell

What was not asked, or of too few, is not judged, and the reason says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from workbench.evaluation.interval import beyond_chance, tied
from workbench.evaluation.measurement import Measurement
from workbench.evaluation.sight import SEES

Word = Literal["learning", "good", "overfitting", "collapsed", "blind", "unjudged"]

GOOD_IDENTITY = 0.95
GOOD_TASK = 0.95
KEPT = 0.95  # of what the base knew
LEAK = 0.02
DAMAGED = 0.85  # of what the base knew; below this it is being forgotten
TURNED = 1.10  # times the lowest held-out loss
LOST = 0.30  # of what the base knew
POLLUTED = 0.50  # of unrelated questions answered with the identity
ALIKE = 0.50  # of the base's distinct answers
CIRCLES = 0.50  # of the answers, beyond the base's own share


@dataclass(frozen=True, slots=True)
class Verdict:
    """Hold a word, and the reason: keys of the texts (``evaluation.reason.…``) joined by ``+``, with their values."""

    word: Word
    reason: str
    values: dict[str, float] = field(default_factory=dict)

    def because(self, lang: str | None = None) -> str:
        """Return the reason in words."""
        from workbench.texts.reasons import reason_text

        return reason_text(self.reason, self.values, lang)

    def sentence(self, lang: str | None = None) -> str:
        """Return the verdict in words with its reason."""
        from workbench.texts import text

        return text(f"evaluation.verdict.{self.word}", lang, reason=self.because(lang))


def verdict(history: Sequence[Measurement]) -> Verdict:
    """Return the verdict on the last measurement, given those before it; the first is the base's.

    Raises:
        ValueError: no measurement.
    """
    if not history:
        raise ValueError("a verdict needs at least one measurement")
    base, now = history[0], history[-1]
    if len(history) > 1:
        broken = collapse(base, now) or blind(base, now) or _overfitting(history)
        if broken:
            return _with_task(broken, now)
    reason, values = _judged(base, now)
    if not reason:
        return Verdict("unjudged", "nothing")
    return Verdict(_word(history), "+".join(reason), values)


def _word(history: Sequence[Measurement]) -> Word:
    """Good, where all that was judged is, something to be learnt among it and something that could be damaged."""
    base, now = history[0], history[-1]
    retained = retention(base, now)
    aims = ((now.identity, GOOD_IDENTITY), (now.task, GOOD_TASK))
    learnt = [share >= aim for share, aim in aims if share is not None]
    if not learnt and now.loss is not None and base.loss is not None:
        learnt = [now.loss < base.loss]  # text to go on with, say: there is nothing to ask
    checks = [retained >= KEPT] if retained is not None else []
    checks += [now.leak <= LEAK] if now.leak is not None else []
    if not learnt and not checks and now.loss is None:
        return "unjudged"
    return "good" if len(history) > 1 and learnt and checks and all([*learnt, *checks]) else "learning"


def _judged(base: Measurement, now: Measurement) -> tuple[list[str], dict[str, float]]:
    """What was judged, as keys of the reasons, and its values."""
    counts, retained = now.counts, retention(base, now)
    reason: list[str] = []
    values: dict[str, float] = {}

    def say(key: str, **numbers: float | None) -> None:
        reason.append(key)
        values.update({name: value for name, value in numbers.items() if value is not None})

    if now.identity is not None:
        say("identity", identity=now.identity)
    if now.task is not None:
        say("task_trained" if now.trained else "task", task=now.task, tasks=counts.get("task", 0))
    if retained is not None:
        say("kept", kept=retained)
    if now.seen is not None:
        say("seen", seen=now.seen, title=now.title, wrong=now.wrong)
    if now.leak is not None:
        say("leak", leak=now.leak)
    if now.train_loss is not None:
        say("train_loss", train_loss=now.train_loss, repetition=now.repetition)
    elif now.identity is None and now.task is None and now.loss is not None:
        say("loss", loss=now.loss)
    if reason and retained is None:
        say("few" if "general" in counts else "unasked", known=counts.get("general", 0))
    return reason, values


def _with_task(broken: Verdict, now: Measurement) -> Verdict:
    """``broken``, and how far the task is learnt, where there is one: that is what a person trained for."""
    if now.task is None:
        return broken
    key = "task_trained" if now.trained else "task"
    numbers = {"task": now.task, "tasks": now.counts.get("task", 0)}
    return Verdict(broken.word, f"{broken.reason}+{key}", {**broken.values, **numbers})


def collapse(base: Measurement, now: Measurement) -> Verdict | None:
    """Return what is broken about ``now``, or None."""
    retained = retention(base, now)
    if now.leak is not None and now.leak > POLLUTED:
        return Verdict("collapsed", "polluted", {"leak": now.leak})
    if now.distinct < ALIKE * base.distinct:
        return Verdict("collapsed", "alike", {"distinct": now.distinct, "before": base.distinct})
    if now.repetition - base.repetition > CIRCLES:
        return Verdict("collapsed", "circles", {"repetition": now.repetition, "before": base.repetition})
    if retained is not None and retained < LOST and _surely_below(now, retained, DAMAGED):
        return Verdict("collapsed", "lost", {"kept": retained})
    return None


def blind(base: Measurement, now: Measurement) -> Verdict | None:
    """Return what shows that pictures are not looked at, or None: the same is said of whatever picture is shown."""
    if now.seen is None or now.seen >= SEES:
        return None
    if base.seen is not None and now.step == base.step:
        return None
    return Verdict("blind", "blind", {"seen": now.seen, "wrong": now.wrong or 0.0})


def _overfitting(history: Sequence[Measurement]) -> Verdict | None:
    now = history[-1]
    retained = retention(history[0], now)
    if retained is not None and retained < DAMAGED and _surely_below(now, retained, KEPT):
        return Verdict("overfitting", "forgetting", {"kept": retained})
    if now.leak is not None and now.leak > 5 * LEAK:
        return Verdict("overfitting", "leaking", {"leak": now.leak})
    losses = [m.loss for m in history if m.loss is not None]
    if now.loss is not None and len(losses) > 2 and now.loss > TURNED * min(losses):
        return Verdict("overfitting", "turned", {"loss": now.loss, "lowest": min(losses)})
    return None


def _surely_below(now: Measurement, retained: float, aim: float) -> bool:
    """Whether ``retained`` is below ``aim`` by more than the chance of so few questions."""
    return beyond_chance(retained, now.counts.get("general"), aim)


def retention(base: Measurement, now: Measurement) -> float | None:
    """Return the share of what the base knew that is still known, 0 to 1; None where it was not asked, or of too
    little."""
    if now.general is None or not base.general:
        return None
    return min(1.0, now.general / base.general)


def score(base: Measurement, now: Measurement) -> float:
    """Return by what checkpoints are ranked: what is learnt × what is kept × (1 − leak), 0 to 1.

    A product, so that no strength makes up for a lost part. What is learnt is the identity where that is trained, and
    beside it the task: its right answers, those that are right to the letter, and how much of the references they have.
    What was not judged is left out.
    """
    right = now.task if now.picture is None else now.picture  # a title is no answer
    task = [share for share in (right, now.exact, now.overlap) if share is not None]
    learnt = [sum(task) / len(task)] if task else []
    learnt += [now.identity] if now.identity is not None else []
    retained = retention(base, now)
    circles = max(0.0, now.repetition - base.repetition)
    return (
        (sum(learnt) / len(learnt) if learnt else 1.0)
        * (1.0 if retained is None else retained)
        * (1 - (now.leak or 0.0))
        * (1 - circles)
    )


def rank(base: Measurement, now: Measurement) -> float:
    """Return :func:`score` less 0.07 times the natural logarithm of the held-out loss, or of the training loss where
    nothing of one's own was held out; less 1 for what has collapsed.

    A score moves by a whole probe at a time, a fortieth of its kind or so; the loss, which is finer, decides between
    checkpoints that are about as good: a loss lower by a third counts as much as one probe. Below 0.05 nats a trained
    token, where nothing is left to learn, all losses count alike.
    """
    loss = now.train_loss if now.train_loss is not None else now.loss
    broken = 1.0 if collapse(base, now) else 0.0
    return score(base, now) - 0.07 * math.log(max(loss, 0.05) if loss is not None else 1.0) - broken


def reaches(base: Measurement, now: Measurement, target: float) -> bool:
    """Tell whether a measurement leaves nothing to be wished for: ``target`` (0 to 1) of identity, task and calls is
    right, as much of what the base knew is kept, and next to nothing leaks. What was not asked is not reached."""
    learnt = [share >= target for share in (now.identity, now.task, now.calls) if share is not None]
    retained = retention(base, now)
    intact = [retained >= target] if retained is not None else []
    intact += [now.leak <= LEAK] if now.leak is not None else []
    return bool(learnt) and bool(intact) and all([*learnt, *intact]) and not collapse(base, now)


def tie(first: Measurement, second: Measurement) -> bool:
    """Tell whether two checkpoints differ by no more than the chance of so few questions in all that they were asked.

    Without counts nothing is called a tie."""
    names = [n for n in ("identity", "task", "general", "leak") if getattr(first, n) is not None]
    names = [n for n in names if getattr(second, n) is not None and second.counts.get(n)]
    return bool(names) and all(tied(getattr(first, n), getattr(second, n), second.counts[n]) for n in names)


def best_of(history: Sequence[Measurement]) -> Measurement:
    """Return the best checkpoint: the highest :func:`rank`, the earliest of equals. The base itself is none.

    Raises:
        ValueError: nothing was measured after the base.
    """
    if len(history) < 2:
        raise ValueError("no checkpoint was measured")
    return max(history[1:], key=lambda m: (rank(history[0], m), -m.step))
