"""One assistant and its many visitors. Knows sessions, turns and limits; nothing of any page.

A page keeps no conversation of its own: what a browser sends is a question and how to answer it. What was said is kept
here, by session, so that no client can rewrite it, read another's, or lose a message when the connection breaks.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from workbench.chat.discreet import without_places
from workbench.chat.face import Face
from workbench.chat.limits import Limits, Wish
from workbench.chat.places import Places
from workbench.chat.sessions import Session
from workbench.chat.shown import SIDE, from_visitor
from workbench.chat.turns import Calls, Turn, row_of, to_messages
from workbench.data.picture import Picture
from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.texts import text

if TYPE_CHECKING:
    from workbench.chat.loading import Opened

EARLIER = 20  # conversations of one visitor that are kept
KEPT = 3600.0  # seconds that the conversation of who left waits for a page that comes back
MOST_HELD = 500_000_000  # bytes of the pictures of all visitors
_SECRET = re.compile(r"[0-9a-f]{32}")


class Desk:
    """Serve visitors who ask. Every method may be called from any thread.

    Args:
        opener: loads what answers; called once, in a thread of its own.
        face: who answers.
        limits: what one visitor may ask for.
        tools: names of the tools that the assistant may call.
    """

    def __init__(self, opener: Callable[[], Opened], face: Face, limits: Limits | None = None, tools: str = "") -> None:
        self.face, self.tools = face, tools
        self.limits = limits or Limits()
        self.places = Places(self.limits.at_once, self.limits.waiting)
        self._opener = opener
        self._opened: Opened | None = None
        self._trouble: WorkbenchError | None = None
        self._ready = threading.Event()
        self._begun = False
        self._sessions: dict[str, Session] = {}
        self._secrets: dict[str, str] = {}  # visitor -> the secret of the conversation that their page shows
        self._lock = threading.Lock()

    def warm(self) -> Desk:
        """Begin to load the model, unless it was begun; returns at once."""
        with self._lock:
            begin, self._begun = not self._begun, True
        if begin:
            threading.Thread(target=self._load, name="load", daemon=True).start()
        return self

    def _load(self) -> None:
        try:
            self._opened = self._opener()
        except WorkbenchError as error:
            self._trouble = error
        except Exception as error:  # whatever it is, the page must say it rather than wait for ever
            self._trouble = Failed("web.cannot_load", reason=_line(error))
            raise
        finally:
            self._ready.set()

    @property
    def can_compare(self) -> bool:
        """Tell whether there is a base to compare with; False while the model loads."""
        return self._opened is not None and self._opened.base is not None

    @property
    def can_see(self) -> bool:
        """Tell whether what answers takes pictures; False while the model loads."""
        return self._opened is not None and self._opened.sees

    @property
    def can_answer(self) -> bool:
        """Tell whether the model is loaded."""
        return self._opened is not None

    def state(self, lang: str | None = None) -> str:
        """Return a sentence on where it stands: loading, not to be loaded, or what answers on which device."""
        if self._trouble is not None:
            return _told(self._trouble, lang)
        if self._opened is None:
            return text("web.loading", lang)
        notices = [without_places(notice) for notice in self._opened.notices]
        return " ".join([text(f"web.{key}", lang) for key in self._opened.remarks] + notices)

    @property
    def settled(self) -> bool:
        """Tell whether the loading has ended, well or not."""
        return self._ready.is_set()

    def opened(self, timeout: float | None = None) -> Opened:
        """Return what answers, as soon as it is loaded.

        Raises:
            Failed: it could not be loaded, or not within ``timeout`` seconds.
        """
        self.warm()._ready.wait(timeout)
        if self._trouble is not None:
            raise self._trouble
        if self._opened is None:
            raise Failed("web.busy")
        return self._opened

    def enter(self, visitor: str, secret: object = None) -> None:
        """Note that a page has opened. With a secret of its browser's it goes on with the conversation of an earlier
        page.

        Args:
            visitor: the key of the page.
            secret: 32 hexadecimal digits; anything else is none, and the conversation ends with the page.
        """
        with self._lock:
            if isinstance(secret, str) and _SECRET.fullmatch(secret):
                self._session(secret)
                self._secrets[visitor] = secret
            self._session(visitor).pages.add(visitor)

    def session(self, key: str) -> Session:
        """Return the session of that key; a new one where there is none."""
        with self._lock:
            return self._session(key)

    def _session(self, key: str) -> Session:
        key = self._secrets.get(key, key)
        session = self._sessions.get(key)
        if session is None:
            self._forget()
            session = self._sessions[key] = Session()
        session.used = time.monotonic()
        return session

    def _forget(self) -> None:
        """Make room for one more: who left long ago goes, and beyond the limit those that rested longest."""
        now = time.monotonic()
        idle = sorted((s.used, key) for key, s in self._sessions.items() if not s.waits)
        over = len(self._sessions) + 1 - self.limits.sessions
        for number, (used, key) in enumerate(idle):
            if number < over or (not self._sessions[key].pages and now - used > KEPT):
                del self._sessions[key]
        self._secrets = {visitor: key for visitor, key in self._secrets.items() if key in self._sessions}

    def leave(self, visitor: str) -> None:
        """Note that the page is gone: an answer being written for it ends. What was said waits for the browser that has
        its secret; without one it is forgotten."""
        with self._lock:
            key = self._secrets.get(visitor, visitor)
            session = self._sessions.get(key)
            if session is None:
                return
            session.pages.discard(visitor)
            if session.pages:  # another page of the same browser shows it
                return
            session.stop = True
            if session.answering != session.number:
                session.asked = None
            if key == visitor:
                del self._sessions[key]

    def stop(self, key: str) -> None:
        """End the answer that is being written; what came of it stays."""
        self.session(key).stop = True

    def settle(self, key: str, lang: str | None = None) -> None:
        """Note that a page begins anew, and no answer is written for it any more: what came of the last one is kept at
        once, and a question whose answer nobody fetches is taken back. Where another page shows the conversation too,
        all goes on there."""
        session = self.session(key)
        with self._lock:
            if session.asked is None or len(session.pages) > 1:
                return
            if session.answering == session.number:
                turn = session.asked if session.asked.note else _stopped(session.asked, lang)
                session.turns = (*session.turns, turn)
            session.asked = None

    def reset(self, key: str) -> None:
        """Begin a new conversation; the one so far is put aside."""
        session = self.session(key)
        session.stop = True
        with self._lock:
            if session.turns:
                session.earlier = (session.turns, *session.earlier)[:EARLIER]
            session.turns, session.asked = (), None

    def take_back(self, key: str) -> Turn | None:
        """Take the last question back with its pictures and its answer, to ask it again or in other words; returns
        them, or None where there is no question or one is being answered."""
        session = self.session(key)
        with self._lock:
            if session.waits or not session.turns:
                return None
            *rest, last = session.turns
            session.turns = tuple(rest)
            return last

    def row(self, key: str, system: str = "") -> str:
        """Return the conversation as a line of JSON that can be trained, with its calls; empty where nothing was
        answered."""
        return row_of(self.session(key).turns, system, self.tools)

    def recall(self, key: str, number: int) -> None:
        """Go on with an earlier conversation; the one so far takes a place among them."""
        session = self.session(key)
        with self._lock:
            if session.asked is None and 0 <= number < len(session.earlier):
                rest = (*session.earlier[:number], *session.earlier[number + 1 :])
                aside = (session.turns,) if session.turns else ()
                session.turns, session.earlier = session.earlier[number], (*aside, *rest)

    def admit(self, key: str, question: str, images: Sequence[Picture] = ()) -> Turn:
        """Take a question in, or refuse it at once; :meth:`answer` answers it.

        Args:
            images: what the visitor shows; each is opened within the limits for strangers, and only its pixels are
                kept.

        Raises:
            BadInput: empty, too long, with too many pictures or one that cannot be seen, or the last one is still being
                answered. Failed: too many wait.
        """
        content = _checked(question, "web.long_question", self.limits.characters).strip()
        pictures = from_visitor(images, self._opened.side if self._opened is not None else SIDE)
        if not content:
            raise BadInput("web.empty_question")
        session = self.session(key)
        with self._lock:
            if session.waits:
                raise BadInput("web.still_answering")
            if 2 * len(session.turns) >= self.limits.messages:
                raise BadInput("web.long_conversation", n=self.limits.messages)
            if sum(s.waits for s in self._sessions.values()) >= self.limits.at_once + self.limits.waiting:
                raise Failed("web.busy")
            if pictures and self._held() > MOST_HELD:
                raise Failed("web.busy")
            turn = Turn(content, images=pictures)
            session.asked, session.stop, session.since = turn, False, time.monotonic()
            session.number += 1
            return session.asked

    def _held(self) -> int:
        """Bytes of the pictures of all conversations."""
        turns = (t for s in self._sessions.values() for part in (s.turns, *s.earlier) for t in part)
        return sum(len(picture.data) for turn in turns for picture in turn.images)

    def answer(self, key: str, wish: Wish, lang: str | None = None) -> Iterator[Turn]:
        """Yield the answer to the question that was admitted, growing; nothing where there is none.

        However it ends, what was said stays in the conversation, and the turn is free again. Trouble is told in the
        turn's note, never raised: a page has nobody to catch it.
        """
        session = self.session(key)
        with self._lock:
            turn, number = session.asked, session.number
            if turn is None or session.answering == number:
                return
            session.answering = number
        try:
            with self.places.turn(lambda: _gone(session, number)) as came:
                turns = self._write(session, turn, number, wish, lang) if came else iter([_stopped(turn, lang)])
                for turn in turns:
                    if not self._grown(session, turn, number):
                        return
                    yield turn
        except GeneratorExit:
            turn = _stopped(turn, lang)
            raise
        except WorkbenchError as error:
            turn = replace(turn, note=_told(error, lang))
            yield turn
        except Exception as error:
            turn = replace(turn, note=_told(Failed("web.broke_off", reason=_line(error)), lang))
            yield turn
        finally:
            self._keep(session, turn, number)

    def ask(self, key: str, question: str, wish: Wish | None = None, lang: str | None = None) -> Iterator[Turn]:
        """Call :meth:`admit` and :meth:`answer` in one."""
        self.admit(key, question)
        yield from self.answer(key, wish or Wish(), lang)

    def _grown(self, session: Session, turn: Turn, number: int) -> bool:
        """Whether the answer of that number is still wanted; then ``turn`` is how far it has come."""
        with self._lock:
            if session.asked is None or session.number != number:
                return False
            session.asked = turn
            return True

    def _keep(self, session: Session, turn: Turn, number: int) -> None:
        with self._lock:
            if session.number != number:
                return
            session.answering = 0
            if session.asked is None:
                return
            session.asked = None
            if turn.answer or turn.base or turn.note or turn.cards:
                session.turns = (*session.turns, turn)

    def _write(self, session: Session, turn: Turn, number: int, wish: Wish, lang: str | None) -> Iterator[Turn]:
        system = _checked(wish.system, "web.long_system", self.limits.characters)
        opened = self.opened()
        cut: list[int] = []
        sampling = wish.sampling(self.limits)
        options: dict[str, Any] = {
            "sampling": replace(sampling, seed=sampling.seed + number),  # asked again, a drawn answer is another one
            "should_stop": lambda: _gone(session, number),
            "on_cut": cut.append,
        }
        messages = [*to_messages(session.turns, system), turn.asked]
        calls = Calls(lang)
        streams = [opened.answers.stream(messages, **options, **(calls.options(self.tools) if self.tools else {}))]
        if wish.compare and opened.base is not None:
            streams.append(opened.base.stream(messages, **options))
            turn = replace(turn, base="")
        for pieces in zip_longest(*streams, fillvalue=""):
            if turn.base is not None:
                turn = replace(turn, base=turn.base + pieces[-1])
            turn = calls.grown(turn, pieces[0])
            yield turn
        turn = replace(turn, note=calls.ended)
        note = text("web.stopped", lang) if session.stop else text("chat.cut", lang, n=cut[0]) if cut else turn.note
        if not turn.answer and not note:
            note = text("web.said_nothing", lang)
        if note:
            yield replace(turn, note=note)


def _stopped(turn: Turn, lang: str | None) -> Turn:
    return replace(turn, note=text("web.stopped", lang))


def _gone(session: Session, number: int) -> bool:
    """Whether nobody waits for the answer of that number any more: stopped, or put aside."""
    return session.stop or session.asked is None or session.number != number


def _checked(value: Any, key: str, limit: int) -> str:
    if not isinstance(value, str):
        raise BadInput("web.not_text")
    if len(value) > limit:
        raise BadInput(key, length=len(value), limit=limit)
    return value


def _told(error: WorkbenchError, lang: str | None) -> str:
    return without_places(" ".join(part for part in (error.say(lang), error.do(lang)) if part))


def _line(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def paced(turns: Iterator[Turn], seconds: float = 0.05) -> Iterator[Turn]:
    """Yield the same, but no more often than every ``seconds``: the first at once, and always the last."""
    shown, pending = 0.0, None
    for turn in turns:
        now = time.monotonic()
        if now - shown >= seconds:
            shown, pending = now, None
            yield turn
        else:
            pending = turn
    if pending is not None:
        yield pending
