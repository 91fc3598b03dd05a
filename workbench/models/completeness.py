"""Whether a folder's weights are all there. Knows files' sizes and the library's report; loads nothing.

The library fills what is missing with chance, and says so only in a log, after it has taken the memory for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.models.folders import weight_files

# In 4 bit a byte holds two numbers of a model; no format that is read here holds more.
_MOST_A_BYTE = 4


def bare(network_class: Any, config: Any, **options: Any) -> Any:
    """Return the network of a configuration without bytes, by no code but the library's.

    Args:
        network_class: the library's class that makes it.
        **options: of the library.
    """
    import torch

    with torch.device("meta"):
        return network_class.from_config(config, trust_remote_code=False, **options)


def check_size(folder: Path, config: Any, network_class: Any) -> None:
    """Refuse a configuration of far more parameters than the files can hold, before memory is taken for them.

    Args:
        network_class: the library's class that makes the network of ``config``.

    Raises:
        BadInput: it is.
    """
    parameters = sum(parameter.numel() for parameter in bare(network_class, config).parameters())
    size = sum(file.stat().st_size for file in weight_files(folder))
    if parameters > _MOST_A_BYTE * size:
        values = {"millions": round(parameters / 1e6), "megabytes": round(size / 1e6, 1)}
        raise BadInput("models.weights_too_few", file=folder / "config.json", **values)


def check_report(model: str, report: Mapping[str, Any]) -> None:
    """Refuse what the library says it had to fill.

    Args:
        report: what the library's loading gives beside the network.

    Raises:
        BadInput: a tensor is missing or of another shape.
    """
    for key in ("missing_keys", "mismatched_keys"):
        names = sorted(str(name[0] if isinstance(name, tuple) else name) for name in report.get(key) or ())
        if names:
            raise BadInput("models.weights_incomplete", model=model, tensor=names[0], count=len(names))
