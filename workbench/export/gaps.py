"""What a merge leaves as it was though the adapter names it, and whether both mean the same tokens. Knows names and
vocabularies; reads no weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.errors import BadInput
from workbench.export.lora import Adapter
from workbench.export.plan import Plan
from workbench.models.folders import LARGEST
from workbench.runs.files import read_bounded
from workbench.texts import first_of

_NUMBER = re.compile(r"\.(\d+)\.")


def notices(planned: Plan, adapter: Adapter, base: Path) -> list[tuple[str, dict[str, Any]]]:
    """Return what the merged model's owner should know: keys of the texts and their values.

    Raises:
        BadInput: the adapter's tokenizer has tokens for which the base has no embedding.
    """
    return [*_missing(planned, adapter), *_vocabulary(planned, adapter.folder, base)]


def _missing(planned: Plan, adapter: Adapter) -> Iterator[tuple[str, dict[str, Any]]]:
    """The layers that the adapter's settings name and for which it has no weights."""
    changed = {t.name.removesuffix(".weight") for t in planned.tensors if t.changes and len(t.source.shape) == 2}
    every = {t.name.removesuffix(".weight") for t in planned.tensors if len(t.source.shape) == 2}
    named = {name for name in every if _names(adapter.config, name, changed)} | changed
    unchanged = sorted(named - changed, key=lambda name: [int(n) for n in _NUMBER.findall(f".{name}.")])
    if unchanged:
        counts = {
            "count": len(unchanged),
            "layers": len(named),
            "some": first_of(unchanged, 3),
        }
        yield "export.notice.missing_layers", counts


def _names(config: Mapping[str, Any], name: str, changed: set[str]) -> bool:
    """Whether the adapter's settings name a layer of the base, by PEFT's rules: ends of names, or one pattern."""
    targets = config.get("target_modules") or []
    if isinstance(targets, str) and re.search(r"[^\w-]", targets):
        try:
            named = bool(re.fullmatch(targets, name))
        except re.error:
            named = False
    elif isinstance(targets, str):  # all-linear: every layer of a name that it changes anywhere
        named = name.rpartition(".")[2] in {module.rpartition(".")[2] for module in changed}
    else:
        named = _ends(name, targets)
    return named and _within(config, name) and not _excluded(config, name)


def _ends(name: str, ends: Any) -> bool:
    several = ends if isinstance(ends, list) else []
    return any(name == end or name.endswith(f".{end}") for end in several if isinstance(end, str))


def _excluded(config: Mapping[str, Any], name: str) -> bool:
    out = config.get("exclude_modules") or []
    return bool(re.fullmatch(out, name)) if isinstance(out, str) else _ends(name, out)


def _within(config: Mapping[str, Any], name: str) -> bool:
    """Whether ``layers_to_transform`` takes this layer."""
    only = config.get("layers_to_transform")
    if only is None:
        return True
    numbers = {n for n in (only if isinstance(only, list) else [only]) if isinstance(n, int)}
    match = _NUMBER.search(f".{name}.")
    return match is not None and int(match[1]) in numbers


def _vocabulary(planned: Plan, folder: Path, base: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    ours, theirs = _tokens(folder), _tokens(base)
    if not ours:
        return
    rows = max(
        (t.source.shape[0] for t in planned.tensors if "embed" in t.name and len(t.source.shape) == 2), default=0
    )
    last = max(ours.values())
    if rows and last >= rows:
        raise BadInput("export.tokens_without_rows", folder=folder, count=last + 1, rows=rows)
    if theirs and ours != theirs:
        differing = sorted(token for token in {*ours, *theirs} if ours.get(token) != theirs.get(token))
        some = first_of(map(repr, differing), 3)
        yield "export.notice.other_vocabulary", {"count": len(differing), "some": some}


def _tokens(folder: Path) -> dict[str, int]:
    """The tokens of a folder's ``tokenizer.json`` and their ids; empty where there is none that can be read."""
    try:
        read = json.loads(read_bounded(folder / "tokenizer.json", LARGEST))
        vocabulary = read["model"]["vocab"]
        if isinstance(vocabulary, list):  # Unigram's: pairs of a piece and its score
            vocabulary = {piece[0]: index for index, piece in enumerate(vocabulary)}
        added = {token["content"]: token["id"] for token in read.get("added_tokens", ())}
        ids = {**vocabulary, **added}
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, RecursionError):
        return {}
    return {token: id_ for token, id_ in ids.items() if isinstance(id_, int)}
