"""Asks a model the probes and measures it. Knows models and templates; nothing of optimizers, runs or files."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.evaluation.probes import Probe
from workbench.evaluation.scoring import correct, score_answers
from workbench.templates.values import Example, Template

if TYPE_CHECKING:
    import torch

    from workbench.models import Loaded

# Tokens beyond an expected answer's own, for one that is worded a little longer.
SPARE = 8
# Probes over which the drift is taken.
DRIFT = 16


@dataclass(frozen=True, slots=True)
class Sample:
    """A question and what was answered; ``right`` is None where nothing is scored."""

    kind: str
    question: str
    answer: str
    right: bool | None


@dataclass(frozen=True, slots=True)
class Measurement:
    """What an evaluation found.

    Args:
        step: optimizer steps done.
        loss: on held-out conversations, nats a trained token; None where none are held out.
        identity, general, leak: shares of the probes, 0 to 1; None where there are no such probes.
        distinct, repetition: shares of the general and unrelated answers.
        drift: how far the next-token distribution moved from the base's: mean KL divergence in nats.
        seconds: what the evaluation took.
        samples: the answers.
    """

    step: int
    loss: float | None = None
    identity: float | None = None
    general: float | None = None
    leak: float | None = None
    distinct: float = 1.0
    repetition: float = 0.0
    drift: float | None = None
    seconds: float = 0.0
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    def scores(self) -> dict[str, float]:
        """The numbers that are not None, for an event or a table."""
        names = ("loss", "identity", "general", "leak", "distinct", "repetition", "drift")
        return {name: value for name in names if (value := getattr(self, name)) is not None}


class Evaluator:
    """Measures one model at several times; the first measurement is the reference of the later ones.

    Args:
        probes: of all kinds.
        held_out: examples never trained.
        identity: the words that tell a leak (the persona's name and author).
        template: the template or its name; None for the tokenizer's own.
        max_new_tokens: per answer; more where that would cut off what a held-out answer has to say, such as a long
            name.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        *,
        tokenizer: Any,
        held_out: Sequence[Example] = (),
        identity: Sequence[str] = (),
        template: str | Template | None = None,
        max_new_tokens: int = 48,
    ) -> None:
        from workbench.templates import prompt_ids, stop_ids

        self.probes, self.held_out, self.identity = list(probes), list(held_out), list(identity)
        self.tokenizer = tokenizer
        self.max_new_tokens = max([max_new_tokens, *self._needed(max_new_tokens)])
        self.prompts = [prompt_ids(p.messages, tokenizer, template=template) for p in self.probes]
        self.stops = stop_ids(tokenizer, template=template)
        self.references: list[str] = []
        self._before: torch.Tensor | None = None

    def _needed(self, limit: int) -> Iterator[int]:
        """The tokens of each held-out answer that is right in full and could not be within ``limit``."""
        for probe in self.probes:
            if probe.answer and correct(probe, probe.answer):
                ids = self.tokenizer(probe.answer, add_special_tokens=False)["input_ids"]
                if len(ids) > limit and not correct(probe, self.tokenizer.decode(ids[:limit])):
                    yield len(ids) + SPARE

    def measure(self, loaded: Loaded, step: int) -> Measurement:
        """Ask everything now. The model's mode and the process's random state are left as they were."""
        from workbench.models.dense import dense

        started = time.perf_counter()
        with dense(loaded.model):
            answers, loss, drift = self._answers(loaded), self._loss(loaded), self._drift(loaded)
        if not self.references:
            self.references = answers
        scores = score_answers(self.probes, answers, identity=self.identity, references=self.references)
        return Measurement(
            step=step,
            loss=loss,
            drift=drift,
            seconds=time.perf_counter() - started,
            samples=self._samples(answers),
            **scores,
        )

    def answers(self, loaded: Loaded, *, every: int = 1) -> list[str]:
        """The answers to the probes, in their order, greedily chosen.

        Args:
            every: only the first probe of so many.
        """
        from workbench.models.dense import dense

        with dense(loaded.model):
            return self._answers(loaded, every)

    def _answers(self, loaded: Loaded, every: int = 1) -> list[str]:
        from workbench.models import generate
        from workbench.templates.thoughts import parted

        made = generate(loaded, self.prompts[::every], max_new_tokens=self.max_new_tokens, stop_ids=self.stops)
        # what is thought is no answer: an assistant that thinks of its name to whatever is asked leaks nothing
        return [parted(self.tokenizer.decode(ids, skip_special_tokens=False)).answer.strip() for ids in made]

    def _samples(self, answers: Sequence[str]) -> tuple[Sample, ...]:
        rows = zip(self.probes, answers, self.references, strict=True)
        return tuple(
            Sample(p.kind, p.question, a, correct(p, a, r) if p.kind in ("identity", "general") else None)
            for p, a, r in rows
        )

    def _loss(self, loaded: Loaded) -> float | None:
        from workbench.models.batches import mean_loss

        if not self.held_out:
            return None
        training = loaded.model.training
        loaded.model.eval()
        try:
            return mean_loss(loaded.model, self.held_out)
        finally:
            loaded.model.train(training)

    def _drift(self, loaded: Loaded) -> float | None:
        """Mean KL(base ‖ now) of the first token of the answers to the general probes."""
        import torch

        rows = [i for i, p in enumerate(self.probes) if p.kind in ("general", "unrelated")][:DRIFT]
        if not rows:
            return None
        now = torch.log_softmax(self._next(loaded, [self.prompts[i] for i in rows]), -1)
        if self._before is None:
            self._before = now
        return float((self._before.exp() * (self._before - now)).sum(-1).mean())

    @staticmethod
    def _next(loaded: Loaded, prompts: Sequence[Sequence[int]]) -> torch.Tensor:
        """Logits (N, V) float32 of the token after each prompt."""
        import torch

        from workbench.models.batches import head_sees, no_gradient, pad

        batch = pad([Example(tuple(p), tuple(p)) for p in prompts])
        last = torch.zeros_like(batch["labels"], dtype=torch.bool)
        last[torch.arange(len(prompts)), torch.tensor([len(p) - 1 for p in prompts])] = True
        training = loaded.model.training
        loaded.model.eval()
        with no_gradient(loaded.model), head_sees(loaded.model, last.to(loaded.device)):
            out = loaded.model(
                input_ids=batch["input_ids"].to(loaded.device),
                attention_mask=batch["attention_mask"].to(loaded.device),
                use_cache=False,
            )
        loaded.model.train(training)
        logits: torch.Tensor = out.logits if out.logits.dim() == 2 else out.logits[last]
        return logits.float().cpu()
