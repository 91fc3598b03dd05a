"""Tests that run side by side share the cores."""

from __future__ import annotations

import os

import pytest


def test_processes_of_tests_have_not_more_threads_than_the_machine_cores() -> None:
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT") or 1)
    if processes > (os.cpu_count() or 1):
        pytest.skip("more processes than cores were asked for")
    assert int(os.environ["OMP_NUM_THREADS"]) * processes <= (os.cpu_count() or 1)
