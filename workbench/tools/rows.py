"""Conversations that teach an assistant to call tools, and when not to. Knows the kit, its words and general
conversations; nothing of models.

Every result is what the tool really gives. Half of the rows need no tool though some are offered: without them a model
would call for "hello".
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from workbench.data.conversation import Conversation, Message
from workbench.data.ordering import evenly
from workbench.errors import BadSetting, nearest
from workbench.tools.registry import chosen, names
from workbench.tools.running import Box
from workbench.tools.values import Call, Tool
from workbench.tools.words import Wanted, expression, wanted, words

LANGUAGES = ("en", "zh")
SHARES: Mapping[str, float] = {"call": 0.47, "error": 0.10, "two_step": 0.10, "pair": 0.08, "follow_up": 0.25}
"""Of the rows with calls. Kinds that the chosen tools cannot make are left to single calls."""
NONE = 0.15
"""Of the rows without a call, those that ask for what no offered tool can do."""


def tool_rows(
    tools: str | Sequence[str], count: int = 600, *, seed: int = 0, languages: Sequence[str] = LANGUAGES
) -> list[Conversation]:
    """Make ``count`` conversations, half of them with calls; the same for the same seed.

    Rows of the same arguments share a group, so that what a split holds out is never trained in another wording.

    Args:
        tools: names, as :func:`chosen` takes them; each must have wordings.
        languages: ``en`` and ``zh``, or one of them.

    Raises:
        BadSetting: no rows are asked for, or a language or a tool without wordings.
    """
    offered = chosen(tools)
    unknown = [lang for lang in languages if lang not in LANGUAGES]
    if unknown or not languages:
        raise BadSetting("tools.rows.bad_language", given=unknown[0] if unknown else "")
    if not 4 <= count <= 200_000 or not offered:
        raise BadSetting("tools.rows.bad_count", given=count)
    for tool in offered:
        if tool.name not in words("en") and not _is_table(tool):
            raise BadSetting("tools.rows.no_words", name=tool.name, nearest=nearest(tool.name, names()))
    return _Drawing(offered, seed, tuple(languages)).rows(count)


def _is_table(tool: Tool) -> bool:
    return list(tool.parameters.get("properties") or {}) == ["item"]


class _Drawing:
    """One drawing of rows."""

    def __init__(self, tools: Sequence[Tool], seed: int, languages: Sequence[str]) -> None:
        self.tools, self.languages = tuple(tools), languages
        self.rng = random.Random(seed)
        self.box = Box(tools)
        self.items = {tool.name: _items(tool) for tool in tools if _is_table(tool)}
        table = next((tool for tool in tools if _is_table(tool)), None)
        self.table = table if any(tool.name == "calculator" for tool in tools) else None

    def rows(self, count: int) -> list[Conversation]:
        """Return the rows, calls and others mixed."""
        with_calls = count // 2
        kinds = [kind for kind, share in SHARES.items() for _ in range(round(share * with_calls)) if self._can(kind)]
        kinds = (kinds + ["call"] * with_calls)[:with_calls]
        makers: Mapping[str, Callable[[str], Conversation]] = {
            "call": self._call, "error": self._error, "two_step": self._two_step, "pair": self._pair,
            "follow_up": self._follow_up,
        }  # fmt: skip
        made = [makers[kind](self.languages[at % len(self.languages)]) for at, kind in enumerate(kinds)]
        rows = [*made, *self._without(count - with_calls)]
        self.rng.shuffle(rows)
        return rows

    def _can(self, kind: str) -> bool:
        calculates = any(tool.name == "calculator" for tool in self.tools)
        possible = {"two_step": self.table is not None, "pair": calculates, "follow_up": calculates}
        return possible.get(kind, kind != "error" or any(tool.name != "clock" for tool in self.tools))

    # --- rows with calls ---

    def _call(self, lang: str) -> Conversation:
        want = self._wanted(self.rng.choice(self.tools).name, lang)
        return self._row("call", lang, want.group, self._exchange(want, lang), want.tool)

    def _error(self, lang: str) -> Conversation:
        name = self.rng.choice([tool.name for tool in self.tools if tool.name != "clock"])
        want = self._wanted(name, lang, fails=True)
        return self._row("error", lang, want.group, self._exchange(want, lang), want.tool)

    def _two_step(self, lang: str) -> Conversation:
        """What several of a thing cost: its price is an argument of the next call."""
        assert self.table  # noqa: S101  only then is this kind drawn
        bank, name = words(lang)["lookup"], self.table.name
        item, n = str(self._wanted(name, lang).arguments["item"]), self.rng.randint(2, 99)
        first = Call(name, {"item": item})
        price = self.box.run(first).text
        second = Call("calculator", {"expression": f"{price}*{n}"})
        value = self.box.run(second).text
        ask = self.rng.choice(bank["several"]).format(n=n, item=item)
        messages = [Message("user", ask), *_called(first, price), *_called(second, value)]
        answer = Message("assistant", bank["several_answer"].format(value=value))
        return self._row("two_step", lang, f"tools/several/{item}/{n}", [*messages, answer], name, "calculator")

    def _pair(self, lang: str) -> Conversation:
        """Two calls in one answer."""
        bank = words(lang)["calculator"]
        texts = [expression(self.rng), expression(self.rng)]
        calls = [Call("calculator", {"expression": text}) for text in texts]
        values = [self.box.run(call).text for call in calls]
        messages = [
            Message("user", self.rng.choice(bank["pair"]).format(x=texts[0], y=texts[1])),
            Message("assistant", "", tool_calls=tuple(call.json for call in calls)),
            *(Message("tool", value) for value in values),
            Message("assistant", bank["pair_answer"].format(value=values[0], second=values[1])),
        ]
        return self._row("pair", lang, f"tools/pair/{'/'.join(texts)}", messages, "calculator")

    def _follow_up(self, lang: str) -> Conversation:
        """A second question goes on from the first one's result."""
        bank, want = words(lang)["calculator"], self._wanted("calculator", lang)
        messages = self._exchange(want, lang)
        sign, n = self.rng.choice("+-*"), self.rng.randint(2, 99)
        before = messages[-2].content
        call = Call("calculator", {"expression": f"{before}{sign}{n}"})
        value = self.box.run(call).text
        messages += [Message("user", self.rng.choice(bank["more"][sign]).format(n=n)), *_called(call, value)]
        messages.append(Message("assistant", bank["answer"].format(value=value)))
        return self._row("follow_up", lang, f"{want.group}/{sign}{n}", messages, "calculator")

    def _wanted(self, name: str, lang: str, *, fails: bool = False) -> Wanted:
        return wanted(name, lang, self.rng, self.items.get(name, ()), fails=fails)

    def _exchange(self, want: Wanted, lang: str) -> list[Message]:
        """Return a question, its call, the result and the answer."""
        call = Call(want.tool, want.arguments)
        result = self.box.run(call)
        text = self._time() if want.tool == "clock" else result.text
        if result.trouble:
            answer = words(lang)["failed"].format(error=text.removeprefix("error: "))
        else:
            day = text.split()[LANGUAGES.index(lang)] if want.tool == "weekday" else ""
            slots = {"value": text, "result": text, "day": day} | dict(want.slots)
            answer = want.answer.format(**slots)
        return [Message("user", want.question), *_called(call, text), Message("assistant", answer)]

    def _time(self) -> str:
        """Draw a time: the real one would be the same in every row, and another tomorrow."""
        moment = datetime(2000, 1, 1) + timedelta(minutes=self.rng.randrange(36 * 366 * 24 * 60))
        return moment.strftime("%Y-%m-%d %H:%M")

    # --- rows without ---

    def _without(self, count: int) -> list[Conversation]:
        """Return general conversations with tools offered, and questions that no offered tool can answer."""
        unsuited = round(NONE * count)
        rows = [self._unsuited(self.languages[at % len(self.languages)]) for at in range(unsuited)]
        return [*rows, *self._general(count - unsuited)]

    def _general(self, count: int) -> list[Conversation]:
        from workbench.data.mixing import shipped_general

        usable = [c for c in shipped_general() if c.lang in self.languages and not c.tools]
        rows: list[Conversation] = []
        while len(rows) < count:
            rows += [
                self._row("no_call", c.lang, c.group or f"tools/none/{c.source}", c.messages)
                for c in evenly(usable, count - len(rows))
            ]
        return rows

    def _unsuited(self, lang: str) -> Conversation:
        """Ask for what a tool of the kit can do that is not offered."""
        apart = [name for name in ("weekday", "units", "lookup", "calculator") if name not in self._names()]
        if not apart:
            return self._apart(lang)
        want = wanted(self.rng.choice(apart), lang, self.rng, _items(chosen("lookup")[0]))
        messages = [Message("user", want.question), Message("assistant", words(lang)["none"])]
        return self._row("no_tool", lang, f"none/{want.group}", messages)

    def _apart(self, lang: str) -> Conversation:
        """Where all are chosen, offer all but the one that is asked for."""
        tool = self.rng.choice([tool for tool in self.tools if tool.name != "clock"])
        want = self._wanted(tool.name, lang)
        messages = [Message("user", want.question), Message("assistant", words(lang)["none"])]
        others = tuple(other for other in self.tools if other is not tool)
        return self._row("no_tool", lang, f"none/{want.group}", messages, offer=others)

    def _names(self) -> set[str]:
        return {tool.name for tool in self.tools}

    def _row(
        self, kind: str, lang: str, group: str, messages: Sequence[Message], *needed: str,
        offer: Sequence[Tool] | None = None,
    ) -> Conversation:  # fmt: skip
        """Return a row that offers the tools it needs, and perhaps others, in any order."""
        pool = [tool for tool in (self.tools if offer is None else offer) if tool.name not in needed]
        must = [tool for tool in self.tools if tool.name in needed]
        rest = self.rng.sample(pool, self.rng.randint(0 if must else min(1, len(pool)), len(pool)))
        picked = [*must, *rest]
        self.rng.shuffle(picked)
        schemas = tuple(tool.schema for tool in picked)
        return Conversation(tuple(messages), group=group, kind=kind, lang=lang, tools=schemas)


def _called(call: Call, result: str) -> list[Message]:
    return [Message("assistant", "", tool_calls=(call.json,)), Message("tool", result)]


def _items(tool: Tool) -> tuple[str, ...]:
    """Return the names in a table: in the shop's, or in one's own."""
    from workbench import shipped
    from workbench.tools.tables import keys_of, read_table

    return keys_of(tool) or read_table(shipped.path("tools/shop.tsv")).keys


def counts(rows: Sequence[Conversation]) -> dict[str, int]:
    """Return how many rows there are of each kind."""
    kinds = [row.kind for row in rows]
    return {kind: kinds.count(kind) for kind in (*SHARES, "no_call", "no_tool") if kind in kinds}


def names_offered(row: Conversation) -> list[str]:
    """Return the names of the tools that a row offers."""
    return [json.loads(tool)["function"]["name"] for tool in row.tools]
