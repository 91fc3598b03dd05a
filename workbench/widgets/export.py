"""The panel of convert and merge: from a checkpoint to an adapter and a merged model, and whether they agree."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

from workbench.errors import WorkbenchError
from workbench.models.notes import part
from workbench.render import escape
from workbench.render.markup import spoken_html, table
from workbench.runs import Run
from workbench.steps import ExportStep
from workbench.steps.export import STAGES
from workbench.texts import text
from workbench.widgets.controls import grid, key, put_options, row
from workbench.widgets.panel import Panel, area, joined
from workbench.widgets.progress import checkpoint_words

if TYPE_CHECKING:
    from workbench.export import Honesty


class ExportPanel(Panel):
    """Show the way from a checkpoint to what is taken away.

    Args:
        run: the run, its folder, or a checkpoint; an :class:`~workbench.steps.ExportStep` is taken as it is.
        checkpoint: the step of the checkpoint; None takes the best.
        adapter, merged: the folders to make; by default in the run folder.
        lang, presenter: as in :class:`Panel`.
    """

    name = "export"

    def __init__(
        self,
        run: Run | str | Path | ExportStep | None = None,
        *,
        checkpoint: int | None = None,
        adapter: str | Path = "",
        merged: str | Path = "",
        lang: str | None = None,
        presenter: bool = False,
    ) -> None:
        step = (
            run
            if isinstance(run, ExportStep)
            else ExportStep(run, checkpoint=checkpoint, adapter=str(adapter), merged=str(merged))
        )
        self._stage, self._done, self._total, self._all = STAGES[0], 0, 0, False
        super().__init__(step, lang=lang, presenter=presenter)

    # --- commands ---

    def everything(self) -> None:
        """Convert, merge and check, in a thread."""
        self._work("convert", lambda: self.step.everything(self._progress), all_=True)

    def convert(self) -> None:
        """Make the adapter, in a thread."""
        self._work("convert", self.step.convert)

    def merge(self) -> None:
        """Make the merged model, in a thread."""
        self._work("merge", lambda: self.step.merge(lambda *amounts: self._progress("merge", *amounts)))

    def check(self) -> None:
        """Ask adapter and merged model the same questions, in a thread."""
        self._work("honesty", self.step.honesty)

    def stop(self) -> None:
        """Leave off what is being made."""
        self.step.cancel()

    def _work(self, stage: str, work: Callable[[], Any], *, all_: bool = False) -> None:
        if not self.busy:
            self._all = all_
            self._progress(stage, 0, 0)
            self.step.cancelled.ready()
            self.run_job(work)

    def _progress(self, stage: str, written: int, total: int) -> None:
        self._stage, self._done, self._total = stage, written, total

    # --- building ---

    def build(self) -> list[Any]:
        """Build choices, buttons, progress, results."""
        c = self.controls
        self._run, self._adapter, self._merged = (ipw.Text(continuous_update=False) for _ in range(3))
        self._checkpoint = ipw.Dropdown(options=[])
        self._bar = ipw.IntProgress(min=0, max=1)
        self._bar.layout.width = "100%"
        self._words, self._results = c.html(live=True), c.html()
        form = grid(
            c.field("run", self._run, key("export.run"), lambda v: self.change(run=v.strip(), checkpoint=None)),
            c.field(
                "checkpoint",
                self._checkpoint,
                key("export.checkpoint"),
                lambda v: self.change(checkpoint=v or None),
                help_=key("train.score_means"),
            ),
            c.field("adapter", self._adapter, key("export.adapter"), lambda v: self.change(adapter=v.strip())),
            c.field("merged", self._merged, key("export.merged"), lambda v: self.change(merged=v.strip())),
        )
        buttons = row(
            c.button("everything", "magic", key("export.everything"), self.everything, main=True),
            c.button("convert", "cube", key("export.convert"), self.convert),
            c.button("merge", "compress", key("export.merge"), self.merge),
            c.button("check", "balance-scale", key("export.check"), self.check),
            c.button("stop", "stop", key("export.stop"), self.stop),
            class_="wb-buttons",
        )
        return [form, buttons, self._words, self._bar, self._results]

    # --- filling ---

    def fill(self) -> None:
        """Fill settings into the controls, what was made under them."""
        self.controls.filled(self._fill_form)
        folders = self.step.made()
        idle = not self.busy
        self.controls.enable(
            everything=idle,
            convert=idle,
            merge=idle and "adapter" in folders,
            check=idle and "merged" in folders,
            **dict.fromkeys(("run", "checkpoint", "adapter", "merged"), idle),
        )
        self._show_progress()
        area(self._results, self._results_html())

    def _fill_form(self) -> None:
        s = self.step.settings
        self._run.value, self._adapter.value, self._merged.value = s.run, s.adapter, s.merged
        self._adapter.placeholder, self._merged.placeholder = map(_near, (self.step.adapter, self.step.merged))
        run = self.step.run
        best = run.best() if run else None
        options = [(text("widgets.export.best", self.lang), 0)]  # a choice of None would be shown empty
        best_step = best.step if best else None
        steps, scores = [checkpoint.step for checkpoint in self.step.checkpoints()], self.step.scores()
        options += [(checkpoint_words(step, best_step, scores, self.lang), step) for step in steps]
        put_options(self._checkpoint, options, s.checkpoint or 0)

    def fail(self, error: BaseException) -> None:
        """Show an error as a card; it is not told twice."""
        super().fail(error)
        area(self._results, self._results_html())

    def look(self) -> bool:
        """Tell how far it is."""
        self._show_progress()
        return self.busy

    def _show_progress(self) -> None:
        # a wish is heeded while it merges, and between converting and merging
        self.controls.enable(stop=self.busy and (self._stage == "merge" or (self._all and self._stage == "convert")))
        if not self.busy:
            self._bar.layout.display = "none"
            area(self._words, "")
            return
        self._bar.layout.display = None
        self._bar.max, self._bar.value = max(1, self._total), min(self._done, max(1, self._total))
        number = STAGES.index(self._stage) + 1
        stage = text(f"widgets.export.stage.{self._stage}", self.lang, n=number, of=len(STAGES))
        size = (
            text("widgets.export.bytes", self.lang, done=self._done / 1e6, total=self._total / 1e6)
            if self._total
            else ""
        )
        area(self._words, f"<p><strong>{escape(' '.join(filter(None, (stage, size))))}</strong></p>")

    def _results_html(self) -> str:
        folders = self.step.made()
        parts = [self._source_html(), *(self._made_html(name, note) for name, note in folders.items())]
        if self.step.honest is not None:
            parts.append(honesty_html(self.step.honest, self.lang))
        return joined(parts)

    def _source_html(self) -> str:
        """Which checkpoint is meant, and why."""
        try:
            source = self.step.source()
        except WorkbenchError as error:
            if self._card.value:  # it says so already
                return ""
            return f'<p class="wb-soft">{escape(error.say(self.lang))} {escape(error.do(self.lang))}</p>'
        step = "–" if source.step is None else source.step
        sentence = text("widgets.export.source", self.lang, checkpoint=source.checkpoint.name, step=step)
        return f"<p>{escape(sentence)}</p>"

    def _made_html(self, name: str, note: dict[str, Any]) -> str:
        folder: Path = getattr(self.step, name)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6
        step = part(note, "run").get("step", "–")
        title = escape(text(f"widgets.export.made.{name}", self.lang, step=step, size=size))
        return f"<p><strong>✓ {title}</strong><br><code>{escape(_near(folder))}</code></p>"

    def picture(self) -> str:
        """Return what was made, and whether it agrees."""
        return self._results_html()


def _near(folder: Path) -> str:
    """A folder as it is named from here, where it lies under here: the whole path would be cut off in its field."""
    path, base = folder.absolute(), Path.cwd()
    return str(path.relative_to(base) if path.is_relative_to(base) else folder)


def honesty_html(report: Honesty, lang: str | None) -> str:
    """Return the check as a verdict, a table of the ways of serving, and the answers side by side."""
    triples = list(zip(report.questions, report.reference, report.of("merged").answers, strict=True))
    parted = sum(a != m for _, a, m in triples)
    kind = "differs" if not report.merged_matches_adapter else "ties" if parted else "matches"
    sign = "✗" if kind == "differs" else "✓"
    sentence = text(f"export.honesty.{kind}", lang, n=parted, all=len(triples))
    ways = [
        [escape(text(f"export.honesty.reference.{report.base_quantization}", lang)), "100%", "–", "–"],
        *(
            [
                escape(text(f"export.honesty.{comparison.way}", lang)),
                f"{comparison.same:.0%}",
                f"{comparison.max_difference:.3g}",
                f"{comparison.mean_difference:.2g}",
            ]
            for comparison in report.compared
        ),
    ]
    head = [escape(text(f"export.honesty.{name}", lang)) for name in ("way", "same", "max", "mean")]
    columns = [escape(text(f"widgets.export.{name}", lang)) for name in ("question", "by_adapter", "by_merged")]
    answers = [[spoken_html(q), spoken_html(a), spoken_html(m) + ("" if a == m else " ≠")] for q, a, m in triples]
    return joined(
        [
            f"<p><strong>{sign} {escape(sentence)}</strong></p>",
            table(head, ways, class_="wb-numbers"),
            table(columns, answers),
        ]
    )
