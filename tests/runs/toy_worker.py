"""A worker that trains nothing, for the tests: the standard library and workbench.runs only. Run by its path."""

from __future__ import annotations

import os
import sys
import time
from contextlib import ExitStack
from pathlib import Path

from workbench.errors import Failed
from workbench.runs import Run, checkpoint_writer, claim, prune


def main() -> None:
    run = Run(sys.argv[1])
    settings = dict(line.split(": ") for line in run.recipe_text().splitlines())
    steps, save, delay = int(settings["steps"]), int(settings["save"]), float(settings.get("delay", 0))
    last = run.latest()
    with ExitStack() as stack:
        worker = stack.enter_context(claim(run, total_steps=steps, resume_from=last.step if last else None))
        if "owner" in settings and not stack.enter_context(worker.turn(settings["owner"], ["cpu"])):
            worker.finish("stopped")
            return
        value = float((last.path / "weights").read_text()) if last else 1.0
        for step in range(last.step + 1 if last else 1, steps + 1):
            value = (value * 1.1 + step) % 7
            worker.log("train", step=step, loss=value)
            worker.beat(step)
            what(settings.get("at " + str(step)), run)
            if step % save == 0:
                worker.log("eval", step=step, loss=value / 2, identity=step / steps)
                checkpoint(run, step, value)
            time.sleep(delay)
            if worker.stop_requested:
                checkpoint(run, step, value)
                break


def checkpoint(run: Run, step: int, value: float) -> None:
    with checkpoint_writer(run, step, reason="interval", score=-abs(value - 3), why="near three") as folder:
        (folder.path / "weights").write_text(repr(value))
        (folder.path / "more").mkdir()
        (folder.path / "more" / "state").write_text("x" * 5000)
    prune(run, 2)


def what(deed: str | None, run: Run) -> None:
    if deed == "crash":
        raise ZeroDivisionError("nothing to divide by")
    if deed == "fail":
        raise Failed("runs.interrupted", run=run.name, command="go on")
    if deed == "fork" and os.fork() == 0:
        (run.path / "child").write_text(str(os.getpid()))
        time.sleep(30)
        os._exit(0)
    if deed == "full":
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))


if __name__ == "__main__":
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != Path(__file__).parent]
    main()
