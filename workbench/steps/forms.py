"""A recipe's settings as the fields of a form, made from their descriptions and ranges. Knows recipes; not forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from workbench.errors import BadSetting, nearest
from workbench.texts import lookup

if TYPE_CHECKING:
    from workbench.training import Recipe


@dataclass(frozen=True, slots=True)
class Field:
    """Hold a setting, as a form needs it.

    Args:
        key: ``group.name``.
        kind: ``choice``, ``yes_no``, ``whole`` (an integer), ``number``, ``text`` or ``list``.
        default: of a recipe that says nothing of it.
        optional: whether it may be None.
        choices: for ``choice``, or the words that a list is made of.
        low, high: the range, where there is one.
        above: whether ``low`` itself is out of range.
    """

    key: str
    kind: str
    default: Any
    optional: bool = False
    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None
    above: bool = False

    @property
    def group(self) -> str:
        """Return its group's name."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """Return its own name."""
        return self.key.partition(".")[2]

    def words(self, lang: str | None = None) -> dict[str, str]:
        """Return ``does``, and where known ``unit``, ``high`` and ``low`` (what is seen when it is too high or too
        low)."""
        entry = lookup(f"settings.{self.key}", lang)
        return {"does": entry} if isinstance(entry, str) else dict(entry)

    def read(self, written: str) -> Any:
        """Return a typed text as this setting's value: numbers, lists parted by commas, nothing for None.

        Raises:
            BadSetting: it is no number where one is needed.
        """
        stripped = written.strip()
        if not stripped and self.optional:
            return None
        if self.kind == "list":
            return [part.strip() for part in stripped.replace("，", ",").split(",") if part.strip()]
        if self.kind not in ("whole", "number"):
            return stripped
        try:
            number = float(stripped)
        except ValueError:
            raise BadSetting("steps.not_a_number", key=self.key, given=written) from None
        return int(number) if number.is_integer() and self.kind == "whole" else number

    def write(self, value: Any) -> str:
        """Return a value as it is typed."""
        if value is None:
            return ""
        if isinstance(value, (list, tuple)):
            return ", ".join(map(str, value))
        return f"{value:g}" if isinstance(value, float) else str(value)


@cache
def fields() -> tuple[Field, ...]:
    """Return all settings of a recipe, in their order."""
    from workbench.training import Recipe

    schema = Recipe.model_json_schema()
    groups = {name: part["$ref"].rpartition("/")[2] for name, part in _refs(schema["properties"])}
    return tuple(
        _field(f"{group}.{name}", part)
        for group, home in groups.items()
        for name, part in schema["$defs"][home]["properties"].items()
    )


def _refs(properties: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(name, part if "$ref" in part else part["allOf"][0]) for name, part in properties.items()]


def _field(key: str, schema: Mapping[str, Any]) -> Field:
    parts = schema.get("anyOf", [schema])
    real = [part for part in parts if part.get("type") != "null"]
    # a list or a text: a text with commas can be either
    part = next((p for p in real if p.get("type") == "array"), real[0])
    kinds = {"boolean": "yes_no", "integer": "whole", "number": "number", "array": "list"}
    kind = "choice" if "enum" in part else kinds.get(part.get("type", ""), "text")
    above = "exclusiveMinimum" in part
    choices = part.get("enum") or part.get("items", {}).get("enum") or ()
    return Field(
        key,
        kind,
        schema.get("default"),
        optional=len(real) < len(parts),
        choices=tuple(choices),
        low=part.get("exclusiveMinimum" if above else "minimum"),
        high=part.get("maximum", part.get("exclusiveMaximum")),
        above=above,
    )


def field(key: str) -> Field:
    """Return the field of ``group.name``, or of ``name`` where only one group has it.

    Raises:
        BadSetting: there is none, or there are several; names the nearest.
    """
    by_key = {setting.key: setting for setting in fields()}
    matches = [setting for full, setting in by_key.items() if full == key or full.endswith(f".{key}")]
    if len(matches) == 1 or key in by_key:
        return by_key.get(key) or matches[0]
    if matches:
        raise BadSetting("training.ambiguous_key", key=key, nearest=tuple(match.key for match in matches))
    raise BadSetting("training.unknown_key", where="settings", key=key, nearest=nearest(key, by_key))


def flat(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings however they are given, as ``group.name`` -> value: short names, whole groups, a persona as a
    value."""
    flattened: dict[str, Any] = {}
    groups = {setting.group for setting in fields()}
    for key, value in values.items():
        if key in groups and is_dataclass(value) and not isinstance(value, type):
            value = asdict(value)  # noqa: PLW2901
        if key in groups and isinstance(value, Mapping):
            flattened |= {field(f"{key}.{name}").key: item for name, item in value.items()}
        else:
            flattened[field(key).key] = value
    return {key: _typed(field(key), value) for key, value in flattened.items()}


def _typed(setting: Field, value: Any) -> Any:
    """A value that was written as text, as on a command line, in its own type."""
    if isinstance(value, tuple):
        return list(value)
    if not isinstance(value, str) or setting.kind in ("choice", "text"):
        return None if setting.optional and value in ("null", "None") else value
    from workbench.training.yamltext import parse_yaml

    if setting.kind in ("whole", "number") and not (setting.optional and value in ("null", "None")):
        return setting.read(value)
    return parse_yaml(value) if setting.kind != "list" or value.startswith("[") else setting.read(value)


def groups_of(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return ``group.name`` -> value as group -> name -> value."""
    groups: dict[str, dict[str, Any]] = {}
    for key, value in values.items():
        group, _, name = key.partition(".")
        groups.setdefault(group, {})[name] = value
    return groups


def differences(recipe: Recipe, second: Recipe) -> dict[str, Any]:
    """Return ``group.name`` -> value of ``recipe``, where ``second`` has another one."""
    first, two = recipe.model_dump(), second.model_dump()
    return {f"{g}.{n}": v for g, values in first.items() for n, v in values.items() if two[g][n] != v}
