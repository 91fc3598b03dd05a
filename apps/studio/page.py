"""The studio's page: the five panes one below the other, one language for all. Knows Gradio; work is the panes'."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.render.markup import escape, static, styles
from workbench.texts import language, text

from ..assistant_gradio.cache import use_cache
from ..assistant_gradio.parts import HEAD as CHAT
from ..assistant_gradio.parts import SPEAK
from . import chat_pane, data_pane, export_pane, template_pane, train_pane
from .folders import private
from .parts import Pane, Studio, card, heading, visitor, working
from .way import standing, stepper
from .workspaces import Workspace

__all__ = ["HEAD", "STYLE", "Studio", "build"]

STYLE = Path(__file__).with_name("studio.css")
# The mask's arrow keys, and the project's own styles once for the whole page.
_OWN = Path(__file__).with_name("studio.js").read_text(encoding="utf-8")
HEAD = f"{styles('report.css', 'mask.css')}<script>{static('mask.js')}</script>{CHAT}<script>{_OWN}</script>"
LANGUAGES = [("中文", "zh"), ("English", "en")]
KEPT = "assistant-workbench-studio"


def build(studio: Studio) -> gr.Blocks:
    """The page."""
    lang = language(studio.lang)
    use_cache(private(private(studio.rooms.root) / "cache"))
    with gr.Blocks(title=text("studio.title", lang), analytics_enabled=False, delete_cache=(3600, 3600)) as page:
        memory = gr.BrowserState("", storage_key=KEPT, secret=studio.secret)
        with gr.Row(elem_classes="wb-head"):
            title = gr.HTML(_title(lang), elem_classes="wb-title", padding=False)
            chosen = gr.Radio(
                LANGUAGES, value=lang, label="语言 / Language", show_label=False, container=False, min_width=180,
                scale=0, elem_classes="wb-lang",
            )  # fmt: skip
        steps = gr.HTML("", elem_id="stepper", padding=False)
        note = gr.HTML("", elem_id="note", padding=False)
        made = {
            module.__name__.rpartition(".")[2]: module.build(lang)
            for module in (data_pane, template_pane, train_pane, export_pane, chat_pane)
        }
        panes = [pane for pane, _ in made.values()]
        _connect(studio, page, (memory, title, chosen, note, steps), panes, made)
    page.queue(max_size=200, default_concurrency_limit=1)
    return page


def _connect(
    studio: Studio, page: gr.Blocks, frame: tuple[Any, ...], panes: list[Pane], made: dict[str, tuple[Pane, Any]]
) -> None:
    memory, title, chosen, note, steps = frame
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
    way = [steps, *(part for pane in panes for part in (pane.foot, pane.main))]
    everything = [title, *_worded(panes), *(part for pane in panes for part in pane.shown), *way]

    def begin(request: gr.Request, secret: Any) -> list[Any]:
        lang = studio.lang or _browsers(request)
        try:
            workspace = studio.rooms.enter(visitor(request), secret, lang)
            return [workspace.secret, lang, "", *_whole(studio, panes, visitor(request), lang)]
        except Exception as error:  # full, or no space: the page says so
            return [gr.skip(), lang, card(error, lang), *[gr.skip()] * len(everything)]

    def speak(request: gr.Request, lang: str) -> list[Any]:
        return ["", *_whole(studio, panes, visitor(request), language(lang))]

    def leave(request: gr.Request) -> None:
        studio.rooms.leave(visitor(request))

    loaded = page.load(begin, memory, [memory, chosen, note, *everything], **quick)
    chosen.input(_safe(speak, len(everything)), chosen, [note, *everything], **quick)
    for event in (loaded.then, chosen.input):
        event(None, chosen, None, js=SPEAK, **quick)
    page.unload(leave)
    _connect_panes(studio, panes, made, chosen, way, loaded)


def _connect_panes(
    studio: Studio, panes: list[Pane], made: dict[str, tuple[Pane, Any]], chosen: Any, way: list[Any],
    loaded: Any,
) -> None:  # fmt: skip
    """Each pane's own clicks; after a set, a training or a merge the other panes and the way look again."""
    parts = {name: pane_parts for name, (_, pane_parts) in made.items()}
    by_name = {pane.name: pane for pane in panes}
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    def again(event: Any, *names: str) -> None:
        wanted = [by_name[name] for name in names]
        outputs = [*(part for pane in wanted for part in pane.shown), *way]

        def look(request: gr.Request, lang: str) -> list[Any]:
            workspace = studio.rooms.of(visitor(request))
            values = [value for pane in wanted for value in pane.state(workspace, language(lang))]
            return [*values, *_way(workspace, panes, language(lang))]

        event.then(_safe(look, len(outputs), note=False), chosen, outputs, **quick)

    for event in data_pane.connect(studio, by_name["data"], parts["data_pane"], chosen):
        again(event, "template")
    again(template_pane.connect(studio, by_name["template"], parts["template_pane"], chosen))
    train_pane.connect(studio, by_name["train"], parts["train_pane"], chosen)
    again(export_pane.connect(studio, by_name["export"], parts["export_pane"], chosen), "chat")
    export_pane.offer(studio, by_name["export"], parts["export_pane"], chosen, loaded)
    added, asked = chat_pane.connect(studio, by_name["chat"], parts["chat_pane"], chosen)
    again(added, "data")
    for event in asked:
        again(event)
    _watch(studio, panes, chosen, way)


def _watch(studio: Studio, panes: list[Pane], chosen: Any, way: list[Any]) -> None:
    """When a training has a new checkpoint or an end, what can be exported and asked is another."""
    wanted = [pane for pane in panes if pane.name in ("export", "chat")]
    outputs = [*(part for pane in wanted for part in pane.shown), *way]
    quick: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}

    def look(request: gr.Request, lang: str) -> list[Any]:
        page_of = visitor(request)
        workspace = studio.rooms.of(page_of)
        run = workspace.project.train.run
        mark = (run and run.path, run and [c.step for c in run.checkpoints()], run and run.state().status)
        key = f"{page_of} checkpoints"
        waits = workspace.project.chat.answering or workspace.speaks(page_of) != language(lang)
        if waits or workspace.seen.get(key) == mark:
            return [gr.skip()] * len(outputs)
        workspace.seen[key] = mark
        values = [value for pane in wanted for value in pane.state(workspace, language(lang))]
        return [*values, *_way(workspace, panes, language(lang))]

    gr.Timer(2.0).tick(_safe(look, len(outputs), note=False), chosen, outputs, **quick)


def _way(workspace: Workspace, panes: list[Pane], lang: str) -> list[Any]:
    """The list of steps, and of each step the way on and how loud its own button is."""
    now = standing(workspace)
    return [stepper(now, lang), *(value for pane in panes for value in pane.standing(now, lang))]


def _safe(work: Callable[..., list[Any]], outputs: int, *, note: bool = True) -> Callable[..., list[Any]]:
    """The same, but what goes wrong is told in the page's note, or passed over where there is none."""

    def answer(request: gr.Request, lang: str) -> list[Any]:
        try:
            return work(request, lang)
        except Exception as error:
            return [*([card(error, language(lang))] if note else []), *[gr.skip()] * outputs]

    return answer


def _worded(panes: list[Pane]) -> list[Any]:
    return [part for pane in panes for part in (pane.title, pane.doing, *(part for part, _ in pane.worded))]


def _whole(studio: Studio, panes: list[Pane], page_of: str, lang: str) -> list[Any]:
    """Every word and every state of the page."""
    workspace = studio.rooms.of(page_of)
    workspace.seen[f"{page_of} language"] = lang
    words: list[Any] = []
    for pane in panes:
        words += [heading(pane, lang), working(pane, lang)]
        words += [gr.update(**pane.words(lang, **says)) for _, says in pane.worded]
    states = [value for pane in panes for value in pane.state(workspace, lang)]
    return [_title(lang), *words, *states, *_way(workspace, panes, lang)]


def _title(lang: str) -> str:
    return f"<h1>{escape(text('studio.title', lang))}</h1><p>{escape(text('studio.about', lang))}</p>"


def _browsers(request: gr.Request) -> str:
    """The language that the browser asks for first."""
    asked = str(dict(request.headers or {}).get("accept-language", "")).strip()
    return language(asked) if asked else language()
