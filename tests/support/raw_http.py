"""HTTP spoken by hand over a socket, for requests that no client would send."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

WITHIN_S = 20


@dataclass(frozen=True)
class RawAnswer:
    """One answer as it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        return orjson.loads(self.body)


class RawConnection:
    """A connection on which anything may be sent."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream = stream
        self._read = b""

    def send(self, data: bytes) -> None:
        self.stream.sendall(data)

    def send_as_far_as_it_goes(self, data: bytes) -> int:
        """Send until the other side takes no more; returns how many bytes went."""
        sent = 0
        try:
            while sent < len(data):
                sent += self.stream.send(data[sent : sent + 65_536])
        except (ConnectionError, TimeoutError):
            pass
        return sent

    def answer(self, *, of_head: bool = False) -> RawAnswer:
        """Read one answer; that to a HEAD has no body, whatever length it names."""
        while b"\r\n\r\n" not in self._read:
            self._receive()
        head, self._read = self._read.split(b"\r\n\r\n", 1)
        status_line, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        size = 0 if of_head else int(headers.get("content-length", 0))
        while len(self._read) < size:
            self._receive()
        body, self._read = self._read[:size], self._read[size:]
        return RawAnswer(int(status_line.split(" ")[1]), headers, body)

    def until_closed(self) -> bytes:
        """All that still comes; a connection that is reset is an error."""
        while piece := self.stream.recv(65_536):
            self._read += piece
        return self._read

    def _receive(self) -> None:
        piece = self.stream.recv(65_536)
        if not piece:
            raise ConnectionError(f"closed after {self._read!r}")
        self._read += piece


@contextmanager
def connected(address: tuple[str, int], within_s: float = WITHIN_S) -> Iterator[RawConnection]:
    """A connection to an address, which is closed at the end."""
    with socket.create_connection(address, within_s) as stream:
        yield RawConnection(stream)
