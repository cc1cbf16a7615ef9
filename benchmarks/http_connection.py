"""One keep-alive HTTP/1.1 connection, spoken by hand: it can send half a request, and leave whenever it likes."""

import asyncio
import json
import socket
import struct
from dataclasses import dataclass
from typing import Any, Final, Self
from urllib.parse import urlsplit

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)  # SO_LINGER on, for no time


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """What came."""

    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def document(self) -> Any:
        """The body, which is JSON."""
        return json.loads(self.body)


class HttpConnection:
    """Asks one request after another.

    Args:
        reader: of the connection.
        writer: of the connection.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, address: str) -> Self:
        """A connection to `http://HOST:PORT`."""
        split = urlsplit(address)
        return cls(*await asyncio.open_connection(split.hostname, split.port))

    async def ask(self, method: str, path: str, document: Any = None, **headers: str) -> HttpAnswer:
        """Send a request and read its answer."""
        await self.send(request_of(method, path, document, **headers))
        return await self.read()

    async def send(self, request: bytes) -> None:
        """Send a request, or a part of one."""
        self._writer.write(request)
        await self._writer.drain()

    async def read(self) -> HttpAnswer:
        """Read one answer; it must have a Content-Length.

        Raises:
            OSError: the connection broke.
            IncompleteReadError: the server closed it before the answer was complete.
        """
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:-2])}
        body = await self._reader.readexactly(int(headers["content-length"]))
        return HttpAnswer(int(lines[0].split()[1]), headers, body)

    async def read_some(self, most: int) -> bytes:
        """Read a part of an answer."""
        return await self._reader.read(most)

    def leave(self, *, abruptly: bool = False) -> None:
        """Close it; abruptly is with a reset (RST)."""
        if abruptly:
            own = self._writer.get_extra_info("socket")
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        self._writer.transport.abort()


def request_of(method: str, path: str, document: Any = None, **headers: str) -> bytes:
    """The bytes of a request; of `x_request_id` becomes a header X-Request-ID."""
    body = b"" if document is None else json.dumps(document).encode()
    given = {"host": "localhost", "content-length": str(len(body))} | headers
    lines = [f"{method} {path} HTTP/1.1", *(f"{name.replace('_', '-')}: {value}" for name, value in given.items())]
    return "\r\n".join([*lines, "", ""]).encode() + body
