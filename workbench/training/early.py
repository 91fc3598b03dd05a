"""When a training may end before its last step. Knows measurements and settings; nothing of runs."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.evaluation import Measurement, rank, reaches
from workbench.texts import text
from workbench.training.settings import EvaluationSettings

# Evaluations in a row that must reach the target: a single one may have been lucky in its questions.
IN_A_ROW = 2


def early(history: Sequence[Measurement], limits: EvaluationSettings) -> str:
    """Return why a training with these evaluations (the base's first) is to end now, in words; empty to go on."""
    base, looks = history[:1], history[1:]
    target, patience = limits.early_stopping_target, limits.early_stopping_patience
    latest = looks[-IN_A_ROW:]
    if target is not None and len(latest) == IN_A_ROW and all(reaches(base[0], m, target) for m in latest):
        return text("training.state.reached", target=target)
    ranks = [rank(base[0], m) for m in looks]
    if patience and len(ranks) > patience and max(ranks[-patience:]) <= max(ranks[:-patience]):
        return text("training.state.early", patience=patience)
    return ""
