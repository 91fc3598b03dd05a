"""YAML of a person, or of a file that anybody may have written, within limits. Knows YAML; nothing of settings."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

from workbench.runs.files import read_bounded

# A recipe has some 40 settings, two levels deep; with every comment it takes 10 000 bytes.
LARGEST, DEEPEST, LONGEST = 1_000_000, 20, 20_000


def read_yaml(file: Path) -> Any:
    """Return the value that ``file`` holds.

    Raises:
        ValueError: it is not YAML, is larger than :data:`LARGEST` bytes, or goes beyond :func:`parse_yaml`'s limits.
        OSError: it cannot be read.
    """
    try:
        content = read_bounded(file, LARGEST)
    except OSError as error:
        if error.errno in (errno.EFBIG, errno.EINVAL):
            raise ValueError(error.strerror) from error
        raise
    return parse_yaml(content.decode("utf-8"))


def parse_yaml(text: str) -> Any:
    """Return the value that ``text`` says.

    Its parts are counted before any of them is made: brackets within brackets would take the interpreter's stack.

    Raises:
        ValueError: it is not YAML, or has more than :data:`DEEPEST` levels or :data:`LONGEST` parts.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # ten times as quick
    if len(text) > LARGEST:
        raise ValueError(f"more than {LARGEST} characters")
    try:
        depth = 0
        for count, event in enumerate(yaml.parse(text, Loader=loader)):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
            if depth > DEEPEST:
                raise ValueError(f"more than {DEEPEST} levels")
            if count > LONGEST:
                raise ValueError(f"more than {LONGEST} parts")
        return yaml.load(text, Loader=loader)  # noqa: S506  both are safe loaders
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
