"""What the page shows of a conversation and of who answers. Knows the desk, turns and Gradio's updates; no event."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.chat.desk import Desk, Turn
from workbench.render.markup import escape
from workbench.templates.thoughts import parted
from workbench.texts import language, text

from .bubbles import WAITING, as_text, turn_bubbles


def shown(desk: Desk, key: str, turn: Turn | None, lang: str) -> list[Any]:
    """Both conversations with the turn that is being written, and its note."""
    session = desk.session(key)
    turns = session.turns
    if session.asked is None:  # it has ended, and stands among the turns already
        turn = None
    last = turn or (turns[-1] if turns else None)
    note = paragraph(last.note) if last and last.note else ""
    base = _beside(turns, turn)
    compared = last is not None and last.base is not None
    beside = gr.update(value=base, visible=True) if compared else gr.update(value=base)
    return [bubbles(desk, turns, turn, lang), beside, note]


def whole(desk: Desk, key: str, lang: str) -> list[Any]:
    """The same as it stands now, whoever the answer is being written for, the earlier conversations, and what can be
    done with the last answer."""
    spoken = language(lang)
    return [*shown(desk, key, desk.session(key).asked, spoken), earlier(desk, key, spoken), after(desk, key)]


def after(desk: Desk, key: str) -> Any:
    """What can be done with the last answer is seen once there is one."""
    session = desk.session(key)
    return gr.update(visible=bool(session.turns) and session.asked is None)


def bubbles(desk: Desk, turns: tuple[Turn, ...], now: Turn | None, lang: str) -> list[dict[str, Any]]:
    """What the conversation shows: the greeting, which is never sent, then what was said."""
    shown = [{"role": "assistant", "content": desk.face.greeting(lang)}]
    shown = [{**one, "content": as_text(one["content"])} for one in shown]
    for turn in turns:
        shown += turn_bubbles(turn, lang)
    return shown if now is None else [*shown, *turn_bubbles(now, lang, going=True)]


def _beside(turns: tuple[Turn, ...], now: Turn | None) -> list[dict[str, str]]:
    """The same for the base, of the turns in which it was asked."""
    asked = [turn for turn in (*turns, *([now] if now else [])) if turn.base is not None]
    return [
        {"role": role, "content": as_text(said or WAITING)}
        for turn in asked
        for role, said in (("user", turn.question), ("assistant", parted(turn.base or "").answer))
    ]


def earlier(desk: Desk, key: str, lang: str) -> Any:
    """The earlier conversations by their first question, under an entry that says what they are."""
    kept, label = desk.session(key).earlier, text("web.page.earlier", lang)
    names = [(label, -1), *((f"{i + 1}. {turns[0].question[:60]}", i) for i, turns in enumerate(kept))]
    return gr.update(choices=names, value=-1, label=label, interactive=bool(kept), visible=bool(kept))


def comparable(desk: Desk, lang: str) -> Any:
    """The switch of the comparison, off where there is nothing to compare with."""
    if not desk.settled or desk.can_compare:
        return gr.update(interactive=True, info=text("web.page.compare_info", lang))
    return gr.update(interactive=False, value=False, info=text("web.page.no_base", lang))


def seeing(desk: Desk) -> Any:
    """The box for pictures, away where what answers turns out to take none."""
    return gr.update(visible=False) if desk.settled and not desk.can_see else gr.skip()


def title(desk: Desk, lang: str) -> str:
    """Who it is; while it loads or cannot be loaded, that too."""
    waits = "" if desk.can_answer else desk.state(language(lang))
    return f"<h1>{escape(desk.face.name)}</h1><p>{escape(waits)}</p>"


def careful(desk: Desk, lang: str) -> str:
    """What a visitor should keep in mind, and below everything what it runs on."""
    spoken = language(lang)
    state = desk.state(spoken) if desk.can_answer else ""
    return paragraph(" ".join(filter(None, (text("web.page.careful", spoken), state))))


def paragraph(said: str) -> str:
    """A sentence of the page itself, which readers of the screen tell too; nothing where there is none."""
    return f'<p role="status">{escape(said)}</p>' if said else ""
