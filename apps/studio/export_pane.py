"""Step four on the page: adapter, merged model, and whether both answer alike. Knows Gradio and the export step."""

from __future__ import annotations

import queue
import tempfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from workbench.errors import BadInput
from workbench.render.markup import escape, spoken_html, table
from workbench.steps import ExportStep
from workbench.texts import language_of, text

from .parts import Pane, Studio, flow, resting, shown
from .progress import bar
from .way import is_merged, unlearnt
from .workspaces import Workspace

LARGEST = 200_000_000  # bytes of a model that is offered for download
BEAT = 1.0  # seconds after which the page hears something; only then it is noticed that somebody left


def build(lang: str) -> tuple[Pane, Any]:
    """The pane and its parts."""
    pane = Pane("export", 4)
    with gr.Column(elem_classes="wb-step", elem_id="step-export"):
        pane.head(lang)
        with gr.Row(elem_classes="wb-pair"):
            with gr.Column(elem_classes="wb-form"):
                chosen = pane.make(
                    gr.Dropdown, lang, [], say={"label": "export.checkpoint", "info": "export.checkpoint_info"},
                    min_width=200, elem_classes="wb-expert",
                )  # fmt: skip
                pane.main = make = pane.act(lang, "merge", "export.make", variant="primary")
                take = pane.make(
                    gr.DownloadButton, lang, say={"label": "export.take"}, visible=False, size="sm",
                    elem_id="take-model",
                )  # fmt: skip
                pane.tell(lang)
            with gr.Column(elem_classes="wb-preview"):
                out = gr.HTML("", elem_id="out-export", padding=False)
    pane.shown = [chosen, take, out]
    pane.state = _state
    return pane, (chosen, make, take, out)


def connect(studio: Studio, pane: Pane, parts: Any, lang: Any) -> Any:
    """What the click does; returns its event."""
    chosen, make, take, out = parts
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "export"}
    return resting(make.click(flow(studio, _made, 2), [lang, chosen], [take, out, pane.note], **how), "merge")


def offer(studio: Studio, pane: Pane, parts: Any, lang: Any, loaded: Any) -> None:
    """Offer the model that was made before to whoever comes back."""
    how: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "export"}
    loaded.then(flow(studio, _offered, 1), lang, [parts[2], pane.note], **how)


def _offered(ws: Workspace, _: str) -> Iterator[list[Any]]:
    if not is_merged(ws):
        yield [gr.skip()]
        return
    with tempfile.TemporaryDirectory(prefix="studio-") as place:
        yield [_download(ws.project.export, Path(place))]


def _made(ws: Workspace, lang: str, checkpoint: Any) -> Iterator[list[Any]]:
    """Convert, merge, compare; says what is being done. Who leaves in the midst stops it.

    The step is one of its own: the workspace's turns to another run when a training starts meanwhile.
    """
    run = ws.project.train.run
    if run is None:
        raise BadInput("steps.no_run")
    step, told = ExportStep(run, checkpoint=_step(checkpoint)), queue.Queue[Any]()
    threading.Thread(target=_work, args=(ws, step, told), daemon=True).start()
    try:
        for stage in _stages(told):
            yield [gr.skip(), _doing(stage, lang) if stage else gr.skip()]
    except GeneratorExit:
        step.cancel()
        raise
    with tempfile.TemporaryDirectory(prefix="studio-") as place:  # Gradio makes a copy when it is given the file
        yield [_download(step, Path(place)), _shown(step, lang, unlearnt(ws, lang))]


def _step(chosen: Any) -> int | None:
    """The checkpoint's step; None for the best."""
    return chosen if isinstance(chosen, int) and chosen >= 0 else None


def _stages(told: queue.Queue[Any]) -> Iterator[str]:
    """Each stage as it begins, and in between an empty one at every beat; raises what the work raised."""
    while True:
        try:
            found = told.get(timeout=BEAT)
        except queue.Empty:
            yield ""
            continue
        if found is None:
            return
        if isinstance(found, BaseException):
            raise found
        yield found


def _work(ws: Workspace, step: ExportStep, told: queue.Queue[Any]) -> None:
    """The work itself, in a thread: it holds the workspace for as long as it lasts, whoever still looks."""
    try:
        with ws.alone():
            step.everything(lambda stage, done, _: told.put(stage) if not done else None)
            ws.project.export.adopt(step)
        told.put(None)
    except BaseException as error:
        told.put(error)


def _state(ws: Workspace, lang: str) -> list[Any]:
    step, run = ws.project.export, ws.project.train.run
    best = ws.project.train.best_step()
    choices = [(text("studio.export.best", lang, step=best if best is not None else "–"), -1)]
    choices += [(text("steps.label.step", lang, step=c.step), c.step) for c in (run.checkpoints() if run else [])]
    value = step.settings.checkpoint if any(step.settings.checkpoint == n for _, n in choices) else -1
    told = _shown(step, lang, unlearnt(ws, lang)) if run and step.made() else _nothing(ws, lang)
    take = gr.skip() if is_merged(ws) else gr.update(visible=False)  # that of another training is no longer offered
    return [gr.update(choices=choices, value=value), take, told]


def _doing(stage: str, lang: str) -> str:
    words = text(f"studio.export.stage.{stage}", lang)
    return shown(f'<p role="status"><strong>{escape(words)}</strong></p>{bar(0, 0, words)}', lang)


def _nothing(ws: Workspace, lang: str) -> str:
    empty = f'<p class="wb-empty">{escape(text("studio.export.nothing", lang))}</p>'
    return shown(f"{unlearnt(ws, lang)}{empty}", lang)


def _shown(step: Any, lang: str, warning: str = "") -> str:
    """What lies there, and how merged and adapter compare."""
    lines = "".join(f"<li>{escape(text(f'studio.export.{name}', lang))}</li>" for name in step.made())
    found = step.honest
    if found is None:
        return shown(f"{warning}<ul>{lines}</ul>", lang)
    key = "matches" if found.merged_matches_adapter else "differs"
    parted = [
        (q, a, m)
        for q, a, m in zip(found.questions, found.reference, found.of("merged").answers, strict=True)
        if a != m
    ]
    if parted and key == "matches":
        key = "ties"
    told = text(f"export.honesty.{key}", lang, n=len(parted), all=len(found.questions))
    pairs = zip(found.questions, found.of("merged").answers, strict=True)
    ordered = sorted(pairs, key=lambda pair: language_of(pair[0]) != lang)  # the visitor's language first
    rows = [[spoken_html(question), spoken_html(answer)] for question, answer in ordered]
    head = [escape(text(f"studio.data.{part}", lang)) for part in ("question", "answer")]
    return shown(f"{warning}<ul>{lines}</ul><p><strong>{escape(told)}</strong></p>{table(head, rows)}", lang)


def _download(step: Any, folder: Path) -> Any:
    """The merged model in one file in ``folder``, where it is small enough."""
    files = [file for file in sorted(step.merged.iterdir()) if file.is_file()]
    if sum(file.stat().st_size for file in files) > LARGEST:
        return gr.update(visible=False)
    place = folder / "assistant.zip"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as out:
        for file in files:
            out.write(file, f"assistant/{file.name}")
    return gr.update(value=str(place), visible=True)
