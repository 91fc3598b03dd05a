"""Draws conversations with tools whose names are invented: calls, results, errors, and questions that need no tool.

The habit of calling is general; which tools there are stands in the system text, one compact line each. Knows the
words of ``calls.yaml``. Must not know tokens or models.
"""

from __future__ import annotations

import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.models.pocket import facts, procedures
from workbench.models.pocket.phrasing import fill

Turn = tuple[str, str]
"""A role and its text. The roles ``call`` and ``result`` are an assistant's and a tool's turn in which tool markers
are control tokens."""


@dataclass(frozen=True, slots=True)
class Tool:
    """An offered function and how it is asked for."""

    name: str
    arguments: tuple[tuple[str, str], ...]
    description: str
    noun: Mapping[str, str]
    sort: str

    @property
    def line(self) -> str:
        """The compact line of the system text, as the chat template writes it."""
        arguments = ", ".join(f"{name}: {kind}" for name, kind in self.arguments)
        return f"{self.name}({arguments}): {self.description}"


def offered(tools: Sequence[Tool], text: str = "") -> str:
    """Return a system text that ends with the lines of ``tools``, as the chat template writes it."""
    lines = "\n".join(["Tools:", *(tool.line for tool in tools)])
    return f"{text}\n{lines}" if text else lines


def call(tool: Tool, arguments: Mapping[str, Any]) -> str:
    """Return a call as the chat template writes it."""
    body = json.dumps({"name": tool.name, "arguments": dict(arguments)}, ensure_ascii=False)
    return f"<tool_call>{body}</tool_call>"


class Calling:
    """Conversations in which tools are offered.

    Args:
        question: draws an ordinary question with its answer, for what needs no tool.
        held: tools, nouns and wordings that are never trained.
    """

    def __init__(self, rng: random.Random, question: Callable[[str], list[Turn]], *, held: bool = False) -> None:
        self.rng, self.question, self.held = rng, question, held
        self.words: Mapping[str, Any] = facts.document("calls")

    def turns(self, lang: str, text: str = "") -> list[Turn]:
        """Return a system text with tools, and one to three exchanges, of which some need a tool."""
        tools = self.tools(lang)
        turns: list[Turn] = [("system", offered(tools, text))]
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            pick = self.rng.random()
            if pick < 0.62:
                turns += self.called(self.rng.choice(tools), lang)
            elif pick < 0.90:
                turns += self.question(lang)
            else:
                turns += self._unsuitable(tools, lang)
        return turns

    def tools(self, lang: str) -> list[Tool]:
        """Draw one to four tools of different names."""
        tools: dict[str, Tool] = {}
        count = self.rng.choice([1, 1, 2, 2, 3, 4])
        while len(tools) < count:
            tool = self._tool(lang)
            if tool.noun["en"] not in {other.noun["en"] for other in tools.values()}:
                tools.setdefault(tool.name, tool)
        return list(tools.values())

    def _tool(self, lang: str) -> Tool:
        pick = self.rng.random()
        if pick < 0.6:
            return self._look_up(lang)
        sort = "combine" if pick < 0.8 else "run"
        verb = self.rng.choice(self.words["verbs"]) if sort == "combine" else {"en": "run", "zh": "运行"}
        name = self._word() if self.rng.random() < 0.6 or sort == "run" else f"{verb['en']}_{self._word()}"
        described = self.rng.choice(self.words[lang][sort]).replace("{verb}", verb[lang])
        if sort == "run":
            argument = self.rng.choice(["expression", "text", "formula", "x", "input"])
            return Tool(name, ((argument, "string"),), described, {"en": name, "zh": name}, sort)
        kind = self.rng.choice(["integer", "string", "number"])
        first, second = self.rng.choice(self.words["pairs"])
        return Tool(name, ((first, kind), (second, kind)), described, verb, sort)

    def _look_up(self, lang: str) -> Tool:
        noun = self.rng.choice(self.words["held_nouns" if self.held else "nouns"])
        form = self.rng.choice(self.words["held_names" if self.held else "names"])
        name = form.replace("{id}", noun["id"]).replace("{word}", self._word())
        described = self.rng.choice(self.words[lang]["describe"])
        described = described.replace("{noun}", noun[lang]).replace("{a}", self.words[lang]["a"])
        return Tool(name, ((self.rng.choice(self.words["arguments"]), "string"),), described, noun, "look_up")

    def _word(self) -> str:
        return "".join(self.rng.choice(string.ascii_lowercase) for _ in range(self.rng.randint(3, 7)))

    def called(self, tool: Tool, lang: str) -> list[Turn]:
        """Return a question that needs ``tool``, the call, its result or error, and the answer."""
        ask, arguments, slots = self._asked(tool, lang)
        turns: list[Turn] = [("user", ask), ("call", call(tool, arguments))]
        if self.rng.random() < 0.12:
            error = self.rng.choice(self.words["errors"])
            told = {"error": error.removeprefix("error: ")}
            return [*turns, _result(error), ("assistant", fill(self.words[lang]["failed"], told))]
        value = self._value()
        form = "given" if tool.sort == "look_up" else "result"
        answer = fill(self.words[lang][form], slots | {"value": value})
        return [*turns, _result(value), ("assistant", answer)]

    def _asked(self, tool: Tool, lang: str) -> tuple[str, dict[str, Any], dict[str, str]]:
        words = self.words[lang]
        if tool.sort == "look_up":
            item = self._item()
            slots = {"noun": tool.noun[lang], "item": item}
            ask = self.rng.choice(words["held_ask" if self.held else "ask"])
            return fill(ask, slots), {tool.arguments[0][0]: item}, slots
        if tool.sort == "run":
            x = expression(self.rng)
            ask = self.rng.choice(words["run_ask"])
            return fill(ask, {"tool": tool.name, "x": x}), {tool.arguments[0][0]: x}, {}
        values: list[Any] = [self._argument(kind) for _, kind in tool.arguments]
        slots = {"tool": tool.name, "verb": tool.noun[lang], "a": str(values[0]), "b": str(values[1])}
        arguments = {name: value for (name, _), value in zip(tool.arguments, values, strict=True)}
        return fill(self.rng.choice(words["combine_ask"]), slots), arguments, {}

    def _unsuitable(self, tools: Sequence[Tool], lang: str) -> list[Turn]:
        offered_nouns = {tool.noun["en"] for tool in tools}
        nouns = [noun for noun in self.words["nouns"] if noun["en"] not in offered_nouns]
        slots = {"noun": self.rng.choice(nouns)[lang], "item": self._item()}
        return [
            ("user", fill(self.rng.choice(self.words[lang]["ask"]), slots)),
            ("assistant", self.words[lang]["none"]),
        ]

    def _argument(self, kind: str) -> int | float | str:
        if kind == "integer":
            return digits(self.rng)
        if kind == "number":
            return (
                digits(self.rng)
                if self.rng.random() < 0.6
                else round(self.rng.uniform(0, 100), self.rng.choice([1, 2]))
            )
        return self._item()

    def _item(self) -> str:
        row = procedures.strings(self.rng) if self.rng.random() < 0.5 else procedures.names(self.rng)
        text = row.get("text") or row["name"]
        return text.strip(" .。!！?？,，\"'\\") or "Anna"

    def _value(self) -> str:
        pick = self.rng.random()
        if pick < 0.55:
            return str(digits(self.rng))
        if pick < 0.70:
            return f"{self.rng.uniform(0, 500):.{self.rng.choice([1, 2])}f}"
        return self._item()


def digits(rng: random.Random) -> int:
    """Draw a number of one to five digits, each length as likely."""
    length = rng.choice([1, 2, 2, 2, 3, 3, 4, 5])
    return rng.randint(10 ** (length - 1) if length > 1 else 0, 10**length - 1)


def expression(rng: random.Random) -> str:
    """Draw an expression of two or three numbers, with and without spaces."""
    sign = rng.choice(["+", "-", "*", "*", "/", "×", "÷"])
    space = rng.choice(["", "", " "])
    text = f"{digits(rng)}{space}{sign}{space}{digits(rng)}"
    return f"{text}{space}{rng.choice('+-*')}{space}{digits(rng)}" if rng.random() < 0.1 else text


def _result(text: str) -> Turn:
    return "result", f"<tool_response>{text}</tool_response>"
