"""The page, run from top to bottom at every click. Knows Streamlit; conversations, turns and limits are the desk's.

Text of visitors and of the model is shown by ``st.text``, which knows neither Markdown nor tags.
"""

from __future__ import annotations

import json
import math
import secrets
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal

import streamlit as st
from streamlit import net_util

from workbench.chat.desk import Desk, Turn, Wish, paced
from workbench.chat.door import door
from workbench.chat.gate import COOKIE, PASSED
from workbench.chat.guesses import caller_of, guesses_of
from workbench.chat.serving import may_see, serving, shared_desk
from workbench.data.imaging import SUFFIXES, size
from workbench.data.limits import serve_others
from workbench.data.picture import Picture
from workbench.errors import Failed, WorkbenchError
from workbench.render.markup import escape, html_lang, static
from workbench.templates.thoughts import parted
from workbench.texts import language, lookup, text
from workbench.tools import Card

SHOWN = 220  # pixels of a side of a picture in the conversation
LANGUAGES = {"中文": "zh", "English": "en"}
STYLE = """<style>
.block-container{max-width:62rem;padding-top:4.2rem;padding-bottom:6rem}
[data-testid="stText"]{font:inherit;white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
[data-testid="stText"] *{font-family:inherit}
[data-testid="stBottomBlockContainer"]{max-width:62rem}
button[kind^="primary"]{background:#0072B2!important;border-color:#0072B2!important;color:#fff!important}
</style>"""


@st.cache_resource(scope="session", show_spinner=False, on_release=lambda leave: leave())
def _enter(_at: Desk, key: str) -> Callable[[], None]:
    """The tab comes to the desk; Streamlit calls what is returned when its browser is gone.

    The key is given as the browser's secret, so that one whose connection only broke finds its conversation again.
    """
    tab = f"the tab of {key}"
    _at.enter(tab, key)
    return partial(_at.leave, tab)


def quiet() -> None:
    """Let Streamlit find out nothing about this machine from others: it would ask a server on the internet for its
    address whenever a page of another site, or a proxy, comes to it."""
    net_util.get_external_ip = net_util.get_internal_ip = lambda: None


def main(arguments: Sequence[str]) -> None:
    """The page of what ``arguments`` name."""
    quiet()
    serve_others()
    settings = serving(arguments, "assistant_streamlit")
    at = shared_desk(settings)
    st.set_page_config(page_title=at.face.name, layout="wide", initial_sidebar_state="auto")
    st.html(STYLE)
    lang = _language(settings.lang)
    if not _let_in(lang):
        return
    key = st.session_state.setdefault("key", secrets.token_hex(16))
    _enter(at, key)
    at.settle(key, lang)  # Streamlit does not wait for the run that was answering: it ends at its next call
    _speak(lang)
    wish = _sidebar(at, key, lang)
    st.html(f"<h1 style='margin:0;font-size:1.6rem'>{escape(at.face.name)}</h1>")
    _state(at, lang)
    _conversation(at, key, wish, lang, sees=may_see(settings) or at.can_see)


def _speak(lang: str) -> None:
    """Give the library's own buttons names in the language of the page. The script is ours, and holds no word of a
    visitor or of the model."""
    words = json.dumps([lookup("web.builtin", one) for one in (lang, "en" if lang == "zh" else "zh")])
    code = f"{static('speak.js')};window.workbenchSpeak({json.dumps(html_lang(lang))}, ...{words});"
    st.html(f"<script>{code}</script>", unsafe_allow_javascript=True)


def _language(fixed: str | None) -> str:
    """The visitor's choice, else the fixed one, else the browser's."""
    asked = fixed or str(getattr(st.context, "locale", "") or "") or None
    first = list(LANGUAGES.values()).index(language(asked))
    chosen = st.sidebar.radio(
        "语言 / Language", list(LANGUAGES), index=first, horizontal=True, key="lang", label_visibility="collapsed"
    )
    return LANGUAGES[str(chosen)]


def _let_in(lang: str) -> bool:
    """Whether the visitor may come in; asks for the password where there is one, and no gate has done so: a host may
    start the page by Streamlit's own command."""
    try:
        # Started without an address, Streamlit listens everywhere.
        entrance = door(str(st.get_option("server.address") or "0.0.0.0"))  # noqa: S104
    except WorkbenchError as error:
        st.error(error.say(lang) + "\n\n" + error.do(lang))
        return False
    if not entrance.password or st.session_state.get("let_in") or PASSED.valid(str(st.context.cookies.get(COOKIE, ""))):
        return True
    with st.form("door"):
        given = st.text_input(text("web.page.password", lang), type="password")
        if st.form_submit_button(text("web.page.enter", lang), type="primary"):
            caller = caller_of([str(st.context.ip_address or "")])
            right, wait = guesses_of(entrance.password).try_one(caller, lambda: entrance.opens("", given or ""))
            if right:
                st.session_state["let_in"] = True
                st.rerun()
            slow = Failed("web.door.slow", seconds=math.ceil(wait))
            st.warning(f"{slow.say(lang)} {slow.do(lang)}" if wait else text("web.page.wrong", lang))
    return False


def _sidebar(at: Desk, key: str, lang: str) -> Wish:
    """How to answer, and the earlier conversations."""

    def say(name: str) -> str:
        return text(f"web.page.{name}", lang)

    with st.sidebar:
        if st.button(say("new"), width="stretch"):
            at.reset(key)
            st.session_state.pop("asked", None)
        compare = st.toggle(say("compare"), help=say("compare_info"), key="compare", disabled=_no_base(at))
        system = st.text_area(
            say("system"), help=say("system_info"), key="system", max_chars=at.limits.characters, height=80
        )
        heat = st.slider(say("temperature"), 0.0, 2.0, 0.0, 0.1, help=say("temperature_info"), key="heat")
        top_p = st.slider(say("top_p"), 0.05, 1.0, 1.0, 0.05, help=say("top_p_info"), key="top_p")
        longest = st.slider(say("max_new_tokens"), 1, at.limits.new_tokens, 256, key="longest")
        _earlier(at, key, system or "", lang)
        st.caption(say("careful"))
    return Wish(system or "", heat, top_p, longest, compare=bool(compare))


def _no_base(at: Desk) -> bool:
    return at.settled and not at.can_compare


def _earlier(at: Desk, key: str, system: str, lang: str) -> None:
    session = at.session(key)
    if line := at.row(key, system):
        st.download_button(
            text("web.page.save", lang), line, "conversation.jsonl", "application/jsonl", width="stretch", key="save"
        )
        st.caption(text("web.page.reload", lang))
    if session.earlier:
        st.write(text("web.page.earlier", lang))
    for number, turns in enumerate(session.earlier):
        name = "".join(c if c.isalnum() else " " for c in turns[0].question)[:40]  # a label knows Markdown
        if st.button(f"{number + 1}. {name}", key=f"earlier{number}", width="stretch"):
            at.recall(key, number)
            st.rerun()


def _state(at: Desk, lang: str) -> None:
    """Loading, or what answers on which device; looks again by itself until the model is there.

    Only such a look begins the page anew: the run of a question would lose it.
    """
    settled, looks = at.settled, 0

    @st.fragment(run_every=None if settled else 1.0)
    def told() -> None:
        nonlocal looks
        looks += 1
        st.html(f'<p role="status" style="margin:0;opacity:.8">{escape(at.state(lang))}</p>')
        if looks > 1 and at.settled and not settled:
            st.rerun()

    told()


def _conversation(at: Desk, key: str, wish: Wish, lang: str, *, sees: bool) -> None:
    """What was said, the question box, and the answer that is being written."""
    with st.chat_message("assistant"):
        st.text(at.face.greeting(lang))
    session = at.session(key)
    for number, turn in enumerate(session.turns):
        _turn(at, turn, lang, number)
    here = st.container()
    photographed = _about_a_photo(at, key, lang) if sees else None
    anew = st.session_state.pop("anew", None)
    after = st.empty()
    if session.turns and anew is None:
        with after.container():
            _after(at, key, lang)
    turn = _written(at, lang, sees=sees) or photographed or anew
    if turn is None and (example := _example(at, key, lang)):
        turn = Turn(example)
    if turn is not None:
        after.empty()  # while an answer is written, there is none to ask again
        with here:
            _ask(at, key, turn, wish, lang)


def _written(at: Desk, lang: str, *, sees: bool) -> Turn | None:
    """The question that was sent from the box, with the picture that was dropped, pasted or chosen there: the library
    sends none whose picture is still on its way."""
    words, longest = text("web.page.ask", lang), at.limits.characters
    if not sees:
        question = st.chat_input(words, max_chars=longest)
        return Turn(str(question)) if question else None
    sent = st.chat_input(words, max_chars=longest, accept_file=True, file_type=[s[1:] for s in SUFFIXES])
    return Turn(sent.text, images=tuple(map(_picture, sent.files))) if sent else None


def _about_a_photo(at: Desk, key: str, lang: str) -> Turn | None:
    """A question about a photo, which is asked beside it: its box is there when the photo has arrived. The camera is
    off until somebody turns it on, and after a question."""
    number = at.session(key).number
    with st.popover(text("web.page.camera", lang), icon=":material/photo_camera:", key=f"photo{number}"):
        if not st.toggle(text("web.page.camera_on", lang), key=f"look{number}"):
            return None
        photo = st.camera_input(text("web.page.camera", lang), key=f"camera{number}", label_visibility="collapsed")
        if photo is None:
            return None
        with st.form(f"about{number}", border=False):
            question = st.text_input(
                text("web.page.question", lang), max_chars=at.limits.characters, key=f"question{number}"
            )
            if st.form_submit_button(text("web.page.send", lang), type="primary"):
                return Turn(question or "", images=(_picture(photo),))
    return None


def _picture(sent: Any) -> Picture:
    return Picture(sent.name[-80:], data=sent.getvalue())


def _after(at: Desk, key: str, lang: str) -> None:
    """What can be done with the last answer: ask again, or ask in other words."""
    again, edit = st.columns(2)
    if again.button(text("web.page.retry", lang), key="retry", width="stretch"):
        _ask_anew(at, key)
    number = at.session(key).number
    with edit.popover(text("web.page.edit", lang), key=f"edit{number}", width="stretch"), st.form(f"form{number}"):
        question = st.text_area(
            text("web.page.question", lang), at.session(key).turns[-1].question, max_chars=at.limits.characters,
            key=f"edited{number}",
        )  # fmt: skip
        if st.form_submit_button(text("web.page.send", lang), type="primary"):
            _ask_anew(at, key, question)


def _ask_anew(at: Desk, key: str, question: str = "") -> None:
    """Take the last question back, and ask it or another about the same pictures when the page begins anew."""
    if (last := at.take_back(key)) is not None:
        st.session_state["anew"] = Turn(question.strip() or last.question, images=last.images)
    st.rerun()


def _example(at: Desk, key: str, lang: str) -> str:
    """The example question that was clicked; they are shown until something is answered, so that the second click of
    two asks again."""
    if any(turn.answer for turn in at.session(key).turns):
        return ""
    chosen = ""
    place = st.empty()
    with place.container():
        for column, question in zip(st.columns(2) * 2, at.face.examples(lang), strict=False):
            label = question.replace("[", "\\[").replace("*", "\\*").replace("`", "\\`").replace("$", "\\$")
            if column.button(label, key=f"example{question}", width="stretch"):
                chosen = question
    if chosen:
        place.empty()
    return chosen


def _turn(at: Desk, turn: Turn, lang: str, number: int) -> None:
    _question(turn, lang)
    _answers(at, turn, lang)
    if turn.answer:
        with st.popover(text("web.page.copy", lang), key=f"copy{number}"):
            st.code(parted(turn.answer).answer, language=None, wrap_lines=True)


def _question(turn: Turn, lang: str) -> None:
    with st.chat_message("user"):
        for picture in turn.images:
            st.image(picture.data, width=_width(picture), alt=text("web.page.shown", lang))
        st.text(turn.question)


def _width(picture: Picture) -> int | Literal["content"]:
    """The width at which a picture is shown: its own where it is a strip, of which nothing would be left."""
    width, height = size(picture)
    return SHOWN if SHOWN * height >= width else "content"


def _answers(at: Desk, turn: Turn, lang: str) -> tuple[Any, Any, Any]:
    """The places of the answer, of the base's, and of the note; filled with what is there."""
    with st.chat_message("assistant"):
        own, base = (st.container(), None) if turn.base is None else st.columns(2)
        with own:
            if base is not None:
                st.html(f"<small>{escape(at.face.name)}</small>")
            answer = st.empty()
        beside = None
        if base is not None:
            with base:
                st.caption(text("web.page.base", lang))
                beside = st.empty()
        note = st.empty()
    _fill(turn, answer, beside, note, lang)
    return answer, beside, note


def _fill(turn: Turn, answer: Any, beside: Any, note: Any, lang: str) -> None:
    spoken = parted(turn.answer)
    if spoken.thought or turn.cards:
        box = answer.container()
        for card in turn.cards:
            if card.words:
                box.text(card.words)
            box.status(card.title(lang), state=_stage(card), expanded=False).text(card.body(lang))
        if spoken.thought:
            box.expander(text("render.thinking" if spoken.going else "render.thought", lang)).text(spoken.thought)
        box.text(spoken.answer or "…")
    else:
        answer.text(spoken.answer or "…")
    if beside is not None:
        beside.text(parted(turn.base or "").answer or "…")
    if turn.note:
        note.html(f'<p role="status" style="margin:0;font-weight:600">{escape(turn.note)}</p>')


def _stage(card: Card) -> Literal["running", "complete", "error"]:
    if card.result is None:
        return "running"
    return "error" if card.trouble else "complete"


def _ask(at: Desk, key: str, question: Turn, wish: Wish, lang: str) -> None:
    """Ask and show the answer as it comes. A click on stop, or on anything else, ends it: Streamlit then begins the
    page anew, and what was said so far is kept."""
    try:
        turn = at.admit(key, question.question, question.images)
    except WorkbenchError as error:
        st.warning(f"{error.say(lang)} {error.do(lang)}")
        return
    if wish.compare and at.can_compare:
        turn = replace(turn, base="")
    _question(turn, lang)
    places = _answers(at, turn, lang)
    place = st.empty()
    with place.container():
        st.button(text("web.page.stop", lang), on_click=at.stop, args=(key,), key=f"stop{at.session(key).number}")
    for now in paced(at.answer(key, wish, lang)):
        _fill(now, *places, lang)
    st.rerun()


if __name__ == "__main__":
    main(sys.argv[1:])
