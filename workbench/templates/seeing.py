"""Pictures in what a template renders: each becomes the placeholders that its model wants. Knows values; no processor.

Before a template renders a conversation, each picture's place is written as a word that nobody can have written; after
it, that word is cut out of what was rendered, and the picture's ids stand in its place. So any template will do that
writes what people say as it is, and what somebody wrote as ``<image>`` stays words.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from workbench.data.conversation import Conversation, Message
from workbench.data.picture import BadPicture, Picture
from workbench.data.pictures import PICTURE
from workbench.templates.marks import MARK, mark
from workbench.templates.values import LossOn, Places, Segment, Template, Unfit


def check_sight(conversation: Conversation, template: Template) -> None:
    """Refuse pictures where the template's model sees none: their places would be trained as letters.

    Raises:
        Unfit: there are some.
    """
    if conversation.pictures and not isinstance(template, SeeingTemplate):
        raise Unfit("pictures")


def with_sight(template: Template, tokenizer: Any) -> Template:
    """Return ``template`` with pictures, where ``tokenizer`` is that of a model which sees; else as it is."""
    places = getattr(tokenizer, "picture_places", None)
    return SeeingTemplate(template, places) if places is not None else template


def words_of(template: Template) -> Template:
    """Return the template that renders the words."""
    return template.inner if isinstance(template, SeeingTemplate) else template


@dataclass(frozen=True, slots=True)
class SeeingTemplate:
    """Hold a template, and how its model wants pictures.

    Args:
        inner: the template that renders the words.
        places: the ids of a picture.
    """

    inner: Template
    places: Places

    @property
    def name(self) -> str:
        """Return the template's name."""
        return self.inner.name

    @property
    def stop_words(self) -> tuple[str, ...]:
        """Return the texts at which generation stops, the end-of-turn first."""
        return self.inner.stop_words

    @property
    def ends(self) -> tuple[str, ...]:
        """Return the texts with which its answers end, which are trained."""
        return self.inner.ends

    def segments(
        self, conversation: Conversation, *, loss_on: LossOn = "assistant", generation_prompt: bool = False
    ) -> list[Segment]:
        """Return the rendered conversation, cut into segments, each picture one of its own.

        Raises:
            Unfit: as the template; or it leaves a picture out, or writes it twice.
        """
        marked, pictures = _marked(conversation)
        rendered = self.inner.segments(marked, loss_on=loss_on, generation_prompt=generation_prompt)
        if not pictures:
            return rendered
        segments = [piece for segment in rendered for piece in self._parted(segment, pictures)]
        shown = sum(segment.field == "picture" for segment in segments)
        if shown != len(_of(marked, rendered, pictures)):
            raise Unfit("picture_lost")
        return segments

    def _parted(self, segment: Segment, pictures: tuple[Picture, ...]) -> Iterator[Segment]:
        """A segment's words, and between them the placeholders of the pictures, which are never trained."""
        last = 0
        for found in MARK.finditer(segment.text):
            if found.start() > last:
                yield replace(segment, text=segment.text[last : found.start()])
            ids = self._ids(pictures[int(found[1])])
            hidden = replace(segment, trained=False, control=True, rule="picture", ids=ids)
            yield replace(hidden, text=PICTURE, field="picture")
            last = found.end()
        if last < len(segment.text) or not segment.text:
            yield replace(segment, text=segment.text[last:])

    def _ids(self, picture: Picture) -> tuple[int, ...]:
        """What stands for a picture; where the template writes nothing round it, with what is to stand there.

        Raises:
            Unfit: the picture cannot be opened, so that nobody knows how much of it there is.
        """
        shown = getattr(getattr(self.inner, "render", None), "placeholder", "")
        try:
            return self.places.ids(picture) if shown else self.places.framed(picture)
        except BadPicture as error:
            raise Unfit("picture_unseen", error.say(), error.do()) from None

    def fingerprint(self, tokenizer: Any) -> str:
        """Return the template's, and that of how pictures are made into numbers."""
        return f"{self.inner.fingerprint(tokenizer)}+{self.places.fingerprint()}"


def pictures_of(conversation: Conversation, segments: list[Segment]) -> tuple[Picture, ...]:
    """Return the pictures whose placeholders ``segments`` hold, in order: those of the turns that were rendered."""
    shown = {segment.turn for segment in segments}
    count = sum(segment.field == "picture" for segment in segments)
    pictures = conversation.pictures
    if count == len(pictures):
        return pictures
    last = max(shown, default=-1)
    return tuple(image for message in conversation.messages[: last + 1] for image in message.images)[:count]


def _of(conversation: Conversation, rendered: list[Segment], pictures: tuple[Picture, ...]) -> list[int]:
    """Of which pictures the places are in the turns that were rendered; what follows the last answer is not."""
    last = max((segment.turn for segment in rendered), default=-1)
    words = "".join(message.content for message in conversation.messages[: last + 1])
    return [int(found[1]) for found in MARK.finditer(words) if int(found[1]) < len(pictures)]


def _marked(conversation: Conversation) -> tuple[Conversation, tuple[Picture, ...]]:
    """The conversation without pictures, each of their places written as a word that stands for it."""
    pictures: list[Picture] = []
    messages: list[Message] = []
    for message in conversation.messages:
        content = message.content
        if content.count(PICTURE) < len(message.images):
            raise Unfit("picture_places")
        for image in message.images:
            content = content.replace(PICTURE, mark(len(pictures)), 1)
            pictures.append(image)
        messages.append(replace(message, content=content, images=()) if message.images else message)
    return conversation.with_messages(*messages), tuple(pictures)
