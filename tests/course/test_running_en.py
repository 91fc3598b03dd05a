"""Every English lesson runs, each in a folder of its own: as for somebody who opens only that one."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import pytest

from tests.course.running import lessons, run


@pytest.mark.slow
@pytest.mark.timeout(2400)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("source", lessons("en"), ids=lambda path: path.stem)
def test_a_lesson_runs_by_itself(
    source: Path, build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source, build, tmp_path, monkeypatch)


CLAIMED = """---
lesson: 0
title: T
minutes: 1
cpu: 1
gpu: 1
control: null
---

```python
answer = 42
```

It is 42.

```claim
seen = answer
assert seen == {claimed}
```

```python
assert "seen" not in globals()
```
"""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_claim_that_is_not_true_fails_the_lesson(
    build: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "en" / "00-claimed.md"
    source.parent.mkdir()
    source.write_text(CLAIMED.format(claimed=42), encoding="utf-8")
    run(source, build, tmp_path, monkeypatch)
    source.write_text(CLAIMED.format(claimed=43), encoding="utf-8")
    with pytest.raises(pytest.importorskip("nbclient").exceptions.CellExecutionError, match="AssertionError"):
        run(source, build, tmp_path, monkeypatch)
