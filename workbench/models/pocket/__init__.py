"""The embedded pocket model: the program that builds it from tables, and its weights.

Knows the tables and wordings of ``datasets/pocket`` and how a small Llama is trained on them.
Must not know the persona of a learner, recipes, runs, or any interface.
"""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
"""The folder of the shipped weights, in the Hugging Face format."""
