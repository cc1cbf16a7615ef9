"""ASGI middleware around every request: id, timing, metrics and log line; the answer to a defect; the body limit."""

import logging
import re
import time
from collections.abc import Mapping
from http import HTTPStatus
from random import getrandbits
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.problems import ProblemHandler, internal_problem
from app.api.wire_values import path_of
from app.errors import BodyEncoded, BodyTooLarge
from app.serving.call import ClientDisconnected
from app.telemetry.metrics import Metrics
from app.telemetry.stages import TRACE, Trace, trace_of

CLIENT_GONE: Final = 499  # nginx's; it is counted and never sent
TOO_LARGE: Final = "the body is larger than this service accepts (AISLE_MAX_BODY_BYTES): send fewer events or ids"
ENCODED: Final = "expected a body as it is, got one with a Content-Encoding: send it uncompressed, without that header"
_ACCEPTED_ID: Final = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}")
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = [first + second for first in _CROCKFORD for second in _CROCKFORD]  # ten bits each

log = logging.getLogger(__name__)


class RequestTelemetryMiddleware:
    """Gives a request its id and trace, and counts, times and logs it; a defect becomes a problem document.

    Plain ASGI, because `BaseHTTPMiddleware` costs up to three times the throughput.

    Args:
        app: the application inside.
        metrics: counts and times every request.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request with its id and `Server-Timing` among the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        trace = scope[TRACE] = Trace(request_id_of(_header(scope, b"x-request-id")))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                trace.status = message["status"]
                message["headers"].append((b"x-request-id", trace.request_id.encode("ascii")))
                message["headers"].append((b"server-timing", trace.server_timing().encode("ascii")))
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        except (ClientDisconnect, ClientDisconnected):
            trace.status = CLIENT_GONE
        except Exception:
            log.exception("a request failed", extra={"request_id": trace.request_id, "path": scope["path"]})
            if trace.status:
                raise  # half an answer is out: only the closed connection can tell
            await internal_problem(trace.request_id)(scope, receive, send_with_headers)
        finally:
            self._record(scope, trace, trace.status or HTTPStatus.INTERNAL_SERVER_ERROR)

    def _record(self, scope: Scope, trace: Trace, status: int) -> None:
        route = getattr(scope.get("route"), "path_format", "unmatched")
        method = scope["method"] if route != "unmatched" else "any"  # a client may invent both
        self._metrics.count_request(method, route, status)
        self._metrics.observe_stage("total", trace.elapsed())
        if log.isEnabledFor(logging.DEBUG):
            log.debug(
                "request",
                extra={
                    "request_id": trace.request_id,
                    "method": method,
                    "route": route,
                    "status": status,
                    "milliseconds": round(trace.elapsed() * 1e3, 3),
                },
            )


class ProblemMiddleware:
    """ASGI middleware that answers intended errors; `RequestTelemetryMiddleware` surrounds it.

    Args:
        app: the application inside.
        handlers: by the kind of error.
    """

    def __init__(self, app: ASGIApp, handlers: Mapping[type[Exception], ProblemHandler]) -> None:
        self._app = app
        self._handlers = handlers
        self._kinds = tuple(handlers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, with a problem document where an intended error ends it."""
        try:
            await self._app(scope, receive, send)
        except self._kinds as error:
            if scope["type"] != "http" or trace_of(scope).status:
                raise  # half an answer is out
            handler = next(self._handlers[kind] for kind in type(error).__mro__ if kind in self._handlers)
            response = await handler(Request(scope), error)
            await response(scope, receive, send)


class BodyLimitMiddleware:
    """Refuses a body that is too large, before it is read or while, and one that is compressed.

    Args:
        app: the application inside.
        max_bytes: the largest body.
        max_bytes_of: the largest body of calls that differ, by path.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, max_bytes_of: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bytes_of = max_bytes_of or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or 413 where its body is too large, or 415 where it would have to be decoded."""
        if scope["type"] != "http" or scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
            return
        coding = _header(scope, b"content-encoding")
        if coding is not None and coding.strip().lower() not in {b"", b"identity"}:
            await self._app(scope, _receive_nothing_encoded, send)
            return
        most = self._max_bytes_of.get(path_of(scope), self._max_bytes)
        declared = _header(scope, b"content-length")
        if declared is not None and declared.isdigit() and int(declared) <= most:
            await self._app(scope, receive, send)  # the server holds the client to what it declared
            return
        left = most if declared is None else -1

        async def receive_limited() -> Message:
            nonlocal left
            if left < 0:
                raise BodyTooLarge(TOO_LARGE)
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise BodyTooLarge(TOO_LARGE)
            return message

        await self._app(scope, receive_limited, send)


async def _receive_nothing_encoded() -> Message:
    raise BodyEncoded(ENCODED)


def request_id_of(header: bytes | None) -> str:
    """The id of a request.

    Args:
        header: the value of its `X-Request-ID`, if it had one.
    """
    if header is not None and _ACCEPTED_ID.fullmatch(header):
        return header.decode("ascii")
    return new_ulid()


def new_ulid() -> str:
    """48 bits of milliseconds and 80 random bits, in Crockford's base 32 (github.com/ulid/spec)."""
    value = int(time.time() * 1000) << 80 | getrandbits(80)
    return "".join([_PAIRS[value >> shift & 1023] for shift in range(120, -1, -10)])


def _header(scope: Scope, name: bytes) -> bytes | None:
    """The first value of a header, whose name is in lower case."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    for key, value in headers:
        if key == name:
            return value
    return None
