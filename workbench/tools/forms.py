"""The forms in which models write calls, each as a response template of transformers. Knows their markers; reads
nothing by itself.

Sources: the chat templates of Hermes and Qwen 2.5/3, Llama 3.1, Mistral and InternLM2; Yao et al. 2023, "ReAct".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import BadInput

_TEXT = {"content": "text", "content_args": {"strip": False}, "repeats": True, "join": ""}
_LENIENT = {"content": "json", "content_args": {"allow_non_json": True}, "repeats": True}
_SHAPES: Mapping[str, Any] = {
    "whole": {"function": "{content}"},
    "parameters": {"function": {"name": "{content.name}", "arguments": "{content.parameters}"}},
    "named": {"function": {"name": "{name}", "arguments": "{content}"}},
}


@dataclass(frozen=True, slots=True)
class Form:
    """Describe one way of writing calls.

    Args:
        name: of the form.
        templates: response templates, the strictest first; the next is tried where one cannot read a text.
        openings: patterns with which a call begins; what follows is JSON, whose end is found by decoding it.
        control: texts of control tokens that belong to the form and must be seen by its parser.
        forced: what an answer begins with that must be a call; empty where that cannot be told.
        stops: texts at which a model begins to write a tool's result by itself.
        alarms: texts from which on an answer may be a call, and is not shown before that is known.
    """

    name: str
    templates: tuple[Mapping[str, Any], ...]
    openings: tuple[str, ...]
    control: tuple[str, ...] = ()
    forced: str = ""
    stops: tuple[str, ...] = ()
    alarms: tuple[str, ...] = ()


def _form(name: str, calls: Mapping[str, Any], shapes: tuple[str, ...], openings: tuple[str, ...], **more: Any) -> Form:
    """Make a form whose templates differ in the shape of what they read only."""
    templates = tuple(
        {
            "start_anchor_pattern": r"\A",
            "fields": {"content": _TEXT, "tool_calls": {**_LENIENT, **calls, "transform": _SHAPES[shape]}},
        }
        for shape in shapes
    )
    return Form(name, templates, openings, **more)


HERMES = _form(
    "hermes",
    {"open_pattern": r"\s*<tool_call>\s*", "close_pattern": r"\s*</tool_call>\s*"},
    ("whole",),
    (r"<tool_call>\s*",),
    control=("<tool_call>", "</tool_call>", "<tool_response>"),
    forced="<tool_call>",
    stops=("<tool_response>",),
    alarms=("<tool_call>", "<tool_response>"),
)
LLAMA = _form(
    "llama3",
    {"open_pattern": r'\A\s*(?:<\|python_tag\|>)?\s*(?=\{\s*"name"\s*:)', "close_pattern": r"\s*(?:<\|eom_id\|>|\Z)"},
    ("parameters", "whole"),
    (r'\A\s*(?:<\|python_tag\|>)?\s*(?=\{\s*"name"\s*:)',),
    control=("<|python_tag|>", "<|eom_id|>"),
    alarms=("<|python_tag|>", '{"name"', '{ "name"', "{\n"),
)
INTERNLM = _form(
    "internlm2",
    {"open_pattern": r"\s*<\|action_start\|>\s*<\|plugin\|>\s*", "close_pattern": r"\s*<\|action_end\|>\s*"},
    ("parameters", "whole"),
    (r"<\|action_start\|>\s*<\|plugin\|>\s*",),
    control=("<|action_start|>", "<|plugin|>", "<|action_end|>"),
    forced="<|action_start|><|plugin|>",
    alarms=("<|action_start|>",),
)
REACT = _form(
    "react",
    {
        "open_pattern": r"(?:\A|\n)\s*Action:[ \t]*(?P<name>[^\n]+?)[ \t]*\n\s*Action Input:\s*",
        "close_pattern": r"\s*\n\s*(?=Observation:|Response:|Thought:|Final Answer:|Action:)",
    },
    ("named",),
    (r"Action Input:\s*",),
    stops=("\nObservation:", "\nResponse:"),
    alarms=("Action:",),
)
MISTRAL = Form(
    "mistral",
    (
        {
            "start_anchor_pattern": r"\A",
            "fields": {
                "content": _TEXT,
                "tool_calls": {
                    **_LENIENT,
                    "open_pattern": r"\s*\[TOOL_CALLS\]\s*(?=\[)",
                    "close_pattern": r"(?=\[TOOL_CALLS\])",
                    "transform": _SHAPES["whole"],
                },
                "single_calls": {
                    **_LENIENT,
                    "open_pattern": r"\s*\[TOOL_CALLS\]\s*(?P<name>[\w-]+)(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*(?=\{)",
                    "close_pattern": r"(?=\[TOOL_CALLS\])",
                    "transform": _SHAPES["named"],
                },
                "broken_calls": {
                    **_LENIENT,
                    "open_pattern": r"\s*\[TOOL_CALLS\](?!\s*\[|\s*[\w-]+(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*\{)",
                    "transform": _SHAPES["whole"],
                },
            },
        },
    ),
    (r"\[TOOL_CALLS\]\s*(?=\[)", r"\[TOOL_CALLS\]\s*[\w-]+(?:\[CALL_ID\]\w*)?\s*(?:\[ARGS\])?\s*(?=\{)"),
    control=("[TOOL_CALLS]", "[CALL_ID]", "[ARGS]"),
    forced="[TOOL_CALLS]",
    alarms=("[TOOL_CALLS]",),
)
FORMS: Mapping[str, Form] = {form.name: form for form in (HERMES, LLAMA, MISTRAL, INTERNLM, REACT)}
_TOLD_BY = (
    ("<|action_start|>", INTERNLM), ("[TOOL_CALLS]", MISTRAL), ("<tool_call>", HERMES), ("<|python_tag|>", LLAMA),
    ("Action Input:", REACT),
)  # fmt: skip
_LLAMA_JSON = re.compile(r"""\{"name":\s*function name, "parameters":|["']parameters["']:\s*""")


def form_of(tokenizer: Any) -> Form:
    """Return the form in which a model writes calls, as the markers of its chat template tell.

    Raises:
        BadInput: its template renders no tools, or calls of a form that is not read here.
    """
    source = str(tokenizer.get_chat_template(tools=[])) if getattr(tokenizer, "chat_template", None) else ""
    if "tools" not in source:
        raise BadInput("tools.no_template")
    if "<function=" in source or "<arg_key>" in source:
        raise BadInput("tools.other_form", known=tuple(FORMS))
    for marker, form in _TOLD_BY:
        if marker in source:
            return form
    if _LLAMA_JSON.search(source):
        return LLAMA
    raise BadInput("tools.other_form", known=tuple(FORMS))
