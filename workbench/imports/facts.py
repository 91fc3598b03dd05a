"""A config's facts, each taken once; what nobody took is told too. Knows tables; nothing of what a fact means."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from workbench.imports.values import Symbol, Unread

Kind = Literal["same", "translated", "left"]
# What says how XTuner is put together, and nothing of a training.
MACHINERY = {
    "type", "trust_remote_code", "padding_side", "by_epoch", "begin", "convert_to_iter_based", "log_metric_by_epoch",
    "task_type", "error_if_nonfinite", "remove_unused_columns", "shuffle_before_pack", "shuffle", "pin_memory",
    "cudnn_benchmark", "mp_start_method", "opencv_num_threads", "backend", "dynamic_intervals", "loss_scale", "dtype",
    "cfg", "default_scope", "launcher", "log_level", "work_dir", "visualizer", "resume", "collate_fn", "sampler",
}  # fmt: skip
_TEXTS = (str, list, tuple)


@dataclass(frozen=True, slots=True)
class Row:
    """Hold a line of the table "theirs, ours, note".

    Args:
        theirs: the setting as the config has it, ``lr = 0.0002``; or a file.
        ours: the recipe's, ``optimizer.learning_rate = 0.0002``; empty where there is none.
        note: a key into the texts, empty where there is nothing to say.
        kind: carried over as it is, translated, or not carried over.
        values: what the note's sentence names.
    """

    theirs: str
    ours: str
    note: str
    kind: Kind
    values: tuple[tuple[str, str], ...] = ()

    def said(self, lang: str | None = None) -> str:
        """Return the note in words; may be empty."""
        from workbench.texts import text

        return text(self.note, lang, **dict(self.values)) if self.note else ""


class Facts:
    """Represent the values of a config.

    Args:
        values: name -> value, tables inside tables.
    """

    def __init__(self, values: Mapping[str, Any]) -> None:
        self.values = values
        self.leaves = dict(_leaves(values, ()))
        self.taken: set[tuple[str, ...]] = set()

    def take(self, *paths: str) -> tuple[Any, str]:
        """Return the value of the first of ``paths`` (dotted) that the config has, with that path; (None, "") where it
        has none. All of them count as taken."""
        result: tuple[Any, str] = (None, "")
        for path in paths:
            parts = tuple(path.split("."))
            self.taken |= {leaf for leaf in self.leaves if leaf[: len(parts)] == parts}
            value, present = _at(self.values, parts)
            if present and not result[1]:
                result = (value, path)
        return result

    def get(self, path: str) -> Any:
        """Return the value of ``path``, which stays to be taken; None where there is none."""
        return _at(self.values, tuple(path.split(".")))[0]

    def left(self) -> list[tuple[str, Any]]:
        """Return what was not taken: path and value, each pair of last name and value once."""
        read = {(leaf[-1], repr(self.leaves[leaf])) for leaf in self.taken if leaf in self.leaves}
        texts = {repr(value) for leaf, value in self.leaves.items() if leaf in self.taken and isinstance(value, _TEXTS)}
        leaves: list[tuple[str, Any]] = []
        for leaf, value in self.leaves.items():
            pair = (leaf[-1], repr(value))
            quiet = MACHINERY & set(leaf) or isinstance(value, Symbol) or value in (None, "", [], ())
            # a variable that a table was made of is read with the table
            named = len(leaf) == 1 and isinstance(value, _TEXTS) and repr(value) in texts
            if leaf not in self.taken and not quiet and not named and pair not in read:
                read.add(pair)
                leaves.append((".".join(leaf), value))
        return leaves


def _leaves(value: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, str(key)))
    elif isinstance(value, (list, tuple)) and any(isinstance(item, Mapping) for item in value):
        for i, inner in enumerate(value):
            yield from _leaves(inner, (*path, str(i)))
    elif path:
        yield path, value


def _at(value: Any, parts: tuple[str, ...]) -> tuple[Any, bool]:
    for part in parts:
        if isinstance(value, Mapping) and part in value:
            value = value[part]
        elif isinstance(value, (list, tuple)) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return None, False
    return value, True


def last(value: Any) -> str:
    """Return the last part of a dotted name: ``AdamW`` of ``torch.optim.AdamW``."""
    return str(value).rpartition(".")[2] if isinstance(value, str) else ""


def shown(name: str, value: Any) -> str:
    """Return ``name = value``, on one short line."""
    source = value.source if isinstance(value, Unread) else value if isinstance(value, Symbol) else repr(value)
    return f"{name} = {source if len(source) <= 60 else source[:57] + '…'}"
