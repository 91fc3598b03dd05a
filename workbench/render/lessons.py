"""Guesses, comparisons and self-checks as HTML and as plain words, without a kernel. Knows values; not who answered."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from workbench.render.markup import disclosure, escape, tag
from workbench.texts import text

SHARE = "%"  # the unit of a number from 0 to 1 that is shown in per cent
_CODE = re.compile(r"`([^`]+)`")
_STRESS = re.compile(r"\*\*([^*]+)\*\*|\*([^*]+)\*")
_DIGITS = 3

Value = float | int | bool | str | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Option:
    """Hold one answer to choose, and why it is right or wrong."""

    say: str
    why: str


def inline(words: str) -> str:
    """Return words with Markdown's marks for code and stress as HTML; everything else is escaped."""
    coded = _CODE.sub(r"<code>\1</code>", escape(words))
    return _STRESS.sub(lambda match: f"<em>{match[1] or match[2]}</em>", coded)


def bare(words: str) -> str:
    """Return words without Markdown's marks, for where no HTML is read."""
    return _STRESS.sub(lambda match: match[1] or match[2], _CODE.sub(r"\1", words))


def value_text(value: Value, unit: str = "", lang: str | None = None) -> str:
    """Return a guess or a truth in words: ``42``, ``97 %``, ``yes``, "I do not know"."""
    if value is None:
        return text("kit.unknown", lang)
    if isinstance(value, bool):
        return text("kit.is_yes" if value else "kit.is_no", lang)
    if isinstance(value, str):
        return value
    if isinstance(value, tuple):
        return text("kit.between", lang).join(value) or text("kit.no_choice", lang)
    if unit == SHARE:
        return f"{value:.{0 if value in (0, 1) or 0.005 < value < 0.995 else 1}%}"
    whole = float(value).is_integer() or abs(value) >= 10 ** (_DIGITS - 1)
    number = f"{value:.0f}" if whole else f"{value:.{_DIGITS}g}"
    return f"{number} {unit}" if unit else number


def compared_text(
    guess: Value, truth: Value, *, of: float | None = None, unit: str = "", lang: str | None = None
) -> str:
    """Return "You guessed 24; it was 42 of 48. Off by 18." """
    it_was = value_text(truth, unit, lang)
    if of is not None:
        it_was = text("kit.of", lang, truth=it_was, of=value_text(of, "", lang))
    if guess is None:
        return text("kit.compared_unknown", lang, truth=it_was)
    said = text("kit.compared", lang, guess=value_text(guess, unit, lang), truth=it_was)
    return (
        " ".join(filter(None, (said, _apart(guess, truth, unit, lang))))
        if lang != "zh"
        else said + _apart(guess, truth, unit, lang)
    )


def _apart(guess: Value, truth: Value, unit: str, lang: str | None) -> str:
    """How far off a guess was; of choices whether it was right."""
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (guess, truth))
    if not numbers:
        same = set(guess) == set(truth) if isinstance(guess, tuple) and isinstance(truth, tuple) else guess == truth
        return text("kit.hit" if same else "kit.missed", lang)
    shown, other = (value_text(value, unit, lang) for value in (guess, truth))
    if shown == other:
        return text("kit.hit", lang)
    off = abs(truth - guess)  # type: ignore[operator]
    if unit == SHARE:  # 50 % is not 50 % off from 100 %, but 50 points
        return text("kit.points_apart", lang, points=round(100 * off, 1) if off < 0.01 else round(100 * off))
    return text("kit.apart", lang, off=value_text(off, unit, lang))


def compared_html(
    ask: str, guess: Value, truth: Value, *, of: float | None = None, unit: str = "", span: Sequence[float] = (),
    lang: str | None = None,
) -> str:  # fmt: skip
    """Return the question, both in one sentence, and, where the guess was a place on a scale, both on it."""
    said = tag("p", escape(compared_text(guess, truth, of=of, unit=unit, lang=lang)), class_="wb-compared")
    return tag("p", inline(ask), class_="wb-ask") + said + _scale(guess, truth, span, lang)


def _scale(guess: Value, truth: Value, span: Sequence[float], lang: str | None) -> str:
    numbers = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in (guess, truth))
    if len(span) != 2 or not numbers or span[0] >= span[1]:
        return ""
    low, high = span

    def mark(value: float, name: str) -> str:
        where = min(1.0, max(0.0, (value - low) / (high - low)))
        label = escape(text(f"kit.scale_{name}", lang))
        return f'<span class="wb-at wb-at-{name}" style="left:{where:.1%}"><b></b><small>{label}</small></span>'

    return f'<div class="wb-scale" aria-hidden="true">{mark(guess, "guess")}{mark(truth, "truth")}</div>'  # type: ignore[arg-type]


def guess_html(ask: str, guess: Value, *, given: bool, unit: str = "", lang: str | None = None) -> str:
    """Return a question, and what was guessed, if anything was."""
    said = text("kit.yours", lang, guess=value_text(guess, unit, lang)) if given else text("kit.not_yet", lang)
    return tag("p", inline(ask), class_="wb-ask") + tag("p", escape(said), class_="wb-guess" if given else "wb-soft")


def closed_html(asks: Sequence[str], lang: str | None = None) -> str:
    """Return what stands where something is not shown before it was guessed."""
    listed = "".join(tag("li", inline(ask)) for ask in asks if ask)
    return tag("p", escape(text("kit.closed", lang)), class_="wb-closed") + (f"<ul>{listed}</ul>" if listed else "")


def quiz_html(ask: str, options: Sequence[Option], right: int, choices: Sequence[int], lang: str | None = None) -> str:
    """Return a question whose answers open to say why each is right or wrong; what was chosen is marked."""
    parts = [tag("p", inline(ask), class_="wb-ask")]
    for place, (letter, option) in enumerate(zip("ABCDEF", options, strict=False)):
        mark = text("kit.right" if place == right else "kit.wrong", lang)
        label = f"<b>{letter}.</b> {inline(option.say)}" + (
            f" {escape(text('kit.chosen', lang))}" if place in choices else ""
        )
        parts.append(disclosure(label, f"<p>{escape(mark)} {inline(option.why)}</p>", opened=place in choices))
    return "".join(parts)
