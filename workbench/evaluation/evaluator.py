"""Asks a model the probes and measures it. Knows models and templates; nothing of optimizers, runs or files."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from workbench.evaluation import sight
from workbench.evaluation.calling import Outcome, follow, shares
from workbench.evaluation.measurement import Measurement, Sample
from workbench.evaluation.probes import Probe
from workbench.evaluation.scoring import correct, count_answers, score_answers, scored
from workbench.templates.values import Example, Prompt, Template

if TYPE_CHECKING:
    import torch

    from workbench.data.conversation import Conversation
    from workbench.models import Loaded

# Tokens beyond an expected answer's own, for one that is worded a little longer.
SPARE = 8
# Probes over which the drift is taken.
DRIFT = 16


class Evaluator:
    """Measure one model at several times; the first measurement is the reference of the later ones.

    Args:
        probes: of all kinds.
        held_out: examples never trained.
        trained: examples that are trained, where nothing of one's own could be held out.
        identity: the words that tell a leak (the persona's name and author).
        template: the template or its name; None for the tokenizer's own.
        max_new_tokens: per answer; more where that would cut off what a held-out answer has to say, such as a long
            name.
        should_stop: asked while a model works; then it is left with :class:`~workbench.models.halting.Halted`.
    """

    def __init__(
        self,
        probes: Sequence[Probe],
        *,
        tokenizer: Any,
        held_out: Sequence[Example] = (),
        trained: Sequence[Example] = (),
        identity: Sequence[str] = (),
        template: str | Template | None = None,
        max_new_tokens: int = 48,
        should_stop: Callable[[], bool] | None = None,
    ) -> None:
        from workbench.templates import stop_ids

        self.held_out, self.trained, self.identity = list(held_out), list(trained), list(identity)
        self.tokenizer, self.template, self.should_stop = tokenizer, template, should_stop
        self.stops = stop_ids(tokenizer, template=template)
        self.references: list[str] = []
        self.pool = 0  # general questions that the base was asked, of which those that it knows are asked again
        self._before: torch.Tensor | None = None
        self.take(probes, max_new_tokens)

    def take(self, probes: Sequence[Probe], max_new_tokens: int, references: Sequence[str] = ()) -> None:
        """Ask, from now on, ``probes``.

        Args:
            max_new_tokens: of an answer, at least.
            references: the base's answers to them, where these are known.
        """
        from workbench.data.conversation import offering
        from workbench.templates import prompt_ids

        self.outcomes: dict[int, Outcome] = {}
        self.probes, self.references, self._before = list(probes), list(references), None
        self.limit = max_new_tokens
        self.max_new_tokens = max([max_new_tokens, *self._needed(max_new_tokens)])
        self.prompts = [
            prompt_ids(offering(p.messages, p.tools), self.tokenizer, template=self.template) for p in self.probes
        ]

    def _needed(self, limit: int) -> Iterator[int]:
        """The tokens of each held-out answer that is right in full and could not be within ``limit``; for a task, of
        each answer that is expected."""
        for probe in self.probes:
            # together: two calls may stand in one answer
            yield sum(len(self.tokenizer(call)["input_ids"]) + SPARE for call in probe.calls)
            answers = probe.references or ((probe.answer,) if probe.kind == "identity" else ())
            for answer in answers:
                ids = self.tokenizer(answer, add_special_tokens=False)["input_ids"] if answer else []
                cut = len(ids) > limit and correct(probe, answer)
                if cut and (probe.references or not correct(probe, self.tokenizer.decode(ids[:limit]))):
                    yield min(len(ids) + SPARE, 8 * limit)

    def measure(self, loaded: Loaded, step: int) -> Measurement:
        """Ask everything now. The model's mode and the process's random state are left as they were.

        Raises:
            Halted: somebody asked to stop.
        """
        from workbench.models.dense import dense
        from workbench.models.halting import halting

        started = time.perf_counter()
        with halting(loaded.model, self.should_stop), dense(loaded.model):
            answers = self.followed(loaded, self.ask(loaded, self.prompts))
            seen = self.seen(loaded, answers)
            losses, drift = self.losses(loaded), self.drift(loaded)
        if not self.references:
            self.references = answers
        return self.measured(step, answers, losses, drift, time.perf_counter() - started, seen)

    def followed(self, loaded: Loaded, answers: Sequence[str]) -> list[str]:
        """Return the same answers; of the questions that offer tools those at the end of all calls."""
        from workbench.templates import prompt_ids

        def prompt(conversation: Conversation) -> list[int]:
            return prompt_ids(conversation, self.tokenizer, template=self.template)

        self.outcomes = follow(self.probes, answers, lambda some: self.ask(loaded, some), prompt, self.tokenizer)
        return [self.outcomes[row].answer if row in self.outcomes else text for row, text in enumerate(answers)]

    def measured(
        self, step: int, answers: Sequence[str], losses: tuple[float | None, float | None], drift: float | None,
        seconds: float, seen: Mapping[str, float] | None = None,
    ) -> Measurement:  # fmt: skip
        """Return the scores of ``answers`` to the probes, in their order.

        Args:
            seen: what :meth:`seen` gave.
        """
        context = {"identity": self.identity, "references": self.references}
        return Measurement(
            step=step,
            loss=losses[0],
            train_loss=losses[1],
            drift=drift,
            seconds=seconds,
            samples=self._samples(answers),
            counts=({"general": 0} if self.pool else {}) | count_answers(self.probes, **context),
            trained=any(p.trained for p in self.probes),
            **score_answers(self.probes, answers, **context),
            **shares(self.probes, self.outcomes, correct),
            **(seen or {}),
        )

    def seen(self, loaded: Loaded, answers: Sequence[str]) -> dict[str, float]:
        """Return whether answers about pictures come from them; nothing where none are asked about."""
        from workbench.templates import prompt_ids

        pairs = sight.doubled(self.probes) if loaded.eyes else []
        asked = [pair.other for pair in pairs] + [pair.described for pair in pairs]
        prompts = [prompt_ids(messages, self.tokenizer, template=self.template) for messages in asked]
        more = self.ask(loaded, prompts) if prompts else []
        return sight.scores(self.probes, answers, pairs, more[: len(pairs)], more[len(pairs) :])

    def answers(self, loaded: Loaded, *, every: int = 1) -> list[str]:
        """Return the answers to the probes, in their order, greedily chosen.

        Args:
            every: only the first probe of so many.
        """
        from workbench.models.dense import dense

        with dense(loaded.model):
            return self.ask(loaded, self.prompts[::every])

    def ask(self, loaded: Loaded, prompts: Sequence[Sequence[int]]) -> list[str]:
        """Return the answers to ``prompts`` (token ids), in their order."""
        from workbench.models import generate
        from workbench.templates.thoughts import parted

        answers = generate(loaded, prompts, max_new_tokens=self.max_new_tokens, stop_ids=self.stops)
        # what is thought is no answer: an assistant that thinks of its name to whatever is asked leaks nothing
        return [parted(self.tokenizer.decode(ids, skip_special_tokens=False)).answer.strip() for ids in answers]

    def margins(self, loaded: Loaded, rows: Sequence[int], answers: Sequence[str]) -> list[float]:
        """Tell how far each right answer is from another one: by how much, in nats, its tokens lead over the second
        likeliest where they lead least, up to the token with which the fact is stated.

        Args:
            rows: of the probes, each answered rightly.
            answers: the answers to them.
        """
        gaps = []
        for row, answer in zip(rows, answers, strict=True):
            ids = self.tokenizer(answer, add_special_tokens=False)["input_ids"]
            ends = (n for n in range(1, len(ids) + 1) if correct(self.probes[row], self.tokenizer.decode(ids[:n])))
            prompt = self.prompts[row]
            sequence = Prompt([*prompt, *ids[: next(ends, len(ids))]], prompt.media)
            scores = self._scores(loaded, [sequence], [range(len(self.prompts[row]) - 1, len(sequence) - 1)])
            best = scores.topk(2).values
            gaps.append(float((best[:, 0] - best[:, 1]).min()))
        return gaps

    def _samples(self, answers: Sequence[str]) -> tuple[Sample, ...]:
        rows = zip(self.probes, answers, strict=True)
        return tuple(Sample(p.kind, p.question, a, correct(p, a) if scored(p) else None) for p, a in rows)

    def losses(self, loaded: Loaded) -> tuple[float | None, float | None]:
        """Return the mean loss of the held-out examples, and of the trained ones."""
        from workbench.models.batches import mean_loss

        training = loaded.model.training
        loaded.model.eval()
        try:
            held_out = mean_loss(loaded.model, self.held_out) if self.held_out else None
            trained = mean_loss(loaded.model, self.trained) if self.trained else None
        finally:
            loaded.model.train(training)
        return held_out, trained

    def drift(self, loaded: Loaded) -> float | None:
        """Mean KL(base ‖ now) of the first token of the answers to the general probes."""
        import torch

        rows = [i for i, p in enumerate(self.probes) if p.kind in ("general", "unrelated")][:DRIFT]
        if not rows:
            return None
        prompts = [self.prompts[i] for i in rows]
        scores = self._scores(loaded, prompts, [range(len(p) - 1, len(p)) for p in prompts])
        now = torch.log_softmax(scores, -1)
        if self._before is None:
            self._before = now
        return float((self._before.exp() * (self._before - now)).sum(-1).mean())

    @staticmethod
    def _scores(loaded: Loaded, prompts: Sequence[Sequence[int]], places: Sequence[range]) -> torch.Tensor:
        """Logits (N, V) float32 of the tokens after the N ``places`` of the prompts, prompt by prompt."""
        import torch

        from workbench.models.batches import head_sees, no_gradient, pad

        rows = [Example(tuple(p), tuple(p), media=getattr(p, "media", ())) for p in prompts]
        batch = pad(rows, loaded.eyes)
        pictures = {
            k: v.to(loaded.device) for k, v in batch.items() if k not in ("input_ids", "labels", "attention_mask")
        }
        mask = torch.zeros_like(batch["labels"], dtype=torch.bool)
        for row, chosen in enumerate(places):
            mask[row, chosen.start : chosen.stop] = True
        training = loaded.model.training
        loaded.model.eval()
        try:
            with no_gradient(loaded.model), head_sees(loaded.model, mask.to(loaded.device)):
                out = loaded.model(
                    input_ids=batch["input_ids"].to(loaded.device),
                    attention_mask=batch["attention_mask"].to(loaded.device),
                    use_cache=False,
                    **pictures,
                )
        finally:
            loaded.model.train(training)
        logits: torch.Tensor = out.logits if out.logits.dim() == 2 else out.logits[mask]
        return logits.float().cpu()
