"""Step one on the page: the persona, the mixture, a file of one's own. Knows Gradio and the data step."""

from __future__ import annotations

from typing import Any

import gradio as gr

from workbench.errors import BadInput
from workbench.render import conversations_html
from workbench.render.markup import escape
from workbench.steps import DataStep
from workbench.steps.data import LANGUAGES, MANNERS
from workbench.texts import text

from .parts import Pane, Studio, click, discreet, shown
from .workspaces import Workspace

SAMPLES = 6
FIELDS = ("name", "author", "purpose", "manner", "languages", "ratio")


def build(lang: str) -> tuple[Pane, Any]:
    """The pane, and the event after which the other panes look again."""
    pane = Pane("data", 1)
    with gr.Column(elem_classes="wb-step", elem_id="step-data"):
        pane.head(lang)
        with gr.Row():
            texts = [
                pane.make(gr.Textbox, lang, say={"label": f"data.{name}"}, max_length=120, min_width=200, elem_id=name)
                for name in ("name", "author", "purpose")
            ]
        with gr.Row():
            manner = pane.make(gr.Radio, lang, _manners(lang), say={"label": "data.manner"}, min_width=220)
            spoken = pane.make(
                gr.CheckboxGroup,
                lang,
                [("中文", "zh"), ("English", "en")],
                say={"label": "data.languages"},
                min_width=180,
            )
            ratio = pane.make(
                gr.Slider, lang, 0, 10, step=0.5, say={"label": "data.ratio", "info": "data.ratio_info"}, min_width=220
            )
        with gr.Row():
            make = pane.make(
                gr.Button, lang, say={"value": "data.make"}, variant="primary", elem_id="make", min_width=160
            )
            upload = pane.make(
                gr.UploadButton, lang, say={"label": "data.upload"}, type="binary", min_width=160, elem_id="upload",
                file_types=[".jsonl", ".json", ".csv", ".tsv", ".parquet"],
            )  # fmt: skip
            drop = pane.button(lang, "data.drop", visible=False)
        out = gr.HTML("", elem_id="out-data", padding=False)
    inputs = [*texts, manner, spoken, ratio]
    pane.shown = [*inputs, drop, out]
    pane.state = _state
    return pane, (make, upload, drop, inputs, out)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> list[Any]:
    """What the clicks do; returns the events after which the rest of the page is behind."""
    make, upload, drop, inputs, out = parts
    quick: dict[str, Any] = {"show_progress": "minimal", "api_visibility": "private", "concurrency_id": "work"}
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
        make.click(click(studio, _made, 2), [lang, *inputs], answers, **quick),
        upload.upload(click(studio, take, 2), [lang, upload, *inputs], answers, **slow),
        drop.click(click(studio, leave, 2), [lang, *inputs], answers, **quick),
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
        _shown(ws.project.data, lang) if ws.project.data.made else "",
    ]


def _manners(lang: str) -> list[tuple[str, str]]:
    return [(text(f"studio.data.manners.{one}", lang), one) for one in MANNERS]


def _shown(step: DataStep, lang: str) -> str:
    """How many there are, some of them, and what in them would teach what is not meant."""
    made = step.make()
    counts = text("studio.data.counts", lang, own=len(made.own), train=len(made.train), held_out=len(made.held_out))
    chosen = made.own[:: max(1, len(made.own) // SAMPLES)][:SAMPLES]
    found = step.findings(lang)
    notes = "".join(f"<li>{escape(discreet(one.message, lang))} {escape(one.why)}</li>" for one in found[:8])
    told = f"<ul>{notes}</ul>" if notes else f"<p>{escape(text('studio.data.clean', lang))}</p>"
    return shown(f"<p><strong>{escape(counts)}</strong></p>{conversations_html(chosen, lang=lang)}{told}", lang)
