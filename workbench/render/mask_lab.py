"""The mask as something to try: tokens to paint, the truth behind them, what each costs, all on one screen.

Knows the view and numbers beside its tokens; nothing of models. All of it is in the markup: a script paints, reveals
and counts; without it the tokens and their table are left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.render.boxes import BADGES, Box, Row, role_text, rows, rule_text, shown, template_text
from workbench.render.markup import escape, spoken_html, static, tag
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.templates.view import MaskView

_TALLEST = 6.0  # nats; what costs more is drawn as tall
_MARKS = ("base", "tuned")

Likely = Sequence[tuple[str, float]]


@dataclass(frozen=True, slots=True)
class Expected:
    """Hold what a model expects of each token of a view.

    Args:
        losses: a loss in nats for each token.
        likely: for each token the likeliest pieces in its place, with their probabilities.
    """

    losses: Sequence[float]
    likely: Sequence[Likely]


@dataclass(frozen=True, slots=True)
class Ramble:
    """Hold what a model answered after a few steps.

    Args:
        label: what it was trained with, in words.
        answer: what it wrote.
        stopped: whether it stopped by itself.
    """

    label: str
    answer: str
    stopped: bool


def lab_html(
    views: Sequence[MaskView],
    *,
    base: Expected | None = None,
    tuned: Expected | None = None,
    rambles: Sequence[Ramble] = (),
    revealed: bool = False,
    lang: str | None = None,
) -> str:
    """Return the tokens to paint, and what belongs to them.

    Args:
        views: one, or two with two templates; what is expected belongs to the first.
        base, tuned: what the base and what the tuned model expects.
        rambles: answers to show under the tokens.
        revealed: show the truth at once.
    """
    expected = {name: value for name, value in zip(_MARKS, (base, tuned), strict=True) if value is not None}
    strips = [_strip(view, expected if number == 0 else {}, lang) for number, view in enumerate(views)]
    parts = [
        _bar(lang, heights=bool(expected)),
        tag("p", escape(text("render.lab.paint", lang)), class_="wb-lab-score", role="status", aria_live="polite"),
        *strips,
        _answers(rambles, lang),
        _legend(lang, heights=bool(expected)),
    ]
    counts = {name: f"{{{name}}}" for name in ("right", "all", "painted", "trained")}  # the script puts the numbers in
    words = {f"data_{name}": text(f"render.lab.{name}", lang, **counts) for name in ("painting", "score")}
    names = "wb-lab" + (" wb-revealed" if revealed else "") + (" wb-heights" if expected else "")
    script = f"<script>{static('lab.js')}</script>"
    return tag("div", "\n".join(filter(None, parts)), class_=names, **words) + script


def _bar(lang: str | None, *, heights: bool) -> str:
    names = ["reveal", "clear", "served", *(["heights"] if heights else []), "legend", "screen"]
    buttons = "".join(
        tag("button", escape(text(f"render.lab.do.{name}", lang)), type="button", data_do=name, aria_pressed="false")
        for name in names
    )
    return tag("div", buttons, class_="wb-lab-bar", role="toolbar", aria_label=text("render.lab.bar", lang))


def _strip(view: MaskView, expected: dict[str, Expected], lang: str | None) -> str:
    name = template_text(view.template, lang)
    title = tag("p", escape(name), class_="wb-lab-name")
    turns = "".join(_turn(row, view, expected, lang) for row in rows(view))
    label = text("render.lab.tokens", lang, template=name)
    return title + tag("div", turns, class_="wb-lab-strip", role="group", aria_label=label,
                       data_lm_suppress_shortcuts="true")  # fmt: skip


def _turn(row: Row, view: MaskView, expected: dict[str, Expected], lang: str | None) -> str:
    badge = tag("b", BADGES.get(row.role, "?"), class_="wb-badge", title=role_text(row.role, lang))
    tokens = "".join(_token(box, view, expected, lang) for box in row.boxes)
    return tag("div", f"{badge}{tokens}", class_="wb-lab-turn", role="group", aria_label=role_text(row.role, lang))


def _token(box: Box, view: MaskView, expected: dict[str, Expected], lang: str | None) -> str:
    indexes = [token.index for token in box.tokens]
    sent = box.tokens[-1].index < len(view.prompt_ids) and view.prompt_is_prefix
    bars = "".join(_height(name, sum(e.losses[i] for i in indexes) / len(indexes)) for name, e in expected.items())
    names = ["wb-lab-tok", f"wb-{box.kind}", "wb-sent" if sent else "wb-written"]
    return tag(
        "button",
        (f'<span class="wb-bars" aria-hidden="true">{bars}</span>' if bars else "")
        + tag("span", escape(box.shown), class_="wb-piece"),
        type="button",
        class_=" ".join(names),
        tabindex=-1,
        aria_pressed="false",
        data_on=int(box.trained),
        data_count=len(box.tokens),
        data_why=("▲ " if box.trained else "") + rule_text(box.tokens[0].rule, lang),
        data_tip="\n".join(_tip(box, view, expected, lang)),
    )


def _height(name: str, loss: float) -> str:
    return f'<i class="wb-bar-{name}" style="height:{min(1.0, loss / _TALLEST):.0%}"></i>'


def _tip(box: Box, view: MaskView, expected: dict[str, Expected], lang: str | None) -> list[str]:
    """What the tip at a token says beside its rule: whose it is, whether a server sends it, what the models expect."""
    first = box.tokens[0]
    sent = "sent" if first.index < len(view.prompt_ids) else "written"
    ids = tuple(token.id for token in box.tokens)
    lines = [
        text("render.lab.tip", lang, role=role_text(box.role, lang), ids=ids, place=text(f"render.lab.{sent}", lang))
    ]
    for name, model in expected.items():
        if not model.likely[first.index]:
            continue
        part = text("render.lab.part", lang)  # a byte or two, which are no letter by themselves
        pieces = ((part if "\ufffd" in piece else shown(piece), share) for piece, share in model.likely[first.index])
        likely = "  ".join(f"{piece} {share:.0%}" for piece, share in pieces)
        who = text(f"render.lab.{name}", lang)
        lines.append(text("render.lab.expects", lang, who=who, loss=model.losses[first.index], likely=likely))
    return lines


def _answers(rambles: Sequence[Ramble], lang: str | None) -> str:
    if not rambles:
        return ""
    cells = []
    for ramble in rambles:
        end = text("render.lab.stopped" if ramble.stopped else "render.lab.runs_on", lang)
        mark = tag("em", escape(end), class_="wb-lab-end" if ramble.stopped else "wb-lab-end wb-on-and-on")
        cells.append(
            tag("div", f"<dt>{escape(ramble.label)}</dt><dd>{spoken_html(_on_a_line(ramble.answer))} {mark}</dd>")
        )
    return tag("dl", "".join(cells), class_="wb-lab-answers")


def _on_a_line(answer: str) -> str:
    return " ↵ ".join(answer.splitlines())


def _legend(lang: str | None, *, heights: bool) -> str:
    lines = [text("render.lab.legend", lang), *([text("render.lab.legend_heights", lang)] if heights else [])]
    return tag("p", escape(" ".join(lines)), class_="wb-lab-legend wb-soft", hidden="hidden")
