"""JSON that is almost JSON, as sets hold it in their texts: read where it can mean one thing only, and told. Knows the
text of a value; no row's fields.

Nothing is evaluated: what Python's ``str`` wrote is read by ``ast.literal_eval``, and only JSON's own types are taken.
"""

from __future__ import annotations

import ast
import json
import math
import re
import warnings
from typing import Any

from workbench.data.fields import BadRow, Location, shallow, shorten

LONGEST = 1 << 20  # characters of what is read as Python wrote it; reading that takes a hundred times its size
_STRING = r'"(?:[^"\\]|\\.)*"'
_COMMA = re.compile(rf"({_STRING})|,(?=\s*[\]}}])", re.DOTALL)
_WORD = re.compile(rf"({_STRING}|'(?:[^'\\]|\\.)*')|\b(true|false|null)\b", re.DOTALL)
_QUOTED = re.compile(r'"arguments":\s*\'(?P<arguments>.*)\'\s*\}\s*\Z', re.DOTALL)
_WORDS = {"true": "True", "false": "False", "null": "None"}
_UNREAD = (ValueError, SyntaxError, RecursionError, MemoryError, TypeError)


def decoded(text: str, location: Location, field: str) -> Any:
    """Return the value of a text; what had to be mended is noted at ``location``.

    Raises:
        BadRow: it is no JSON, nor what Python, a trailing comma or a line break makes of it.
    """
    try:
        value, mend = loosely(text)
    except RecursionError:
        raise BadRow("data.too_deep", location) from None
    except ValueError:
        raise BadRow("data.json_field", location, field=field, given=shorten(text)) from None
    if mend:
        note(location, field, mend)
    return shallow(value, location)


def note(location: Location, field: str, mend: str) -> None:
    """Remember that a field was mended: ``mend`` is a key under ``data.mends``."""
    if (field, mend) not in location.mends:
        location.mends.append((field, mend))


def loosely(text: str) -> tuple[Any, str]:
    """Return the value of a text, and what was mended: a key under ``data.mends``, empty for JSON.

    Raises:
        ValueError: it cannot be read. RecursionError: it is nested without end.
    """
    for mend in ("", "newlines", "commas"):
        try:
            candidate = _COMMA.sub(lambda match: match[1] or "", text) if mend == "commas" else text
            return json.loads(candidate, strict=not mend, parse_constant=no_number), mend
        except ValueError:  # noqa: PERF203
            continue
    quoted = _QUOTED.search(text)  # Glaive's: JSON in single quotes, apostrophes and all
    if quoted:
        try:
            return json.loads(text[: quoted.start()] + f'"arguments": {json.dumps(quoted["arguments"])}}}'), "python"
        except ValueError:
            pass
    return _as_python(text), "python"


def no_number(name: str) -> Any:
    """Refuse NaN and the infinities, which Python's reader takes and JSON does not have.

    Raises:
        ValueError: always.
    """
    raise ValueError(name)


def _as_python(text: str) -> Any:
    """Return what Python's ``str`` of a value says, with JSON's own words for its three constants allowed."""
    if len(text) > LONGEST:
        raise ValueError("too long")
    source = _WORD.sub(lambda match: match[1].replace("\n", "\\n") if match[1] else _WORDS[match[2]], text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a backslash that Python would rather see doubled
            return _plain(ast.literal_eval(source))
    except _UNREAD as error:
        raise ValueError("no value") from error


def _plain(value: Any) -> Any:
    """Return a value in JSON's types.

    Raises:
        ValueError: it has another.
    """
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, (str, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    raise ValueError(type(value).__name__)
