"""The threads of a training beside others' work, and what its run says of them. Knows threads and events."""

from __future__ import annotations

from typing import Any

from workbench.models.threads import Share, Threads
from workbench.runs import Run
from workbench.runs.events import StatusEvent

KEY = "training.state.threads"


class Sharing:
    """Choose the number of threads at the start and at each look, and know what the run has said of it.

    Another number of threads adds the same numbers in another order: the last digits may differ. So a run that goes on
    with another number than it was left with says so.

    Args:
        run: whose events are read.
        fixed: the recipe's number; None follows what is free.
    """

    def __init__(self, run: Run, fixed: int | None) -> None:
        self.threads = Threads(fixed)
        before = [event for event in run.events.all() if isinstance(event, StatusEvent) and event.key == KEY]
        number = before[-1].values.get("threads") if before else None
        self._told = number if isinstance(number, int) else self.threads.most

    def look(self) -> dict[str, Any] | None:
        """Choose anew; the values of the sentence that tells it, None where the run has told that number last."""
        share = self.threads.look() or Share(self.threads.current, self._told, self.threads.cores, self.threads.others)
        if self.threads.current == self._told:
            return None
        before, self._told = self._told, self.threads.current
        return {"threads": share.threads, "before": before, "cores": share.cores, "others": share.others}
