"""The embedded tower: a small vision encoder, and the program that trains it. Knows drawn pictures; no language."""

from __future__ import annotations

from pathlib import Path

WEIGHTS = Path(__file__).parent / "weights"
