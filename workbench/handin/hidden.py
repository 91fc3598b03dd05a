"""Questions of the teacher's own, put to the adapters that were handed in. Knows answers; loads models when asked."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workbench.errors import BadData, BadInput, WorkbenchError
from workbench.handin.checking import Doubt
from workbench.handin.packing import HandIn
from workbench.handin.values import RunFacts
from workbench.runs.files import read_bounded

_LARGEST = 5_000_000
# stands in a question or an answer for the assistant's name of each learner
NAME = "{name}"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Hold a hidden question.

    Args:
        question: what is asked; ``{name}`` stands for the assistant's name.
        answers: phrases of which a right answer says one.
        kind: ``identity`` where it asks who the assistant is; compared with what the card claims.
    """

    question: str
    answers: tuple[str, ...]
    kind: str = "general"


@dataclass(frozen=True, slots=True)
class Asked:
    """Hold what a learner's adapter made of the hidden questions.

    Args:
        run: whose adapter it was.
        right: answers that were right, by kind.
        count: questions, by kind.
        trouble: why it could not be asked.
    """

    run: str = ""
    right: dict[str, int] | None = None
    count: dict[str, int] | None = None
    trouble: WorkbenchError | None = None


def read_probes(file: Path) -> list[Hidden]:
    """Return the questions of a JSON Lines file: ``{"question": …, "answers": […], "kind": "identity"}``.

    Raises:
        BadInput: no such file, or none in it. BadData: a row is not as it must be; names it.
    """
    try:
        content = read_bounded(file, _LARGEST).decode("utf-8")
    except FileNotFoundError:
        raise BadInput("handin.no_probes", file=file) from None
    except (OSError, UnicodeDecodeError) as error:
        raise BadData("handin.unreadable", file=file, reason=str(error)[:200]) from None
    probes = [_probe(line, file, row) for row, line in enumerate(content.split("\n"), 1) if line.strip()]
    if not probes:
        raise BadInput("handin.no_probes", file=file)
    return probes


def _probe(line: str, file: Path, row: int) -> Hidden:
    try:
        record = json.loads(line)
        question, answers = record["question"], record["answers"]
        answers = [answers] if isinstance(answers, str) else answers
        if not isinstance(question, str) or not question or not answers or not all(isinstance(a, str) for a in answers):
            raise TypeError
    except (ValueError, KeyError, TypeError, RecursionError):
        raise BadData("handin.bad_probe", file=file, row=row) from None
    return Hidden(question, tuple(answers), "identity" if record.get("kind") == "identity" else "general")


def ask(
    handed: Sequence[HandIn], probes: Sequence[Hidden], model: str, on_card: Callable[[HandIn], None] | None = None
) -> dict[str, Asked]:
    """Return for each card what its best adapter answers; of several runs the last that has one.

    Args:
        probes: the questions.
        model: the base of all of them.
        on_card: called before each.

    Raises:
        UnknownName: no such model.
    """
    from workbench.models import resolve

    resolve(model)
    results = {}
    for item in handed:
        if on_card is not None:
            on_card(item)
        results[item.file] = _asked(item, probes, model)
    return results


def _asked(item: HandIn, probes: Sequence[Hidden], model: str) -> Asked:
    for run in reversed(item.card.runs):
        files = item.adapter(run.name)
        if files is not None:
            try:
                return _with_adapter(run, files, probes, model)
            except WorkbenchError as error:
                return Asked(run.name, trouble=error)
    return Asked(trouble=BadInput("handin.no_adapter", file=item.file))


def _with_adapter(run: RunFacts, files: dict[str, bytes], probes: Sequence[Hidden], model: str) -> Asked:
    from workbench.chat import Assistant
    from workbench.evaluation.scoring import says

    with tempfile.TemporaryDirectory(prefix="workbench-hidden-") as name:
        folder = Path(name)
        for part, content in files.items():  # two names of ours, never one of the archive's
            (folder / part).write_bytes(content)
        assistant = Assistant.load(model, folder)
        answers = assistant.ask_all([probe.question.replace(NAME, run.persona) for probe in probes])
    right: dict[str, int] = {}
    count: dict[str, int] = {}
    for probe, answer in zip(probes, answers, strict=True):
        count[probe.kind] = count.get(probe.kind, 0) + 1
        good = any(says(answer, phrase.replace(NAME, run.persona)) for phrase in probe.answers)
        right[probe.kind] = right.get(probe.kind, 0) + good
    return Asked(run.name, right, count)


def unkept(handed: Sequence[HandIn], results: dict[str, Asked]) -> list[Doubt]:
    """Return the cards whose adapter, asked who it is, does far worse than the card says: farther than chance goes."""
    from workbench.evaluation import interval

    found: list[Doubt] = []
    for item in handed:
        result = results[item.file]
        run = next((run for run in item.card.runs if run.name == result.run), None)
        claimed = run.best.scores.get("identity") if run is not None and run.best is not None else None
        count = (result.count or {}).get("identity", 0)
        if claimed is None or not count or result.right is None:
            continue
        share = result.right.get("identity", 0) / count
        if interval(share, count)[1] < claimed - 0.2:
            values = {"run": result.run, "claimed": claimed, "right": result.right.get("identity", 0), "count": count}
            found.append(Doubt(item.file, "unkept", values))
    return found
