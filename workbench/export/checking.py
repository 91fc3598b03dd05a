"""Does the merged model answer as the adapter did? Knows models and prompts; nothing of how a merge is made.

Four ways of serving one assistant: the adapter on the 16-bit base (the reference: nothing is rounded), the adapter on
the 4-bit base (what QLoRA trained), the merged model in 16 bit, and the merged model brought to 4 bit afterwards. The
first and the third should agree; the second and the fourth differ by the rounding of 4 bit, and not in the same way,
since the fourth rounds base and adapter together. Of a model that was merged into the base as 4-bit training saw it,
the second is the reference.
Source of the question: Dettmers et al. 2023 (QLoRA), section 3; peft issue 2105.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.data.conversation import Message
from workbench.models.notes import part, read_note, settings, trained_as

if TYPE_CHECKING:
    import torch

    from workbench.models import Loaded
    from workbench.models.loading import Quantization
    from workbench.templates import Template

# Logits this close are a tie, which the rounding of 16 bit may decide either way. On the pocket model the rounding of a
# merge moved logits by up to 0.2, and by 0.007 in the mean; a broken merge moves them by several.
TIE = 0.25
WAYS = ("adapter_nf4", "merged", "merged_nf4")


@dataclass(frozen=True, slots=True)
class Compared:
    """Hold one way of serving, against the reference: the adapter on the base that the model was merged into.

    Args:
        way: ``adapter_nf4``, ``merged`` or ``merged_nf4``.
        answers: its own greedy answers, one a question.
        same: share of them that equal the reference's, to the last token.
        agree: share of them that equal it, or leave it first at a tie: where the reference itself holds both tokens for
            nearly equally likely (logits within ``TIE``).
        max_difference: largest difference of a logit, over the whole vocabulary, at the tokens of the reference's
            answers.
        mean_difference: the mean of it.
    """

    way: str
    answers: tuple[str, ...]
    same: float
    agree: float
    max_difference: float
    mean_difference: float


@dataclass(frozen=True, slots=True)
class Honesty:
    """Hold what merging and quantizing changed.

    Args:
        questions: what was asked.
        reference: the greedy answers of the adapter on the 16-bit base; of one merged with
            ``base_quantization="nf4"`` on the 4-bit base.
        compared: the other ways of serving.
        merged_as_trained: share of the merged model's answers that equal those of the adapter on NF4; None where that
            was not asked.
        base_quantization: of the base under the reference's adapter.
    """

    questions: tuple[str, ...]
    reference: tuple[str, ...]
    compared: tuple[Compared, ...]
    merged_as_trained: float | None
    base_quantization: Quantization = "none"

    @property
    def merged_matches_adapter(self) -> bool:
        """Tell whether every answer of the merged 16-bit model is the reference's, but for ties."""
        return self.of("merged").agree == 1.0

    def of(self, way: str) -> Compared:
        """Return the way of that name.

        Raises:
            KeyError: it was not asked.
        """
        for comparison in self.compared:
            if comparison.way == way:
                return comparison
        raise KeyError(way)


@dataclass(frozen=True, slots=True)
class _Heard:
    """Answers as token ids, and the logits (T, V) float32 on the CPU at the tokens of the reference's answer."""

    ids: list[list[int]]
    texts: tuple[str, ...]
    logits: list[torch.Tensor]


def honesty(
    base: str,
    adapter: str | Path,
    merged: str | Path,
    questions: Sequence[str | Sequence[Message]],
    *,
    system: str | None = None,
    template: str | None = None,
    max_new_tokens: int = 48,
    nf4: bool = True,
    device: str | None = None,
) -> Honesty:
    """Ask the adapter and the merged model the same questions, greedily, and compare answers and logits.

    Args:
        base: the base that the adapter was trained on.
        adapter: its folder.
        merged: the merged model's folder.
        questions: at least one; each a text, or messages that end with a user's.
        system: the system message of those that are texts.
        template: a named template; by default the one that the adapter says it was trained with.
        max_new_tokens: of each answer.
        nf4: ask the two 4-bit ways as well.
        device: where to run.

    Raises:
        ValueError: no question.
    """
    from workbench.models import load
    from workbench.templates import bound, dressed

    if not questions:
        raise ValueError("honesty() needs at least one question")
    trained = trained_as(adapter)
    name, options = template or trained.get("name"), settings(trained)
    into: Quantization = "nf4" if part(read_note(merged), "merge").get("base_quantization") == "nf4" else "none"
    reference = load(base, quantization=into, adapter=adapter, device=device)
    reference.tokenizer = dressed(reference.tokenizer, name, **options)
    chosen = bound(reference.tokenizer, name, system=options["system"])
    alike = _settings(reference, questions, system, chosen, max_new_tokens)
    heard = _listen(reference, None, **alike)
    del reference
    ways: dict[str, Callable[[], Loaded]] = {"merged": lambda: load(str(merged), device=device)}
    if nf4:
        if into != "nf4":
            ways["adapter_nf4"] = lambda: load(base, quantization="nf4", adapter=adapter, device=device)
        ways["merged_nf4"] = lambda: load(str(merged), quantization="nf4", device=device)
    extra = {"adapter_nf4": heard} if nf4 and into == "nf4" else {}
    extra |= {way: _listen(open_model(), heard.ids, **alike) for way, open_model in ways.items()}
    return Honesty(
        questions=tuple(_messages(question, system)[-1].content for question in questions),
        reference=heard.texts,
        compared=tuple(_compare(way, extra[way], heard, alike["stops"]) for way in WAYS if way in extra),
        merged_as_trained=_share(extra["merged"].ids, extra["adapter_nf4"].ids) if nf4 else None,
        base_quantization=into,
    )


def agreement(
    reference: Loaded,
    candidate: Loaded,
    questions: Sequence[str | Sequence[Message]],
    *,
    system: str | None = None,
    template: str | Template | None = None,
    max_new_tokens: int = 48,
) -> float:
    """Return the share of ``candidate``'s greedy answers that equal ``reference``'s but for ties, 0 to 1; as
    :func:`honesty` tells them apart, for models that are loaded already.

    Raises:
        ValueError: no question.
    """
    if not questions:
        raise ValueError("agreement() needs at least one question")
    alike = _settings(reference, questions, system, template, max_new_tokens)
    heard = _listen(reference, None, **alike)
    return _compare("merged", _listen(candidate, heard.ids, **alike), heard, alike["stops"]).agree


def _settings(
    loaded: Loaded,
    questions: Sequence[str | Sequence[Message]],
    system: str | None,
    template: str | Template | None,
    limit: int,
) -> dict[str, Any]:
    """What every model is asked alike, with the tokenizer and the template of one of them."""
    from workbench.templates.encoding import prompt_ids
    from workbench.templates.registry import stop_ids

    prompts = [_messages(question, system) for question in questions]
    return {
        "prompts": [prompt_ids(messages, loaded.tokenizer, template=template) for messages in prompts],
        "stops": stop_ids(loaded.tokenizer, template=template),
        "limit": limit,
    }


def _messages(question: str | Sequence[Message], system: str | None) -> list[Message]:
    if not isinstance(question, str):
        return list(question)
    return [*([Message("system", system)] if system else []), Message("user", question)]


def _listen(
    loaded: Loaded, answers: list[list[int]] | None, *, prompts: list[list[int]], stops: Sequence[int], limit: int
) -> _Heard:
    from workbench.models import generate

    ids = generate(loaded, prompts, max_new_tokens=limit, stop_ids=stops)
    texts = tuple(str(loaded.tokenizer.decode(sequence, skip_special_tokens=True)) for sequence in ids)
    along = ids if answers is None else answers
    return _Heard(ids, texts, [_logits(loaded, prompt, answer) for prompt, answer in zip(prompts, along, strict=True)])


def _logits(loaded: Loaded, prompt: list[int], answer: list[int]) -> torch.Tensor:
    """The logits (len(answer) + 1, V) from which each token of the answer, and its end, is chosen."""
    import torch

    ids = torch.tensor([[*prompt, *answer]], device=loaded.device)
    with torch.inference_mode():
        out = loaded.model(input_ids=ids, logits_to_keep=len(answer) + 1, use_cache=False)
    logits: torch.Tensor = out.logits[0].float().cpu()
    return logits


def _compare(way: str, candidate: _Heard, reference: _Heard, stops: Sequence[int]) -> Compared:
    gaps = [(a - b).abs() for a, b in zip(candidate.logits, reference.logits, strict=True)]
    return Compared(
        way=way,
        answers=candidate.texts,
        same=_share(candidate.ids, reference.ids),
        agree=sum(_agrees(*row, stops) for row in zip(candidate.ids, reference.ids, reference.logits, strict=True))
        / len(candidate.ids),
        max_difference=max(float(gap.max()) for gap in gaps),
        mean_difference=sum(float(gap.sum()) for gap in gaps) / sum(gap.numel() for gap in gaps),
    )


def _agrees(answer: list[int], reference: list[int], logits: torch.Tensor, stops: Sequence[int]) -> bool:
    if answer == reference:
        return True
    index = next((i for i, (a, b) in enumerate(zip(answer, reference, strict=False)) if a != b), None)
    index = min(len(answer), len(reference)) if index is None else index

    def chosen(ids: list[int]) -> float:
        return float(logits[index, ids[index]] if index < len(ids) else max(logits[index, stop] for stop in stops))

    return abs(chosen(reference) - chosen(answer)) < TIE


def _share(a: list[list[int]], b: list[list[int]]) -> float:
    return sum(x == y for x, y in zip(a, b, strict=True)) / len(a)
