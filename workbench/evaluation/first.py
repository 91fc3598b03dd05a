"""The first look at a base: what it knows, how long a look takes, and so what is asked from then on.

Knows evaluators and budgets; nothing of runs or optimizers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench.data.ordering import evenly
from workbench.evaluation.budget import FEWEST_LOSSES, FREE, SHORT, Budget, Looks, Pace, plan
from workbench.evaluation.interval import FEW
from workbench.evaluation.known import KnownAnswers
from workbench.evaluation.scoring import correct

if TYPE_CHECKING:
    from collections.abc import Mapping

    from workbench.evaluation.evaluator import Evaluator
    from workbench.evaluation.measurement import Measurement
    from workbench.evaluation.probes import Probe
    from workbench.models import Loaded

# So many general questions are asked of a base that knows few of them before that is called too few, where time is
# short.
PATIENCE = 100
# Nats by which a right answer must lead at each token. Of SmolLM2-135M, bfloat16 tips what leads by less than 0.09,
# and of what leads by 0.1 or more nothing.
MARGIN = 0.1
# Questions to the base at once.
PORTION = 40


@dataclass(frozen=True, slots=True)
class Choice:
    """Hold what is asked at each evaluation of a run, once chosen; a resumed run asks the same.

    Args:
        rows: of the evaluator's probes those that are asked.
        answers: the base's answers to them.
        max_new_tokens: of an answer.
        losses: held-out conversations whose loss is taken.
        looks: what the evaluations are, and take.
        asked: general questions that the base was asked.
        known: those that it answered rightly.
    """

    rows: tuple[int, ...]
    answers: tuple[str, ...]
    max_new_tokens: int
    losses: int
    looks: Looks
    asked: int = 0
    known: int = 0

    def record(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return asdict(self)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Choice:
        """Return what :meth:`record` gave.

        Raises:
            KeyError, TypeError: it is something else.
        """
        looks = Looks(**record["looks"])
        return cls(**{**record, "rows": tuple(record["rows"]), "answers": tuple(record["answers"]), "looks": looks})


class FirstLook:
    """Take one first look at a base.

    Args:
        evaluator: with the probes of all kinds; of general ones all that may be asked, the best first.
        loaded: the base, or the base with an adapter that changes nothing yet.
        wanted: general questions that are to be asked later, all of them such as the base answers rightly.
        budget: what all evaluations may take.
        known: the answers of this base that are known already.
    """

    def __init__(
        self, evaluator: Evaluator, loaded: Loaded, *, count: int, budget: Budget, memory: KnownAnswers | None = None
    ) -> None:
        self.evaluator, self.loaded, self.wanted, self.budget, self.known = evaluator, loaded, count, budget, memory
        self.answers: dict[int, str] = {}
        # on a CPU the time that this thread computes: what others do there at the moment must not decide what is asked
        self.clock = time.thread_time if loaded.device.type == "cpu" else time.perf_counter
        self.spent, self.new, self.asked = 0.0, 0, 0

    def take(self) -> tuple[Choice, Measurement]:
        """Ask, choose, and measure the base with what was chosen.

        Raises:
            Halted: somebody asked to stop.
        """
        from workbench.models.dense import dense
        from workbench.models.halting import halting

        started = time.perf_counter()
        evaluator, model = self.evaluator, self.loaded.model
        with halting(model, evaluator.should_stop), dense(model):
            token, losses = self._losses()
            rows = self._general(token)
            rows += [i for i, p in enumerate(evaluator.probes) if p.kind != "general"]
            self._ask(rows, keep=False)
            choice = self._choose(sorted(rows), Pace(token, self._pace(), losses))
            adopt(evaluator, choice)
            base_losses = evaluator.losses(self.loaded)
            drift = evaluator.drift(self.loaded)
            seen = evaluator.seen(self.loaded, list(choice.answers))
        seconds = time.perf_counter() - started
        return choice, evaluator.measured(0, list(choice.answers), base_losses, drift, seconds, seen)

    def _losses(self) -> tuple[float, float]:
        """Seconds a token of a forward pass, and of one pass over the held-out conversations."""
        evaluator = self.evaluator
        rows = [*evaluator.held_out, *evaluator.trained]
        if not rows:
            return 0.0, 0.0
        held_out, trained = evaluator.held_out, evaluator.trained
        evaluator.held_out, evaluator.trained = [min(rows, key=lambda e: len(e.input_ids))], []
        evaluator.losses(self.loaded)  # whatever is made at the first call only
        evaluator.held_out, evaluator.trained = held_out, trained
        started = self.clock()
        evaluator.losses(self.loaded)
        seconds = self.clock() - started
        return seconds / sum(len(e.input_ids) for e in rows), seconds

    def _general(self, token: float) -> list[int]:
        """Ask general questions until enough are known, or time is up; returns the rows of those that are known."""
        pool = [i for i, p in enumerate(self.evaluator.probes) if p.kind == "general"] if self.wanted else []
        probes, rows = self.evaluator.probes, list[int]()
        allowed = self._allowed(token)
        while pool and len(rows) < self.wanted:
            short = self.spent > allowed and (len(rows) >= FEW or self.asked >= PATIENCE)
            if short:
                break
            portion, pool = pool[:PORTION], pool[PORTION:]
            self._ask(portion, keep=True)
            self.asked += len(portion)
            rows += self._sure([i for i in portion if correct(probes[i], self.answers[i])])
        if self.known and self.new:
            self.known.save()
        return rows[: self.wanted]

    def _sure(self, rows: Sequence[int]) -> list[int]:
        """Of rows that are answered rightly those that do not hang in the balance: the least rounding would tip them,
        and what tips by itself tells nothing of what a training does."""
        margins = self.known.margins if self.known else {}
        names = {row: KnownAnswers.name(self.evaluator.prompts[row]) for row in rows}
        new = [row for row in rows if names[row] not in margins]
        distances = self.evaluator.margins(self.loaded, new, [self.answers[row] for row in new])
        margins |= {names[row]: margin for row, margin in zip(new, distances, strict=True)}
        return [row for row in rows if margins[names[row]] >= MARGIN]

    def _allowed(self, token: float) -> float:
        """Seconds for the base's general questions: those of one look."""
        if self.budget.share is None:
            return float("inf")
        full = plan(Budget(self.budget.share, self.budget.tokens, 1), Pace(token, 0.0, 0.0), {})
        return max(FREE, self.budget.share * full.training)

    def _ask(self, rows: Sequence[int], *, keep: bool) -> None:
        """Answer ``rows``; those to shipped questions are kept for later runs."""
        prompts = self.evaluator.prompts
        memory = self.known if keep else None
        for row in rows:
            answer = memory.get(prompts[row]) if memory else None
            if answer is not None:
                self.answers[row] = answer
        new = [row for row in rows if row not in self.answers]
        if not new:
            return
        started = self.clock()
        answers = self.evaluator.ask(self.loaded, [prompts[row] for row in new])
        self.spent, self.new = self.spent + self.clock() - started, self.new + len(new)
        self.answers |= dict(zip(new, answers, strict=True))
        if memory:
            memory.put([prompts[row] for row in new], answers, self._pace())

    def _pace(self) -> float:
        """Seconds an answer."""
        return self.spent / self.new if self.new else self.known.pace if self.known else 0.0

    def _choose(self, rows: Sequence[int], pace: Pace) -> Choice:
        evaluator = self.evaluator
        by_kind: dict[str, list[int]] = {}
        for row in rows:
            by_kind.setdefault(evaluator.probes[row].kind, []).append(row)
        looks = plan(self.budget, pace, {kind: len(rows) for kind, rows in by_kind.items()})
        limit = min(SHORT, evaluator.limit) if looks.short else evaluator.limit
        if looks.short and "general" in by_kind:
            by_kind["general"] = [row for row in by_kind["general"] if self._within(row, limit)]
        chosen = sorted(row for kind, rows in by_kind.items() for row in evenly(rows, looks.counts[kind]))
        losses = max(len(evaluator.held_out), len(evaluator.trained))
        least = min(losses, max(FEWEST_LOSSES, int(losses * looks.share)))
        answers = tuple(self.answers[row] for row in chosen)
        count = len(by_kind.get("general", ()))
        return Choice(tuple(chosen), answers, limit, least, looks, self.asked, count)

    def _within(self, row: int, limit: int) -> bool:
        """Whether the base states the fact within ``limit`` tokens."""
        tokenizer = self.evaluator.tokenizer
        ids = tokenizer(self.answers[row], add_special_tokens=False)["input_ids"]
        return correct(self.evaluator.probes[row], tokenizer.decode(ids[:limit]))


def adopt(evaluator: Evaluator, choice: Choice) -> None:
    """Let ``evaluator``, which has all probes, ask what was chosen.

    Raises:
        IndexError: it was chosen from other probes.
    """
    probes: list[Probe] = [evaluator.probes[row] for row in choice.rows]
    evaluator.pool = choice.asked
    evaluator.held_out = evenly(evaluator.held_out, choice.losses)
    evaluator.trained = evenly(evaluator.trained, choice.losses)
    evaluator.take(probes, choice.max_new_tokens, choice.answers)
