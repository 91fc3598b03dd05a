"""Findings that need more than one row: contradictions, near-duplicates, names, shares, leakage. Knows values only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from workbench.data.agreeing import contradict, plainly
from workbench.data.claims import introductions, is_identity, names, one_name, other_identities
from workbench.data.conversation import Conversation, Persona
from workbench.data.fields import printable, shorten
from workbench.data.findings import Finding, Rows
from workbench.data.markers import placeholders
from workbench.data.ordering import normalised
from workbench.data.questions import question_core
from workbench.data.similar import near_duplicates

LOW, HIGH = 0.02, 0.6  # shares of identity outside of which a set teaches too little or too much of it
FEW = 5  # so few identity rows stand in a general set by chance
SAME_QUESTION = 0.9  # resemblance from which two questions, without their answers, are one


def compare(
    rows: Rows,
    *,
    persona: Persona | None,
    validation: Sequence[Conversation] | None,
    only: Collection[str],
) -> Iterator[Finding]:
    """Yield the findings of comparing rows with one another, with the persona, and with the held-out set."""
    if {"contradictory_answers", "similar_questions"} & set(only):
        answers = _answers(rows)
        yield from _contradictions(rows, answers)
        yield from _similar(rows, answers)
    if "near_duplicates" in only:
        yield from _duplicates(rows)
    if "identity_share" in only:
        yield from _share(rows, persona)
    if "persona_name_differs" in only:
        yield from _names(rows, persona)
    if "another_identity" in only:
        yield from _others(rows, persona)
    if validation is not None and "leakage_between_train_and_validation" in only:
        yield from _leakage(rows, validation)


Context = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Answer:
    """An answer and what it answers.

    Args:
        row: index of its conversation.
        message: index of its message.
        text: its words.
    """

    row: int
    message: int
    text: str


def _answers(rows: Rows) -> dict[Context, list[_Answer]]:
    """The answers to all that stands before them, words only."""
    answers: dict[Context, list[_Answer]] = {}
    for row, conversation in enumerate(rows.conversations):
        before: Context = ()
        for index, message in enumerate(conversation.messages):
            if message.role == "assistant" and before and message.content.strip():
                answers.setdefault(before, []).append(_Answer(row, index, message.content))
            before = (
                *before,
                message.role,
                plainly(message.content),
                *(image.key for image in message.images),
                *message.tool_calls,
            )
    return answers


def _contradictions(rows: Rows, answers: dict[Context, list[_Answer]]) -> Iterator[Finding]:
    repeated = (group for group in answers.values() if len(group) > 1)
    groups = [group for group in repeated if contradict([answer.text for answer in group])]
    if groups:
        yield _differing(rows, "contradictory_answers", groups)


def _similar(rows: Rows, answers: dict[Context, list[_Answer]]) -> Iterator[Finding]:
    """Questions that differ in small words only, and have different answers."""
    alike: dict[Context, dict[Context, list[_Answer]]] = {}
    for context, group in answers.items():
        core = question_core(context[-1]) if context[-2] == "user" else ""
        if core:
            alike.setdefault((*context[:-1], core), {})[context] = group
    groups = []
    for by_wording in alike.values():
        firsts = [group[0] for group in by_wording.values()]
        groups_of = {rows.conversations[answer.row].group for answer in firsts}
        # paraphrases that the set itself declares may each be answered in its own words
        if len(firsts) > 1 and (len(groups_of) > 1 or "" in groups_of) and contradict([a.text for a in firsts]):
            groups.append([answer for group in by_wording.values() for answer in group])
    if groups:
        yield _differing(rows, "similar_questions", groups)


def _differing(rows: Rows, code: str, groups: list[list[_Answer]]) -> Finding:
    """The finding that answers differ; what most rows of a group say is no surplus."""
    surplus: set[int] = set()
    for group in groups:
        opinions = sorted(_opinions(group), key=len, reverse=True)
        surplus |= {answer.row for opinion in opinions[1:] for answer in opinion}
    first, second = (opinion[0] for opinion in _opinions(groups[0])[:2])
    return rows.finding(
        code,
        sorted({answer.row for group in groups for answer in group}),
        surplus=sorted(surplus),
        groups=len(groups),
        question=_asked_there(rows, first),
        other_question=_asked_there(rows, second),
        one=shorten(first.text, 40),
        other=shorten(second.text, 40),
        example=rows.some([answer.row for answer in groups[0]]),
    )


def _opinions(group: list[_Answer]) -> list[list[_Answer]]:
    """The answers of a group, those that agree together, in their order."""
    opinions: list[list[_Answer]] = []
    for answer in group:
        agreeing = next((o for o in opinions if not contradict([o[0].text, answer.text])), None)
        if agreeing is None:
            opinions.append([answer])
        else:
            agreeing.append(answer)
    return opinions


def _asked_there(rows: Rows, answer: _Answer) -> str:
    """The questions up to an answer, the last two of them, for a sentence."""
    before = rows.conversations[answer.row].messages[: answer.message]
    questions = [shorten(message.content, 40) for message in before if message.role == "user"]
    return " → ".join(["…", *questions[-2:]] if len(questions) > 2 else questions) or "–"


def _duplicates(rows: Rows) -> Iterator[Finding]:
    parts = [_parts(conversation) for conversation in rows.conversations]
    marks = [_mark(conversation) for conversation in rows.conversations]
    clusters = near_duplicates(["\n".join(part) for part in parts], apart=marks, parts=parts)
    if clusters:
        yield rows.finding(
            "near_duplicates",
            [index for cluster in clusters for index in cluster],
            surplus=[index for cluster in clusters for index in cluster[1:]],
            groups=len(clusters),
            example=rows.some(max(clusters, key=len)),
            largest=max(map(len, clusters)),
        )


def _parts(conversation: Conversation) -> tuple[str, str]:
    """What is asked and what is answered, each with all that belongs to it."""
    questions, answered = [], []
    for message in conversation.messages:
        if message.role == "assistant":
            answered += [message.thinking, message.content, *message.tool_calls]
        elif message.role != "system":
            questions += [message.content, *(image.key for image in message.images)]
    return "\n".join(questions), "\n".join(filter(None, answered))


def _mark(conversation: Conversation) -> tuple[str, tuple[bool | None, ...], tuple[str, ...]]:
    """What makes two rows different whatever else they share: the system text, which answers are trained, and the
    pictures."""
    system = "\n".join(message.content for message in conversation.messages if message.role == "system")
    pictures = tuple(picture.key for picture in conversation.pictures)
    trained = tuple(message.train for message in conversation.messages if message.role == "assistant")
    return system.strip(), trained, pictures


def _share(rows: Rows, persona: Persona | None) -> Iterator[Finding]:
    identity = [index for index, c in enumerate(rows.conversations) if c.kind != "text" and is_identity(c)]
    total = sum(c.kind != "text" for c in rows.conversations)
    share = len(identity) / total if total else 0.0
    form = ""
    if share > HIGH:
        form = "high"
    elif persona and total and not identity:
        form = "none"
    elif identity and share < LOW and (persona or len(identity) >= FEW):
        form = "low"
    if form:
        percent = f"{100 * share:.3g} %"
        yield rows.finding("identity_share", identity, form=form, surplus=(), share=percent, total=total)


def _names(rows: Rows, persona: Persona | None) -> Iterator[Finding]:
    claimed: dict[str, list[int]] = {}
    for index, conversation in enumerate(rows.conversations):
        for answer in introductions(conversation):
            stated = [name for name in names(answer) if not placeholders(name)]
            for name in stated[:1]:
                spelling = next((earlier for earlier in claimed if one_name(name, earlier)), name)
                claimed.setdefault(spelling, []).append(index)
    if not claimed:
        return
    right = persona.name if persona else max(claimed, key=lambda name: len(claimed[name]))
    wrong = {name: positions for name, positions in claimed.items() if not one_name(name, right)}
    if wrong:
        spelt = tuple(f"{shorten(name, 30)} ({rows.some(positions, 4)})" for name, positions in list(wrong.items())[:6])
        indices = sorted({index for positions in wrong.values() for index in positions})
        old = max(wrong, key=lambda name: len(wrong[name]))
        yield rows.finding("persona_name_differs", indices, name=printable(right), names=spelt, old=printable(old))


def _others(rows: Rows, persona: Persona | None) -> Iterator[Finding]:
    persona_text = normalised(f"{persona.name} {persona.author}") if persona else ""
    claimed: dict[str, None] = {}
    indices = []
    for index, conversation in enumerate(rows.conversations):
        rivals = [n for m in conversation.messages if m.role == "assistant" for n in other_identities(m.content)]
        rivals = [name for name in rivals if normalised(name) not in persona_text]
        if rivals:
            indices.append(index)
            claimed.update(dict.fromkeys(rivals))
    if indices:
        old = printable(next(iter(claimed)))
        yield rows.finding("another_identity", indices, names=tuple(map(printable, list(claimed)[:6])), old=old)


def _leakage(rows: Rows, validation: Sequence[Conversation]) -> Iterator[Finding]:
    held_out = Rows(validation, rows.lang)
    groups = {c.group: index for index, c in enumerate(validation) if c.group}
    ours, theirs = [_asked(c) for c in rows.conversations], [_asked(c) for c in validation]
    keys = {key: index for index, questions in enumerate(theirs) for key in questions}
    leaks: dict[int, int] = {}
    for index, conversation in enumerate(rows.conversations):
        twin = groups.get(conversation.group, next((keys[key] for key in ours[index] if key in keys), None))
        if twin is not None:
            leaks[index] = twin
    # of a long dialogue its first question and all of them: every stretch between would be too much to compare
    near = [
        (index, key)
        for index, questions in enumerate(ours + theirs)
        for key in dict.fromkeys((*questions[:1], *questions[-1:]))
    ]
    everyone = [*rows.conversations, *validation]
    pictures = [tuple(picture.key for picture in everyone[index].pictures) for index, _ in near]
    for cluster in near_duplicates([key for _, key in near], threshold=SAME_QUESTION, apart=pictures):
        members = [near[member][0] for member in cluster]
        twin = next((member - len(ours) for member in members if member >= len(ours)), None)
        for index in members:
            if twin is not None and index < len(ours):
                leaks.setdefault(index, twin)
    if leaks:
        yield rows.finding(
            "leakage_between_train_and_validation",
            sorted(leaks),
            theirs=held_out.some(list(leaks.values())),
            example=shorten(validation[next(iter(leaks.values()))].question),
        )


def _asked(conversation: Conversation) -> list[str]:
    """What had been asked at each answer that is trained, in all turns up to it; at least at the end. Of plain text,
    the text. As in :func:`~workbench.data.ordering.trained_questions`, but ``3 - 4`` is not ``34``."""
    keys: list[str] = []
    pending: list[str] = []
    for message in conversation.messages:
        if message.role == "user":
            pending.append("\n".join((plainly(message.content), *(image.key for image in message.images))))
        elif message.role == "assistant" and message.train is not False and any(pending):
            keys.append("\n".join(pending))
    last = "\n".join(pending) if any(pending) else plainly(conversation.answer)
    return list(dict.fromkeys(keys)) or ([last] if last else [])
