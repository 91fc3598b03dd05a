"""Processes that end with the one that started them."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.waiting import until
from workbench.runs.process import started

LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="another system has no call for it")
CHILD = """
import os, time
from workbench.runs.process import end_with_parent
end_with_parent(os.getppid())
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@LINUX
def test_a_child_ends_with_the_process_that_started_it() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert started(child)
        parent.kill()
        until(lambda: not started(child), 120)


@LINUX
def test_a_child_whose_parent_is_gone_already_ends_at_once() -> None:
    code = "from workbench.runs.process import end_with_parent; end_with_parent(0); print('lives')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and not done.stdout
