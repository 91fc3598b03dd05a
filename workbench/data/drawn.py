"""Conversations about drawn pictures: titles, and questions with their answers. Knows words of both languages.

The words are those that the embedded model knows of pictures' captions, and no others.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal

from workbench.data.conversation import Conversation, ask
from workbench.data.drawing import Figure, Scene, png, scene
from workbench.data.picture import Picture
from workbench.data.pictures import PICTURE

Topic = Literal["colour", "shape", "place", "count", "size", "whole", "present", "absent"]
TOPICS: tuple[Topic, ...] = ("colour", "shape", "place", "count", "size", "whole")
YES_NO: tuple[Topic, ...] = ("present", "absent")
_COLUMNS = {"shape": "shapes", "colour": "colours", "size": "sizes", "place": "positions", "count": "counts"}


@lru_cache(maxsize=3)
def _words(name: str, folder: str = "pocket") -> Mapping[str, Any]:
    import yaml

    from workbench import shipped

    loaded: Mapping[str, Any] = yaml.safe_load(shipped.path(f"{folder}/{name}.yaml").read_text(encoding="utf-8"))
    return loaded


def titles(
    count: int, *, seed: int = 0, languages: Sequence[str] = ("en", "zh"), held: bool = False, asked_for: bool = False
) -> list[Conversation]:
    """Return rows of a picture and its title, without a question, as a projector is trained with them.

    Args:
        count: how many, each with a picture of its own.
        languages: of the titles, in turn; one that is not English is asked for by its name.
        held: of pairs of shape and colour that no other set holds.
        asked_for: six rows of seven with one of many requests for a title.
    """
    rng, wording = random.Random(f"titles {seed} {held}"), random.Random(f"requests {seed}")
    rows = []
    for number in range(count):
        drawn, lang = scene(rng, held=held), languages[number % len(languages)]
        request = wording.choice(_words("requests", "pictures")[lang]) if asked_for and number % 7 else ""
        rows.append(_row(drawn, number, lang, request, title(drawn, lang), "title"))
    return rows


def questions(
    count: int, *, seed: int = 0, languages: Sequence[str] = ("en", "zh"), held: bool = False,
    topics: Sequence[Topic] = TOPICS, figures: int = 1, unseen_wording: bool = False,
) -> list[Conversation]:  # fmt: skip
    """Return rows of a picture, a question about it, and the answer; the topics in turn, each in every language.

    Args:
        held: of pairs of shape and colour that no other set holds.
        topics: what is asked about.
        figures: sorts of shapes in a picture; of two the one that is asked about is drawn.
        unseen_wording: ask in wordings that no training set has.
    """
    rng = random.Random(f"questions {seed} {held} {figures} {unseen_wording}")
    rows = []
    for number in range(count):
        topic = topics[number // len(languages) % len(topics)]
        lang = languages[number % len(languages)]
        drawn = scene(rng, held=held, figures=figures)
        question, answer = asked(rng, drawn, topic, lang, unseen_wording=unseen_wording)
        rows.append(_row(drawn, number, lang, question, answer, topic))
    return rows


def pictured(drawn: Scene, name: str) -> Picture:
    """Return a scene's picture, its bytes as they would stand in a file."""
    return Picture(name, data=png(drawn))


def _row(drawn: Scene, number: int, lang: str, question: str, answer: str, topic: str) -> Conversation:
    words = f"{PICTURE}\n{question}" if question else PICTURE
    row = ask(words, answer, kind="picture" if question else "title", lang=lang, meta={"topic": topic})
    user, reply = row.messages
    return row.with_messages(_illustrated(user, pictured(drawn, f"{number + 1:06d}.png")), reply)


def over_picture(rows: Sequence[Conversation], *, seed: int = 0) -> list[Conversation]:
    """Return rows whose first question stands under a drawn picture that it has nothing to do with."""
    rng = random.Random(f"over {seed}")
    pictured_rows = []
    for number, row in enumerate(rows):
        at = next((i for i, message in enumerate(row.messages) if message.role == "user"), None)
        if at is None:
            continue
        question = row.messages[at]
        shown = replace(question, content=f"{PICTURE}\n{question.content}")
        messages = list(row.messages)
        messages[at] = _illustrated(shown, pictured(scene(rng), f"over-{number + 1:06d}.png"))
        pictured_rows.append(row.with_messages(*messages))
    return pictured_rows


def shown_only(row: Conversation) -> Conversation:
    """Return a row of which only the picture and the first answer are left: what a projector's first stage learns; a
    row without a picture as it is."""
    asked_at = next((i for i, message in enumerate(row.messages) if message.role == "user" and message.images), None)
    if asked_at is None:
        return row
    answer = next((m for m in row.messages[asked_at:] if m.role == "assistant"), None)
    if answer is None:
        return row
    question = row.messages[asked_at]
    marks = "\n".join(PICTURE for _ in question.images)
    return row.with_messages(replace(question, content=marks), answer)


def _illustrated(message: Any, picture: Picture) -> Any:
    return replace(message, images=(picture,))


def title(drawn: Scene, lang: str) -> str:
    """Return the caption of a scene: ``two large red stars on the left``, ``左边有两个大的红色的星形``."""
    return (", " if lang == "en" else "，").join(_caption(figure, lang) for figure in drawn.figures)


def asked(
    rng: random.Random, drawn: Scene, topic: Topic, lang: str, *, unseen_wording: bool = False
) -> tuple[str, str]:
    """Return a question about a scene, and its answer."""
    figure = rng.choice(drawn.figures)
    if topic == "absent":
        shown = {other.shape for other in drawn.figures}
        figure = next(f for f in iter(lambda: scene(rng).figures[0], None) if f.shape not in shown)
    form = _words("scenes")[lang][topic]
    slots = _slots(figure, lang) | {"caption": title(drawn, lang)}
    question = rng.choice(form["held" if unseen_wording else "ask"])
    return _filled(question, slots, lang), _filled(form["answer" if figure.count == 0 else "many"], slots, lang)


def keywords(figure: Figure, topic: str, lang: str) -> tuple[str, ...]:
    """Return the words that an answer on ``topic`` has if it is right."""
    slots = _slots(figure, lang)
    names = {"colour": "c", "shape": "s", "place": "p", "count": "n", "size": "z"}
    return tuple(slots[name] for name in (names.values() if topic in ("whole", "title") else [names[topic]]))


def _slots(figure: Figure, lang: str) -> dict[str, str]:
    parts = _words("captions")
    drawn = {name: parts[column][getattr(figure, name)] for name, column in _COLUMNS.items()}
    shape, single = drawn["shape"], figure.count == 0
    return {
        "s": shape[lang], "ss": shape.get("many", shape[lang]) if lang == "en" else shape[lang],
        "c": drawn["colour"][lang], "z": drawn["size"][lang], "p": drawn["place"][lang], "n": drawn["count"][lang],
        "a": _phrase(drawn, lang, single=single),
    }  # fmt: skip


def _phrase(drawn: Mapping[str, Any], lang: str, *, single: bool) -> str:
    shape, count = drawn["shape"], drawn["count"][lang]
    if lang == "zh":
        return f"{count}个{drawn['size'][lang]}{drawn['colour'][lang]}{shape[lang]}"
    words = f"{drawn['size'][lang]} {drawn['colour'][lang]} {shape['en'] if single else shape['many']}"
    return f"a {words}" if single else f"{count} {words}"


def _caption(figure: Figure, lang: str) -> str:
    slots = _slots(figure, lang)
    return f"{slots['a']} {slots['p']}" if lang == "en" else f"{slots['p']}有{slots['a']}"


def _filled(template: str, slots: Mapping[str, str], lang: str) -> str:
    text = template
    for name, value in slots.items():
        text = text.replace("{" + name + "}", value)
    text = text.replace(" a oval", " an oval") if lang == "en" else text
    begins = template.startswith("{") and lang == "en" and "caption" not in template
    return text[:1].upper() + text[1:] if begins else text
