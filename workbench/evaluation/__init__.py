"""Probes, measurements, verdicts: what a model says before, during and after training. Knows models; nothing of
training."""

from __future__ import annotations

from workbench.evaluation.budget import Budget
from workbench.evaluation.evaluator import Evaluator
from workbench.evaluation.first import Choice, FirstLook, adopt
from workbench.evaluation.history import measured, scores
from workbench.evaluation.interval import interval
from workbench.evaluation.known import KnownAnswers
from workbench.evaluation.measurement import Measurement, Sample
from workbench.evaluation.probes import (
    Probe,
    Question,
    general_probes,
    identity_probes,
    question_probes,
    task_probes,
    unrelated_probes,
)
from workbench.evaluation.scoring import says, score_answers
from workbench.evaluation.verdict import Verdict, best_of, rank, reaches, retention, score, tie, verdict

__all__ = [
    "Budget",
    "Choice",
    "Evaluator",
    "FirstLook",
    "KnownAnswers",
    "Measurement",
    "Probe",
    "Question",
    "Sample",
    "Verdict",
    "adopt",
    "best_of",
    "general_probes",
    "identity_probes",
    "interval",
    "measured",
    "question_probes",
    "rank",
    "reaches",
    "retention",
    "says",
    "score",
    "score_answers",
    "scores",
    "task_probes",
    "tie",
    "unrelated_probes",
    "verdict",
]
