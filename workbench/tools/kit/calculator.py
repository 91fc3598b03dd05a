"""Arithmetic, exactly. Knows numbers; nothing of models."""

from __future__ import annotations

from workbench.tools.arithmetic import evaluate


def calculator(expression: str) -> str:
    """Compute an arithmetic expression.

    Args:
        expression: for example 12*34 or (1.5+2)/7
    """
    return evaluate(expression)
