"""Findings that need more than one row: contradictions, near-duplicates, names, shares, leakage. Knows values only."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from workbench.data.agreeing import contradict, plainly
from workbench.data.claims import introductions, is_identity, names, one_name, other_identities
from workbench.data.conversation import Conversation, Persona
from workbench.data.fields import printable, shorten
from workbench.data.findings import Finding, Rows
from workbench.data.markers import placeholders
from workbench.data.ordering import normalised
from workbench.data.similar import folded, near_duplicates

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
    """The findings of comparing rows with one another, with the persona, and with the held-out set."""
    if "contradictory_answers" in only:
        yield from _contradictions(rows)
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


def _contexts(conversation: Conversation) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every answer with all that stands before it, words only."""
    before: tuple[str, ...] = ()
    for message in conversation.messages:
        if message.role == "assistant" and before and message.content.strip():
            yield before, message.content
        before = (*before, message.role, plainly(message.content), *message.images, *message.tool_calls)


def _contradictions(rows: Rows) -> Iterator[Finding]:
    answers: dict[tuple[str, ...], list[tuple[int, str]]] = {}
    for at, conversation in enumerate(rows.conversations):
        for context, answer in _contexts(conversation):
            answers.setdefault(context, []).append((at, answer))
    groups = [held for held in answers.values() if len(held) > 1 and contradict([answer for _, answer in held])]
    if not groups:
        return
    indices = {at for held in groups for at, _ in held}
    surplus = {at for held in groups for at, answer in held if folded(answer) != folded(held[0][1])}
    example = groups[0]
    question = next(m.content for m in reversed(rows.conversations[example[0][0]].messages) if m.role == "user")
    yield rows.finding(
        "contradictory_answers",
        sorted(indices),
        surplus=sorted(surplus),
        groups=len(groups),
        question=shorten(question),
        example=rows.some([at for at, _ in example]),
    )


def _duplicates(rows: Rows) -> Iterator[Finding]:
    texts = ["\n".join(m.content for m in c.messages) for c in rows.conversations]
    pictured = [c for c in rows.conversations if any(m.images for m in c.messages)]
    if pictured:
        paths = ["".join(path for m in c.messages for path in m.images) for c in rows.conversations]
        texts = [f"{text}\n{path}" for text, path in zip(texts, paths, strict=True)]
    clusters = near_duplicates(texts)
    if clusters:
        yield rows.finding(
            "near_duplicates",
            [at for cluster in clusters for at in cluster],
            surplus=[at for cluster in clusters for at in cluster[1:]],
            groups=len(clusters),
            example=rows.some(max(clusters, key=len)),
            largest=max(map(len, clusters)),
        )


def _share(rows: Rows, persona: Persona | None) -> Iterator[Finding]:
    identity = [at for at, c in enumerate(rows.conversations) if c.kind != "text" and is_identity(c)]
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
    for at, conversation in enumerate(rows.conversations):
        for answer in introductions(conversation):
            said = [name for name in names(answer) if not placeholders(name)]
            for name in said[:1]:
                known = next((other for other in claimed if one_name(name, other)), name)
                claimed.setdefault(known, []).append(at)
    if not claimed:
        return
    right = persona.name if persona else max(claimed, key=lambda name: len(claimed[name]))
    wrong = {name: held for name, held in claimed.items() if not one_name(name, right)}
    if wrong:
        listed = ", ".join(f"{shorten(name, 30)} ({rows.some(held, 4)})" for name, held in list(wrong.items())[:6])
        indices = sorted({at for held in wrong.values() for at in held})
        old = max(wrong, key=lambda name: len(wrong[name]))
        yield rows.finding("persona_name_differs", indices, name=printable(right), names=listed, old=printable(old))


def _others(rows: Rows, persona: Persona | None) -> Iterator[Finding]:
    own = normalised(f"{persona.name} {persona.author}") if persona else ""
    claimed: dict[str, None] = {}
    indices = []
    for at, conversation in enumerate(rows.conversations):
        said = [n for m in conversation.messages if m.role == "assistant" for n in other_identities(m.content)]
        said = [name for name in said if normalised(name) not in own]
        if said:
            indices.append(at)
            claimed.update(dict.fromkeys(said))
    if indices:
        old = printable(next(iter(claimed)))
        yield rows.finding("another_identity", indices, names=", ".join(map(printable, list(claimed)[:6])), old=old)


def _leakage(rows: Rows, validation: Sequence[Conversation]) -> Iterator[Finding]:
    held = Rows(validation, rows.lang)
    groups = {c.group: at for at, c in enumerate(validation) if c.group}
    ours, theirs = [_asked(c) for c in rows.conversations], [_asked(c) for c in validation]
    keys = {key: at for at, asked in enumerate(theirs) for key in asked}
    leaks: dict[int, int] = {}
    for at, conversation in enumerate(rows.conversations):
        other = groups.get(conversation.group, next((keys[key] for key in ours[at] if key in keys), None))
        if other is not None:
            leaks[at] = other
    # of a long dialogue its first question and all of them: every stretch between would be too much to compare
    near = [(at, key) for at, asked in enumerate(ours + theirs) for key in dict.fromkeys((*asked[:1], *asked[-1:]))]
    for cluster in near_duplicates([key for _, key in near], threshold=SAME_QUESTION):
        members = [near[at][0] for at in cluster]
        other = next((at - len(ours) for at in members if at >= len(ours)), None)
        for at in members:
            if other is not None and at < len(ours):
                leaks.setdefault(at, other)
    if leaks:
        yield rows.finding(
            "leakage_between_train_and_validation",
            sorted(leaks),
            theirs=held.some(list(leaks.values())),
            example=shorten(validation[next(iter(leaks.values()))].question),
        )


def _asked(conversation: Conversation) -> list[str]:
    """What had been asked at each answer that is trained, in all turns up to it; at least at the end. Of plain text,
    the text. As in :func:`~workbench.data.ordering.trained_questions`, but ``3 - 4`` is not ``34``."""
    found: list[str] = []
    asked: list[str] = []
    for message in conversation.messages:
        if message.role == "user":
            asked.append(plainly(message.content))
        elif message.role == "assistant" and message.train is not False and any(asked):
            found.append("\n".join(asked))
    last = "\n".join(asked) if any(asked) else plainly(conversation.answer)
    return list(dict.fromkeys(found)) or ([last] if last else [])
