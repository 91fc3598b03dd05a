"""A mask view as a person sees it: boxes of whole characters, in rows of one speaker. Knows the view, not the drawing.

A box holds the tokens of whole characters: usually one token, several where a character takes several.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

from workbench.render.markup import visible
from workbench.render.unseen import marked
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.templates.view import MaskToken, MaskView

BADGES = {"system": "S", "user": "U", "assistant": "A", "tool": "T"}
CONTROL, MARKER, PLAIN, LOOKALIKE, PICTURE = "control", "marker", "plain", "lookalike", "picture"

# How control tokens are spelled in the templates that are in use; a plain word in a marker ("user") is not one.
_MARKUP = re.compile(r"<\|[^<>|\s]+\|>|<[/\w|]+>|\[/?[A-Z_]+\]|<</?[A-Z]+>>")
_SPACES = str.maketrans({" ": "␣", "\n": "↵", "\r": "␍", "\t": "⇥", "\u00a0": "⍽"})


@dataclass(frozen=True, slots=True)
class Box:
    """Hold whole characters and their tokens.

    Args:
        text: what they write.
        shown: the same with its white space and unseen characters made visible.
        tokens: one or more, in order.
        kind: ``control`` (a control token), ``marker`` (the template's other words), ``plain`` (somebody's words) or
            ``lookalike`` (somebody's words that are spelled like a control token, and are none), or ``picture`` (the
            places of one picture).
        picture: of a picture's places: which picture of the view it is, from 0; else −1.
    """

    text: str
    shown: str
    tokens: tuple[MaskToken, ...]
    kind: str
    picture: int = -1

    @property
    def trained(self) -> bool:
        """Tell whether they are trained; tokens of one box always are or are not together."""
        return any(token.trained for token in self.tokens)

    @property
    def role(self) -> str:
        """Tell whose they are."""
        return self.tokens[0].role


@dataclass(frozen=True, slots=True)
class Row:
    """Hold what one speaker's turn is made of."""

    role: str
    turn: int
    boxes: tuple[Box, ...]


def shown(content: str) -> str:
    """Return ``content`` with every character visible: ␣ for a space, ↵ for a line break, ⟨U+200B⟩ for what shows
    nothing."""
    return visible(marked(content).translate(_SPACES))


def unsteered(content: str) -> str:
    """Return ``content`` with nothing in them that a terminal obeys or that shows nothing; spaces, line breaks and what
    joins letters stay."""
    return visible(marked(content, joiners=False))


def rows(view: MaskView) -> list[Row]:
    """Return the view's boxes, in order, by turn and role."""
    groups = groupby(boxes(view), key=lambda box: (box.tokens[0].turn, box.role))
    return [Row(role, turn, tuple(group)) for (turn, role), group in groups]


def boxes(view: MaskView) -> Iterator[Box]:
    """Yield the view's boxes, in order."""
    quoted = lookalikes(view)
    start, pictures = 0, 0
    for group in view.groups:
        end = start + len(group.text)
        tokens = view.tokens[group.start : group.end]
        if tokens and view.segments[tokens[0].segment].field == PICTURE:
            yield Box(group.text, f"▦×{len(tokens)}", tokens, PICTURE, pictures)
            pictures += 1
        elif tokens:
            yield Box(group.text, shown(group.text), tokens, _kind(view, tokens, start, end, quoted))
        start = end


def _kind(view: MaskView, tokens: tuple[MaskToken, ...], start: int, end: int, quoted: list[tuple[int, int]]) -> str:
    segment = view.segments[tokens[0].segment]
    if segment.control:
        spelled = tokens[0].text.strip()
        is_marker = bool(segment.ids) or tokens[0].id in view.stop_ids or bool(_MARKUP.fullmatch(spelled))
        return CONTROL if is_marker else MARKER
    return LOOKALIKE if any(first < end and start < last for first, last in quoted) else PLAIN


def lookalikes(view: MaskView) -> list[tuple[int, int]]:
    """Tell where somebody's words are spelled like a control token: (first, one past the last) place in
    ``view.text``."""
    markers = {match for s in view.segments if s.control for match in _MARKUP.findall(s.text)}
    names = sorted((re.escape(name) for name in markers), key=len, reverse=True)
    finder = re.compile("|".join([*names, r"<\|[^<>|\s]+\|>"]))
    spans, start = [], 0
    for segment in view.segments:
        if not segment.control:
            spans += [(start + m.start(), start + m.end()) for m in finder.finditer(segment.text)]
        start += len(segment.text)
    return spans


def role_text(role: str, lang: str | None) -> str:
    """Return a role in words."""
    return text(f"render.roles.{role}", lang)


def template_text(name: str, lang: str | None) -> str:
    """Return a template's name; the tokenizer's own in words."""
    return text("render.mask.own_template", lang) if name == "chat_template" else name


def rule_text(rule: str, lang: str | None) -> str:
    """Tell why tokens are trained or not."""
    return text(f"templates.rule.{rule.removeprefix('templates.rule.')}", lang)


def field_text(field: str, lang: str | None) -> str:
    """Return a template field, with what it is."""
    return text(f"render.fields.{field}", lang)


def trained_text(trained: bool, lang: str | None) -> str:
    """Return ``▲ trained`` or ``masked``."""
    return text("render.mask.trained" if trained else "render.mask.masked", lang)


def box_lines(box: Box, lang: str | None) -> list[str]:
    """Return all that is known of a box, a line each; the first is what it writes, the second why it is trained or
    not."""
    first, last = box.tokens[0], box.tokens[-1]
    ids = tuple(token.id for token in box.tokens)
    labels = tuple(token.label for token in box.tokens)
    where = {"ids": ids, "first": first.index + 1, "last": last.index + 1, "count": len(box.tokens), "labels": labels}
    why = rule_text(first.rule, lang)
    lines = [
        box.shown,
        f"▲ {why}" if box.trained else why,
        text("render.mask.tell_one" if len(box.tokens) == 1 else "render.mask.tell_many", lang, **where),
        text("render.mask.tell_from", lang, role=role_text(box.role, lang), field=field_text(first.field, lang)),
    ]
    if box.kind in (CONTROL, LOOKALIKE):
        lines.append(text(f"render.mask.tell_{box.kind}", lang))
    return lines


def counts_text(view: MaskView, lang: str | None) -> str:
    """Tell how many tokens there are, how many are trained, and their share."""
    return text("render.mask.counts", lang, tokens=len(view.tokens), trained=view.trained, share=view.share)


def facts(view: MaskView, lang: str | None) -> list[str]:
    """Return what else there is to say of the whole: template, loss, stop, cut, and words that look like control
    tokens."""
    loss = text(f"render.mask.loss_on.{view.loss_on}", lang)
    lines = [text("render.mask.template", lang, template=template_text(view.template, lang), loss_on=loss)]
    if view.stop_ids:
        lines.append(
            text(
                "render.mask.stops" if view.stop_trained else "render.mask.stops_untrained",
                lang,
                ids=tuple(view.stop_ids),
            )
        )
    for reason, count in view.apart.items():
        lines.append(text(f"templates.apart.{reason}", lang, count=count, answers=view.answers))
    if view.default is not None:
        lines.append(view.default.says(lang))
    if view.cut:
        lines.append(text("render.mask.cut", lang, count=view.cut, max_length=view.max_length))
    alike = dict.fromkeys(view.text[first:last] for first, last in lookalikes(view))
    if alike:
        lines.append(text("render.mask.alike", lang, words=tuple(shown(word) for word in alike)))
    return lines
