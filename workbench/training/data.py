"""From a recipe to what is trained, what is held out, and what is asked. Knows data and templates; nothing of
optimizers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from workbench.data.conversation import Conversation, Message, Persona
from workbench.data.ordering import evenly, normalised
from workbench.errors import BadInput, BadSetting
from workbench.evaluation import (
    Probe,
    Question,
    general_probes,
    identity_probes,
    question_probes,
    says,
    task_probes,
    unrelated_probes,
)
from workbench.evaluation.sight import visible
from workbench.templates.values import Encoded, Example, Template
from workbench.training.settings import AskedQuestion, Recipe

# A front end hands its worker at most so many conversations; more would be held by both while the worker loads.
MOST_HANDED = 20_000
# Rows of one's own data that are looked at for questions to ask, evenly spread.
MOST_ASKED = 400
# General conversations beside drawn pictures, where nothing else of words is trained.
TEXT_SHARE = 0.2
# Drawn questions that are held out.
HELD_DRAWN = 120
# All of the shipped questions.
ALL = 10_000


@dataclass(frozen=True, slots=True)
class Conversations:
    """Hold the two sides of the split, as text.

    Args:
        train: in the order in which they are read; shuffled later, by the seed.
        held_out: no paraphrase of any of these is in ``train``.
        asked: rows of one's own data whose answers are scored: held-out ones, or trained ones where ``repeated``.
        repeated: whether nothing of one's own data could be held out.
    """

    train: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    asked: tuple[Conversation, ...] = ()
    repeated: bool = False

    def fingerprint(self) -> str:
        """Return SHA-256 of all that is learnt from: a resumed run must see the same."""
        digest = hashlib.sha256()
        for side in (self.train, self.held_out):
            for c in side:
                digest.update(json.dumps([*map(_learnt, c.messages), *_beside(c)]).encode())
            digest.update(b"|")
        return digest.hexdigest()

    def handed(self) -> str:
        """Return all of it as a line of JSON for the worker, which then need not read it again; empty where that is no
        gain: there is too much of it, or a row holds what JSON does not."""
        if len(self.train) + len(self.held_out) > MOST_HANDED:
            return ""
        try:
            sides = [[c.to_dict() for c in side] for side in (self.train, self.held_out, self.asked)]
            return json.dumps([*sides, self.repeated])
        except (TypeError, ValueError):
            return ""

    @classmethod
    def taken(cls, line: str) -> Conversations:
        """Return what :meth:`handed` gave."""
        *sides, repeated = json.loads(line)
        train, held_out, questions = (tuple(Conversation.from_dict(row) for row in side) for side in sides)
        return cls(train, held_out, questions, repeated)


def _learnt(message: Message) -> list[Any]:
    """All of a message that a model may learn; what most messages have not is not written, so that a run begun before
    such things were known can go on."""
    pictures = [image.sha256 for image in message.images]  # the same name may be another picture tomorrow
    rare = {"calls": message.tool_calls, "pictures": pictures, "thinking": message.thinking}
    fields = {name: value for name, value in rare.items() if value}
    return [message.role, message.content, message.train, *([fields] if fields else [])]


def _beside(conversation: Conversation) -> list[Any]:
    """What beside its messages decides what is learnt of a conversation: its tools, and that it is no bare text though
    it looks like one."""
    alone = conversation.kind != "text" and all(m.role == "assistant" for m in conversation.messages)
    tools = [{"tools": conversation.tools}] if conversation.tools else []
    return [*tools, *([{"text": False}] if alone else [])]


@dataclass(frozen=True, slots=True)
class Prepared:
    """Hold all that a training needs besides the model.

    Args:
        train, held_out: examples, every one with at least one trained token.
        probes: asked at each evaluation.
        encoded: the training side, with what was left out, cut or is not trained, and why.
        identity: the words that tell a leak.
        repeated: trained examples of one's own data, where nothing of it could be held out.
    """

    train: tuple[Example, ...]
    held_out: tuple[Example, ...]
    probes: tuple[Probe, ...]
    encoded: Encoded
    identity: tuple[str, ...]
    repeated: tuple[Example, ...] = ()


def persona_of(recipe: Recipe) -> Persona:
    """Return the persona that the recipe names."""
    p = recipe.persona
    return Persona(name=p.name, author=p.author, purpose=p.purpose, manner=p.manner, languages=tuple(p.languages))


def general_of(recipe: Recipe) -> str | None:
    """Tell where the general conversations of ``recipe`` come from: ``shipped``, ``own`` (the base's own answers), a
    file, or None. What pocket knows is shipped; another base would be taught it, and does not know it better for
    that."""
    general = recipe.data.general
    if general != "auto":
        return general or None
    return "shipped" if recipe.model.name == "pocket" else "own"


def conversations(
    recipe: Recipe, own_conversations: Sequence[Conversation] | None = None, rehearsed: Sequence[Conversation] = ()
) -> Conversations:
    """Read or generate, split by groups of paraphrases, mix the training side.

    Args:
        recipe: the settings.
        own_conversations: what was already read or generated, in place of what the recipe names.
        rehearsed: the base's own answers, where these are the recipe's general conversations.

    Raises:
        BadInput: there is nothing to train on, or a file is not as it must be.
    """
    from workbench.data import mix, read, split

    data, seed = recipe.data, recipe.runtime.seed
    own_conversations = _own(recipe) if own_conversations is None else list(own_conversations)
    general = _general(recipe, rehearsed)
    drawn = drawn_of(recipe) if recipe.vision.drawn else None
    if data.validation:
        train = own_conversations
        held_out = _staged(recipe, read(data.validation, format=data.format, **_image_folder(recipe)))
    else:
        train, held_out = (
            split(own_conversations, validation=data.validation_share, seed=seed)
            if data.validation_share and own_conversations
            else (own_conversations, [])
        )
    questions, repeated = (drawn.asked, False) if drawn else _asked(train, held_out)
    over_pictures = drawn.beside(train) if drawn else []
    if general:
        # held out before it is mixed, so that oversampling puts nothing on both sides
        general_train, general_held = split(general, validation=data.validation_share, seed=seed)
        few = not train and drawn is not None
        beside = evenly(general_train, int(TEXT_SHARE * recipe.vision.drawn)) if few else general_train
        train = list(beside) if few else mix(train, general_train, ratio=data.ratio, seed=seed)
        held_out = [*held_out, *general_held[: max(16, len(held_out))]]
    if drawn:
        train = [*train, *over_pictures, *drawn.train]
        held_out = [*drawn.held_out, *held_out]
    return Conversations(tuple(train), tuple(held_out), questions, repeated)


def drawn_of(recipe: Recipe) -> Drawn:
    """Return the drawn rows that the recipe asks for."""
    from workbench.data.drawn import questions, titles

    vision, seed, languages = recipe.vision, recipe.runtime.seed, recipe.persona.languages
    rows = titles if vision.stage == "pretrain" else questions
    train = rows(vision.drawn, seed=seed, languages=languages)
    held_out = rows(HELD_DRAWN, seed=seed + 1, languages=languages, held=True)
    questioned = questions(HELD_DRAWN, seed=seed + 1, languages=languages, held=True)
    return Drawn(tuple(train), tuple(held_out), tuple(questioned), seed)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Hold drawn rows.

    Args:
        train: of pairs of shape and colour that may be trained.
        held_out: the same of the other pairs: the loss is of what the stage learns, titles or answers.
        asked: questions about the other pairs, in both stages: a first stage answers them with titles.
        seed: of further drawings.
    """

    train: tuple[Conversation, ...]
    held_out: tuple[Conversation, ...]
    asked: tuple[Conversation, ...]
    seed: int

    def beside(self, rows: Sequence[Conversation]) -> list[Conversation]:
        """Return every other row of who the assistant is once more, asked over a picture that it does not mention."""
        from workbench.data.drawn import over_picture

        identity = [row for row in rows if row.kind.startswith("identity")][::2]
        return over_picture(identity, seed=self.seed)


def _asked(train: Sequence[Conversation], held_out: Sequence[Conversation]) -> tuple[tuple[Conversation, ...], bool]:
    """The rows of one's own data to ask, and whether nothing was held out, so that trained ones are asked.

    Of those held out the rewordings of what is trained, where there are any: nobody can know an answer never seen.
    """
    if not held_out:
        distinct = {c.messages: c for c in train}
        return tuple(evenly(list(distinct.values()), MOST_ASKED)), True
    trained = {normalised(c.answer) for c in train}
    # what a tool gave is no answer to be known: rows with calls are asked whatever they answer
    reworded = [c for c in held_out if normalised(c.answer) in trained or any(m.tool_calls for m in c.messages)]
    return tuple(evenly(reworded or list(held_out), MOST_ASKED)), False


def prepare(recipe: Recipe, tokenizer: Any, split: Conversations | None = None) -> Prepared:
    """Encode both sides, and choose the probes.

    Raises:
        BadInput: no conversation has a trained token within ``max_length``.
    """
    split = split or conversations(recipe)
    encoding = encoded(recipe, tokenizer, split.train)
    if not encoding.examples:
        raise BadInput(
            "training.nothing_trained",
            count=len(split.train),
            max_length=recipe.data.max_length,
            model=recipe.model.name,
        )
    held_out = encoded(recipe, tokenizer, split.held_out).examples
    repeated = encoded(recipe, tokenizer, split.asked).examples if split.repeated else ()
    identity = identity_words(recipe) if trains_identity(recipe, split) else ()
    candidates = visible(probes(recipe, split, pool=True), tokenizer)
    return Prepared(tuple(encoding.examples), tuple(held_out), candidates, encoding, identity, tuple(repeated))


def trains_identity(recipe: Recipe, split: Conversations) -> bool:
    """Tell whether who the assistant is is trained: by an identity set, or by answers of one's own that say its
    name."""
    name = recipe.persona.name
    rows = (c for c in split.train if c.kind.startswith("identity") or (name and name in c.answer))
    return bool(name) and any(c.kind.startswith("identity") or says(c.answer, name) for c in rows)


def identity_words(recipe: Recipe) -> tuple[str, ...]:
    """Return the words that tell a leak: the persona's name and author."""
    return tuple(word for word in (recipe.persona.name, recipe.persona.author) if word)


def probes(recipe: Recipe, split: Conversations, *, pool: bool = False) -> list[Probe]:
    """Return the recipe's probes: identity from held-out paraphrases, where identity is trained; tasks from held-out
    rows of one's own; general and unrelated from the shipped ones, in the persona's languages; its own questions.

    Where a set of one's own holds nothing out (a single pair repeated, say), identity is asked in wordings that it does
    not train.

    Args:
        pool: all general questions, for the base to choose from.
    """
    limits, persona, languages = recipe.evaluation, persona_of(recipe), recipe.persona.languages
    chosen: list[Probe] = []
    if limits.identity_probes and trains_identity(recipe, split):
        chosen = identity_probes(split.held_out, persona, limit=limits.identity_probes)
        chosen = chosen or identity_probes(_unseen(persona, split), persona, limit=limits.identity_probes)
    everyday = [c.answer for c in evenly(split.train, MOST_ASKED)]
    chosen += task_probes(split.asked, limit=limits.task_probes, everyday=everyday, trained=split.repeated)
    general = ALL if pool and limits.general_probes else limits.general_probes
    chosen += general_probes(limit=general, languages=languages)
    chosen += unrelated_probes(limit=limits.unrelated_probes, languages=languages)
    return [*chosen, *question_probes([_question(question) for question in limits.questions])]


def _question(question: str | AskedQuestion) -> str | Question:
    return (
        question if isinstance(question, str) else Question(question.question, tuple(question.answers), question.system)
    )


def _unseen(persona: Persona, split: Conversations) -> list[Conversation]:
    """Identity conversations whose question is nowhere in the training set."""
    from workbench.data import identity_set
    from workbench.evaluation.scoring import normal

    trained = {normal(m.content) for c in split.train for m in c.messages if m.role == "user"}
    generated = identity_set(persona)
    return [c for c in generated if not any(normal(m.content) in trained for m in c.messages if m.role == "user")]


def _own(recipe: Recipe) -> list[Conversation]:
    from workbench.data import identity_set, read

    if recipe.data.train:
        return _staged(recipe, read(recipe.data.train, format=recipe.data.format, **_image_folder(recipe)))
    if recipe.vision.drawn and (recipe.vision.stage == "pretrain" or not recipe.persona.name.strip()):
        return []  # who it is is learnt by the language model, in the second stage
    if not recipe.persona.name.strip():
        raise BadSetting("training.no_data")
    return identity_set(persona_of(recipe), recipe.data.identity_count, seed=recipe.runtime.seed)


def _image_folder(recipe: Recipe) -> dict[str, Any]:
    return {"image_folder": recipe.vision.image_folder} if recipe.vision.image_folder else {}


def _staged(recipe: Recipe, rows: Sequence[Conversation]) -> list[Conversation]:
    """The rows as the stage learns them: a projector's first stage is asked nothing, it is only shown a picture.

    Raises:
        BadRow: a picture cannot be seen.
    """
    from workbench.data.drawn import shown_only
    from workbench.data.picture_faults import refuse_unreadable
    from workbench.training.execution import sees

    if any(row.pictures for row in rows) and sees(recipe):
        refuse_unreadable(rows)
    first = recipe.vision.tower and recipe.vision.stage == "pretrain"
    return [shown_only(row) for row in rows] if first else list(rows)


def _general(recipe: Recipe, rehearsed: Sequence[Conversation]) -> list[Conversation]:
    from workbench import shipped
    from workbench.data import read

    source = general_of(recipe)
    if not source or recipe.data.ratio == 0:
        return []
    if source == "own":
        return list(rehearsed)
    return read(shipped.path("general/general.jsonl") if source == "shipped" else source)


def dress(recipe: Recipe, tokenizer: Any) -> Any:
    """Return ``tokenizer`` with the system text and the thoughts of ``recipe`` in its own chat template.

    Raises:
        BadInput: the template does not take them.
    """
    from workbench.templates import dressed

    data = recipe.data
    return dressed(tokenizer, recipe.model.template, system=data.system, thinking=data.thinking)


def template_of(recipe: Recipe, tokenizer: Any) -> Template:
    """Return the template of ``recipe``, for a tokenizer as :func:`dress` gives it."""
    from workbench.templates import bound

    return bound(tokenizer, recipe.model.template, system=recipe.data.system)


def encoded(recipe: Recipe, tokenizer: Any, rows: Sequence[Conversation]) -> Encoded:
    """Return ``rows`` as they are trained by ``recipe``, for a tokenizer as :func:`dress` gives it."""
    from workbench.templates import encode

    data = recipe.data
    options: dict[str, Any] = {"loss_on": data.loss_on, "max_length": data.max_length, "thinking": data.thinking}
    return encode(list(rows), tokenizer, template=template_of(recipe, tokenizer), **options)
