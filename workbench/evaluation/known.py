"""What a base answers to the shipped questions, kept between runs: it is asked once. Knows files; no models.

Only answers to shipped questions are kept, in the person's cache folder; what a learner asks stays in the run.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from workbench.environment import cache_folder
from workbench.errors import WorkbenchError
from workbench.runs.files import read_json, write_json

# Bases whose answers are kept.
MOST = 40
FORMAT = 1


class KnownAnswers:
    """Represent the answers of one base, by the token ids of what it was asked.

    Args:
        base: what tells it from another: fingerprint, quantization, type of number, device, length of an answer.
        folder: where they are kept; None for the person's cache folder. A folder that cannot be written is no matter.
    """

    def __init__(self, base: Mapping[str, object], folder: Path | None = None) -> None:
        key = hashlib.sha256(json.dumps(base, sort_keys=True, default=str).encode()).hexdigest()[:24]
        parent = cache_folder() if folder is None else folder
        self.file = parent / "base-answers" / f"{key}.json" if parent else None
        record: dict[str, object] = {}
        with suppress(OSError, WorkbenchError):
            record = (read_json(self.file) if self.file else None) or {}
        answers, pace = record.get("answers"), record.get("pace")
        right = record.get("format") == FORMAT and isinstance(answers, dict) and isinstance(pace, (int, float))
        self.answers = {str(k): str(v) for k, v in answers.items()} if right and isinstance(answers, dict) else {}
        margins = record.get("margins")
        self.margins = {str(k): float(v) for k, v in margins.items()} if right and isinstance(margins, dict) else {}
        self.pace = float(pace) if right and isinstance(pace, (int, float)) else 0.0

    @staticmethod
    def name(prompt: Sequence[int]) -> str:
        """Return what an answer is kept under."""
        return hashlib.sha256(json.dumps(list(prompt)).encode()).hexdigest()[:24]

    def get(self, prompt: Sequence[int]) -> str | None:
        """Return the answer to ``prompt``, where it was asked before."""
        return self.answers.get(self.name(prompt))

    def put(self, prompts: Sequence[Sequence[int]], answers: Sequence[str], pace: float) -> None:
        """Remember what was answered.

        Args:
            pace: seconds an answer.
        """
        self.answers |= {self.name(p): a for p, a in zip(prompts, answers, strict=True)}
        self.pace = pace

    def save(self) -> None:
        """Keep it for the next run."""
        if self.file is None:
            return
        record = {"format": FORMAT, "pace": self.pace, "answers": self.answers, "margins": self.margins}
        with suppress(OSError, WorkbenchError):
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_json(self.file, record, durable=False)
            by_age = sorted(self.file.parent.glob("*.json"), key=lambda file: file.stat().st_mtime)
            for file in by_age[:-MOST]:
                file.unlink(missing_ok=True)
