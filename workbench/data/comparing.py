"""Findings that need more than one row: contradictions, near-duplicates, names, shares, leakage. Knows values only."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from workbench.data.agreeing import contradict, plainly
from workbench.data.claims import is_identity, names, other_identities
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
    about = {"identity_share", "persona_name_differs"} & set(only)
    identity = [at for at, c in enumerate(rows.conversations) if about and c.kind != "text" and is_identity(c)]
    if "contradictory_answers" in only:
        yield from _contradictions(rows)
    if "near_duplicates" in only:
        yield from _duplicates(rows)
    if "identity_share" in only:
        yield from _share(rows, identity, persona)
    if "persona_name_differs" in only:
        yield from _names(rows, identity, persona)
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


def _share(rows: Rows, identity: list[int], persona: Persona | None) -> Iterator[Finding]:
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


def _names(rows: Rows, identity: list[int], persona: Persona | None) -> Iterator[Finding]:
    claimed: dict[str, list[int]] = {}
    spelled: dict[str, str] = {}
    for at in identity:
        said = [name for name in names(rows.conversations[at].answer) if not placeholders(name)]
        for name in said[:1]:
            key = _same_name(normalised(name), claimed)
            claimed.setdefault(key, []).append(at)
            spelled.setdefault(key, name)
    if not claimed:
        return
    most = max(claimed, key=lambda key: len(claimed[key]))
    right = _same_name(normalised(persona.name), claimed) if persona else most
    wrong = {key: held for key, held in claimed.items() if key != right}
    if wrong:
        listed = ", ".join(f"{shorten(spelled[key], 30)} ({rows.some(wrong[key], 4)})" for key in list(wrong)[:6])
        name = persona.name if persona else spelled[most]
        indices = sorted({at for held in wrong.values() for at in held})
        old = spelled[max(wrong, key=lambda key: len(wrong[key]))]
        yield rows.finding("persona_name_differs", indices, name=printable(name), names=listed, old=printable(old))


def _same_name(name: str, known: Iterable[str]) -> str:
    """The known name of which ``name`` is a longer or shorter form, or itself."""
    return next((other for other in known if other and (name in other or other in name)), name)


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
    keys = {_key(c): at for at, c in enumerate(validation)}
    keys.pop("", None)
    leaks: dict[int, int] = {}
    for at, conversation in enumerate(rows.conversations):
        other = groups.get(conversation.group, keys.get(_key(conversation)))
        if other is not None:
            leaks[at] = other
    questions = [_key(c) for c in (*rows.conversations, *validation)]
    for cluster in near_duplicates(questions, threshold=SAME_QUESTION):
        theirs = [at - len(rows.conversations) for at in cluster if at >= len(rows.conversations)]
        for at in cluster:
            if theirs and at < len(rows.conversations):
                leaks.setdefault(at, theirs[0])
    if leaks:
        yield rows.finding(
            "leakage_between_train_and_validation",
            sorted(leaks),
            theirs=held.some(list(leaks.values())),
            example=shorten(validation[next(iter(leaks.values()))].question),
        )


def _key(conversation: Conversation) -> str:
    """What was asked, in all turns; of plain text, the text."""
    asked = "\n".join(plainly(message.content) for message in conversation.messages if message.role == "user")
    return asked or plainly(conversation.answer)
