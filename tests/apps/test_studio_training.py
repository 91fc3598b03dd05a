"""A training on the studio's page with a real worker: it is seen, it is killed, the page says so, and it goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

gr = pytest.importorskip("gradio")

from apps.assistant_gradio.app import launch  # noqa: E402
from apps.studio.line import Line  # noqa: E402
from apps.studio.page import Studio, build  # noqa: E402
from apps.studio.train_pane import OFFERED  # noqa: E402
from apps.studio.workspaces import Workspaces  # noqa: E402
from tests import tiny as small  # noqa: E402
from tests.apps.conftest import GRADIO_SAYS  # noqa: E402
from tests.waiting import until  # noqa: E402
from workbench.chat.door import Door  # noqa: E402
from workbench.runs import stop  # noqa: E402
from workbench.training.recipe import load_recipe, recipe_yaml  # noqa: E402

pytestmark = [pytest.mark.slow, *GRADIO_SAYS]


@pytest.fixture
def rooms(tiny: Path, tmp_path: Path) -> Iterator[Workspaces]:
    """Workspaces that train the tiny model, for as long as it is let."""
    often = ("data.general=shipped", "max_steps=5000", "save_steps=2", "eval_steps=1000", "logging_steps=1")
    file = tmp_path / "recipe.yaml"
    file.write_text(recipe_yaml(load_recipe("pocket-qlora", small.overrides(tiny, *often))), encoding="utf-8")
    made = Workspaces(tmp_path / "root", lang="en", recipe=str(file))
    yield made
    for _, run in made.running():
        stop(run, 60, kill=True)


@pytest.fixture
def page(rooms: Workspaces) -> Iterator[Any]:
    made = build(Studio(rooms, Line(), "en", "0" * 16))
    launch(made, Door("127.0.0.1", 0))
    yield made
    made.close(verbose=False)


def call(page: Any, number: int, *data: Any) -> Any:
    """An event of the page, as a browser sends it; returns the values that its parts are given."""
    import httpx

    body = {"data": list(data), "fn_index": number, "session_hash": "page"}
    return httpx.post(f"{page.local_url}gradio_api/run/predict", json=body, timeout=60).json()["data"]


def event(page: Any, part: str, kind: str) -> int:
    wanted = next((number for number, block in page.blocks.items() if getattr(block, "elem_id", None) == part), None)
    return next(n for n, fn in page.fns.items() if any(k == kind and i == wanted for i, k in fn.targets))


def clock(page: Any) -> int:
    """The event of the clock that looks where the training stands."""
    ticks = (n for n, fn in page.fns.items() if any(kind == "tick" for _, kind in fn.targets))
    status = next(number for number, block in page.blocks.items() if getattr(block, "elem_id", None) == "status")
    return next(n for n in ticks if status in [part._id for part in page.fns[n].outputs])


def test_a_worker_that_is_killed_is_told_on_the_page_and_goes_on(page: Any, rooms: Workspaces) -> None:
    call(page, next(n for n, fn in page.fns.items() if any(kind == "load" for _, kind in fn.targets)), "")
    train = rooms.of("page").project.train
    status = lambda: call(page, clock(page), "en")[1]  # noqa: E731
    call(page, event(page, "start", "click"), "en", *[train.value(key) for key in OFFERED])
    until(lambda: "Training. Step" in status() and train.run and train.checkpoints(), 120, 0.2)
    os.kill(train.run.state().pid, signal.SIGKILL)
    told = until(lambda: (said := status()) and 'role="alert"' in said and said, 120, 0.2)
    assert "resume" in told.lower() or "go on" in told.lower()
    resume = call(page, clock(page), "en")[0]
    assert resume["visible"]
    before = train.checkpoints()[-1].step
    call(page, event(page, "resume", "click"), "en")
    until(lambda: train.checkpoints()[-1].step > before, 120, 0.2)
    call(page, event(page, "stop-train", "click"), "en")
    until(lambda: "Stopped." in status(), 120, 0.2)
