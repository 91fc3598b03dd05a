"""Recipes as files: read, override, check, write with comments. Knows YAML and the settings; nothing of training."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from workbench.errors import BadSetting, UnknownName, nearest
from workbench.runs.files import saving
from workbench.texts import lookup
from workbench.training.old_names import SAME, instead
from workbench.training.settings import Recipe
from workbench.training.yamltext import parse_yaml, read_yaml

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from workbench.runs import Run

# how YAML writes that there is none
NOTHING = ("null", "Null", "NULL", "~")
# characters of a wrong value that an error repeats
SHOWN = 200
SHIPPED = Path(__file__).parent / "recipes"


def shipped() -> list[str]:
    """Return the names of the recipes that ship with the workbench."""
    return sorted(file.stem for file in SHIPPED.glob("*.yaml"))


def setting_names() -> list[str]:
    """Return every setting as ``group.name``."""
    return [f"{group}.{name}" for group, field in Recipe.model_fields.items() for name in _fields(field.annotation)]


def load_recipe(recipe: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Return the recipe of a file or of a shipped name, with ``key=value`` overrides.

    Args:
        recipe: a path of a YAML file, or one of :func:`shipped`.
        overrides: ``group.name=value``, or ``name=value`` where only one group has that name; the value is YAML.

    Raises:
        UnknownName: neither a file nor a shipped name. BadSetting: a key or value is wrong; names the nearest right
            one.
    """
    file = _find(recipe)
    values = _parsed(file) or {}
    for override in overrides:
        _override(values, override, str(file))
    return check_recipe(values, where=str(file))


def recipe_of(run: Run) -> Recipe:
    """Return the settings that ``run`` was begun with.

    Raises:
        BadSetting: its recipe.yaml is empty or broken.
    """
    file = run.path / "recipe.yaml"
    with saving(file):
        values = _parsed(file)
    if not values:
        raise BadSetting("training.no_recipe_left", path=file, run=run.path)
    return check_recipe(values, where=str(file))


def _parsed(file: Path) -> dict[str, Any] | None:
    try:
        loaded = read_yaml(file)
    except ValueError as error:
        raise BadSetting("training.not_yaml", path=file, reason=" ".join(str(error).split())) from error
    if loaded is not None and not isinstance(loaded, dict):
        raise BadSetting("training.not_a_mapping", path=file)
    return loaded


def check_recipe(values: Mapping[str, Any], *, where: str = "recipe") -> Recipe:
    """Return the settings ``values`` as a :class:`Recipe`.

    Raises:
        BadSetting: names the first wrong key or value.
    """
    try:
        return Recipe.model_validate(dict(values))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            _old_name(key, where)
            close = nearest(key, [*setting_names(), *Recipe.model_fields])
            raise BadSetting("training.unknown_key", where=where, key=key, nearest=close) from None
        value = repr(first["input"])
        shown = value if len(value) <= SHOWN else value[:SHOWN] + "…"
        raise BadSetting("training.bad_value", where=where, key=key, value=shown, reason=first["msg"]) from None


def recipe_yaml(recipe: Recipe, lang: str | None = None) -> str:
    """Write ``recipe`` as YAML, each setting with its description as a comment."""
    lines: list[str] = []
    for group, settings in recipe.model_dump(mode="json").items():
        lines += ["", f"# {lookup(f'settings.{group}.about', lang)}", f"{group}:"]
        for name, value in settings.items():
            lines += [f"  # {describe(f'{group}.{name}', lang)}", f"  {name}: {_scalar(value)}"]
    return "\n".join(lines).lstrip() + "\n"


def describe(key: str, lang: str | None = None) -> str:
    """Return what the setting ``group.name`` does, its unit, and what is seen when it is too high or too low; one
    line."""
    entry = lookup(f"settings.{key}", lang)
    if isinstance(entry, str):
        return entry
    parts = [entry["does"]]
    parts += [
        lookup(f"settings.words.{word}", lang).format(entry[word]) for word in ("unit", "high", "low") if word in entry
    ]
    return " ".join(parts)


def with_overrides(recipe: Recipe, **groups: Mapping[str, Any]) -> Recipe:
    """Return a copy of ``recipe`` with some settings of some groups changed, checked again."""
    values = recipe.model_dump()
    for group, settings in groups.items():
        values[group] |= settings
    return check_recipe(values)


def with_set(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """Return a copy of ``recipe`` with ``key=value`` on top, checked again.

    Raises:
        BadSetting: a key or value is wrong.
    """
    values = recipe.model_dump()
    for override in overrides:
        _override(values, override, "--set")
    return check_recipe(values, where="--set")


def _find(recipe: str | Path) -> Path:
    path = Path(recipe)
    if path.is_file():
        if path.suffix == ".py":
            raise BadSetting("training.xtuner_config", path=path)
        return path
    named = SHIPPED / f"{recipe}.yaml"
    if named.is_file() and named.parent == SHIPPED:
        return named
    raise UnknownName("training.unknown_recipe", given=str(recipe), nearest=nearest(str(recipe), shipped()))


def _override(values: dict[str, Any], override: str, where: str) -> None:
    key, sign, text = override.partition("=")
    if not sign:
        raise BadSetting("training.not_key_value", given=override)
    group, name = _key(key.strip())
    current = values.get(group) or {}
    if not isinstance(current, Mapping):
        raise BadSetting("training.not_a_group", where=where, key=group, value=repr(current), name=name)
    values[group] = {**current, name: _value(text.strip(), _fields(Recipe.model_fields[group].annotation)[name])}


def _value(text: str, field: FieldInfo) -> Any:
    """What a person means by ``text``: YAML, but a name is a name as it stands, whatever YAML would make of it."""
    textual, optional = field.annotation in (str, str | None), field.annotation == str | None
    if textual and text[:1] not in ("'", '"'):
        return None if optional and text in NOTHING else text
    try:
        value = parse_yaml(text) if text else ""
    except ValueError:
        return text
    if textual:
        return value if isinstance(value, str) else text
    return _number(value)


def _old_name(key: str, where: str) -> None:
    """
    Raises:
        BadSetting: ``key`` is a name of XTuner's; says what to write instead.
    """
    name = key.rpartition(".")[2]
    if name in SAME:
        raise BadSetting("training.old_name", where=where, key=key, ours=SAME[name])
    if instead(key):
        raise BadSetting(instead(key), where=where, key=key)


def _key(key: str) -> tuple[str, str]:
    names = setting_names()
    key = SAME.get(key, key)
    full = [k for k in names if k == key or k.endswith(f".{key}")]
    if len(full) == 1 or key in names:
        group, _, name = (key if key in names else full[0]).partition(".")
        return group, name
    if full:
        raise BadSetting("training.ambiguous_key", key=key, nearest=tuple(full))
    _old_name(key, "--set")
    raise BadSetting("training.unknown_key", where="--set", key=key, nearest=_nearest_setting(key, names))


def _nearest_setting(key: str, names: list[str]) -> tuple[str, ...]:
    leaves = {name.split(".")[1]: name for name in names}
    close = nearest(key.rsplit(".", maxsplit=1)[-1], leaves)
    return tuple(leaves[leaf] for leaf in close)


def _number(value: Any) -> Any:
    """YAML 1.1 reads ``1e-3`` as text; a person means a number."""
    if isinstance(value, str):
        try:
            return float(value) if "e" in value.lower() and value.strip()[0] in "0123456789.-+" else value
        except ValueError:
            return value
    return value


def _scalar(value: Any) -> str:
    dumped = yaml.safe_dump(value, allow_unicode=True, default_flow_style=True, width=10_000).strip()
    return dumped.removesuffix("...").strip()


def _fields(annotation: Any) -> dict[str, FieldInfo]:
    return dict(getattr(annotation, "model_fields", {}))
