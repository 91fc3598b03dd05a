"""The questions that are asked during training. Knows conversations and personas; nothing of models."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from workbench import shipped
from workbench.data.conversation import Conversation, Message, Persona
from workbench.data.ordering import evenly
from workbench.evaluation.facts import everyday_facts, key_facts

Kind = Literal["identity", "task", "general", "unrelated", "sample"]


@dataclass(frozen=True, slots=True)
class Probe:
    """Hold a question asked during training whose answer is scored.

    Args:
        messages: what is asked, the last message a user's.
        kind: ``identity`` (the answer must name the persona), ``task`` (it must tell what a held-out row of one's own
            data tells), ``general`` (it must state a fact that the base knew), ``unrelated`` (it must not name the
            persona), ``sample`` (only shown).
        expects: identity: the texts that the answer must contain.
        lang: ``zh``, ``en`` or empty.
        answer: the held-out answer in full, where there is one.
        keys: general: groups of alternatives; the answer must state one of each, whatever its wording.
        references: task: the right answers; one is enough.
        facts: the key facts of each reference.
        trained: whether the very wording is trained, since nothing could be held out.
        tools: the tools that are offered, JSON texts.
        sort: of a task with tools: ``call``, ``no_call``, or ``error`` where the tool fails.
        calls, results: what the row itself calls before its answer, JSON texts, and what came of each.
    """

    messages: tuple[Message, ...]
    kind: Kind
    expects: tuple[str, ...] = ()
    lang: str = ""
    answer: str = ""
    keys: tuple[tuple[str, ...], ...] = ()
    references: tuple[str, ...] = ()
    facts: tuple[tuple[str, ...], ...] = ()
    trained: bool = False
    tools: tuple[str, ...] = ()
    sort: str = ""
    calls: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def question(self) -> str:
        """Return the last user's text."""
        return self.messages[-1].content


@dataclass(frozen=True, slots=True)
class Question:
    """Hold a question of one's own.

    Args:
        answers: what would be right, where it is known; one is enough.
        system: the system text that it is asked under.
    """

    question: str
    answers: tuple[str, ...] = ()
    system: str = ""


def identity_probes(conversations: Iterable[Conversation], persona: Persona, *, limit: int = 48) -> list[Probe]:
    """Return probes from identity conversations that were held out of training, spread evenly over languages and
    groups."""
    probes = [_from_conversation(c, persona) for c in _spread(conversations)]
    return [probe for probe in probes if probe is not None][:limit]


def general_probes(*, limit: int = 64, languages: Sequence[str] = ()) -> list[Probe]:
    """Return questions for facts, with the words that a right answer must state; in wordings that no training set
    holds.

    Args:
        languages: only questions in these; empty: in all.
    """
    return [
        Probe(_asked(row), "general", (), row.get("lang", ""), row["expected"], tuple(map(tuple, row["keys"])))
        for row in _evenly("probes/general.jsonl", limit, languages)
        if row.get("keys")
    ]


def unrelated_probes(*, limit: int = 32, languages: Sequence[str] = ()) -> list[Probe]:
    """Return questions that have nothing to do with who the assistant is."""
    rows = _evenly("probes/unrelated.jsonl", limit, languages)
    return [Probe(_asked(row), "unrelated", (), row.get("lang", "")) for row in rows]


def task_probes(
    conversations: Sequence[Conversation], *, limit: int = 24, everyday: Sequence[str] = (), trained: bool = False
) -> list[Probe]:
    """Return probes from rows of one's own data: what was asked, and the answers that are right.

    Rows that ask the same have several right answers. Rows about the persona are asked as identity probes.

    Args:
        conversations: those held out.
        everyday: answers of the same data; what stands in many of them is no key fact.
        trained: the rows are trained, since nothing could be held out.
    """
    common = everyday_facts([*everyday, *(c.answer for c in conversations)])
    answers: dict[tuple[Message, ...], list[str]] = {}
    langs: dict[tuple[Message, ...], str] = {}
    offering: list[Conversation] = []
    for c in conversations:
        if c.tools and c.messages[-1].role == "assistant" and c.answer.strip():
            offering.append(c)
            continue
        if c.kind.startswith("identity") or c.messages[-1].role != "assistant" or not c.answer.strip():
            continue
        if any(m.role == "user" for m in c.messages[:-1]) and c.messages[-2].role in ("user", "tool"):
            answers.setdefault(c.messages[:-1], []).append(c.answer)
            langs.setdefault(c.messages[:-1], c.lang)
    chosen = evenly(list(answers), limit)
    probes = [_task(question, answers[question], common, langs[question], trained) for question in chosen]
    return [*(_with_tools(c, trained) for c in _sorts(offering, limit)), *probes][:limit]


def question_probes(questions: Sequence[str | Question]) -> list[Probe]:
    """Return the recipe's own questions (``evaluation.questions``): shown, and scored where an answer is expected."""
    probes = []
    for item in questions:
        question = Question(item) if isinstance(item, str) else item
        messages = (
            *((Message("system", question.system),) if question.system else ()),
            Message("user", question.question),
        )
        probes.append(
            _task(messages, question.answers, (), "", False) if question.answers else Probe(messages, "sample")
        )
    return probes


def _task(
    messages: tuple[Message, ...], answers: Sequence[str], everyday: Iterable[str], lang: str, trained: bool
) -> Probe:
    references = tuple(dict.fromkeys(answers))
    question = " ".join(m.content for m in messages if m.role == "user")
    facts = tuple(key_facts(text, question, everyday) for text in references)
    return Probe(messages, "task", (), lang, references[0], (), references, facts, trained)


def _sorts(conversations: Sequence[Conversation], limit: int) -> list[Conversation]:
    """At most ``limit`` rows that offer tools, those with a call, without one and with an error in turn."""
    shelves: dict[str, list[Conversation]] = {}
    for c in conversations:
        shelves.setdefault(_last_exchange(c)[1], []).append(c)
    return _in_turn([evenly(rows, limit) for _, rows in sorted(shelves.items())])[:limit]


def _last_exchange(conversation: Conversation) -> tuple[int, str]:
    """Where the answer to the last question begins, and of which sort it is."""
    messages = conversation.messages
    start = 1 + max((at for at, m in enumerate(messages) if m.role == "user"), default=-1)
    if not any(m.tool_calls for m in messages[start:]):
        return start, "no_call"
    failed = any(m.role == "tool" and m.content.startswith("error") for m in messages[start:])
    return start, "error" if failed else "call"


def _with_tools(conversation: Conversation, trained: bool) -> Probe:
    """The last question of a row that offers tools, with the calls that it makes and their results."""
    start, sort = _last_exchange(conversation)
    last = conversation.messages[start:]
    calls = tuple(call for m in last for call in m.tool_calls)
    results = tuple(m.content for m in last if m.role == "tool")
    n = min(len(calls), len(results))
    asked, answer = conversation.messages[:start], conversation.answer
    probe = _task(asked, [answer], (), conversation.lang, trained)
    return replace(probe, tools=conversation.tools, sort=sort, calls=calls[:n], results=results[:n])


def _asked(row: Mapping[str, Any]) -> tuple[Message, ...]:
    """A shipped probe's messages: perhaps a system text, perhaps earlier turns, and the question."""
    system = (Message("system", row["system"]),) if row.get("system") else ()
    earlier = tuple(Message(turn["role"], turn["content"]) for turn in row.get("messages", ()))
    return (*system, *earlier, Message("user", row["question"]))


def _from_conversation(conversation: Conversation, persona: Persona) -> Probe | None:
    expectation = conversation.meta.get("expects", "name")
    expects = {
        "name": (persona.name,),
        "author": (persona.author,) if persona.author else (),
        "name_and_author": tuple(x for x in (persona.name, persona.author) if x),
    }.get(str(expectation), ())
    messages = conversation.messages
    # a name that the question already holds could be copied: it would tell nothing
    if not expects or conversation.meta.get("told") or not messages or messages[-1].role != "assistant":
        return None
    return Probe(messages[:-1], "identity", expects, conversation.lang, messages[-1].content)


def _spread(conversations: Iterable[Conversation]) -> list[Conversation]:
    """One of each group in turn, the languages alternating, so that any first part is a fair sample."""
    shelves: dict[str, dict[str, list[Conversation]]] = {}
    for c in conversations:
        if c.kind.startswith("identity"):
            shelves.setdefault(c.lang, {}).setdefault(c.group, []).append(c)
    rows = {lang: _in_turn(list(groups.values())) for lang, groups in sorted(shelves.items())}
    return _in_turn(list(rows.values()))


def _in_turn(rows: Sequence[Sequence[Conversation]]) -> list[Conversation]:
    longest = max((len(row) for row in rows), default=0)
    return [row[i] for i in range(longest) for row in rows if i < len(row)]


def _shipped(name: str) -> list[dict[str, Any]]:
    lines = shipped.path(name).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def _evenly(name: str, limit: int, languages: Sequence[str]) -> list[dict[str, Any]]:
    """At most ``limit`` rows of the shipped file ``name``, as many of each language, the same ones every time."""
    rows = _shipped(name) if limit else []
    shelves: dict[str, list[dict[str, Any]]] = {}
    for row in random.Random(0).sample(rows, len(rows)):
        if not languages or row.get("lang", "") in languages:
            shelves.setdefault(row.get("lang", ""), []).append(row)
    picked: list[dict[str, Any]] = []
    while len(picked) < limit and any(shelves.values()):
        picked += [shelf.pop() for _, shelf in sorted(shelves.items()) if shelf]
    return picked[:limit]
