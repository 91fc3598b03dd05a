"""The environment that the heavy libraries find."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.environment import DEFAULTS, HUSHED, no_collection, prepare


def test_what_the_person_has_set_stays() -> None:
    environ = {"TRANSFORMERS_VERBOSITY": "debug"}
    prepare(environ)
    assert environ["TRANSFORMERS_VERBOSITY"] == "debug"
    assert environ["HF_HUB_DISABLE_TELEMETRY"] == "1"


@pytest.mark.parametrize(("platform", "layer"), [("linux", "GNU"), ("darwin", None), ("win32", None)])
def test_gnu_threads_are_asked_for_only_where_torch_has_them(platform: str, layer: str | None) -> None:
    environ: dict[str, str] = {}
    prepare(environ, platform)
    assert environ.get("MKL_THREADING_LAYER") == layer


def test_deepspeed_chooses_its_accelerator_itself() -> None:
    assert not [name for name in DEFAULTS if name.startswith("DS_")]


@pytest.mark.parametrize("name", HUSHED)
def test_what_a_person_can_do_nothing_about_is_not_printed(name: str) -> None:
    prepare({})
    assert not logging.getLogger(name).isEnabledFor(logging.WARNING)
    found = importlib.util.find_spec(name.partition(".")[0])
    assert found is not None
    assert found.origin is not None
    path = Path(found.origin).parents[1].joinpath(*name.split(".")).with_suffix(".py")
    assert re.search(r"^logger = logging.get_?[lL]ogger\(__name__\)", path.read_text(encoding="utf-8"), re.M)


def test_a_look_at_the_machine_prepares_before_the_libraries_load() -> None:
    code = (
        "import logging; from workbench.models.machine import machine; machine();"
        f"print(logging.getLogger({HUSHED[0]!r}).isEnabledFor(logging.WARNING))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False" and "gemm_4bit" not in done.stderr


def test_every_command_runs_prepared() -> None:
    code = "import os; from workbench.cli import run; run(['--version']); print(os.environ['HF_HUB_DISABLE_TELEMETRY'])"
    bare = {name: value for name, value in os.environ.items() if name not in DEFAULTS}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=bare, check=True)
    assert done.stdout.splitlines()[-1] == "1"


def test_garbage_is_not_looked_for_while_libraries_load_and_again_afterwards() -> None:
    frozen = gc.get_freeze_count()
    try:
        with no_collection():
            with no_collection():
                assert not gc.isenabled()
            assert not gc.isenabled()  # the inner one ends nothing
        assert gc.isenabled()
        assert gc.get_freeze_count() > frozen
        with pytest.raises(ValueError, match="broken"), no_collection():
            raise ValueError("broken")
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_no_library_finds_what_fetches_kernels(tmp_path: Path) -> None:
    """bitsandbytes asks it for one as it loads, whatever a model's folder says."""
    (tmp_path / "kernels.py").write_text("raise SystemExit('it was imported')", encoding="utf-8")
    code = (
        "import importlib.util\nfrom workbench.models import load_tokenizer\nload_tokenizer('pocket')\n"
        "import bitsandbytes\nassert importlib.util.find_spec('kernels') is None"
    )
    paths = os.pathsep.join([str(tmp_path), *filter(None, sys.path)])
    environ = {name: value for name, value in os.environ.items() if name != "USE_HUB_KERNELS"} | {"PYTHONPATH": paths}
    subprocess.run([sys.executable, "-c", code], env=environ, check=True)
    probe = "import workbench.environment as e; e.prepare(); import kernels"
    wished = environ | {"USE_HUB_KERNELS": "1"}
    done = subprocess.run([sys.executable, "-c", probe], env=wished, capture_output=True, text=True, check=False)
    assert "it was imported" in done.stderr  # a person's own word
