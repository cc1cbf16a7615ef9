"""One request of a connection and its answer: what the application calls `receive` and `send`."""

import asyncio
import logging
import re
from http import HTTPStatus
from typing import Any, Final, Protocol

from starlette.types import ASGIApp, Message, Scope

from app.api.wire_values import HAS_LEFT
from app.errors import AisleError

_NO_NAME: Final = re.compile(rb'[\x00-\x1f\x7f()<>@,;:\[\]={} \t\\"]')
_NO_VALUE: Final = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_STATUS_LINES: Final = {
    int(status): f"HTTP/1.1 {int(status)} {status.phrase}\r\n".encode("ascii") for status in HTTPStatus
}
_FAILURE: Final = b"Internal Server Error"
_NO_BODY: Final = (204, 304)
CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
CLOSE: Final = b"connection: close\r\n"

log = logging.getLogger(__name__)


class Carrier(Protocol):
    """The connection, as far as an exchange knows it."""

    is_stalled: bool
    """Whether the client does not take what was written."""
    most_body: int
    """Bytes of a body past which the application decides what becomes of it."""

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every answer."""

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""

    def may_go_on_after(self, exchange: "Exchange") -> bool:
        """Whether a further request may follow this one."""

    async def until_taken(self) -> None:
        """Wait until the client has taken what was written, or is gone."""

    def answered(self, exchange: "Exchange") -> None:
        """The answer is complete."""

    def drop(self) -> None:
        """Close at once: half an answer is out, and there will be no more."""


def head_of(status: int, headers: list[tuple[bytes, bytes]]) -> list[bytes]:
    """Status line and headers, without the empty line behind them.

    Raises:
        RuntimeError: a header cannot be one.
    """
    lines = [_STATUS_LINES[status]]
    for name, value in headers:
        if _NO_NAME.search(name) or _NO_VALUE.search(value):
            raise RuntimeError(f"no header can be {name!r}: {value!r}")
        lines += (name, b": ", value, b"\r\n")
    return lines


class Exchange:
    """One request and its answer.

    Args:
        carrier: the connection.
        scope: the request, as ASGI describes it.
        keeps_alive: whether the client wants to go on with the connection.
        awaits_continue: whether the client sends the body only once it is told to.
    """

    __slots__ = (
        "_carrier",
        "_chunked",
        "_is_delivered",
        "_left",
        "_start",
        "_waiter",
        "awaits_continue",
        "body",
        "error",
        "held",
        "is_complete",
        "is_gone",
        "is_started",
        "keeps_alive",
        "more_body",
        "scope",
    )

    def __init__(self, carrier: Carrier, scope: Scope, *, keeps_alive: bool, awaits_continue: bool) -> None:
        self.scope = scope
        self.keeps_alive = keeps_alive
        self.awaits_continue = awaits_continue
        self.body = bytearray()
        self.more_body = True
        self.error: AisleError | None = None
        self.held = 0  # bytes of the body that are counted
        self.is_started = False
        self.is_complete = False
        self.is_gone = False
        self._carrier = carrier
        self._waiter: asyncio.Future[None] | None = None
        self._is_delivered = False
        self._start: list[bytes] = []
        self._chunked = False
        self._left: int | None = 0  # of the declared length; None where it is not declared

    async def run(self, app: ASGIApp) -> None:
        """Have the application answer; one that fails is logged, and answered 500 where nothing is out yet."""
        self.scope[HAS_LEFT] = self.has_left
        try:
            await app(self.scope, self.receive, self.send)
        except asyncio.CancelledError:
            self._carrier.drop()
            raise
        except Exception:
            log.exception("the application failed")
        finally:
            del self.scope[HAS_LEFT]  # else each would hold the other
        if self.is_complete or self.is_gone:
            return
        if self.is_started:
            self._carrier.drop()
            return
        self.keeps_alive = False
        length = str(len(_FAILURE)).encode("ascii")
        await self.send({"type": "http.response.start", "status": 500, "headers": [(b"content-length", length)]})
        await self.send({"type": "http.response.body", "body": _FAILURE})

    async def has_left(self) -> bool:
        """Whether nobody waits for the answer any more."""
        return self.is_gone

    def wake(self) -> None:
        """Let `receive` look again."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def fail(self, error: AisleError) -> None:
        """Let whoever reads the body have an error instead; the connection ends with the answer."""
        self.error = error
        self.keeps_alive = False
        self.body = bytearray()
        self.wake()

    async def receive(self) -> Message:
        """The whole body as one message, once it has arrived; then that the client is gone, once it is.

        Raises:
            AisleError: the body will not arrive, and why.
        """
        if self.awaits_continue and not self.is_started:
            self.awaits_continue = False
            self._carrier.write(CONTINUE)
        while True:
            if self.is_gone or self.is_complete:
                return {"type": "http.disconnect"}
            if self.error is not None and not self._is_delivered:
                raise self.error
            if not self._is_delivered and (not self.more_body or len(self.body) > self._carrier.most_body):
                self._is_delivered = not self.more_body
                body, self.body = bytes(self.body), bytearray()
                return {"type": "http.request", "body": body, "more_body": self.more_body}
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    async def send(self, message: Message) -> None:
        """Send the start of the answer, or (a part of) its body.

        Raises:
            RuntimeError: the application sends what cannot follow.
        """
        if self._carrier.is_stalled and not self.is_gone:
            await self._carrier.until_taken()
        if self.is_gone:
            return
        kind = message["type"]
        if kind == "http.response.start" and not self.is_started:
            self._begin(message)
        elif kind == "http.response.body" and self.is_started and not self.is_complete:
            self._continue(message.get("body", b""), message.get("more_body", False))
        else:
            raise RuntimeError(f"the application sent {kind!r}, which cannot follow here")

    def _begin(self, message: Message) -> None:
        status, headers = message["status"], list(message.get("headers", ()))
        lines = head_of(status, self._carrier.default_headers + headers)
        named = {name.lower(): value for name, value in headers}
        self._left = int(named[b"content-length"]) if b"content-length" in named else None
        self.is_started = True
        if self.scope["method"] == "HEAD" or status in _NO_BODY:
            self._left = -1  # there is none, whatever its length would be
        elif self._left is None:
            self._chunked = self.scope["http_version"] == "1.1"
            self.keeps_alive = self.keeps_alive and self._chunked
            if self._chunked:
                lines.append(b"transfer-encoding: chunked\r\n")
        self.keeps_alive = self.keeps_alive and self._carrier.may_go_on_after(self)
        if b"close" in named.get(b"connection", b"").lower():
            self.keeps_alive = False
        elif not self.keeps_alive:
            lines.append(CLOSE)
        lines.append(b"\r\n")
        self._start = lines  # goes out with the first bytes of the body

    def _continue(self, body: Any, more: bool) -> None:
        parts, self._start = self._start, []
        if self._left == -1:
            pass
        elif self._left is not None:
            self._left -= len(body)
            if self._left < 0 or (self._left and not more):
                raise RuntimeError("the body of an answer has another length than it declares")
            parts.append(body)
        elif self._chunked:
            if body:
                parts += (b"%x\r\n" % len(body), body, b"\r\n")
            if not more:
                parts.append(b"0\r\n\r\n")
        else:
            parts.append(body)
        if parts:
            self._carrier.write(b"".join(parts))
        if not more:
            self.is_complete = True
            self.body = bytearray()
            self.wake()
            self._carrier.answered(self)
