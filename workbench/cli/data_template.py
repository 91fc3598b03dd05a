"""What a template makes of a set: lengths and findings of ``workbench data check``. Knows encodings, and no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.checking import Length
from workbench.data.conversation import Conversation
from workbench.data.findings import Finding, Rows
from workbench.templates.encoding import REFUSALS, encode
from workbench.templates.values import Encoded
from workbench.texts import text


@dataclass(frozen=True, slots=True)
class Measured:
    """Hold a set in tokens.

    Args:
        uncut: as it stands.
        cut: to the greatest length.
        lengths: of each conversation.
    """

    uncut: Encoded
    cut: Encoded
    lengths: list[Length]


def measure(
    conversations: Sequence[Conversation], tokenizer: Any, template: str | None, max_length: int | None
) -> Measured | None:
    """Return the set in tokens; None without a tokenizer.

    Raises:
        BadInput: no such template, or one that cannot be proved.
    """
    if tokenizer is None:
        return None
    uncut = cut = encode(conversations, tokenizer, template=template, empty_ok=True)
    tokens = dict(zip(uncut.rows, (len(example.input_ids) for example in uncut.examples), strict=True))
    if max_length is not None and max(tokens.values(), default=0) > max_length:
        cut = encode(conversations, tokenizer, template=template, max_length=max_length, empty_ok=True)
    trained: dict[int, int | None] = dict(zip(cut.rows, (e.trained for e in cut.examples), strict=True))
    refused = {row for reason in REFUSALS for row in uncut.dropped.get(reason, ())}
    trained |= dict.fromkeys(refused)
    return Measured(uncut, cut, [Length(tokens.get(row, 0), trained.get(row, 0)) for row in range(len(conversations))])


def findings(measured_findings: Sequence[Finding], conversations: Sequence[Conversation], measured: Measured | None,
             lang: str | None) -> list[Finding]:  # fmt: skip
    """Return ``measured_findings``, and what the template refuses, leaves out or rewrites."""
    if measured is None:
        return list(measured_findings)
    rows = Rows(conversations, lang)
    adapted = [
        _cut(finding, measured.cut, lang) if finding.code == "would_be_truncated" else finding
        for finding in measured_findings
    ]
    return [*adapted, *_refused(rows, measured.uncut, lang), *_apart(rows, measured.uncut, lang)]


def _cut(finding: Finding, encoded: Encoded, lang: str | None) -> Finding:
    """The finding with what the cut really takes from these rows."""
    lost = [text(f"templates.cut.{what}", lang, count=len(rows)) for what, rows in encoded.cuts.items()]
    too_long = len(encoded.dropped.get("too_long", ()))
    lost += [text("templates.left.too_long", lang, count=too_long)] if too_long else []
    return replace(finding, why=text("data.cli.check.all_of", lang, sentences="; ".join(lost))) if lost else finding


def _refused(rows: Rows, encoded: Encoded, lang: str | None) -> list[Finding]:
    refusals = []
    for reason in REFUSALS:
        where = encoded.dropped.get(reason, ())
        if not where:
            continue
        details = {
            "count": len(where),
            "some": rows.some(where),
            "reason": text(f"templates.dropped.{reason}", lang, count=len(where)),
        }
        note = next((encoded.notes[row] for row in where if row in encoded.notes), "")
        message = text("data.findings.template_refuses.message", lang, **details) + (f": {note}" if note else "")
        mend = next((encoded.mends[row] for row in where if row in encoded.mends), "")
        mend = mend or text("data.findings.template_refuses.remedy", lang)
        why = text("data.findings.template_refuses.why", lang)
        refusals.append(Finding("template_refuses", rows.numbers(where), message, why, mend))
    return refusals


def _apart(rows: Rows, encoded: Encoded, lang: str | None) -> list[Finding]:
    separate = []
    for reason, where in encoded.apart.items():
        indices = sorted({row for row, _ in where})
        message = text(f"templates.apart.{reason}", lang, count=len(where), answers=encoded.all_answers)
        why, remedy = (text(f"data.findings.answers_not_trained.{part}", lang) for part in ("why", "remedy"))
        separate.append(Finding("answers_not_trained", rows.numbers(indices), message, why, remedy))
    return separate
