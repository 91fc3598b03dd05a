"""What a run was made of, so that it can be made again. Knows versions and hashes; the values of a run are given."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterable
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from workbench.runs.files import saving, sha256

FORMAT = 1
PACKAGES = (
    "assistant-workbench",
    "torch",
    "transformers",
    "peft",
    "bitsandbytes",
    "accelerate",
    "datasets",
    "tokenizers",
    "safetensors",
    "deepspeed",
    "numpy",
)


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the installed versions; a package that is not installed is left out."""
    releases = {}
    for name in packages:
        try:
            releases[name] = metadata.version(name)
        except metadata.PackageNotFoundError:  # noqa: PERF203
            continue
    return releases


def manifest(
    *,
    seed: int,
    data: Iterable[str | Path] = (),
    base: str = "",
    base_fingerprint: str = "",
    template: str = "",
    template_hash: str = "",
    **more: Any,
) -> dict[str, Any]:
    """Return the manifest of a run.

    Args:
        seed: the seed of everything random.
        data: the data files; their SHA-256 and sizes are taken here.
        base: the base model as the person named it.
        base_fingerprint: a hash of its weights or their files.
        template: the template's name.
        template_hash: the hash of a rendered probe conversation.
        **more: what else belongs to it.

    Raises:
        Failed: a data file cannot be read.
    """
    return {
        "format": FORMAT,
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "implementation": sys.implementation.name,
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": versions(),
        "seed": seed,
        "data": {str(path): _file(Path(path)) for path in data},
        "base": base,
        "base_fingerprint": base_fingerprint,
        "template": template,
        "template_hash": template_hash,
        **more,
    }


def _file(path: Path) -> dict[str, Any]:
    with saving(path):
        return {"sha256": sha256(path), "bytes": path.stat().st_size}
