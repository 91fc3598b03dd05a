"""The page: what is where, and what a click does. Knows Gradio; conversations, turns and limits are the desk's.

Nothing that a browser sends is taken as history: the page's own conversation is only shown, never read back. What a
browser keeps, as long as its tab is open, is a secret of its own making; by it a reload finds the conversation again.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr

from workbench.chat.desk import Desk, Wish, paced
from workbench.chat.face import EXAMPLES
from workbench.data.picture import Picture
from workbench.errors import WorkbenchError
from workbench.texts import language, text

from . import view
from .bubbles import PLAIN
from .cache import use_cache
from .parts import HEAD, LANGUAGES, MEMORY, READY, SPEAK, Parts
from .pictures import boxed, picture_box, uploaded

__all__ = ["HEAD", "build"]


def build(desk: Desk, lang: str | None = None, *, sees: bool = False) -> gr.Blocks:
    """The page of ``desk``; ``lang`` fixes the language that it opens in, else the browser's is taken.

    Args:
        sees: whether visitors may show pictures.
    """
    spoken = language(lang)
    use_cache()
    with gr.Blocks(title=desk.face.name, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        parts = Parts()
        _head(parts, desk, spoken)
        _talk(parts, desk, spoken, sees=sees)
        _settings(parts, desk, spoken)
        timer = gr.Timer(1.0, active=False)  # it begins when the page knows its language
        _connect(page, parts, desk, lang, timer)
    page.queue(max_size=desk.limits.at_once + desk.limits.waiting + 50, default_concurrency_limit=desk.limits.at_once)
    return page


def _head(parts: Parts, desk: Desk, lang: str) -> None:
    with gr.Row(elem_classes="wb-head"):
        parts.title = gr.HTML(view.title(desk, lang), elem_classes="wb-title")
        parts.lang = gr.Radio(
            LANGUAGES, value=lang, label="语言 / Language", show_label=False, container=False, min_width=180, scale=0,
            elem_classes="wb-lang",
        )  # fmt: skip
    parts.secret, parts.row = gr.Textbox(visible=False), gr.Textbox(visible=False)


def _talk(parts: Parts, desk: Desk, lang: str, *, sees: bool) -> None:
    with gr.Row(elem_classes="wb-sees" if sees else "wb-talk"):
        greeting, wide = view.bubbles(desk, (), None, lang), {"scale": 3, **PLAIN}
        parts.chat = gr.Chatbot(greeting, label=desk.face.name, elem_id="chat", **wide)
        parts.base = gr.Chatbot([], label=text("web.page.base", lang), visible=False, elem_id="base", **wide)
        parts.says(parts.base, label="base")
        parts.image = picture_box(lang, visible=sees, scale=1, min_width=300)
        parts.says(parts.image, label="image")
    with gr.Row(elem_classes="wb-examples"):
        parts.examples = [
            gr.Button(said, size="sm", min_width=120, elem_classes="wb-example") for said in desk.face.examples(lang)
        ]
    parts.note = gr.HTML("", elem_classes="wb-note", elem_id="note")
    with gr.Row():
        parts.question = gr.Textbox(
            placeholder=text("web.page.ask", lang),
            label=text("web.page.question", lang),
            show_label=False,
            container=False,
            lines=1,
            max_lines=6,
            max_length=desk.limits.characters,
            scale=8,
            autofocus=True,
            elem_id="question",
        )
        parts.says(parts.question, placeholder="ask", label="question")
        parts.send = gr.Button(text("web.page.send", lang), variant="primary", scale=1, min_width=90, elem_id="send")
        parts.stop = gr.Button(text("web.page.stop", lang), visible=False, scale=1, min_width=90, elem_id="stop")
        parts.says(parts.send, value="send")
        parts.says(parts.stop, value="stop")
    with gr.Row():
        parts.new = gr.Button(text("web.page.new", lang), size="sm", min_width=120, elem_id="new")
        with gr.Row(visible=False, elem_classes="wb-after") as parts.after:
            for name in ("retry", "edit", "save"):
                button = gr.Button(text(f"web.page.{name}", lang), size="sm", min_width=110, elem_id=name)
                setattr(parts, name, parts.says(button, value=name))
        parts.earlier = gr.Dropdown(
            [], show_label=False, container=False, min_width=160, elem_id="earlier", scale=3, visible=False
        )
        parts.says(parts.new, value="new")


def _settings(parts: Parts, desk: Desk, lang: str) -> None:
    def words(name: str) -> dict[str, str]:
        return {"label": text(f"web.page.{name}", lang), "info": text(f"web.page.{name}_info", lang)}

    with gr.Accordion(text("web.page.settings", lang), open=False, elem_id="settings") as fold:
        parts.says(fold, label="settings")
        parts.system = gr.Textbox(lines=2, max_length=desk.limits.characters, elem_id="system", **words("system"))
        with gr.Row():
            parts.temperature = gr.Slider(0, 2, value=0, step=0.1, min_width=180, **words("temperature"))
            parts.top_p = gr.Slider(0.05, 1, value=1, step=0.05, min_width=180, **words("top_p"))
            label = text("web.page.max_new_tokens", lang)
            parts.longest = gr.Slider(1, desk.limits.new_tokens, value=256, step=1, label=label, min_width=180)
        parts.compare = gr.Checkbox(value=False, elem_id="compare", **words("compare"))
    for name in ("system", "temperature", "top_p", "compare"):
        parts.says(getattr(parts, name), label=name, info=f"{name}_info")
    parts.says(parts.longest, label="max_new_tokens")
    parts.careful = gr.HTML(view.careful(desk, lang), elem_classes="wb-careful")


def _connect(page: gr.Blocks, parts: Parts, desk: Desk, fixed: str | None, timer: gr.Timer) -> None:
    """Which event calls what. Every handler knows its visitor by the session that the server gave to the page."""
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown = [parts.chat, parts.base, parts.note]
    asking = [parts.question, parts.image, *parts.wish]
    buttons = [parts.send, parts.stop, parts.after]

    def admit(request: gr.Request, question: str, image: Any, *wish: Any) -> list[Any]:
        return _admit(desk, _key(request), question, lambda: uploaded(image), _wish(*wish), wish[0])

    def answer(request: gr.Request, *wish: Any) -> Iterator[list[Any]]:
        key = _key(request)
        for turn in paced(desk.answer(key, _wish(*wish), wish[0])):
            yield view.shown(desk, key, turn, wish[0])

    def ended(lang: str, request: gr.Request) -> list[Any]:
        key = _key(request)
        return [gr.update(visible=True), gr.update(visible=False), view.earlier(desk, key, lang), view.after(desk, key)]

    def again(request: gr.Request, *wish: Any) -> list[Any]:
        if (turn := desk.take_back(_key(request))) is None:
            return [gr.skip()] * len(outputs)
        return _admit(desk, _key(request), turn.question, lambda: turn.images, _wish(*wish), wish[0])

    outputs = [parts.question, parts.image, *shown, *buttons]
    for click in (parts.question.submit, parts.send.click):
        began = click(admit, asking, outputs, **quick)
        _follow(began, answer, ended, parts, shown)
    for button in parts.examples:
        began = button.click(admit, [button, parts.image, *parts.wish], outputs, **quick)
        _follow(began, answer, ended, parts, shown)
    began = parts.retry.click(again, parts.wish, outputs, **quick)
    _follow(began, answer, ended, parts, shown)

    _connect_conversation(parts, desk, quick)
    _connect_rest(page, parts, desk, fixed, timer, quick)
    _connect_programs(desk)


def _follow(began: Any, answer: Any, ended: Any, parts: Parts, shown: list[Any]) -> None:
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    began.then(None, None, None, js=READY, queue=False, **how)
    written = began.then(answer, parts.wish, shown, concurrency_id="model", trigger_mode="multiple", **how)
    written.then(ended, parts.lang, [parts.send, parts.stop, parts.earlier, parts.after], queue=False, **how)


def _connect_conversation(parts: Parts, desk: Desk, quick: dict[str, Any]) -> None:
    """What is done with a conversation as a whole, and with its last answer."""
    shown = [parts.chat, parts.base, parts.note, parts.earlier, parts.after]

    def stop(request: gr.Request) -> None:
        desk.stop(_key(request))

    def new(lang: str, request: gr.Request) -> list[Any]:
        desk.reset(_key(request))
        return view.whole(desk, _key(request), lang)

    def recall(number: Any, lang: str, request: gr.Request) -> list[Any]:
        if isinstance(number, int):
            desk.recall(_key(request), number)
        return view.whole(desk, _key(request), lang)

    def change(lang: str, request: gr.Request) -> list[Any]:
        """The last question comes back into its boxes, its answer goes."""
        turn = desk.take_back(_key(request))
        boxes = [gr.skip(), gr.skip()] if turn is None else [turn.question, boxed(turn.images)]
        return [*boxes, *view.whole(desk, _key(request), lang)]

    def row(system: Any, request: gr.Request) -> str:
        return desk.row(_key(request), system if isinstance(system, str) else "")

    stopped = parts.stop.click(stop, None, None, **quick)
    renewed = parts.new.click(new, parts.lang, shown, **quick)
    changed = parts.edit.click(change, parts.lang, [parts.question, parts.image, *shown], **quick)
    for event in (stopped, renewed, changed):
        event.then(None, None, None, js=READY, **quick)
    saved = parts.save.click(row, parts.system, parts.row, **quick)
    saved.then(None, parts.row, None, js="(row) => window.workbenchSave('conversation.jsonl', row)", **quick)
    parts.earlier.input(recall, [parts.earlier, parts.lang], shown, **quick)


def _connect_rest(
    page: gr.Blocks, parts: Parts, desk: Desk, fixed: str | None, timer: gr.Timer, quick: dict[str, Any]
) -> None:
    def speak(lang: str, request: gr.Request) -> list[Any]:
        return _spoken(parts, desk, _key(request), lang)

    def begin(secret: Any, request: gr.Request) -> list[Any]:
        lang = fixed or _browsers(request)
        desk.enter(_key(request), secret)
        desk.settle(_key(request), lang)
        return [lang, gr.Timer(active=True), *_spoken(parts, desk, _key(request), lang)]

    def look_again(lang: str) -> list[Any]:
        settled = desk.settled
        careful = view.careful(desk, lang)
        seen = [view.title(desk, lang), careful, view.comparable(desk, lang), view.seeing(desk)]
        return [*seen, gr.Timer(active=not settled)]

    def leave(request: gr.Request) -> None:
        desk.leave(_key(request))

    def side(compare: bool) -> Any:
        return gr.update(visible=bool(compare) and desk.can_compare)

    parts.lang.input(speak, parts.lang, _worded(parts), **quick)
    parts.compare.input(side, parts.compare, parts.base, **quick)
    looked_at = [parts.title, parts.careful, parts.compare, parts.image, timer]
    timer.tick(look_again, parts.lang, looked_at, **quick)
    loaded = page.load(begin, parts.secret, [parts.lang, timer, *_worded(parts)], js=MEMORY, **quick)
    for event in (loaded.then, parts.lang.input):
        event(None, parts.lang, None, js=SPEAK, **quick)
    page.unload(leave)


def _connect_programs(desk: Desk) -> None:
    """What programs call."""

    def ask(
        question: str, system: str, temperature: float, top_p: float, max_new_tokens: int, request: gr.Request
    ) -> Any:
        wish = Wish(system, temperature, top_p, max_new_tokens)
        yield from _heard(desk, _key(request), question, wish)

    ask.__annotations__["return"] = str
    gr.api(ask, api_name="ask", concurrency_id="model")


def _key(request: gr.Request) -> str:
    """The visitor's session; who calls without one gets a new one each time, never somebody's."""
    return request.session_hash or secrets.token_urlsafe(16)


def _heard(desk: Desk, key: str, question: str, wish: Wish) -> Iterator[str]:
    """For programs: the answer so far; what went wrong is an error there."""
    try:
        for turn in paced(desk.ask(key, question, wish)):
            if turn.note and not turn.answer:
                raise gr.Error(turn.note, print_exception=False)
            yield turn.answer
    except WorkbenchError as error:
        raise gr.Error(str(error), print_exception=False) from None


def _wish(lang: Any, system: Any, temperature: Any, top_p: Any, longest: Any, compare: Any) -> Wish:  # noqa: ARG001
    return Wish(system if isinstance(system, str) else "", temperature, top_p, longest, compare=bool(compare))


def _admit(
    desk: Desk, key: str, question: Any, images: Callable[[], tuple[Picture, ...]], wish: Wish, lang: str
) -> list[Any]:
    """Question box, picture box, the two conversations, the note, which of send and stop is seen, and what can be done
    with an answer, which waits until there is one."""
    lang = language(lang)
    try:
        turn = desk.admit(key, question, images())
    except WorkbenchError as error:
        kept = gr.update() if error.key != "web.empty_question" else ""
        note = view.paragraph(" ".join((error.say(lang), error.do(lang)))) if kept != "" else ""
        return [kept, gr.update(), gr.update(), gr.update(), note, gr.update(), gr.update(), gr.update()]
    if wish.compare and desk.can_compare:
        turn = replace(turn, base="")
    away, there = gr.update(visible=False), gr.update(visible=True)
    return ["", None, *view.shown(desk, key, turn, lang), away, there, away]


def _worded(parts: Parts) -> list[Any]:
    """Everything that bears words, in the order of :func:`_spoken`."""
    worded = [part for part, _ in parts.worded]
    return [
        *worded,
        parts.title,
        parts.careful,
        parts.chat,
        parts.base,
        parts.note,
        parts.earlier,
        parts.after,
        *parts.examples,
    ]


def _spoken(parts: Parts, desk: Desk, key: str, given: str) -> list[Any]:
    """The whole page in another language."""
    lang = language(given)
    worded = [
        gr.update(**{name: text(f"web.page.{word}", lang) for name, word in words.items()}) for _, words in parts.worded
    ]
    examples = [*desk.face.examples(lang), *[""] * EXAMPLES][: len(parts.examples)]
    careful = view.careful(desk, lang)
    buttons = [gr.update(value=said, visible=bool(said)) for said in examples]
    chat, base, _, earlier, after = view.whole(desk, key, lang)
    return [*worded, view.title(desk, lang), careful, chat, base, "", earlier, after, *buttons]


def _browsers(request: gr.Request) -> str:
    """The language that the browser asks for first."""
    asked = str(dict(request.headers or {}).get("accept-language", "")).strip()
    return language(asked) if asked else language()
