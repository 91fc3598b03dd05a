"""What an assistant sees of drawn pictures whose pairs of shape and colour were never trained: ``python
benchmarks/pictures.py MODEL [--adapter DIR] [--name NAME]``.

Knows the assistant and the drawn sets; trains nothing. Prints one JSON object of shares, 0 to 1.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from workbench.chat import Assistant
from workbench.data.conversation import Conversation, Message, Persona
from workbench.data.drawing import scene
from workbench.data.drawn import TOPICS, YES_NO, asked, over_picture, pictured, questions
from workbench.evaluation import general_probes, identity_probes, task_probes
from workbench.evaluation.scoring import correct, right, says
from workbench.evaluation.sight import description_of, doubled, is_title, scores


def share(values: Sequence[bool]) -> float:
    """Return the share of what is true."""
    return round(sum(values) / len(values), 4) if values else float("nan")


def exact_by_topic(assistant: Assistant, rows: Sequence[Conversation]) -> dict[str, float]:
    """Return the share of answers that are right to the letter, in all and of each topic."""
    answers = assistant.ask_all([row.messages[:-1] for row in rows], max_new_tokens=32)
    marks = [right(answer, row.answer) for answer, row in zip(answers, rows, strict=True)]
    found = {"exact": share(marks)}
    for topic in sorted({str(row.meta["topic"]) for row in rows}):
        found[topic] = share([m for m, row in zip(marks, rows, strict=True) if row.meta["topic"] == topic])
    return found


def titles(assistant: Assistant, rows: Sequence[Conversation]) -> float:
    """Return the share of questions that are answered with what the picture is described by."""
    asked = [row for row in rows if row.meta["topic"] != "whole"]
    answers = assistant.ask_all([row.messages[:-1] for row in asked], max_new_tokens=32)
    descriptions = assistant.ask_all([description_of(row.messages[-2]) for row in asked], max_new_tokens=32)
    probes = task_probes(asked, limit=len(asked))
    by_messages = {probe.messages: probe for probe in probes}
    marks = [
        is_title(by_messages[row.messages[:-1]], answer, said)
        for row, answer, said in zip(asked, answers, descriptions, strict=True)
    ]
    return share(marks)


def sight(assistant: Assistant, rows: Sequence[Conversation]) -> dict[str, float]:
    """Return the shares that tell seeing from guessing."""
    probes = task_probes(rows, limit=len(rows))
    answers = assistant.ask_all([probe.messages for probe in probes], max_new_tokens=32)
    pairs = doubled(probes)
    others = assistant.ask_all([pair.other for pair in pairs], max_new_tokens=32)
    described = assistant.ask_all([pair.described for pair in pairs], max_new_tokens=32)
    return {name: round(value, 4) for name, value in scores(probes, answers, pairs, others, described).items()}


def second_question(assistant: Assistant, count: int) -> float:
    """Return the share of second questions about a picture that are answered rightly, after the first and its own
    answer; a training set of drawn pictures asks one question of each."""
    rng = random.Random(82)
    first, second = [], []
    for number in range(count):
        drawn, lang = scene(rng), ("en", "zh")[number % 2]
        (opening, _), (question, answer) = (asked(rng, drawn, topic, lang) for topic in rng.sample(TOPICS[:-1], 2))
        first.append(Message("user", f"<image>\n{opening}", images=(pictured(drawn, f"{number}.png"),)))
        second.append((question, answer))
    said = assistant.ask_all([(message,) for message in first], max_new_tokens=32)
    turns = zip(first, said, second, strict=True)
    later = [
        (message, Message("assistant", words), Message("user", question)) for message, words, (question, _) in turns
    ]
    answers = assistant.ask_all(later, max_new_tokens=32)
    return share([right(given, answer) for given, (_, answer) in zip(answers, second, strict=True)])


def text_kept(assistant: Assistant, base: Assistant) -> dict[str, Any]:
    """Return how much of what the base answers rightly of general questions is still answered so."""
    probes = general_probes(limit=400)
    asked = [probe.messages for probe in probes]
    before, after = base.ask_all(asked, max_new_tokens=32), assistant.ask_all(asked, max_new_tokens=32)
    known = [(p, a) for p, b, a in zip(probes, before, after, strict=True) if correct(p, b)]
    return {"text_kept": share([correct(p, a) for p, a in known]), "text_known": len(known)}


def persona(assistant: Assistant, name: str) -> dict[str, float]:
    """Return the share of questions about who it is that name it, without a picture and over one."""
    from workbench.data import identity_set

    who = Persona(name)
    plain = [c for c in identity_set(who, 200, seed=9) if c.meta.get("expects") == "name"][:60]
    chosen = identity_probes(plain, who, limit=60)
    shown = over_picture([Conversation((*p.messages, Message("assistant", name))) for p in chosen], seed=3)
    alone = assistant.ask_all([p.messages for p in chosen], max_new_tokens=32)
    over = assistant.ask_all([row.messages[:-1] for row in shown], max_new_tokens=32)
    return {
        "persona": share([says(a, name) for a in alone]),
        "persona_over_picture": share([says(a, name) for a in over]),
    }


def main() -> int:
    """Measure as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model")
    parser.add_argument("--adapter")
    parser.add_argument("--name", default="")
    parser.add_argument("--count", type=int, default=480)
    options = parser.parse_args()
    started = time.perf_counter()
    assistant = Assistant.load(options.model, options.adapter)
    rows = questions(options.count, seed=77, held=True, topics=TOPICS)
    measures: dict[str, Any] = {"held_out": exact_by_topic(assistant, rows)}
    measures["seen_pairs"] = exact_by_topic(assistant, questions(240, seed=78))
    unseen = questions(options.count // 2, seed=79, held=True, unseen_wording=True)
    measures["other_wordings"] = exact_by_topic(assistant, unseen)["exact"]
    measures["yes_no"] = exact_by_topic(assistant, questions(120, seed=80, held=True, topics=YES_NO))
    measures["two_sorts"] = exact_by_topic(assistant, questions(120, seed=81, held=True, figures=2))
    measures["second_question"] = second_question(assistant, 120)
    measures["titles"] = titles(assistant, rows[:240])
    measures["sight"] = sight(assistant, rows[:240])
    if assistant.adapted:
        measures |= text_kept(assistant, assistant.base)
    if options.name:
        measures |= persona(assistant, options.name)
    measures["seconds"] = round(time.perf_counter() - started, 1)
    print(json.dumps(measures, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
