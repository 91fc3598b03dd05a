"""The page: what is where, and what a click does. Knows Gradio; conversations, turns and limits are the desk's.

Nothing that a browser sends is taken as history: the page's own conversation is only shown, never read back. What a
browser keeps, as long as its tab is open, is a secret of its own making; by it a reload finds the conversation again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.chat.desk import Desk, Turn, Wish, paced
from workbench.chat.face import EXAMPLES
from workbench.errors import WorkbenchError
from workbench.render.markup import escape
from workbench.templates.thoughts import parted
from workbench.texts import language, text

from .bubbles import answer_bubbles, as_text, calls
from .cache import use_cache

LANGUAGES = [("中文", "zh"), ("English", "en")]
WAITING = "…"
HEAD = f"<script>{Path(__file__).with_name('page.js').read_text(encoding='utf-8')}</script>"
# The tab's own storage: another tab is another conversation, and who comes after at a shared machine finds none. Where
# a browser allows no storage, as in some frames, there is no secret.
MEMORY = """() => {
  try {
    let secret = sessionStorage.getItem("workbench-conversation") || "";
    if (!/^[0-9a-f]{32}$/.test(secret)) {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      secret = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      sessionStorage.setItem("workbench-conversation", secret);
    }
    return [secret];
  } catch { return [""]; }
}"""


@dataclass
class Parts:
    """The parts of the page that handlers speak of, and the words that each of them bears."""

    lang: Any = None
    secret: Any = None
    title: Any = None
    chat: Any = None
    base: Any = None
    examples: list[Any] = field(default_factory=list)
    question: Any = None
    send: Any = None
    stop: Any = None
    note: Any = None
    system: Any = None
    temperature: Any = None
    top_p: Any = None
    longest: Any = None
    compare: Any = None
    new: Any = None
    earlier: Any = None
    careful: Any = None
    worded: list[tuple[Any, dict[str, str]]] = field(default_factory=list)

    def says(self, part: Any, **words: str) -> Any:
        """Remember which words ``part`` bears: property of the component -> key under ``web.page``."""
        self.worded.append((part, words))
        return part

    @property
    def wish(self) -> list[Any]:
        """The inputs that make a wish, in the order of :func:`_wish`."""
        return [self.lang, self.system, self.temperature, self.top_p, self.longest, self.compare]


def build(desk: Desk, lang: str | None = None) -> gr.Blocks:
    """The page of ``desk``; ``lang`` fixes the language that it opens in, else the browser's is taken."""
    spoken = language(lang)
    use_cache()
    with gr.Blocks(title=desk.face.name, analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        parts = Parts()
        _head(parts, desk, spoken)
        _talk(parts, desk, spoken)
        _settings(parts, desk, spoken)
        timer = gr.Timer(1.0)
        _connect(page, parts, desk, lang, timer)
    page.queue(max_size=desk.limits.at_once + desk.limits.waiting + 50, default_concurrency_limit=desk.limits.at_once)
    return page


def _head(parts: Parts, desk: Desk, lang: str) -> None:
    with gr.Row(elem_classes="wb-head"):
        parts.title = gr.HTML(_title(desk, lang), elem_classes="wb-title")
        parts.lang = gr.Radio(
            LANGUAGES, value=lang, show_label=False, container=False, elem_classes="wb-lang", min_width=180, scale=0
        )
    parts.secret = gr.Textbox(visible=False)


def _talk(parts: Parts, desk: Desk, lang: str) -> None:
    # No Markdown and no tags, so that nothing can be fetched or run from an answer. Gradio still sets it as HTML:
    # what is shown is escaped (:func:`as_text`), and its sanitizer stays on behind that.
    plain: dict[str, Any] = {
        "render_markdown": False,
        "allow_tags": False,
        "sanitize_html": True,
        "latex_delimiters": [],
        "buttons": ["copy", "copy_all"],
        "feedback_options": None,
        "allow_file_downloads": False,
        "height": "52vh",
        "min_height": 240,
        "elem_classes": "wb-chat",
    }
    with gr.Row():
        parts.chat = gr.Chatbot(_bubbles(desk, (), None, lang), label=desk.face.name, elem_id="chat", **plain)
        parts.base = gr.Chatbot([], label=text("web.page.base", lang), visible=False, elem_id="base", **plain)
        parts.says(parts.base, label="base")
    with gr.Row(elem_classes="wb-examples"):
        parts.examples = [
            gr.Button(said, size="sm", min_width=120, elem_classes="wb-example") for said in desk.face.examples(lang)
        ]
    parts.note = gr.HTML("", elem_classes="wb-note", elem_id="note")
    with gr.Row():
        parts.question = gr.Textbox(
            placeholder=text("web.page.ask", lang),
            show_label=False,
            container=False,
            lines=1,
            max_lines=6,
            max_length=desk.limits.characters,
            scale=8,
            autofocus=True,
            elem_id="question",
        )
        parts.says(parts.question, placeholder="ask")
        parts.send = gr.Button(text("web.page.send", lang), variant="primary", scale=1, min_width=90, elem_id="send")
        parts.stop = gr.Button(text("web.page.stop", lang), visible=False, scale=1, min_width=90, elem_id="stop")
        parts.says(parts.send, value="send")
        parts.says(parts.stop, value="stop")
    with gr.Row():
        parts.new = gr.Button(text("web.page.new", lang), size="sm", min_width=120, elem_id="new")
        parts.earlier = gr.Dropdown([], show_label=False, container=False, min_width=160, elem_id="earlier", scale=3)
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
    parts.careful = gr.HTML(_paragraph(text("web.page.careful", lang)), elem_classes="wb-careful")


def _connect(page: gr.Blocks, parts: Parts, desk: Desk, fixed: str | None, timer: gr.Timer) -> None:
    """Which event calls what. Every handler knows its visitor by the session that the server gave to the page."""
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    shown = [parts.chat, parts.base, parts.note]
    asking = [parts.question, *parts.wish]
    buttons = [parts.send, parts.stop]

    def admit(request: gr.Request, question: str, *wish: Any) -> list[Any]:
        return _admit(desk, _key(request), question, _wish(*wish), wish[0])

    def answer(request: gr.Request, *wish: Any) -> Iterator[list[Any]]:
        key = _key(request)
        for turn in paced(desk.answer(key, _wish(*wish), wish[0])):
            yield _shown(desk, key, turn, wish[0])

    def ended(lang: str, request: gr.Request) -> list[Any]:
        return [gr.update(visible=True), gr.update(visible=False), _earlier(desk, _key(request), lang)]

    for click in (parts.question.submit, parts.send.click):
        began = click(admit, asking, [parts.question, *shown, *buttons], **quick)
        _follow(began, answer, ended, parts, shown)
    for button in parts.examples:
        began = button.click(admit, [button, *parts.wish], [parts.question, *shown, *buttons], **quick)
        _follow(began, answer, ended, parts, shown)

    _connect_rest(page, parts, desk, fixed, timer, quick)


def _follow(began: Any, answer: Any, ended: Any, parts: Parts, shown: list[Any]) -> None:
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
    written = began.then(answer, parts.wish, shown, concurrency_id="model", trigger_mode="multiple", **how)
    written.then(ended, parts.lang, [parts.send, parts.stop, parts.earlier], queue=False, **how)


def _connect_rest(
    page: gr.Blocks, parts: Parts, desk: Desk, fixed: str | None, timer: gr.Timer, quick: dict[str, Any]
) -> None:
    shown = [parts.chat, parts.base, parts.note, parts.earlier]

    def stop(request: gr.Request) -> None:
        desk.stop(_key(request))

    def new(lang: str, request: gr.Request) -> list[Any]:
        desk.reset(_key(request))
        return _whole(desk, _key(request), lang)

    def recall(number: Any, lang: str, request: gr.Request) -> list[Any]:
        if isinstance(number, int):
            desk.recall(_key(request), number)
        return _whole(desk, _key(request), lang)

    def speak(lang: str, request: gr.Request) -> list[Any]:
        return _spoken(parts, desk, _key(request), lang)

    def begin(secret: Any, request: gr.Request) -> list[Any]:
        lang = fixed or _browsers(request)
        desk.enter(_key(request), secret)
        desk.settle(_key(request), lang)
        return [lang, *_spoken(parts, desk, _key(request), lang)]

    def look_again(lang: str) -> list[Any]:
        return [_title(desk, lang), _comparable(desk, lang), gr.Timer(active=not desk.settled)]

    def leave(request: gr.Request) -> None:
        desk.leave(_key(request))

    def side(compare: bool) -> Any:
        return gr.update(visible=bool(compare) and desk.can_compare)

    parts.stop.click(stop, None, None, **quick)
    for clear in (parts.new.click, parts.chat.clear, parts.base.clear):
        clear(new, parts.lang, shown, **quick)
    parts.earlier.input(recall, [parts.earlier, parts.lang], shown, **quick)
    parts.lang.input(speak, parts.lang, _worded(parts), **quick)
    parts.compare.input(side, parts.compare, parts.base, **quick)
    timer.tick(look_again, parts.lang, [parts.title, parts.compare, timer], **quick)
    page.load(begin, parts.secret, [parts.lang, *_worded(parts)], js=MEMORY, **quick)
    page.unload(leave)

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


def _admit(desk: Desk, key: str, question: Any, wish: Wish, lang: str) -> list[Any]:
    """Question box, the two conversations, the note, and which of send and stop is seen."""
    lang = language(lang)
    try:
        turn = desk.admit(key, question)
    except WorkbenchError as error:
        kept = gr.update() if error.key != "web.empty_question" else ""
        note = _paragraph(" ".join((error.say(lang), error.do(lang)))) if kept != "" else ""
        return [kept, gr.update(), gr.update(), note, gr.update(), gr.update()]
    if wish.compare and desk.can_compare:
        turn = Turn(turn.question, base="")
    return ["", *_shown(desk, key, turn, lang), gr.update(visible=False), gr.update(visible=True)]


def _shown(desk: Desk, key: str, turn: Turn | None, lang: str) -> list[Any]:
    """Both conversations with the turn that is being written, and its note."""
    session = desk.session(key)
    turns = session.turns
    if session.asked is None:  # it has ended, and stands among the turns already
        turn = None
    last = turn or (turns[-1] if turns else None)
    note = _paragraph(last.note) if last and last.note else ""
    base = _beside(turns, turn)
    compared = last is not None and last.base is not None
    beside = gr.update(value=base, visible=True) if compared else gr.update(value=base)
    return [_bubbles(desk, turns, turn, lang), beside, note]


def _whole(desk: Desk, key: str, lang: str) -> list[Any]:
    """The same as it stands now, whoever the answer is being written for, and the earlier conversations."""
    return [*_shown(desk, key, desk.session(key).asked, language(lang)), _earlier(desk, key, language(lang))]


def _bubbles(desk: Desk, turns: tuple[Turn, ...], now: Turn | None, lang: str) -> list[dict[str, Any]]:
    """What the conversation shows: the greeting, which is never sent, then what was said."""
    shown = [{"role": "assistant", "content": desk.face.greeting(lang)}]
    for turn in turns:
        shown += [{"role": "user", "content": turn.question}, *calls(turn, lang)]
        shown += answer_bubbles(turn.answer, "–", lang)
    if now is not None:
        shown += [{"role": "user", "content": now.question}, *calls(now, lang)]
        shown += answer_bubbles(now.answer, WAITING, lang)
    return [{**one, "content": as_text(one["content"])} for one in shown]


def _beside(turns: tuple[Turn, ...], now: Turn | None) -> list[dict[str, str]]:
    """The same for the base, of the turns in which it was asked."""
    asked = [turn for turn in (*turns, *([now] if now else [])) if turn.base is not None]
    return [
        {"role": role, "content": as_text(said or WAITING)}
        for turn in asked
        for role, said in (("user", turn.question), ("assistant", parted(turn.base or "").answer))
    ]


def _earlier(desk: Desk, key: str, lang: str) -> Any:
    """The earlier conversations by their first question."""
    kept = desk.session(key).earlier
    names = [(f"{i + 1}. {turns[0].question[:60]}", i) for i, turns in enumerate(kept)]
    return gr.update(choices=names, value=None, **_earlier_words(lang, bool(kept)))


def _earlier_words(lang: str, some: bool) -> dict[str, Any]:
    label = text("web.page.earlier", lang)
    return {"info": None, "label": label, "show_label": False, "interactive": some, "visible": some}


def _worded(parts: Parts) -> list[Any]:
    """Everything that bears words, in the order of :func:`_spoken`."""
    worded = [part for part, _ in parts.worded]
    return [*worded, parts.title, parts.careful, parts.chat, parts.base, parts.note, parts.earlier, *parts.examples]


def _spoken(parts: Parts, desk: Desk, key: str, given: str) -> list[Any]:
    """The whole page in another language."""
    lang = language(given)
    worded = [
        gr.update(**{name: text(f"web.page.{word}", lang) for name, word in words.items()}) for _, words in parts.worded
    ]
    examples = [*desk.face.examples(lang), *[""] * EXAMPLES][: len(parts.examples)]
    careful = _paragraph(text("web.page.careful", lang))
    buttons = [gr.update(value=said, visible=bool(said)) for said in examples]
    chat, base, _, earlier = _whole(desk, key, lang)
    return [*worded, _title(desk, lang), careful, chat, base, "", earlier, *buttons]


def _comparable(desk: Desk, lang: str) -> Any:
    """The switch of the comparison, off where there is nothing to compare with."""
    if not desk.settled or desk.can_compare:
        return gr.update(interactive=True, info=text("web.page.compare_info", lang))
    return gr.update(interactive=False, value=False, info=text("web.page.no_base", lang))


def _browsers(request: gr.Request) -> str:
    """The language that the browser asks for first."""
    asked = str(dict(request.headers or {}).get("accept-language", "")).strip()
    return language(asked) if asked else language()


def _title(desk: Desk, lang: str) -> str:
    return f"<h1>{escape(desk.face.name)}</h1><p>{escape(desk.state(language(lang)))}</p>"


def _paragraph(said: str) -> str:
    return f'<p role="status">{escape(said)}</p>' if said else ""
