"""The control: what counts as known must still count where nothing was learnt. Knows models; nothing of training.

A base answers the same facts in another type of number, one question at a time in place of many, and with an adapter
that changes nothing yet. A measure that calls any of these forgetting is no measure. What 4 bit costs is another
thing: a real change of the weights, small, and told beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.evaluation.budget import SHORT, Budget
from workbench.evaluation.evaluator import Evaluator
from workbench.evaluation.first import FirstLook
from workbench.evaluation.interval import FEW
from workbench.evaluation.probes import general_probes
from workbench.evaluation.scoring import correct

if TYPE_CHECKING:
    from workbench.models import Loaded

# Of the facts that a base knows, so many must be known still.
HOLDS = 0.95


@dataclass(frozen=True, slots=True)
class Control:
    """Hold what a control of the 4-bit base found.

    Args:
        asked: general questions that the base was asked.
        known: of these it knows.
        kept: way -> share of them that is still known; the ways are ``bfloat16``, ``single`` and ``adapter``.
        four_bit: the share that is still known in NF4; None where it was not tried.
    """

    asked: int
    known: int
    kept: Mapping[str, float]
    four_bit: float | None = None

    @property
    def enough(self) -> bool:
        """Tell whether the base knows enough facts to tell anything."""
        return self.known >= FEW

    @property
    def holds(self) -> bool:
        """Tell whether the measure passes."""
        return all(share >= HOLDS for share in self.kept.values())


def control(
    model: str, *, limit: int = 40, languages: Sequence[str] = (), four_bit: bool = True, device: str | None = None
) -> Control:
    """Try the measure on ``model``, untrained.

    Args:
        model: ``pocket``, a local folder, or a hub id.
        limit: facts.
        languages: of the questions; empty: all.
        four_bit: with the cost of 4 bit.

    Raises:
        UnknownName: no such model. Failed: it cannot be loaded.
    """
    from workbench.models import load

    base = load(model, dtype="float32", device=device)
    pool = general_probes(limit=10_000, languages=languages)
    evaluator = Evaluator(pool, tokenizer=base.tokenizer, max_new_tokens=SHORT)
    choice, _ = FirstLook(evaluator, base, count=limit, budget=Budget()).take()
    shares = {"single": _share(evaluator, base, single=True)} if choice.rows else {}
    _add_adapter(base)
    shares |= {"adapter": _share(evaluator, base)} if choice.rows else {}
    del base
    ways: dict[str, dict[str, Any]] = {"bfloat16": {"dtype": "bfloat16"}}
    if four_bit:
        ways["nf4"] = {"quantization": "nf4", "dtype": "float32"}
    for name, options in ways.items() if choice.rows else ():
        shares[name] = _share(evaluator, load(model, device=device, tokenizer=evaluator.tokenizer, **options))
    cost = shares.pop("nf4", None)
    return Control(choice.asked, len(choice.rows), shares, cost)


def _share(evaluator: Evaluator, loaded: Loaded, *, single: bool = False) -> float:
    """The share of the probes, all of which the base knew, that ``loaded`` answers rightly."""
    groups = [[prompt] for prompt in evaluator.prompts] if single else [evaluator.prompts]
    answers = [answer for group in groups for answer in evaluator.ask(loaded, group)]
    right = [correct(probe, answer) for probe, answer in zip(evaluator.probes, answers, strict=True)]
    return sum(right) / len(right)


def _add_adapter(loaded: Loaded) -> None:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=8, target_modules="all-linear", task_type="CAUSAL_LM")
    loaded.model = get_peft_model(loaded.model, config).eval()
