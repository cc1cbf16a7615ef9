"""A TCP proxy that breaks on demand: between a client and a real redis-server, for tests and benchmarks.

It runs in a thread of its own. Each method that sets the mode returns once the mode is in force, for connections that
are open and for those to come.
"""

import asyncio
import contextlib
import re
import socket
import struct
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import Enum, auto
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

HOST: Final = "127.0.0.1"
_AT_ONCE: Final = 65_536  # bytes
_COMMAND: Final = re.compile(rb"\*\d+\r\n\$\d+\r\n([A-Za-z]+)\r\n")  # the first word of each command in RESP
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time


class _Mode(Enum):
    PASS = auto()
    REFUSE = auto()
    SLOW = auto()
    RESET = auto()
    SILENT = auto()
    HOLD = auto()


@dataclass(eq=False, slots=True)
class _Pair:
    """One client's connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    swallowed: bool = False  # something that was said on it was not passed on


class FaultProxy:
    """Stands before the server on a port of this machine; a context manager.

    Args:
        port: the server's, on this machine.
    """

    def __init__(self, port: int) -> None:
        self.connections = 0  # accepted so far
        self.commands: Counter[str] = Counter()  # sent by clients so far, by name in upper case
        self._server_port = port
        # Bound and never listening: while connections are refused, nobody else is given the port.
        self._reserved = _bound(0)
        self.port = int(self._reserved.getsockname()[1])
        self.url = f"redis://{HOST}:{self.port}/0"
        self._mode = _Mode.PASS
        self._delay: Callable[[], float] = float
        self._loop = asyncio.new_event_loop()
        self._listener: asyncio.Server | None = None
        self._pairs: dict[asyncio.Task[None], _Pair] = {}
        self._changed = asyncio.Event()
        self._thread = Thread(target=self._loop.run_forever, name="fault-proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        self._run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reserved.close()

    def work(self) -> None:
        """Pass on what comes, both ways; replies that were held come now."""
        self._set(_Mode.PASS)

    def refuse(self) -> None:
        """Drop all connections, and refuse new ones."""
        self._set(_Mode.REFUSE)

    def slow(self, delay: Callable[[], float]) -> None:
        """Pass on each reply late, by as many seconds as `delay` says."""
        self._delay = delay
        self._set(_Mode.SLOW)

    def reset(self) -> None:
        """Abort each connection (RST) in the middle of the next reply."""
        self._set(_Mode.RESET)

    def silence(self) -> None:
        """Accept connections and swallow what they say: nothing reaches the server."""
        self._set(_Mode.SILENT)

    def hold_replies(self) -> None:
        """Pass on what clients say, and keep back what the server replies."""
        self._set(_Mode.HOLD)

    def _set(self, mode: _Mode) -> None:
        self._run(self._change(mode))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _change(self, mode: _Mode) -> None:
        self._mode = mode
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        # What swallowed a command never replies to it, as no connection would that works again.
        await self._drop([task for task, pair in self._pairs.items() if pair.swallowed or mode is _Mode.REFUSE])
        if mode is _Mode.REFUSE and self._listener is not None:
            self._listener.close()
            self._listener = None
        elif mode is not _Mode.REFUSE and self._listener is None:
            await self._listen()

    async def _listen(self) -> None:
        listening = _bound(self.port)
        listening.listen(1024)
        self._listener = await asyncio.start_server(self._accept, sock=listening, limit=_AT_ONCE)

    async def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
        await self._drop(list(self._pairs))

    async def _drop(self, tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        pair = _Pair(reader, writer)
        task = self._loop.create_task(self._serve(pair))
        self._pairs[task] = pair
        task.add_done_callback(self._pairs.pop)

    async def _serve(self, pair: _Pair) -> None:
        """Pass on between one client and the server, until either ends it."""
        server: asyncio.StreamWriter | None = None
        try:
            replies, server = await asyncio.open_connection(HOST, self._server_port, limit=_AT_ONCE)
            ways = [
                self._loop.create_task(self._pass_commands(pair, server)),
                self._loop.create_task(self._pass_replies(replies, pair)),
            ]
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                await self._drop(ways)
        except OSError:
            pass  # there is no server: the client is dropped, as it would be
        finally:
            pair.writer.transport.abort()
            if server is not None:
                server.transport.abort()

    async def _pass_commands(self, pair: _Pair, server: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while said := await pair.reader.read(_AT_ONCE):
                self.commands.update(name.decode().upper() for name in _COMMAND.findall(said))
                if self._mode is _Mode.SILENT:
                    pair.swallowed = True
                    continue
                server.write(said)
                await server.drain()

    async def _pass_replies(self, replies: asyncio.StreamReader, pair: _Pair) -> None:
        with contextlib.suppress(OSError):
            while said := await replies.read(_AT_ONCE):
                if self._mode is _Mode.SLOW:
                    await asyncio.sleep(self._delay())
                while self._mode is _Mode.HOLD:
                    await self._changed.wait()
                if self._mode is _Mode.SILENT:
                    pair.swallowed = True
                    continue
                if self._mode is _Mode.RESET:
                    pair.writer.write(said[: len(said) // 2])
                    client = pair.writer.get_extra_info("socket")
                    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                    return
                pair.writer.write(said)
                await pair.writer.drain()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    bound.bind((HOST, port))
    return bound
