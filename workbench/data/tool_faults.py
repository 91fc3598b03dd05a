"""Findings on rows with tools: calls that could not be run, arguments out of nowhere, rows that always call.

Knows conversations as values; no tool, no template.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from workbench.data.conversation import Conversation
from workbench.data.findings import Finding, Rows
from workbench.data.ordering import normalised
from workbench.data.parsing import EXTRAS
from workbench.data.schemas import validator
from workbench.texts import text

FEWEST = 20  # rows that offer tools, below which a share tells nothing
TOO_MANY = 0.2  # of these rows with one and the same call
_NUMBER = re.compile(r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d{1,30}(?:\.\d{1,30})?", re.ASCII)
_TOKEN = re.compile(r"\d+|[^\W\d_]{2,}|[㐀-鿿]")


def _mended(rows: Rows) -> Iterator[Finding]:
    """What was not as it should be, and was mended while it was read."""
    indices = [index for index, conversation in enumerate(rows.conversations) if conversation.mended]
    if indices:
        mends = dict.fromkeys(mend for index in indices for _, mend in rows.conversations[index].mended)
        names = tuple(text(f"data.mends.{mend}", rows.lang) for mend in mends)
        example = rows.conversations[indices[0]].mended[0][0]
        yield rows.finding("mended_calls", indices, surplus=(), kinds=names, example=example)


def _broken(rows: Rows) -> Iterator[Finding]:
    kinds: dict[str, None] = {}
    indices: list[int] = []
    for index, conversation in enumerate(rows.conversations):
        faults = faults_of(conversation)
        if faults:
            indices.append(index)
            kinds.update(dict.fromkeys(faults))
    if indices:
        names = tuple(text(f"data.call_faults.{kind}", rows.lang) for kind in kinds)
        yield rows.finding("broken_calls", indices, kinds=names)


def faults_of(conversation: Conversation) -> list[str]:
    """Return what is wrong with the calls of a conversation: keys under ``data.call_faults``."""
    schemas = {name: function for name, function in map(_function, conversation.tools) if name}
    faults = dict.fromkeys(_order(conversation))
    for message in conversation.messages:
        for call in message.tool_calls:
            faults.update(dict.fromkeys(_call_faults(call, schemas)))
    if _strange_ids(conversation):
        faults["ids"] = None
    return list(faults)


def _function(tool: str) -> tuple[str, Mapping[str, Any]]:
    try:
        value = json.loads(tool)
    except ValueError:
        return "", {}
    function = value.get("function", value) if isinstance(value, dict) else {}
    return (str(function.get("name") or ""), function) if isinstance(function, dict) else ("", {})


def _arguments(call: str) -> tuple[str, Any]:
    """Return the name of a call, and its arguments as they are once decoded."""
    name, function = _function(call)
    arguments = function.get("arguments")
    try:
        return name, json.loads(arguments) if isinstance(arguments, str) else arguments or {}
    except ValueError:
        return name, None


def _call_faults(call: str, schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    name, arguments = _arguments(call)
    if isinstance(arguments, str):
        yield "twice"
    elif not isinstance(arguments, dict):
        yield "arguments"
    if name not in schemas:
        yield from ["unoffered"] if schemas else []  # some sets never say which tools there are
    elif isinstance(arguments, dict) and _unfit(schemas[name].get("parameters"), arguments):
        yield "arguments"


def _unfit(parameters: Any, arguments: Mapping[str, Any]) -> bool:
    """Whether the schema refuses the arguments, or names none of that name."""
    if not isinstance(parameters, Mapping):
        return False
    properties = parameters.get("properties")
    if isinstance(properties, Mapping) and set(arguments) - set(properties):
        return True
    try:
        return not validator(parameters).is_valid(dict(arguments))
    except Exception:  # a schema that is none, in whatever way: that is said where it is used
        return False


def _order(conversation: Conversation) -> Iterator[str]:
    """Give what is wrong with the order of calls, results and answers."""
    waiting = 0
    for at, message in enumerate(conversation.messages):
        if message.role == "tool":
            if not waiting:
                yield "no_call"
            waiting = max(0, waiting - 1)
            following = conversation.messages[at + 1 : at + 2]
            if not following or following[0].role not in ("tool", "assistant"):
                yield "no_answer"
        elif waiting:
            yield "no_result"
            waiting = 0
        if message.tool_calls:
            waiting = len(message.tool_calls)
    if waiting:
        yield "no_result"


def _strange_ids(conversation: Conversation) -> bool:
    """Whether a result names a call that was not made."""
    extras = conversation.meta.get(EXTRAS)
    if not isinstance(extras, Mapping):
        return False
    ids = {json.loads(call).get("id") for m in conversation.messages for call in m.tool_calls if call.startswith("{")}
    named = [fields.get("tool_call_id") for fields in extras.values() if isinstance(fields, Mapping)]
    return any(name is not None and name not in ids for name in named) and ids != {None}


def _invented(rows: Rows) -> Iterator[Finding]:
    indices: list[int] = []
    example = ""
    for index, conversation in enumerate(rows.conversations):
        value = next(_out_of_nowhere(conversation), None)
        if value is not None:
            indices.append(index)
            example = example or value
    if indices:
        yield rows.finding("invented_arguments", indices, example=example[:40])


def _out_of_nowhere(conversation: Conversation) -> Iterator[str]:
    """Give the arguments of which nothing stands in the conversation before them, nor in the tools."""
    before = " ".join(conversation.tools)
    for message in conversation.messages:
        seen = normalised(before)
        for call in message.tool_calls:
            for leaf in _leaves(_arguments(call)[1]):
                tokens = _TOKEN.findall(leaf)
                if tokens and not any(normalised(token) in seen for token in tokens):
                    yield leaf
        before += f" {message.content}"


def _leaves(node: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        node = list(node.values())
    if isinstance(node, list):
        for item in node:
            yield from _leaves(item)
    elif isinstance(node, (str, int, float)) and not isinstance(node, bool):
        yield str(node)


def _contradicted(rows: Rows) -> Iterator[Finding]:
    indices: list[int] = []
    example = ("", "")
    for index, conversation in enumerate(rows.conversations):
        pair = _contradiction(conversation)
        if pair:
            indices.append(index)
            example = example if example[0] else pair
    if indices:
        yield rows.finding("contradicted_results", indices, result=example[0][:40], answer=example[1][:60])


def _contradiction(conversation: Conversation) -> tuple[str, str] | None:
    """Return a result that is a number and the answer that has other numbers only; None where there is none."""
    results: list[str] = []
    for message in conversation.messages:
        if message.role == "tool":
            results.append(message.content.strip())
        elif message.role == "assistant" and not message.tool_calls and results:
            wanted = [_value(result) for result in results if _NUMBER.fullmatch(result)]
            numbers = [_value(number) for number in _NUMBER.findall(message.content)]
            if len(wanted) == len(results) and numbers and not any(_rounds(w, n) for w in wanted for n in numbers):
                return results[-1], message.content
            results = []
        elif message.role == "user":
            results = []
    return None


def _value(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))


def _rounds(exact: Decimal, shown: Decimal) -> bool:
    """Whether ``shown`` is the number, perhaps with fewer places."""
    places = max(0, -int(shown.as_tuple().exponent))
    return abs(exact - shown) * 2 <= Decimal(1).scaleb(-places) and (places > 0 or exact == shown or "." in str(exact))


def _always(rows: Rows) -> Iterator[Finding]:
    offering = [at for at, c in enumerate(rows.conversations) if c.tools]
    if len(offering) < FEWEST:
        return
    calling = [at for at in offering if any(m.tool_calls for m in rows.conversations[at].messages)]
    if len(calling) == len(offering):
        yield rows.finding("always_calls", offering, surplus=(), form="none")
    keys: Counter[str] = Counter()
    places: dict[str, list[int]] = {}
    for at in calling:
        for key in {_key(call) for m in rows.conversations[at].messages for call in m.tool_calls}:
            keys[key] += 1
            places.setdefault(key, []).append(at)
    for key, number in keys.most_common(1):
        if number > TOO_MANY * len(offering):
            yield rows.finding("always_calls", places[key], surplus=places[key][1:], form="same", call=key[:60])


def _key(call: str) -> str:
    name, arguments = _arguments(call)
    return f"{name}({json.dumps(arguments, ensure_ascii=False, sort_keys=True)})"


CALL_LOOKS: dict[str, Callable[[Rows], Iterator[Finding]]] = {
    "mended_calls": _mended,
    "broken_calls": _broken,
    "contradicted_results": _contradicted,
    "invented_arguments": _invented,
    "always_calls": _always,
}
