"""Checking arguments against a tool's schema, which may be a stranger's. Knows JSON schema; no tool, no row."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any


def validator(parameters: Mapping[str, Any]) -> Any:
    """Return what checks arguments against a schema that may be a stranger's: it fetches nothing that a schema refers
    to, and tries none of its patterns, of which one can take for ever and lets nothing else run meanwhile."""
    import referencing

    return _bounded()(dict(parameters), registry=referencing.Registry())


@cache
def _bounded() -> Any:
    from jsonschema import Draft202012Validator, validators

    def passes(*_: Any) -> tuple[()]:
        return ()

    unlisted = Draft202012Validator.VALIDATORS["additionalProperties"]

    def listed(checker: Any, value: Any, instance: Any, schema: Any) -> Any:
        return () if "patternProperties" in schema else unlisted(checker, value, instance, schema)

    skipped = dict.fromkeys(("pattern", "patternProperties", "unevaluatedProperties"), passes)
    return validators.extend(Draft202012Validator, {**skipped, "additionalProperties": listed})
