"""Resolves the exact versions anew: writes the three locks and environment.yml from pyproject.toml.

Run it with a Python that has uv: ``python .ci/lock.py``. Knows pyproject.toml's extras; nothing of the package.
Versions already locked are kept; delete a lock first to take the newest of everything.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONDA_PYTHON = "3.11"

HEAD = """\
# Exact versions for Python 3.10 to 3.13 on Linux, macOS 14+ (Apple silicon) and Windows. Written by .ci/lock.py.
# {what}
"""
WHY = """\
# No hashes: torch comes in several builds of one version (CPU, CUDA, vendors'), and a hash admits only one of them.
# The CUDA packages are left to torch, which pins its own exactly; a CPU build needs none.
"""
WHAT = {
    "requirements.lock": (
        "The package, its tests and its checks: what `make quickstart` and `make test` install.\n" + WHY
    ).strip(),
    "requirements-extras.lock": (
        "On top of requirements.lock: the extras notebook, apps, serve, agents, gguf, documents, slurm, writers."
    ),
    "requirements-deepspeed.lock": "On top of requirements.lock: the extra deepspeed (Linux, two GPUs or more).",
}
LEFT_TO_TORCH = ("nvidia-", "cuda-", "triton")


def resolve(*extras: str, prefer: list[str]) -> list[str]:
    """The lines ``name==version ; marker`` for the package and these extras; ``prefer`` stays where it can."""
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "lock.txt"  # uv prefers the versions that its output file names already
        output.write_text("\n".join(prefer) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.10"]
        command += ["--no-header", "--no-annotate", "--output-file", str(output), "pyproject.toml"]
        command += [f"--extra={extra}" for extra in extras]
        subprocess.run(
            command, cwd=ROOT, env=os.environ | {"UV_PYTHON_DOWNLOADS": "never"}, stdout=subprocess.DEVNULL, check=True
        )
        lines = (tidy(line) for line in output.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line and not line.startswith(LEFT_TO_TORCH)]


def tidy(line: str) -> str:
    """Without the markers of a platform that nobody can run this on; empty where the line is only for that."""
    if "sys_platform == 'emscripten'" in line:
        return ""
    line = re.sub(r" and sys_platform != 'emscripten'|sys_platform != 'emscripten' and ", "", line)
    return re.sub(r" ; sys_platform != 'emscripten'$", "", line).strip()


def kept() -> list[str]:
    """What the locks say now."""
    lines = []
    for name in WHAT:
        if (ROOT / name).exists():
            lines += [line for line in (ROOT / name).read_text(encoding="utf-8").splitlines() if "==" in line]
    return lines


def write_lock(name: str, lines: list[str]) -> None:
    """One lock file."""
    (ROOT / name).write_text(HEAD.format(what=WHAT[name]) + "\n".join(lines) + "\n", encoding="utf-8")


def write_environment(lines: list[str]) -> None:
    """environment.yml: conda gives Python and pip, pip gives the same versions as the locks, notebooks and apps too."""
    pins = "\n".join(f'      - "{line}"' for line in lines)
    (ROOT / "environment.yml").write_text(
        "# The versions of requirements.lock and requirements-extras.lock for conda: "
        "commands, notebooks and web apps.\n"
        "# Written by .ci/lock.py; a test compares them.\n"
        "name: workbench\n"
        "channels:\n  - conda-forge\n"
        f"dependencies:\n  - python={CONDA_PYTHON}\n  - pip\n  - pip:\n{pins}\n      - -e .\n",
        encoding="utf-8",
    )


def main() -> None:
    """Resolve everything together, so that the locks agree, then share it out."""
    others = ("notebook", "apps", "serve", "agents", "gguf", "documents", "slurm", "writers")
    whole = resolve("dev", *others, "deepspeed", prefer=kept())
    core = resolve("dev", prefer=whole)
    extras = resolve("dev", *others, prefer=whole)
    deepspeed = resolve("dev", "deepspeed", prefer=whole)
    write_lock("requirements.lock", core)
    more = [line for line in extras if line not in core]
    write_lock("requirements-extras.lock", more)
    write_lock("requirements-deepspeed.lock", [line for line in deepspeed if line not in core])
    write_environment([*core, *more])


if __name__ == "__main__":
    main()
