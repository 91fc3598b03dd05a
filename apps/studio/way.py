"""The way through the five steps: which are done, which are open, what comes next. Knows workspaces and HTML; no event
of Gradio's.

The server tells what is done and open; which step a visitor looks at, and in which view, is their browser's.
"""

from __future__ import annotations

from dataclasses import dataclass

from workbench.models.notes import MARK, part, read_note
from workbench.render import percent
from workbench.render.markup import escape, html_lang
from workbench.texts import text

from .workspaces import Workspace

STEPS = ("data", "template", "train", "export", "chat")
LEARNT = 0.8  # share of the questions about itself from which it counts as knowing its name


@dataclass(frozen=True, slots=True)
class Standing:
    """Hold where a workspace stands.

    Args:
        done: the steps that are done.
        open: the steps that can be entered.
    """

    done: frozenset[str]
    open: frozenset[str]

    @property
    def next(self) -> str:
        """The first step that is not done."""
        return next((step for step in STEPS if step not in self.done), STEPS[-1])


def standing(ws: Workspace) -> Standing:
    """Where the workspace stands now."""
    train, export = ws.project.train, ws.project.export
    finished, alive = bool(train.checkpoints()), train.busy
    ready = ws.project.data.made is not None or train.run is not None
    reached = {
        "data": ready,
        "template": ready and (ws.looked or train.run is not None),
        "train": finished and not alive and not ws.project.outdated,
        "export": finished and bool(export.settings.run) and is_merged(ws),
        "chat": bool(ws.talk),
    }
    entrances = {"data": True, "template": ready, "train": ready, "export": finished, "chat": finished}
    return Standing(*(frozenset(step for step in STEPS if table[step]) for table in (reached, entrances)))


def is_merged(ws: Workspace) -> bool:
    """Whether the merged model is there, and of the checkpoint that is meant: a training that went on has a later
    one."""
    export = ws.project.export
    if not (export.merged / MARK).is_file():
        return False
    wanted = export.settings.checkpoint
    if wanted is None:
        wanted = ws.project.train.best_step()
    step = part(read_note(export.merged), "run").get("step")
    return wanted is None or step is None or step == wanted


def outdated(ws: Workspace, lang: str) -> str:
    """A sentence where the conversations have changed since the training; else nothing."""
    if not ws.project.outdated:
        return ""
    return f'<p class="wb-unlearnt" role="status">{escape(text("studio.outdated", lang))}</p>'


def stepper(now: Standing, lang: str) -> str:
    """The list of steps, and the switch between the simple and the expert view."""
    entries = "".join(_entry(now, step, number, lang) for number, step in enumerate(STEPS, 1))
    views = "".join(
        f'<button type="button" data-view="{view}" aria-pressed="false">{escape(text(f"studio.way.{view}", lang))}'
        "</button>"
        for view in ("simple", "expert")
    )
    label, view_label = (escape(text(f"studio.way.{name}", lang)) for name in ("label", "view"))
    return (
        f'<nav aria-label="{label}" data-next="{now.next}" data-lang="{html_lang(lang)}" '
        f'data-title="{escape(text("studio.tab", lang))}"><ol>{entries}</ol></nav>'
        f'<div class="wb-views" role="group" aria-label="{view_label}">{views}</div>'
        '<p class="wb-told" role="status"></p>'
    )


def _entry(now: Standing, step: str, number: int, lang: str) -> str:
    state = "done" if step in now.done else "open" if step in now.open else "locked"
    why = text(f"studio.way.why.{step}", lang) if state == "locked" else ""
    locked = f' aria-disabled="true" data-why="{escape(why)}" title="{escape(why)}"' if why else ""
    sign = {"done": "✓", "open": str(number), "locked": str(number)}[state]
    return (
        f'<li><button type="button" class="wb-{state}" data-go="{step}"{locked}>'
        f'<span class="wb-sign" aria-hidden="true">{sign}</span>'
        f'<span class="wb-label">{escape(text(f"studio.{step}.short", lang))}</span>'
        f'<span class="wb-hidden"> ({escape(text(f"studio.way.{state}", lang))})</span></button></li>'
    )


def onward(now: Standing, step: str, lang: str) -> str:
    """The button to the next step, where this one is done."""
    position = STEPS.index(step) + 1
    if step not in now.done or position == len(STEPS):
        return ""
    following = STEPS[position]
    words = text("studio.way.next", lang, step=text(f"studio.{following}.head", lang))
    return (
        f'<p class="wb-next"><button type="button" class="wb-go" data-go="{following}">{escape(words)} →</button></p>'
    )


def unlearnt(ws: Workspace, lang: str) -> str:
    """A sentence where the training ended and the best checkpoint does not say its name; else nothing."""
    train = ws.project.train
    if train.run is None or train.busy:
        return ""
    train.poll()
    best = train.best_step()
    shares = [share for step, share in train.history.identity if step == best]
    if not shares or not shares[-1] < LEARNT:  # not asked, or no number
        return ""
    words = text("studio.unlearnt", lang, share=percent(shares[-1]))
    return f'<p class="wb-unlearnt" role="status">{escape(words)}</p>'
