"""The mask of one conversation as HTML, alone or two beside each other. Knows boxes and markup; nothing of tokenizers.

Everything is in the markup: hover shows it (``title``), the keyboard reaches it, a table holds it all, and where a
viewer drops styles and scripts plain text and tables are left. A script only adds a panel of details and arrow keys.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from workbench.render.boxes import (
    BADGES,
    PICTURE,
    Box,
    Row,
    box_lines,
    boxes,
    counts_text,
    facts,
    field_text,
    role_text,
    rows,
    rule_text,
    template_text,
    trained_text,
)
from workbench.render.markup import disclosure, escape, page, root, static, styles, table, tag
from workbench.render.pictures import patches_html
from workbench.render.served import served_html, shown_lines
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.templates.values import Difference
    from workbench.templates.view import MaskView, ViewComparison


def mask_html(
    view: MaskView,
    *,
    lang: str | None = None,
    title: str | None = None,
    theme: str = "",
    large: bool = False,
    embedded: bool = False,
    alive: bool = True,
) -> str:
    """Return one conversation as a fragment of HTML that needs nothing else, for a notebook, an app or a page.

    Args:
        lang: the language of our words.
        title: a heading; none without it.
        theme: ``light``, ``dark``, or empty for the reader's or the host's own.
        large: type for a projector.
        embedded: it stands inside a page of ours, which gives the root element.
        alive: with the script; a page that has it already needs no second one.
    """
    content = (tag("h2", escape(title)) if title else "") + _mask(view, lang)
    return _whole(content, lang, theme, large, embedded, alive=alive)


def compare_html(
    a: MaskView | ViewComparison,
    b: MaskView | None = None,
    *,
    lang: str | None = None,
    theme: str = "",
    large: bool = False,
    embedded: bool = False,
) -> str:
    """Return two renderings of one conversation beside each other, and where they differ.

    Takes two views, or their comparison; the rest as in :func:`mask_html`.
    """
    from workbench.templates.view import MaskView, compare_views

    comparison = compare_views(a, b) if isinstance(a, MaskView) and b is not None else a
    assert not isinstance(comparison, MaskView)  # noqa: S101 — one view alone is no comparison
    sides = "".join(
        tag(
            "section",
            tag("h2", escape(template_text(view.template, lang)), class_="wb-small") + _mask(view, lang, alone=False),
            class_="wb-side",
        )
        for view in (comparison.a, comparison.b)
    )
    content = _verdicts(comparison, lang) + _legend(lang, hint=True) + tag("div", sides, class_="wb-sides")
    content += _differences(comparison, lang)
    return _whole(content, lang, theme, large, embedded)


def mask_page(fragment_of: MaskView | ViewComparison, *, title: str, lang: str | None = None, theme: str = "",
              large: bool = False) -> str:  # fmt: skip
    """Return a whole document of one view, or of a comparison of two."""
    from workbench.templates.view import MaskView

    alone = isinstance(fragment_of, MaskView)
    draw = mask_html if alone else compare_html
    body = tag("h1", escape(title)) + draw(fragment_of, lang=lang, embedded=True)  # type: ignore[arg-type]
    return page(body, title=title, lang=lang, theme=theme, large=large)


def _whole(content: str, lang: str | None, theme: str, large: bool, embedded: bool, *, alive: bool = True) -> str:
    script = f"<script>{static('mask.js')}</script>\n" if alive else ""
    if embedded:
        return styles("mask.css") + content + script
    return styles("mask.css") + root(content, lang=lang, theme=theme, large=large) + script


def _mask(view: MaskView, lang: str | None, *, alone: bool = True) -> str:
    drawn = rows(view)
    # a list of choices may hold nothing that opens, as a picture's block does: then each run of tokens is one
    role = "group" if any(box.kind == PICTURE for row in drawn for box in row.boxes) else "listbox"
    tokens = "".join(_row(row, view, lang, parted=role == "group") for row in drawn)
    listed = tag(
        "div",
        tokens,
        class_="wb-rows",
        role=role,
        aria_label=text("render.mask.list", lang),
        data_lm_suppress_shortcuts="true",  # the arrow keys are for the tokens, not for JupyterLab's cells
    )
    detail = tag("div", "", class_="wb-detail", role="status", aria_live="polite", hidden="hidden",
                 data_hint=text("render.mask.hint", lang) if alone else None,
                 data_ids=text("render.mask.show_ids", lang))  # fmt: skip
    parts = [
        _counts(view, lang),
        _legend(lang) if alone else "",
        listed,
        detail,
        served_html(view, lang),
        _table(view, lang),
    ]
    return tag("div", "\n".join(parts), class_="wb-mask")


def _counts(view: MaskView, lang: str | None) -> str:
    first = tag("p", tag("strong", escape(counts_text(view, lang))), class_="wb-counts")
    return first + "".join(tag("p", escape(line), class_="wb-soft") for line in facts(view, lang))


def _legend(lang: str | None, *, hint: bool = False) -> str:
    """What the marks mean; ``hint``: a script adds how tokens are pointed at, since no side says so of its own."""
    samples = [
        ('<ins class="wb-tok wb-on">', "</ins>", "trained"),
        ('<span class="wb-tok">', "</span>", "masked"),
        ('<span class="wb-tok wb-control">', "</span>", "control"),
    ]

    def say(name: str) -> str:
        return escape(text(f"render.legend.{name}", lang))

    items = [f"{opening}{say(name)}{closing} {say(name + '_is')}" for opening, closing, name in samples]
    data_hint = text("render.mask.hint", lang) if hint else None
    return tag("p", " ".join([*items, say("space")]), class_="wb-legend wb-soft", data_hint=data_hint)


def _row(row: Row, view: MaskView, lang: str | None, *, parted: bool) -> str:
    word = role_text(row.role, lang)
    badge = tag("b", BADGES.get(row.role, "?"), class_="wb-badge")
    label = tag("div", f"{badge} <span>{escape(word)}</span>", class_="wb-role", aria_hidden="true")
    runs = [
        (picture, " ".join(_box(box, view, lang) for box in boxes))
        for picture, boxes in groupby(row.boxes, lambda box: box.kind == PICTURE)
    ]
    lists = (
        drawn if picture or not parted else tag("div", drawn, class_="wb-run", role="listbox", aria_label=word)
        for picture, drawn in runs
    )
    tokens = tag("div", " ".join(lists), class_="wb-toks")
    return tag("div", f"{label} {tokens}", class_=f"wb-row wb-{row.role}", role="group", aria_label=word) + "\n"


def _box(box: Box, view: MaskView, lang: str | None) -> str:
    if box.kind == PICTURE:
        shown = view.pictures[box.picture] if box.picture < len(view.pictures) else None
        return patches_html(shown, len(box.tokens), square=view.square, lang=lang)
    names = ["wb-tok", f"wb-{box.kind}", "wb-on" if box.trained else "", "wb-many" if len(box.tokens) > 1 else ""]
    element = tag(
        "ins" if box.trained else "span",  # where styles are dropped, a trained token is still underlined
        escape(box.shown),
        class_=" ".join(filter(None, names)),
        role="option",
        tabindex=0,
        aria_label=f"{box.shown} {trained_text(box.trained, lang)}",
        title="\n".join(box_lines(box, lang)),
        data_ids=" ".join(str(token.id) for token in box.tokens),
    )
    return element + ("<br>" if box.text.endswith("\n") else "")


def _table(view: MaskView, lang: str | None) -> str:
    names = ("number", "text", "id", "label", "loss", "role", "field", "why")
    head = [escape(text(f"render.mask.column_{name}", lang)) for name in names]
    lines = [
        [str(token.index + 1), tag("code", escape(box.shown)), str(token.id), str(token.label),
         escape(trained_text(token.trained, lang)), escape(role_text(token.role, lang)),
         escape(field_text(token.field, lang)), escape(rule_text(token.rule, lang))]
        for box in boxes(view) for token in box.tokens
    ]  # fmt: skip
    return disclosure(escape(text("render.mask.table", lang)), table(head, lines, class_="wb-tokens"))


def _verdicts(comparison: ViewComparison, lang: str | None) -> str:
    names = {"text": comparison.same_text, "ids": comparison.same_ids, "trained": comparison.same_trained}
    lines = [text(f"render.compare.{'same' if same else 'other'}_{name}", lang) for name, same in names.items()]
    if comparison.differs_at >= 0:
        lines.append(text("render.compare.first", lang, at=comparison.differs_at))
    return tag("ul", "".join(tag("li", escape(line)) for line in lines), class_="wb-verdicts")


def _differences(comparison: ViewComparison, lang: str | None) -> str:
    if comparison.same_text:
        return ""
    a, b = (template_text(view.template, lang) for view in (comparison.a, comparison.b))
    return "".join(
        tag("h2", escape(text(f"render.compare.{name}", lang)), class_="wb-small")
        + table(
            [escape(text("render.compare.template", lang)), escape(text("render.compare.rendered", lang))],
            [[escape(a), _marked(pieces, 0, lang)], [escape(b), _marked(pieces, 1, lang)]],
            class_="wb-diff",
        )
        for name, pieces in (("texts", comparison.pieces), ("prompts", comparison.prompt_pieces))
    )


def _marked(pieces: tuple[Difference, ...], side: int, lang: str | None) -> str:
    """One side of a comparison; what the other has not got, or has otherwise, is a ``<mark>``."""
    marked_pieces = []
    for piece in pieces:
        content = (piece.a, piece.b)[side]
        if content:
            marked_pieces.append(
                shown_lines(content) if piece.kind == "same" else tag("mark", f"[{shown_lines(content)}]")
            )
    return tag("code", "".join(marked_pieces)) if marked_pieces else escape(text("render.answers.empty", lang))
