"""Tools of an MCP server: a program that the person names, started without a shell, whose tools are offered only where
each is confirmed by its name. Knows the protocol's client (the extra ``agents``); no model.

What a server says is a stranger's: its lines, tools, schemas and results are bounded, it asks nothing of this machine
in return (no files, no model, no questions), it gets no variables but the few that a program needs, and one that hangs
is ended with all that it started.

Source: Model Context Protocol, revision 2025-11-25, "Transports" and "Tools".
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import shlex
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

from workbench.errors import BadInput, Failed, WorkbenchError
from workbench.tools.schema import checked_schema
from workbench.tools.values import Limits, Tool, ToolError

LINE = 1 << 20  # bytes of one message
MOST_TOOLS, PAGES = 64, 8
DESCRIPTION, SCHEMA = 400, 16_000  # characters
START = 15.0  # seconds until it has said which tools it has
END = 3.0  # seconds that it may take to end
_VARIABLES = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "SYSTEMROOT", "SYSTEMDRIVE", "PATHEXT", "TEMP", "TMP", "USERPROFILE",
    "APPDATA", "LOCALAPPDATA",
)  # fmt: skip


class ToolServer:
    """Hold a running server.

    Args:
        command: the program and its arguments, as a list, or as one text that is parted as a shell would, and run by
            none.
        seconds: until it must have started.

    Raises:
        BadInput: no command, or the library is missing. Failed: it cannot be started, ends, hangs, or speaks something
            else.
    """

    def __init__(self, command: str | Sequence[str], *, seconds: float = START) -> None:
        self.command = _parted(command)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._session: Any = None
        self._tools: dict[str, Tool] = {}
        self._why = ""
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tool server", daemon=True)
        self._thread.start()
        if not self._ready.wait(seconds) or not self._session:
            self.close()
            raise Failed("tools.server.no_start", command=self.command[0], reason=self._why or "–", seconds=seconds)

    def __enter__(self) -> ToolServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of its tools."""
        return tuple(self._tools)

    def tools(self, names: Iterable[str]) -> tuple[Tool, ...]:
        """Return those of its tools that are confirmed by name; what is not named is not offered.

        Raises:
            BadInput: none is named. UnknownName: it has no tool of that name.
        """
        from workbench.errors import UnknownName, nearest

        wanted = tuple(names)
        if not wanted:
            raise BadInput("tools.server.unconfirmed", command=self.command[0], names=tuple(self.names) or "–")
        for name in wanted:
            if name not in self._tools:
                raise UnknownName("tools.server.no_tool", given=name[:60], nearest=nearest(name, self.names) or "–")
        return tuple(self._tools[name] for name in wanted)

    def close(self) -> None:
        """End the server, and whatever it started."""
        if self._thread.is_alive():
            with suppress(RuntimeError):  # it may have ended by now
                self._loop.call_soon_threadsafe(self._cancel)
            self._thread.join(2 * END)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    # --- in the thread ---

    def _run(self) -> None:
        try:
            self._task = self._loop.create_task(self._serve())
            self._loop.run_until_complete(self._task)
        except BaseException as error:  # told to whoever waits; a library's group of errors is none of ours
            self._why = _reason(error)
        finally:
            self._session = None
            self._ready.set()
            with suppress(RuntimeError):
                self._loop.close()

    async def _serve(self) -> None:
        from mcp import ClientSession

        async with AsyncExitStack() as stack:
            streams = await stack.enter_async_context(_streams(self.command))
            session = await stack.enter_async_context(ClientSession(*streams))
            await session.initialize()
            self._tools = await self._offered(session)
            self._session = session
            self._ready.set()
            await self._loop.create_future()  # until it is cancelled

    async def _offered(self, session: Any) -> dict[str, Tool]:
        """Return its tools by name: those that can be tools here, the first of each name."""
        from mcp.types import PaginatedRequestParams

        tools: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(PAGES):
            page = await session.list_tools(params=PaginatedRequestParams(cursor=cursor) if cursor else None)
            for entry in page.tools[:MOST_TOOLS]:
                tool = _tool(entry, self._calling(entry.name))
                if tool is not None and len(tools) < MOST_TOOLS:
                    tools.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if not cursor:
                break
        return tools

    def _calling(self, name: str) -> Callable[..., str]:
        def run(**arguments: Any) -> str:
            return self._call(name, arguments)

        return run

    def _call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Call a tool and wait; a server that does not answer is ended, since nothing it says later has a place."""
        session = self._session
        if session is None or self._loop.is_closed():
            raise ToolError("the server has ended")
        future = asyncio.run_coroutine_threadsafe(_called(session, name, dict(arguments)), self._loop)
        try:
            result = future.result(Limits().seconds)
        except concurrent.futures.TimeoutError:
            future.cancel()
            self.close()
            raise ToolError("too slow; the server was ended") from None
        except (Exception, asyncio.CancelledError, concurrent.futures.CancelledError) as error:
            raise ToolError(_reason(error)) from None
        text = "\n".join(str(part.text) for part in result.content if getattr(part, "type", "") == "text")
        if result.is_error:
            raise ToolError(text or "failed")
        if not text and result.content:
            raise ToolError("the result is no text")
        return text


async def _called(session: Any, name: str, arguments: dict[str, Any]) -> Any:
    return await session.call_tool(name, arguments)


def _parted(command: str | Sequence[str]) -> tuple[str, ...]:
    try:
        import mcp  # noqa: F401
    except ImportError:
        raise BadInput("tools.server.no_library") from None
    try:
        parts = tuple(shlex.split(command, posix=sys.platform != "win32") if isinstance(command, str) else command)
    except ValueError:
        parts = ()
    if not parts or any("\0" in part for part in parts):
        raise BadInput("tools.server.no_command", given=str(command)[:80])
    return parts


def _tool(entry: Any, run: Callable[..., str]) -> Tool | None:
    """Return a server's tool; None where it can be none here."""
    described = " ".join(str(entry.description or "").split())[:DESCRIPTION]
    function = {"name": entry.name, "description": described, "parameters": entry.input_schema or {}}
    try:
        schema = checked_schema({"type": "function", "function": function})
    except WorkbenchError:
        return None
    return Tool(entry.name, schema, run) if len(schema) <= SCHEMA else None


def _reason(error: BaseException) -> str:
    """Return the innermost reason of an error in a few words."""
    while isinstance(inner := getattr(error, "exceptions", None), tuple) and inner:
        error = inner[0]
    return " ".join(f"{type(error).__name__}: {error}".split())[:200]


@asynccontextmanager
async def _streams(command: Sequence[str]) -> AsyncIterator[tuple[Any, Any]]:
    """Start a server and give what it says and what it is told as streams of messages; end it at the end."""
    import anyio

    variables = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=variables,
        limit=LINE,
        start_new_session=True,
    )
    incoming, read_stream = anyio.create_memory_object_stream[Any](0)
    write_stream, outgoing = anyio.create_memory_object_stream[Any](0)
    reader = asyncio.create_task(_read(process, incoming))
    writer = asyncio.create_task(_write(process, outgoing))
    try:
        yield read_stream, write_stream
    finally:
        _end(process)
        for task in (reader, writer):
            task.cancel()
        await asyncio.gather(reader, writer, return_exceptions=True)
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(process.wait(), END)
        for stream in (incoming, read_stream, write_stream, outgoing):
            stream.close()
        process._transport.close()  # type: ignore[attr-defined]  # else it warns when it is collected


async def _read(process: asyncio.subprocess.Process, incoming: Any) -> None:
    """Hand on each line that is a message; one that is none is skipped, one that is too long ends it all."""
    from mcp.shared.message import SessionMessage
    from mcp.types import jsonrpc_message_adapter

    assert process.stdout  # noqa: S101  it was started with pipes
    try:
        while line := await process.stdout.readline():
            with suppress(ValueError, RecursionError):
                await incoming.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))
    except ValueError:
        pass  # longer than LINE
    finally:
        incoming.close()


async def _write(process: asyncio.subprocess.Process, outgoing: Any) -> None:
    assert process.stdin  # noqa: S101
    async for sent in outgoing:
        text = sent.message.model_dump_json(by_alias=True, exclude_unset=True)
        with suppress(ConnectionError, RuntimeError):
            process.stdin.write(text.encode() + b"\n")
            await process.stdin.drain()


def _end(process: asyncio.subprocess.Process) -> None:
    """End a server and whatever it started, at once: it was told nothing that it must still write down."""
    with suppress(ProcessLookupError, PermissionError, OSError):
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
