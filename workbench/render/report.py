"""``report.html``: one training told on one page, in one file. Knows :class:`Report`; not how it came about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from workbench.render.answers import answers_html, label_text, samples_html
from workbench.render.markup import disclosure, escape, page, spoken_html, styles, table, tag
from workbench.render.plots import SCORES, curves_html, percent, ranged
from workbench.render.values import Number, Report, Scores
from workbench.texts import text

Say = Callable[..., str]
_MANY = 12  # more settings than one looks through in passing stand behind a triangle


def report_html(report: Report, *, lang: str | None = None, theme: str = "") -> str:
    """Return the whole page.

    Args:
        lang: the language of our sentences; what people and models wrote stays as it is.
        theme: ``light``, ``dark``, or empty for the reader's own.
    """

    def say(key: str, **values: Any) -> str:
        return text(f"render.report.{key}", lang, **values)

    body = "".join(
        [
            styles("report.css"),
            _opening(report, say),
            _section(say("numbers"), _numbers(report, say, lang)),
            _section(say("curves"), _curves(report, lang)),
            _section(say("mask"), _mask(report, say, lang)),
            _section(say("answers"), _answers(report, say, lang)),
            _section(say("samples"), samples_html(report.samples, lang=lang) if report.samples else ""),
            _section(say("made"), _made(report, say)),
            _section(say("next"), _next(report)),
        ]
    )
    return page(body, title=say("title", name=report.name), lang=lang, theme=theme)


def _section(heading: str, content: str) -> str:
    return f"<section><h2>{escape(heading)}</h2>\n{content}</section>\n" if content else ""


def _opening(report: Report, say: Say) -> str:
    by = [say("by", author=report.author)] if report.author else []
    when = [say("when", made=report.made)] if report.made else []
    line = tag("p", spoken_html(" · ".join([*by, *when])), class_="wb-soft") if by or when else ""
    learnt = "" if report.learnt is None else say(_headline(report, say), name=report.name)
    sentences = [tag("strong", spoken_html(learnt))] if learnt else []
    sentences += [spoken_html(_sentence(report.verdict_text, say))] if report.verdict_text else []
    class_ = "wb-lead wb-unmet" if report.learnt is False else "wb-lead"
    lead = tag("p", " ".join(sentences), class_=class_) if sentences else ""
    return f"<header><h1>{spoken_html(say('title', name=report.name))}</h1>\n{line}{lead}</header>\n"


def _sentence(words: str, say: Say) -> str:
    """A verdict, which is a phrase, as a sentence."""
    return say("sentence", words=words[:1].upper() + words[1:])


def _curves(report: Report, lang: str | None) -> str:
    """The curves without their verdict, which the page begins with."""
    return curves_html(replace(report.curves, verdict_text=""), lang=lang) if report.curves else ""


def _headline(report: Report, say: Say) -> str:
    """Whether it became what it was to become; never more than the cards under it say."""
    if not report.learnt:
        return "not_learnt"
    return "nearly" if any(number.met is False for number in _score_numbers(report, say)) else "learnt"


def _numbers(report: Report, say: Say, lang: str | None) -> str:
    """A card for each score, the table of all of them, and what else there is in a line."""
    cards = "".join(_card(number, say) for number in _score_numbers(report, say))
    parts = [tag("ul", cards, class_="wb-cards")] if cards else []
    parts.append(_scores_table(report.scores, say, lang, tied=report.tied))
    line = " · ".join(" ".join(filter(None, (n.label, n.value, n.unit, n.reference))) for n in report.numbers)
    return "".join([*parts, tag("p", escape(line), class_="wb-soft") if line else ""])


def _card(number: Number, say: Say) -> str:
    unit = f" {tag('span', escape(number.unit), class_='wb-soft')}" if number.unit else ""
    met = {None: "", True: say("met"), False: say("unmet")}[number.met]
    parts = [tag("span", escape(number.label), class_="wb-name"), f"<b>{escape(number.value)}{unit}</b>"]
    parts += [tag("small", escape(number.reference))] if number.reference else []
    parts += [tag("small", escape(met), class_="wb-met")] if met else []
    return tag("li", " ".join(parts), class_="wb-card")


def _score_numbers(report: Report, say: Say) -> list[Number]:
    """Cards of the best checkpoint's scores, each with what it is compared with."""
    by_label = {scores.label: scores for scores in report.scores}
    best, base, targets = by_label.get("best"), by_label.get("base", Scores("base")), report.targets
    if best is None:
        return []
    numbers = []
    if best.identity is not None:
        reference = say("identity_reference", base=percent(base.identity), target=percent(targets.identity))
        numbers.append(_score("identity", best, reference, best.identity >= targets.identity, say))
    if best.task is not None:
        reference = say("task_reference", base=percent(base.task), target=percent(targets.task))
        numbers.append(_score("task", best, reference, best.task >= targets.task, say))
    if best.general is not None:
        reference = say("general_reference", base=percent(base.general), target=percent(targets.general))
        enough = None if base.general is None else best.general >= targets.general * base.general
        numbers.append(_score("general", best, reference, enough, say))
    if best.leak is not None:
        reference = say("leak_reference", target=percent(targets.leak))
        numbers.append(_score("leak", best, reference, best.leak <= targets.leak, say))
    return numbers


def _score(name: str, best: Scores, reference: str, met: bool | None, say: Say) -> Number:
    """A card, with how sure the score of so many answers is."""
    value: float = getattr(best, name)
    count = best.counts.get(name)
    sure = say("of_answers", count=count, range=ranged(value, best.ranges.get(name))) if count else ""
    return Number(say(name), percent(value), reference=" ".join(filter(None, (reference, sure))), met=met)


def _scores_table(scores: tuple[Scores, ...], say: Say, lang: str | None, *, tied: bool) -> str:
    if not scores:
        return ""
    names = [name for name in SCORES if name != "task" or any(row.task is not None for row in scores)]
    head = ["", *(escape(text(f"render.curves.{name}", lang)) for name in ("step", *names))]
    rows = [
        [escape(label_text(row.label, lang)), "–" if row.step is None else str(row.step),
         *(escape(ranged(getattr(row, name), row.ranges.get(name))) for name in names)]
        for row in scores
    ]  # fmt: skip
    caption = say("scores_caption") + (say("tied") if tied else "")
    labels = [say("of"), *(text(f"render.curves.{name}", lang) for name in ("step", *names))]
    return table(head, rows, caption=escape(caption), class_="wb-numbers", labels=labels)


def _mask(report: Report, say: Say, lang: str | None) -> str:
    if report.mask is None:
        return ""
    from workbench.render.mask import mask_html

    return tag("p", escape(say("mask_says"))) + mask_html(report.mask, lang=lang, embedded=True)


def _answers(report: Report, say: Say, lang: str | None) -> str:
    if report.answers is None or not report.answers.rows:
        return ""
    return tag("p", escape(say("answers_says"))) + answers_html(report.answers, lang=lang)


def _made(report: Report, say: Say) -> str:
    settings = [
        [f"<code>{escape(s.name)}</code>", escape(f"{s.value} {s.unit}".strip()), escape(s.effect)]
        for s in report.settings
    ]
    head = [escape(say(key)) for key in ("setting", "value", "effect")]
    versions = [[escape(name), escape(version)] for name, version in report.versions]
    content = table(head, settings, labels=[say(key) for key in ("setting", "value", "effect")]) if settings else ""
    if len(settings) > _MANY:
        content = disclosure(escape(say("settings", count=len(settings))), content)
    if versions:
        lines = table([escape(say("package")), escape(say("version"))], versions)
        content += disclosure(escape(say("versions")), lines)
    return content


def _next(report: Report) -> str:
    items = "".join(
        tag("li", escape(step.say) + (f"<pre><code>{escape(step.command)}</code></pre>" if step.command else ""))
        for step in report.next_steps
    )
    return tag("ol", items, class_="wb-next") if items else ""
