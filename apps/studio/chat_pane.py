"""Step five on the page: a conversation with the base and with the assistant, side by side, as the words come. Knows
Gradio and the chat step."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gradio as gr

from workbench.chat.serving import takes_pictures
from workbench.chat.turns import Turn
from workbench.errors import BadInput
from workbench.render.markup import escape
from workbench.steps import ChatStep, Model
from workbench.texts import language, text
from workbench.tools import names as tool_names

from ..assistant_gradio.bubbles import PLAIN, turn_bubbles
from ..assistant_gradio.pictures import picture_box, uploaded
from . import corrections
from .parts import Pane, Studio, click, flow, resting, shown, visitor
from .talk import Talk
from .way import unlearnt
from .workspaces import Workspace

MOST = 4  # models side by side
PACE = 0.08
LONGEST = 2000  # characters of a question, and of a better answer
OFFERED = tuple(name for name in tool_names() if name != "lookup")  # a table would be a file of this machine


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("chat", 5)
    with gr.Column(elem_classes="wb-step", elem_id="step-chat"):
        pane.head(lang)
        told = gr.HTML("", elem_id="told-chat", padding=False)
        with gr.Row(elem_id="out-chat"):
            chats = [
                gr.Chatbot([], label=text("studio.chat.head", lang), visible=n < 2, elem_id=f"chat-{n}", **PLAIN)
                for n in range(MOST)
            ]
        with gr.Row(elem_classes="wb-samples"):
            samples = [gr.Button("", size="sm", min_width=120, elem_classes="wb-sample") for _ in range(MOST)]
        with gr.Row(elem_classes="wb-ask"):
            question = pane.make(
                gr.Textbox, lang, say={"label": "chat.question", "placeholder": "chat.placeholder"}, lines=1,
                max_lines=6, max_length=LONGEST, show_label=False, container=False, scale=8, elem_id="ask",
            )  # fmt: skip
            pane.main = ask = pane.act(lang, "ask-button", "chat.ask", variant="primary", min_width=100, scale=1)
            stop = pane.make(gr.Button, lang, say={"value": "chat.stop"}, min_width=100, elem_id="stop-chat", scale=1)
        with pane.make(
            gr.Accordion, lang, say={"label": "chat.picture"}, open=False, visible=False, elem_id="show-picture"
        ) as showing:
            image = picture_box(lang, element="chat-image")
            pane.worded.append((image, {"label": "chat.picture"}))
        pane.tell(lang)
        with gr.Row(elem_classes="wb-more"):
            new = pane.act(lang, "new-chat", "chat.new", size="sm", min_width=140)
            save = pane.act(lang, "save-chat", "chat.save", size="sm", min_width=140)
        mending = _mending(pane, lang)
        settings = _settings(pane, lang)
        row = gr.Textbox(visible=False)
    pane.shown = [*settings[:2], *samples, *chats, told, mending[0], showing]
    pane.state = _state
    return pane, (chats, samples, question, image, ask, stop, new, save, row, mending, settings)


def _mending(pane: Pane, lang: str) -> tuple[Any, Any, Any, Any]:
    """A better answer in the place of a bad one, for the next training."""
    with gr.Column(visible=False, elem_classes="wb-mending") as fold:
        better = pane.make(
            gr.Textbox, lang, say={"label": "chat.better", "info": "chat.better_info"}, lines=2, max_length=LONGEST,
            elem_id="better",
        )  # fmt: skip
        add = pane.act(lang, "add-answer", "chat.add", size="sm", min_width=160)
        done = gr.HTML("", elem_id="mended", padding=False)
    return fold, better, add, done


def _settings(pane: Pane, lang: str) -> tuple[Any, ...]:
    """What only the expert view shows: who is asked, with which system text and tools, how freely."""

    def make(kind: Any, name: str, *given: Any, **how: Any) -> Any:
        return pane.make(kind, lang, *given, say={"label": f"chat.{name}", "info": f"chat.{name}_info"}, **how)

    with gr.Row(elem_classes="wb-expert"):
        models = make(gr.CheckboxGroup, "models", [], elem_id="models", min_width=240)
        tools = make(gr.CheckboxGroup, "tools", _kit(lang), elem_id="chat-tools", min_width=240)
        system = make(gr.Textbox, "system", max_length=1000, min_width=200)
        heat = make(gr.Slider, "temperature", 0, 2, value=0, step=0.1, min_width=180)
    return models, tools, system, heat


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> Any:
    """What the clicks do; returns the event after which the data are behind."""
    chats, samples, question, image, ask, stop, new, save, row, mending, settings = parts
    models, tools, system, heat = settings
    fold, better, add, done = mending
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    quick = {**how, "queue": False}

    def answer(ws: Workspace, spoken: str, asked: Any, labels: Any, picture: Any) -> Iterator[list[Any]]:
        for number, values in enumerate(_asked(studio, ws, spoken, asked, labels, picture)):
            yield [*values, gr.skip() if number else None]

    def end(ws: Workspace, _: str) -> list[Any]:
        ws.project.chat.cancel()
        return []

    def anew(ws: Workspace, spoken: str) -> list[Any]:
        ws.project.chat.cancel()
        ws.talk.clear()
        return [*_bubbles(ws, spoken), *_better(ws), ""]

    def heard(request: gr.Request, spoken: str) -> list[Any]:
        """What is on the page when an answer has ended, however it did; its note stays."""
        try:
            ws = studio.rooms.of(visitor(request))
        except BadInput:
            return [gr.skip()] * (MOST + 2)
        return [*_bubbles(ws, language(spoken)), *_better(ws)]

    asking = {"concurrency_id": "chat", **how}
    begun: list[Any] = []
    outputs = [*chats, question, image, pane.note]
    heard_from = [(ask.click, question), (question.submit, question), *((one.click, one) for one in samples)]
    for on, asked in heard_from:
        event = on(flow(studio, answer, MOST + 2), [lang, asked, models, image], outputs, **asking)
        event.then(heard, lang, [*chats, fold, better], **quick)
        begun.append(resting(event, "ask-button"))
    stop.click(click(studio, end, 0), lang, [pane.note], **quick)
    emptied = [*chats, fold, better, done, pane.note]
    resting(new.click(click(studio, anew, MOST + 3), lang, emptied, **quick), "new-chat")
    saved = save.click(click(studio, _row, 1), lang, [row, pane.note], **quick)
    saved.then(None, row, None, js="(text) => window.workbenchSave('conversation.jsonl', text)", **quick)
    resting(saved, "save-chat")
    for part, name in ((tools, "tools"), (system, "system"), (heat, "temperature")):
        part.change(click(studio, _setting(name), 0), [lang, part], [pane.note], **quick)
    added = add.click(click(studio, _add, 1), [lang, better], [done, pane.note], **quick)
    resting(added, "add-answer")
    return added, begun


def _setting(name: str) -> Any:
    """Take one setting over, within what is offered."""

    def change(ws: Workspace, _: str, value: Any) -> list[Any]:
        if name == "tools":
            value = ",".join(tool for tool in OFFERED if tool in (value or ()))
        elif name == "system":
            value = str(value or "")[:1000]
        else:
            value = min(max(float(value or 0.0), 0.0), 2.0)
        ws.project.chat.change(**{name: value})
        return []

    return change


def _asked(
    studio: Studio, ws: Workspace, lang: str, asked: Any, labels: Any, picture: Any = None
) -> Iterator[list[Any]]:
    step, talk = ws.project.chat, ws.talk
    if not isinstance(asked, str) or not asked.strip():
        raise BadInput("steps.no_question")
    if len(asked) > LONGEST:
        raise BadInput("web.long_question", length=len(asked), limit=LONGEST)
    if step.answering:
        raise BadInput("steps.still_answering")
    step.show(uploaded(picture))
    step.refresh()
    chosen = tuple(label for label in (labels or ()) if isinstance(label, str))[:MOST]
    step.change(shown=chosen or _usual(step))
    question = asked.strip()
    talk.write({label: Turn(question, images=step.images) for label in step.settings.shown})
    last = time.monotonic()
    yield [*_bubbles(ws, lang), ""]
    try:
        with _shared_base(studio, step):
            for _ in step.ask(question, before=talk.before(step.settings.shown)):
                talk.write(_turns(step, question))
                if time.monotonic() - last >= PACE:
                    last = time.monotonic()
                    yield [*_bubbles(ws, lang), gr.skip()]
        talk.write(_turns(step, question, lang))
    finally:
        talk.keep()
    yield [*_bubbles(ws, lang), gr.skip()]


def _turns(step: ChatStep, question: str, lang: str = "") -> dict[str, Turn]:
    """How far each model's answer has come; ``lang`` of the sentence where one ended without a word."""
    nothing = text("web.said_nothing", lang) if lang else ""
    return {
        label: Turn(
            question,
            answer,
            note=step.notes.get(label) or ("" if answer else nothing),
            cards=tuple(step.cards.get(label, ())),
            images=step.images,
        )
        for label, answer in step.answers.items()
    }


@contextmanager
def _shared_base(studio: Studio, step: ChatStep) -> Iterator[None]:
    """While it lasts, the base is the one that is loaded for everybody."""
    base = step.models.get("base")
    if not isinstance(base, Model) or base.adapter or base.template:
        yield
        return
    step.models = {**step.models, "base": studio.rooms.base(base.model)}
    try:
        yield
    finally:
        step.models = {**step.models, "base": base}


def _usual(step: ChatStep) -> tuple[str, ...]:
    """Before and after: the base, and the merged model or the best checkpoint."""
    after = [label for label in ("merged", "best") if label in step.labels][:1]
    return tuple(label for label in ("base", *after) if label in step.labels) or tuple(step.labels[:1])


def _state(ws: Workspace, lang: str) -> list[Any]:
    step = ws.project.chat
    if ws.project.train.run is not None and (step.run is None or step.run.path != ws.project.train.run.path):
        step.use(ws.project.train.run)
        ws.talk.clear()
    elif not step.answering:
        step.refresh()
    choices = [(step.label_text(label, lang), label) for label in step.labels]
    questions = [*ChatStep(lang=lang).questions()][:MOST]
    samples = [gr.update(value=asked, visible=True) for asked in questions]
    samples += [gr.update(visible=False)] * (MOST - len(samples))
    models = gr.update(choices=choices, value=list(_usual(step)))
    told = shown(unlearnt(ws, lang), lang)
    kit = gr.update(choices=_kit(lang), value=[name for name in step.settings.tools.split(",") if name])
    seen = [gr.update(visible=bool(ws.talk)), gr.update(visible=_sees(step))]
    return [models, kit, *samples, *_bubbles(ws, lang), told, *seen]


def _sees(step: ChatStep) -> bool:
    """Whether one of the models takes pictures; nothing is loaded for it."""
    models = [model for model in step.models.values() if isinstance(model, Model)]
    return any(takes_pictures(model.model, model.adapter) for model in models)


def _kit(lang: str) -> list[tuple[str, str]]:
    """The tools that are offered, by names that people understand."""
    return [(text(f"studio.chat.kit.{name}", lang), name) for name in OFFERED]


def _bubbles(ws: Workspace, lang: str) -> list[Any]:
    """Each model's conversation in a column; on a phone one below the other."""
    step, talk = ws.project.chat, ws.talk
    labels = [label for label in dict.fromkeys([*talk.going, *talk.turns]) if label in step.labels]
    shown_now = [label for label in step.settings.shown if label in labels] if labels else list(_usual(step))
    updates = [
        gr.update(
            visible=True,
            label=step.label_text(label, lang),
            value=_conversation(talk, label, lang),
        )
        for label in shown_now[:MOST]
    ]
    return updates + [gr.update(visible=False, value=[])] * (MOST - len(updates))


def _conversation(talk: Talk, label: str, lang: str) -> list[dict[str, Any]]:
    going = talk.going.get(label)
    turns = talk.all(label)
    return [part for turn in turns for part in turn_bubbles(turn, lang, going=turn is going, noted=True)]


def _better(ws: Workspace) -> list[Any]:
    """The place of a better answer, with the last one to begin with."""
    return [gr.update(visible=bool(ws.talk)), ws.talk.answer()]


def _add(ws: Workspace, lang: str, better: Any) -> list[Any]:
    """Keep the better answer; it is trained with the next set."""
    settings = ws.project.chat.settings
    with ws.alone():
        conversation = ws.talk.mended(str(better or "")[:LONGEST], settings.system, settings.tools)
        count = corrections.add(ws, conversation)
    words = text("studio.chat.added", lang, n=count)
    again = escape(text("studio.chat.again", lang))
    return [
        shown(
            f'<p role="status"><strong>{escape(words)}</strong> '
            f'<button type="button" class="wb-link" data-go="train">{again}</button></p>',
            lang,
        )
    ]


def _row(ws: Workspace, _: str) -> list[Any]:
    """The conversation with the assistant, as a line that can be trained."""
    settings = ws.project.chat.settings
    line = ws.talk.row(settings.system, settings.tools)
    if not line:
        raise BadInput("studio.nothing_said")
    return [line]
