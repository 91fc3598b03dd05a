"""The assistant in a process of its own, beside the page's. Knows processes and the lines between the two; no web
library.

Page and model load side by side on two cores, and a page never waits while the model holds Python's one lock. Lines of
JSON go over the child's two pipes. To it: what to load, then questions and stops, each question with a number of its
own. From it: what was loaded, then pieces of answers, with the number of their question. The child ends with its input,
and so with its parent, however that ends.
"""

from __future__ import annotations

import itertools
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, NoReturn

from workbench.chat.acting import heard as passed_on
from workbench.chat.assistant import Sampling
from workbench.chat.history import Asked, as_messages, tell_cut
from workbench.chat.loading import Opened, Serving, opened
from workbench.data.conversation import Message
from workbench.environment import no_collection, prepare
from workbench.errors import Failed, WorkbenchError, error_from_record, record
from workbench.tools.cards import Card, End

POLL = 0.05  # seconds between two looks at whether the answer is still wanted
# Its modules are found where this process finds them, and nowhere else: not in the folder that it stands in.
PROGRAM = "import sys; sys.path[:] = sys.argv[1:]; from workbench.chat.beside import main; main()"


class ModelProcess:
    """Represent the assistant of ``settings``, in a child that :meth:`opened` starts; where it died, the next question
    starts another. It ends with this object, and with this process.

    Args:
        settings: what is served.
    """

    def __init__(self, settings: Serving) -> None:
        self._settings = settings
        self._child: _Child | None = None
        self._lock = threading.Lock()

    def opened(self) -> Opened:
        """Return what answers, as soon as it is loaded.

        Raises:
            WorkbenchError: as :func:`workbench.chat.loading.opened` in the child; Failed: the child ended.
        """
        child = self._living()
        child.settled.wait()
        if child.error is not None:
            raise error_from_record(**child.error)
        report = child.told
        base = _Base(self) if report["base"] else None
        return Opened(
            self, base, tuple(report["remarks"]), tuple(report["notices"]), bool(report["sees"]), report["side"]
        )

    def stream(
        self,
        question: Asked,
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_cut: Callable[[int], None] | None = None,
        base: bool = False,
        tools: str = "",
        on_card: Callable[[Card], Any] | None = None,
        on_end: Callable[[End], Any] | None = None,
        **settings: Any,
    ) -> Iterator[str]:
        """Yield the answer in pieces, as :meth:`workbench.chat.Assistant.stream` gives it; ``base`` asks the base.

        Raises:
            BadInput: as there. Failed: the child ended.
        """
        messages = [message.to_dict() for message in as_messages(question, system)]
        options = asdict(sampling or Sampling(**settings))
        child = self._living()
        number, heard = child.ask(messages=messages, how=options, base=base, tools=tools)
        try:
            while not (should_stop and should_stop()):
                try:
                    record = heard.get(timeout=POLL)
                except queue.Empty:
                    continue
                if "error" in record:
                    raise error_from_record(**record["error"])
                if "piece" in record:
                    yield record["piece"]
                elif "cut" in record:
                    tell_cut(record["cut"], on_cut)
                elif "card" in record or "ending" in record:
                    event = Card(**record["card"]) if "card" in record else End(**record["ending"])
                    yield from passed_on(iter([event]), on_card, on_end)
                else:
                    return
        finally:
            child.leave(number)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.end()

    def _living(self) -> _Child:
        with self._lock:
            if self._child is None or self._child.error is not None:
                self._child = _Child(self._settings)
                weakref.finalize(self, self._child.end)
            return self._child


class _Base:
    """The base of the same child."""

    def __init__(self, process: ModelProcess) -> None:
        self._beside = process

    def stream(self, question: Asked, **options: Any) -> Iterator[str]:
        """Answer as :meth:`ModelProcess.stream` does, by the base."""
        return self._beside.stream(question, base=True, **options)


class _Child:
    """One child, from its start to its end.

    Args:
        settings: what it is to load.
    """

    def __init__(self, settings: Serving) -> None:
        self.settled = threading.Event()  # it has loaded, or ended
        self.told: dict[str, Any] = {}  # of what it has loaded
        self.error: dict[str, Any] | None = None  # why it answers no more
        self._numbers = itertools.count(1)
        self._heard: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()
        # In a group of its own: a Ctrl-C in the terminal is for the page, which ends it.
        apart: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            apart = {"creationflags": subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW}
        command = [sys.executable, "-c", PROGRAM, *sys.path]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, **apart)  # noqa: S603
        self._into: Any = self._process.stdin
        self._out_of: Any = self._process.stdout
        self._listener = threading.Thread(target=self._listen, name="beside", daemon=True)
        self._listener.start()
        self._send(asdict(settings))

    def ask(self, **question: Any) -> tuple[int, queue.SimpleQueue[dict[str, Any]]]:
        """Send a question; return its number and the queue of its replies."""
        number, heard = next(self._numbers), queue.SimpleQueue[dict[str, Any]]()
        with self._lock:
            self._heard[number] = heard
            if self.error is not None:
                heard.put({"error": self.error})
        self._send({"ask": number, **question})
        return number, heard

    def leave(self, number: int) -> None:
        """Stop the answer of that number: nobody waits for it any more."""
        with self._lock:
            self._heard.pop(number, None)
        self._send({"stop": number})

    def end(self) -> None:
        """End it; it has nothing to save."""
        self._process.kill()
        if threading.current_thread() is not self._listener:
            self._listener.join(5)

    def _send(self, record: dict[str, Any]) -> None:
        with self._writing, suppress(OSError, ValueError):  # who has ended is heard of by the listener
            self._into.write(json.dumps(record, default=str).encode() + b"\n")
            self._into.flush()

    def _listen(self) -> None:
        with suppress(OSError, ValueError), self._out_of as lines:  # the last line may be cut short by its end
            for line in lines:
                record = json.loads(line)
                self._hear(record.pop("number"), record)
        self._process.kill()
        with self._writing, suppress(OSError):
            self._into.close()
        status = self._process.wait()
        error = self.error or self._end_of(status)
        with self._lock:
            self.error = error
            waiting = list(self._heard.values())
        for heard in waiting:
            heard.put({"error": error})
        self.settled.set()

    def _hear(self, number: int, record: dict[str, Any]) -> None:
        if number:
            with self._lock:
                heard = self._heard.get(number)
            if heard is not None:
                heard.put(record)
        elif "error" in record:
            self.error = record["error"]
        else:
            self.told = record
            self.settled.set()

    def _end_of(self, status: int) -> dict[str, Any]:
        reason = f"exit {status}"
        with suppress(ValueError):  # on Windows, and where it was not killed
            reason = signal.Signals(-status).name
        return record(Failed("web.model_ended" if self.told else "web.cannot_load", reason=reason))


class _Served:
    """What the child does. Every method but :meth:`load` may be called from any thread.

    Args:
        out: where it is listened to.
    """

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self._writing = threading.Lock()
        self._opened: Opened | None = None
        self._loaded = threading.Event()
        self._stops: dict[int, threading.Event] = {}

    def load(self, settings: Serving) -> None:
        """Load it, and say so; where it cannot be loaded, say why and end."""
        try:
            with no_collection():
                loaded = self._opened = opened(settings)
        except Exception as error:
            if not isinstance(error, WorkbenchError):
                traceback.print_exc()
            self._say(0, error=_told(error, "web.cannot_load"))
            _leave(1)
        facts = {"base": loaded.base is not None, "sees": loaded.sees, "side": loaded.side}
        self._say(0, remarks=loaded.remarks, notices=loaded.notices, **facts)
        self._loaded.set()

    def hear(self, lines: Iterable[bytes]) -> None:
        """Take in questions and stops; the end of the lines is the end of this process."""
        try:
            for line in lines:
                record = json.loads(line)
                if "ask" in record:
                    self._stops[record["ask"]] = threading.Event()
                    threading.Thread(target=self._answer, args=(record["ask"], record), daemon=True).start()
                elif stop := self._stops.get(record["stop"]):
                    stop.set()
        finally:  # who hears nothing more would never end
            _leave(0)

    def _answer(self, number: int, question: dict[str, Any]) -> None:
        self._loaded.wait()
        assert self._opened  # noqa: S101
        answers: Any = self._opened.base if question["base"] else self._opened.answers
        messages = [Message.from_dict(record) for record in question["messages"]]
        options: dict[str, Any] = {"sampling": Sampling(**question["how"]), "should_stop": self._stops[number].is_set}
        if question["tools"]:
            options |= {"tools": question["tools"], "on_card": lambda card: self._say(number, card=asdict(card))}
            options["on_end"] = lambda ending: self._say(number, ending=asdict(ending))
        try:
            for piece in answers.stream(messages, on_cut=lambda n: self._say(number, cut=n), **options):
                self._say(number, piece=piece)
            self._say(number, end=True)
        except Exception as error:  # whatever it is, who asked must not wait for ever
            self._say(number, error=_told(error, "web.broke_off"))
        finally:
            self._stops.pop(number)

    def _say(self, number: int, **fields: Any) -> None:
        line = json.dumps({"number": number, **fields}, default=str).encode() + b"\n"
        try:
            with self._writing:
                self._out.write(line)
                self._out.flush()
        except OSError:
            _leave(0)


def _told(error: Exception, key: str) -> dict[str, Any]:
    """The error for the other process; one that is not ours by its name, under ``key``."""
    if not isinstance(error, WorkbenchError):
        error = Failed(key, reason=" ".join(f"{type(error).__name__}: {error}".split())[:300])
    return record(error)


def _leave(status: int) -> NoReturn:
    """End at once: whatever the other threads are at is for nobody."""
    sys.stderr.flush()
    os._exit(status)


def main() -> None:
    """Run the child: load what the first line of the input names, then answer. What libraries print goes to stderr."""
    lines, out = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    prepare()
    first = lines.readline()
    if not first:
        return
    server = _Served(out)
    listener = threading.Thread(target=server.hear, args=(lines,), daemon=True)
    listener.start()
    server.load(Serving(**json.loads(first)))
    listener.join()
