"""Step one on the page: the persona, the mixture, a file of one's own. Knows Gradio and the data step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from workbench.data import read
from workbench.data.conversation import Conversation
from workbench.errors import BadInput
from workbench.render import conversations_html
from workbench.render.markup import escape
from workbench.steps import DataStep
from workbench.steps.data import LANGUAGES, MANNERS, OFTEN
from workbench.texts import text

from .parts import Pane, Studio, click, discreet, resting, shown
from .workspaces import Workspace

SAMPLES = 6
MENDED = 3  # better answers that are shown, the latest
FIELDS = ("name", "author", "purpose", "manner", "languages", "ratio")


def build(lang: str) -> tuple[Pane, Any]:
    """The pane, and the event after which the other panes look again."""
    pane = Pane("data", 1)
    with gr.Column(elem_classes="wb-step", elem_id="step-data"):
        pane.head(lang)
        with gr.Row(elem_classes="wb-pair"):
            with gr.Column(elem_classes="wb-form"):
                inputs = _persona(pane, lang)
                pane.main = make = pane.act(lang, "make", "data.make", variant="primary")
                with gr.Row(elem_classes="wb-more"):
                    pane.acts = (*pane.acts, "upload")
                    upload = pane.make(
                        gr.UploadButton, lang, say={"label": "data.upload"}, type="binary", min_width=160, size="sm",
                        elem_id="upload", file_types=[".jsonl", ".json", ".csv", ".tsv", ".parquet"],
                    )  # fmt: skip
                    drop = pane.act(lang, "drop", "data.drop", visible=False, size="sm", min_width=120)
                pane.tell(lang)
            with gr.Column(elem_classes="wb-preview"):
                out = gr.HTML(_nothing(lang), elem_id="out-data", padding=False)
    pane.shown = [*inputs, drop, out]
    pane.state = _state
    return pane, (make, upload, drop, inputs, out)


def _persona(pane: Pane, lang: str) -> list[Any]:
    """Who the assistant is to be: name and maker in the simple view, the rest in the expert's."""
    texts = [
        pane.make(
            gr.Textbox, lang, say={"label": f"data.{name}", "placeholder": f"data.{name}_for"}, max_length=120,
            min_width=200, elem_id=name, elem_classes=() if name != "purpose" else "wb-expert",
        )
        for name in ("name", "author", "purpose")
    ]  # fmt: skip
    manner = pane.make(
        gr.Radio, lang, _manners(lang), say={"label": "data.manner"}, min_width=220, elem_classes="wb-expert"
    )
    spoken = pane.make(
        gr.CheckboxGroup, lang, [("中文", "zh"), ("English", "en")], say={"label": "data.languages"}, min_width=180,
        elem_classes="wb-expert",
    )  # fmt: skip
    ratio = pane.make(
        gr.Slider, lang, 0, 10, step=0.1, say={"label": "data.ratio", "info": "data.ratio_info"}, min_width=220,
        elem_classes="wb-expert",
    )  # fmt: skip
    return [*texts, manner, spoken, ratio]


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> list[Any]:
    """What the clicks do; returns the events after which the rest of the page is behind."""
    make, upload, drop, inputs, out = parts
    quick: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "work"}
    answers = [drop, out, pane.note]

    def take(ws: Workspace, spoken: str, content: Any, *values: Any) -> list[Any]:
        if not isinstance(content, bytes):
            raise BadInput("studio.upload_kind", given="–", known="jsonl json csv tsv parquet")
        ws.project.data.change(file=str(studio.rooms.take(ws, content, _name(content))), mended=())
        return _made(ws, spoken, *values)

    def leave(ws: Workspace, spoken: str, *values: Any) -> list[Any]:
        ws.project.data.change(file=None, mended=())
        return _made(ws, spoken, *values)

    # Reading a large file takes long: it has turns of its own, so that nobody's click waits for another's upload.
    slow = {**quick, "concurrency_id": "upload", "concurrency_limit": 2}
    return [
        resting(make.click(click(studio, _made, 2), [lang, *inputs], answers, **quick), "make"),
        resting(upload.upload(click(studio, take, 2), [lang, upload, *inputs], answers, **slow), "upload"),
        resting(drop.click(click(studio, leave, 2), [lang, *inputs], answers, **quick), "drop"),
    ]


def _name(content: bytes) -> str:
    """Only the content comes from the browser: which of the kinds it is stands in its first bytes, after the byte order
    mark, and in UTF-16 and UTF-32 between zeros."""
    head = content.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1]
    if content[:4] == b"PAR1":
        return "data.parquet"
    if head == b"[":
        return "data.json"
    if head == b"{":
        return "data.jsonl"
    first = content.split(b"\n", 1)[0]
    return "data.tsv" if first.count(b"\t") > first.count(b",") else "data.csv"


def _made(ws: Workspace, lang: str, *values: Any) -> list[Any]:
    """Take the settings over and make the set."""
    step = ws.project.data
    given: dict[str, Any] = dict(zip(FIELDS, values, strict=True))
    given |= {key: str(given[key] or "") for key in ("name", "author", "purpose", "manner")}
    given["languages"] = tuple(one for one in given["languages"] or () if one in LANGUAGES) or LANGUAGES
    given["ratio"] = min(max(float(given["ratio"]), 0.0), 10.0)
    with ws.alone():
        step.change(**given)
        step.make()
        ws.project.save()
    return [gr.update(visible=step.settings.file is not None), _shown(step, lang)]


def _state(ws: Workspace, lang: str) -> list[Any]:
    s = ws.project.data.settings
    values = [
        s.name,
        s.author,
        s.purpose,
        gr.update(value=s.manner, choices=_manners(lang)),
        list(s.languages),
        s.ratio,
    ]
    return [
        *values,
        gr.update(visible=s.file is not None),
        _shown(ws.project.data, lang) if ws.project.data.made else _nothing(lang),
    ]


def _manners(lang: str) -> list[tuple[str, str]]:
    return [(text(f"studio.data.manners.{one}", lang), one) for one in MANNERS]


def _nothing(lang: str) -> str:
    return shown(f'<p class="wb-empty">{escape(text("studio.data.nothing", lang))}</p>', lang)


def _shown(step: DataStep, lang: str) -> str:
    """How many there are, some of them, and what in them would teach what is not meant."""
    made = step.make()
    counts = text("studio.data.counts", lang, own=len(made.own), train=len(made.train), held_out=len(made.held_out))
    found = step.findings(lang)
    notes = "".join(f"<li>{escape(discreet(one.message, lang))} {escape(one.why)}</li>" for one in found[:8])
    told = f"<ul>{notes}</ul>" if notes else f"<p>{escape(text('studio.data.clean', lang))}</p>"
    mended = read(step.settings.added) if step.settings.added else []
    if mended:
        counts += text("render.summary.space", lang) + text("studio.data.mended", lang, n=len(mended), often=OFTEN)
    table = conversations_html([*mended[-MENDED:], *samples(made.own, lang)], lang=lang)
    return shown(f"<p><strong>{escape(counts)}</strong></p>{table}{told}", lang)


def samples(conversations: Sequence[Conversation], lang: str) -> list[Conversation]:
    """Some of them, evenly spread, those in the visitor's language first."""
    ordered = sorted(conversations, key=lambda one: one.lang != lang)
    spoken = [one for one in ordered if one.lang == lang] or ordered
    chosen = spoken[:: max(1, len(spoken) // SAMPLES)][:SAMPLES]
    return chosen if len(chosen) >= SAMPLES else list(ordered[:SAMPLES])
