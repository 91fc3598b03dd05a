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
        held: tools, nouns and wordings that are never trained; of the sorts that have been measured from the beginning,
            so that later figures can be held against earlier ones.
    """

    def __init__(self, rng: random.Random, question: Callable[[str], list[Turn]], *, held: bool = False) -> None:
        self.rng, self.question, self.held = rng, question, held
        self.words: Mapping[str, Any] = facts.document("calls")

    def turns(self, lang: str, text: str = "") -> list[Turn]:
        """Return a system text with tools, and one to three exchanges, of which some need a tool."""
        tools = self.tools(lang)
        if self.rng.random() < 0.15:
            tools = [self._look_up(lang), self._run(lang), *tools[2:]]
        turns: list[Turn] = [("system", offered(tools, text))]
        for _ in range(self.rng.choice([1, 1, 2, 3])):
            pick = self.rng.random()
            if pick < 0.70:
                turns += self._needing(tools, lang)
            elif pick < 0.95:
                turns += self.question(lang)
            else:
                turns += self._unsuitable(tools, lang)
        return turns

    def _needing(self, tools: Sequence[Tool], lang: str) -> list[Turn]:
        """Draw what needs a tool: one call, one and another that goes on from it, two at once, one after the other."""
        tool, pick = self.rng.choice(tools), self.rng.random()
        by_sort = {tool.sort: tool for tool in tools}
        if "look_up" in by_sort and "run" in by_sort and pick < 0.35:
            return self._two_steps(by_sort["look_up"], by_sort["run"], lang)
        if tool.sort in ("look_up", "run") and pick > 0.70:
            return self._pair(tool, lang) if pick > 0.88 else self._gone_on(tool, lang)
        return self.called(tool, lang)

    def _gone_on(self, tool: Tool, lang: str) -> list[Turn]:
        """A call, and a question that goes on from it: the same of something else, or more with the result."""
        words = self.words[lang]
        value = str(digits(self.rng))
        turns, argument = self.called(tool, lang, value), tool.arguments[0][0]
        if tool.sort == "look_up":
            slots = {"item": self._item(), "noun": tool.noun[lang]}
            ask, arguments, form = fill(self.rng.choice(words["again"]), slots), {argument: slots["item"]}, "given"
        else:
            sign, n = self.rng.choice("+-*"), str(digits(self.rng))
            slots = {"spoken": fill(words["spoken"][sign][0], {"a": "", "b": n}).strip(), "tool": tool.name}
            ask, arguments, form = (
                fill(self.rng.choice(words["more"]), slots),
                {argument: f"{value}{sign}{n}"},
                "result",
            )
        result = self._value()
        answer = ("assistant", fill(words[form], slots | {"value": result}))
        return [*turns, ("user", ask), ("call", call(tool, arguments)), _result(result), answer]

    def _pair(self, tool: Tool, lang: str) -> list[Turn]:
        """Two calls of one tool in one answer."""
        words, argument = self.words[lang], tool.arguments[0][0]
        things = [self._item() if tool.sort == "look_up" else expression(self.rng) for _ in range(2)]
        values = [self._value() for _ in things]
        slots = {"noun": tool.noun[lang], "tool": tool.name, "x": things[0], "y": things[1]}
        slots |= {"value": values[0], "second": values[1]}
        kind = "pair" if tool.sort == "look_up" else "run_pair"
        return [
            ("user", fill(self.rng.choice(words[kind]), slots)),
            ("call", "".join(call(tool, {argument: thing}) for thing in things)),
            *(_result(value) for value in values),
            ("assistant", fill(words[f"{kind}_answer"], slots)),
        ]

    def _two_steps(self, finder: Tool, runner: Tool, lang: str) -> list[Turn]:
        """A call whose result is a part of the next call's argument."""
        words, sign, n = self.words[lang], self.rng.choice("+-*"), str(digits(self.rng))
        slots = {"noun": finder.noun[lang], "item": self._item(), "tool": runner.name}
        slots["spoken"] = fill(words["spoken"][sign][0], {"a": "", "b": n}).strip()
        found, value = str(digits(self.rng)), self._value()
        return [
            ("user", fill(self.rng.choice(words["two_steps"]), slots)),
            ("call", call(finder, {finder.arguments[0][0]: slots["item"]})),
            _result(found),
            ("call", call(runner, {runner.arguments[0][0]: f"{found}{sign}{n}"})),
            _result(value),
            ("assistant", fill(words["result"], {"value": value})),
        ]

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
        if self.held:
            return self._look_up(lang) if pick < 0.6 else self._combine(lang) if pick < 0.8 else self._run(lang)
        if pick < 0.54:
            return self._look_up(lang)
        if pick < 0.81:
            return self._combine(lang) if pick < 0.73 else self._convert(lang)
        return self._run(lang)

    def _combine(self, lang: str) -> Tool:
        verb = self.rng.choice(self.words["verbs"])
        if not self.held and self.rng.random() < 0.4:
            invented = self._word()
            verb = {"en": invented, "zh": invented}
        name = self._word() if self.rng.random() < 0.6 else f"{verb['en']}_{self._word()}"
        described = self.rng.choice(self.words[lang]["combine"]).replace("{verb}", verb[lang])
        kind = self.rng.choice(["integer", "string", "number"])
        first, second = self.rng.choice(self.words["pairs"])
        return Tool(name, ((first, kind), (second, kind)), described, verb, "combine")

    def _convert(self, lang: str) -> Tool:
        name = f"{self._word()}_{self._word()}" if self.rng.random() < 0.3 else self._word()
        names = self.rng.choice(self.words["threes"])
        arguments = tuple(zip(names, ("number", "string", "string"), strict=True))
        return Tool(name, arguments, self.rng.choice(self.words[lang]["convert"]), {"en": name, "zh": name}, "convert")

    def _run(self, lang: str) -> Tool:
        name = self._word()
        described = self.rng.choice(self.words[lang]["run"])
        argument = self.rng.choice(["expression", "text", "formula", "x", "input"])
        return Tool(name, ((argument, "string"),), described, {"en": name, "zh": name}, "run")

    def _look_up(self, lang: str) -> Tool:
        noun = self._noun()
        form = self.rng.choice(self.words["held_names" if self.held else "names"])
        name = form.replace("{id}", noun["id"]).replace("{word}", self._word())
        described = self.rng.choice(self.words[lang]["describe"])
        described = described.replace("{noun}", noun[lang]).replace("{a}", self.words[lang]["a"])
        return Tool(name, ((self.rng.choice(self.words["arguments"]), "string"),), described, noun, "look_up")

    def _noun(self) -> Mapping[str, str]:
        """Draw what a tool tells: one of the nouns, any word of the tables, or an invented one.

        From thirty nouns alone a model learns the nouns; from any word it learns to read them.
        """
        if self.held:
            held: Mapping[str, str] = self.rng.choice(self.words["held_nouns"])
            return held
        pick = self.rng.random()
        if pick < 0.35:
            listed: Mapping[str, str] = self.rng.choice(self.words["nouns"])
            return listed
        if pick < 0.75:
            row = self.rng.choice(facts.table("words"))
            return {"id": row["en"].replace(" ", "_"), "en": row["en"], "zh": row["zh"]}
        word, letters = self._word(), facts.document("names")["given"]
        return {"id": word, "en": word, "zh": self.rng.choice(letters) + self.rng.choice(letters)}

    def _word(self) -> str:
        if not self.held and self.rng.random() < 0.5:
            syllables = range(self.rng.randint(2, 3))
            return "".join(self.rng.choice("bdfgklmnprstvz") + self.rng.choice("aeiou") for _ in syllables)
        return "".join(self.rng.choice(string.ascii_lowercase) for _ in range(self.rng.randint(3, 7)))

    def called(self, tool: Tool, lang: str, value: str = "") -> list[Turn]:
        """Return a question that needs ``tool``, the call, its result or error, and the answer.

        Args:
            value: the result; where it is empty one is drawn, or an error.
        """
        ask, arguments, slots = self._asked(tool, lang)
        turns: list[Turn] = [("user", ask), ("call", call(tool, arguments))]
        if not value and self.rng.random() < 0.12:
            error = self.rng.choice(self.words["errors"])
            told = {"error": error.removeprefix("error: ")}
            return [*turns, _result(error), ("assistant", fill(self.words[lang]["failed"], told))]
        value = value or self._value()
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
            x, said = self._expression(lang)
            ask = self.rng.choice(words["run_ask"])
            return fill(ask, {"tool": tool.name, "x": said}), {tool.arguments[0][0]: x}, {}
        values: list[Any] = [self._argument(kind) for _, kind in tool.arguments]
        slots = {"tool": tool.name, "verb": tool.noun[lang]}
        slots |= {name: str(value) for name, value in zip("abc", values, strict=False)}
        arguments = {name: value for (name, _), value in zip(tool.arguments, values, strict=True)}
        return fill(self.rng.choice(words[f"{tool.sort}_ask"]), slots), arguments, {}

    def _expression(self, lang: str) -> tuple[str, str]:
        """Draw an expression and how it is said: in signs, or its sign in a word."""
        if self.held or self.rng.random() < 0.65:
            text = expression(self.rng)
            return text, text
        sign, a, b = self.rng.choice("+-**/"), str(digits(self.rng)), str(digits(self.rng))
        return f"{a}{sign}{b}", fill(self.rng.choice(self.words[lang]["spoken"][sign]), {"a": a, "b": b})

    def _unsuitable(self, tools: Sequence[Tool], lang: str) -> list[Turn]:
        offered_nouns = {tool.noun["en"] for tool in tools}
        noun = self._noun()
        while noun["en"] in offered_nouns:
            noun = self._noun()
        slots = {"noun": noun[lang], "item": self._item()}
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
        if not self.held and self.rng.random() < 0.2:
            return self._code()
        row = procedures.strings(self.rng) if self.rng.random() < 0.5 else procedures.names(self.rng)
        text = row.get("text") or row["name"]
        return text.strip(" .。!！?？,，\"'\\") or "Anna"

    def _code(self) -> str:
        """Draw a date or a code of letters and digits."""
        if self.rng.random() < 0.6:
            return f"{self.rng.randint(1990, 2040)}-{self.rng.randint(1, 12):02d}-{self.rng.randint(1, 28):02d}"
        return f"{self._word()[:3].upper()}-{digits(self.rng)}"

    def _value(self) -> str:
        pick = self.rng.random()
        if not self.held and pick < 0.12:
            return str(self.rng.choice([-1, 1, 1]) * self.rng.randint(0, 10 ** self.rng.randint(3, 8)))
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
