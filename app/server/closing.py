"""The end of a service: nobody who was let in is sent away without an answer."""

import asyncio
import ctypes
import signal
import socket
import struct
from contextlib import suppress
from types import FrameType
from typing import Any, Final

import uvicorn

from app.server.connections import Connections
from app.serving.services import Drain

_SO_ATTACH_FILTER: Final = 26  # Linux; Python has no name for it
_LAST_WORD_S: Final = 2.0
"""That the application has to close its stores where nothing else is waited for."""
_DROP_ALL: Final = struct.pack("HBBI", 0x06, 0, 0, 0)  # one instruction: let 0 bytes of every packet through


class ClosingServer(uvicorn.Server):
    """Says first on `/readyz` that it takes no more requests, and closes the door some seconds later.

    From the signal on every answer is the last of its connection. Idle connections are closed only once the door is,
    and a second later: whoever has just sent a request on one gets its answer.

    Args:
        config: uvicorn's.
        drain: tells `/readyz`.
        connections: those of the server.
        drain_s: seconds between the signal and the closing of the door.
    """

    def __init__(self, config: uvicorn.Config, drain: Drain, connections: Connections, drain_s: float) -> None:
        super().__init__(config)
        self._drain = drain
        self._connections = connections
        self._drain_s = drain_s

    def stop_at_once(self, *_: object) -> None:
        """End with status 0: to be stopped is no failure."""
        self.should_exit = True

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called on SIGTERM and SIGINT; a second one does not wait."""
        is_second, self._drain.begun = self._drain.begun, True
        self._connections.drain()
        if is_second or self._drain_s <= 0:
            super().handle_exit(sig, frame)
            return
        asyncio.get_running_loop().call_later(self._drain_s, super().handle_exit, sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Let in whoever has knocked, close the door, and wait for the answers under way."""
        self._connections.drain()
        loop = asyncio.get_running_loop()
        let_in = [
            loop.create_task(loop.connect_accepted_socket(self._make_protocol, stream))
            for listener in sockets or ()
            for stream in close_door(listener)
        ]
        await super().shutdown(sockets)
        await asyncio.gather(*let_in, return_exceptions=True)
        if self.force_exit:  # uvicorn goes without a word to the application then, whose end is a traceback in the log
            with suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await self.lifespan.shutdown()

    def _make_protocol(self) -> asyncio.Protocol:
        make: Any = self.config.http_protocol_class
        protocol: asyncio.Protocol = make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        return protocol


def close_door(listener: socket.socket) -> list[socket.socket]:
    """Listen no more; returns the connections that the kernel has made already, which closing alone would reset."""
    listener.setblocking(False)
    waiting = _accept_all(listener)
    program = ctypes.create_string_buffer(_DROP_ALL)
    option = struct.pack("HL", len(_DROP_ALL) // 8, ctypes.addressof(program))
    with suppress(OSError):  # where the kernel cannot, one that comes at this very moment is reset
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, option)
    waiting += _accept_all(listener)
    with suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    return waiting


def _accept_all(listener: socket.socket) -> list[socket.socket]:
    streams: list[socket.socket] = []
    while True:
        try:
            streams.append(listener.accept()[0])
        except OSError:  # none waits, or there is no descriptor for it
            return streams


def stop_on_signals(server: ClosingServer) -> None:
    """Let signals end the server, too, before uvicorn listens to them, and after it, when it raises them again."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.stop_at_once)
