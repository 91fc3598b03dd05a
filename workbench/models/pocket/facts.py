"""Reads the tables and wordings of ``datasets/pocket`` into entries.

Knows the files' form. Must not know how a question is written out or a model is trained.
"""

from __future__ import annotations

import csv
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from workbench import shipped

LANGUAGES = ("en", "zh")
Row = Mapping[str, str]
"""A line of a table: column -> cell, with columns of one language ending in ``_en`` or ``_zh``."""


@dataclass(frozen=True, slots=True)
class Wording:
    """How one language asks for an entry, and the one right answer."""

    ask: tuple[str, ...]
    answer: str = ""
    brief: str = ""
    before: tuple[str, ...] = ()
    reply: str = ""
    system: tuple[str, ...] = ()
    prefix: str = ""
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of fact: where its rows come from and how it is asked in each language."""

    name: str
    rows: tuple[Row, ...]
    procedure: str | None
    key: tuple[str, ...]
    alias: Mapping[str, str]
    stranger: Mapping[str, str]
    exposures: int
    framed: bool
    frame: str
    follows: str | None
    manner: str | None
    of: tuple[str, ...]
    wordings: Mapping[str, Wording] = field(default_factory=dict)

    @property
    def kind(self) -> str:
        """The kind that scores are given by: ``capitals`` of ``capitals/of``."""
        return self.name.split("/")[0]


def folder() -> Path:
    """The folder of the tables, in the repository or in the wheel."""
    return Path(shipped.path("pocket"))


@cache
def table(name: str) -> tuple[Row, ...]:
    """The rows of ``tables/NAME.tsv``."""
    with (folder() / "tables" / f"{name}.tsv").open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


@cache
def document(name: str) -> Any:
    """The content of ``NAME.yaml``; shared, so it must not be changed."""
    return yaml.safe_load((folder() / f"{name}.yaml").read_text(encoding="utf-8"))


def expand(template: str) -> list[str]:
    """All ways to read a template: ``a [b|c]`` gives ``a b`` and ``a c``."""
    parts = re.split(r"\[([^\]]*)\]", template)
    choices = [part.split("|") if place % 2 else [part] for place, part in enumerate(parts)]
    return [re.sub(r" +", " ", "".join(way)).strip() for way in itertools.product(*choices)]


def expand_all(templates: Sequence[str]) -> tuple[str, ...]:
    """The distinct readings of several templates, in order."""
    return tuple(dict.fromkeys(way for template in templates for way in expand(template)))


def _swapped(row: Row, first: str, second: str) -> Row:
    other = dict(row)
    for ending in ("_en", "_zh"):
        other[first + ending], other[second + ending] = row[second + ending], row[first + ending]
    return other


def _rows(setting: Mapping[str, Any]) -> tuple[Row, ...]:
    if "table" not in setting:
        return () if "rows" in setting else ({},)
    rows = table(setting["table"])
    if "both_ways" in setting:
        rows += tuple(_swapped(row, *setting["both_ways"]) for row in rows)
    return rows


def _wording(raw: Mapping[str, Any]) -> Wording:
    ask, before, system = (expand_all(raw.get(name, ())) for name in ("ask", "before", "system"))
    texts: dict[str, str] = {n: raw.get(n, "") for n in ("answer", "brief", "reply", "prefix", "suffix")}
    return Wording(ask=ask, before=before, system=system, **texts)


@cache
def entries() -> dict[str, Entry]:
    """Every entry of ``kinds.yaml`` with its training wordings, by name."""
    made = {}
    for name, setting in document("kinds").items():
        rows = _rows(setting)
        wordings = {
            lang: _wording(document(f"training.{lang}")[name])
            for lang in LANGUAGES
            if name in document(f"training.{lang}")
        }
        made[name] = Entry(
            name=name,
            rows=rows,
            procedure=setting.get("rows"),
            key=tuple(setting.get("key", ())),
            alias=setting.get("alias", {}),
            stranger=setting.get("stranger", {}),
            exposures=setting.get("exposures", 6),
            framed=setting.get("framed", True),
            frame=setting.get("frame", "asking"),
            follows=setting.get("follows"),
            manner=setting.get("manner"),
            of=tuple(setting.get("of", ())),
            wordings=wordings,
        )
    return made


@cache
def held_out(lang: str) -> dict[str, Wording]:
    """The wordings of ``held_out.LANG.yaml``, which are never trained, by entry name."""
    return {name: _wording(raw) for name, raw in document(f"held_out.{lang}").items()}
