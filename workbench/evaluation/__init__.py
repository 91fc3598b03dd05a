"""Probes, measurements, verdicts: what a model says before, during and after training. Knows models; nothing of
training."""

from __future__ import annotations

from workbench.evaluation.evaluator import Evaluator, Measurement, Sample
from workbench.evaluation.history import measured
from workbench.evaluation.probes import Probe, general_probes, identity_probes, question_probes, unrelated_probes
from workbench.evaluation.scoring import says, score_answers
from workbench.evaluation.verdict import Verdict, best_of, rank, retention, score, verdict

__all__ = [
    "Evaluator",
    "Measurement",
    "Probe",
    "Sample",
    "Verdict",
    "best_of",
    "general_probes",
    "identity_probes",
    "measured",
    "question_probes",
    "rank",
    "retention",
    "says",
    "score",
    "score_answers",
    "unrelated_probes",
    "verdict",
]
