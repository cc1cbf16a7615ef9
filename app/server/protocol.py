"""HTTP/1.1 on one connection, with a bound for everything that its client may send, hold back or leave unread.

uvicorn accepts connections, keeps the date and ends them; httptools parses. What arrives is fed to the parser in
slices, so that a head is refused at the very byte that is too many, and requests that come together are not all taken
in at once. A request is given to the application when its head is complete: one without a key is refused before its
body arrives.
"""

import asyncio
from typing import Any, ClassVar, Final
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp, Scope
from uvicorn.config import Config
from uvicorn.server import ServerState

from app.api.middleware import request_id_of
from app.api.problems import problem_of
from app.errors import (
    AisleError,
    BodyCrowdedOut,
    HeadTooLarge,
    MalformedRequest,
    RequestTimeout,
    TargetTooLong,
)
from app.server.connections import Connections, Queue
from app.server.exchange import CLOSE, Exchange, head_of
from app.settings import MAX_HEADERS, MAX_PIPELINED

_SLICE: Final = 4_096  # bytes given to the parser at once, but of a body whose length is known
_UNSENT: Final = 16_384  # bytes that wait to be sent past which the client counts as one that does not read
_LINGER_BYTES: Final = 2**20  # thrown away after an answer that is the last
_MALFORMED: Final = "expected a request in HTTP/1.1, got something else: see how the caller writes it"
_CROWDED_OUT: Final = (
    "more requests arrive at once than there is memory for (AISLE_HELD_BODY_MB), and these were the largest: send them "
    "again, each after the answer before it"
)


class _TooManyHeadersError(Exception):
    """Raised through the parser, which hands it on as the context of its own error."""


class HttpConnection(asyncio.Protocol):
    """One connection.

    Args:
        config: uvicorn's; gives the application.
        server_state: uvicorn's: connections, tasks, and the headers of every answer.
        app_state: what the lifespan of the application put down.
        _loop: the event loop, if not the running one; uvicorn's name.
    """

    connections: ClassVar[Connections]
    """All of the server's; a subclass has it."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        self.held = 0
        self.unread = 0
        self.is_stalled = False
        self.most_body = self.connections.bounds.body_bytes
        self._app: ASGIApp = config.loaded_app
        self._root_path = config.root_path
        self._state = server_state
        self._app_state = app_state
        self._loop = _loop or asyncio.get_running_loop()
        self._parser: Any = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport
        self._server: tuple[str, int] | None = None
        self._client: tuple[str, int] | None = None
        self._queue: Queue | None = None
        self._takers: list[asyncio.Future[None]] = []
        # Of what is read:
        self._most_head = self.connections.bounds.head_bytes
        self._is_in_head = False  # a head has begun
        self._is_in_body = False
        self._is_large = False  # the body is of the call that may have a larger one
        self._is_split = False  # whether a head or a request ended inside the slice
        self._head_size = 0  # bytes of the head so far
        self._framing = 0  # bytes of the body that are no content
        self._content = 0  # bytes of content in the slice
        self._body_left: int | None = 0  # None where it comes in chunks
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._awaits_continue = False
        self._rest = b""  # arrived, and waits to be parsed
        self._is_over = False  # nothing more is parsed
        self._lingers = False
        self._linger_left = _LINGER_BYTES
        self._is_paused = False
        # Of what is answered:
        self._newest: Exchange | None = None
        self._answering: Exchange | None = None
        self._pipeline: list[Exchange] = []  # behind it
        self._error: AisleError | None = None  # behind them

    @property
    def default_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers of every answer."""
        return self._state.default_headers

    # What the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take in the connection."""
        self._transport = transport  # type: ignore[assignment]  # of a listener for streams
        self._transport.set_write_buffer_limits(high=_UNSENT)
        raw = transport.get_extra_info("socket")
        self._state.connections.add(self)  # type: ignore[arg-type]
        if not self.connections.open(self, -1 if raw is None else raw.fileno()):
            self._is_over = True
            self._transport.abort()
            return
        self._server = _address(transport.get_extra_info("sockname"))
        self._client = _address(transport.get_extra_info("peername"))
        self._wait_in(self.connections.heads)

    def connection_lost(self, _: Exception | None) -> None:
        """Let go of all that belongs to the connection."""
        self._is_over = True
        self._state.connections.discard(self)
        self._wait_in(None)
        self.connections.stall(self, 0)
        self.connections.hold(self, -self.held)
        self.connections.closed(self)
        for exchange in filter(None, (self._answering, *self._pipeline)):
            exchange.is_gone = True
            exchange.wake()
        self._pipeline.clear()
        self._newest = self._answering = self._parser = None  # they refer to the connection
        self._rest = b""
        self._release_senders()

    def data_received(self, data: bytes) -> None:
        """Parse what arrived, as far as it may be."""
        if self._is_over:
            self._linger_left -= len(data)
            self._update_reading()
        elif self._rest:
            self._keep(data)
            self._update_reading()
        else:
            self._feed(data)

    def pause_writing(self) -> None:
        """The client does not take what was written: nothing more is read from it or computed for it."""
        self.is_stalled = True
        self.connections.stall(self, self._transport.get_write_buffer_size())
        self._update_reading()

    def resume_writing(self) -> None:
        """The client has taken what was written."""
        self.is_stalled = False
        self.connections.stall(self, 0)
        self._release_senders()
        if not self._transport.is_closing():
            self._go_on()

    # What uvicorn calls

    def shutdown(self) -> None:
        """The server ends, and this connection with its next answer, or soon if there is none."""
        self.connections.end()

    # What the parser calls

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_in_head = True
        self._head_size = 0
        self._url = b""
        self._headers = []
        self._awaits_continue = False
        self._body_left = 0

    def on_url(self, url: bytes) -> None:
        """A piece of the address."""
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, of which nothing is made."""
        if self._is_in_body:
            return
        name = name.lower()
        if name == b"content-length":
            self._body_left = int(value)
        elif name == b"transfer-encoding":
            self._body_left = None
        elif name == b"expect":
            self._awaits_continue = value.lower() == b"100-continue"
        self._headers.append((name, value))
        if len(self._headers) > MAX_HEADERS:
            raise _TooManyHeadersError

    def on_headers_complete(self) -> None:
        """Have the request answered, or put it behind those that are."""
        if self._is_over:
            return
        url = httptools.parse_url(self._url)
        raw_path: bytes = url.path or b"/"
        path = raw_path.decode("ascii")
        version = self._parser.get_http_version()
        scope: Scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": version,
            "method": self._parser.get_method().decode("ascii"),
            "server": self._server,
            "client": self._client,
            "scheme": "http",
            "path": self._root_path + (unquote(path) if "%" in path else path),
            "raw_path": self._root_path.encode("ascii") + raw_path,
            "query_string": url.query or b"",
            "root_path": self._root_path,
            "headers": self._headers,
            "state": self._app_state.copy(),
        }
        keeps_alive = version != "1.0" and self._parser.should_keep_alive()
        bounds = self.connections.bounds
        self._is_large = path == bounds.large_path
        self.most_body = bounds.large_bytes if self._is_large else bounds.body_bytes
        exchange = Exchange(self, scope, keeps_alive=keeps_alive, awaits_continue=self._awaits_continue)
        self._newest = exchange
        self._is_in_head = False
        self._is_in_body = self._is_split = True
        self._framing = 0
        if self._answering is None and not self.is_stalled:
            self._answer(exchange)
        else:
            self._pipeline.append(exchange)
            exchange.held = len(self._url) + sum(len(name) + len(value) for name, value in self._headers)
            self.connections.hold(self, exchange.held)

    def on_body(self, body: bytes) -> None:
        """A piece of a body; what nobody will read is thrown away."""
        size = len(body)
        self._content += size
        if self._body_left is not None:
            self._body_left -= size
        exchange = self._newest
        if exchange is None or self._is_over or exchange.is_complete or exchange.error:
            return
        if len(exchange.body) > self.most_body:
            return
        exchange.body += body
        exchange.held += size
        self.connections.hold(self, size)
        if len(exchange.body) > self.most_body:
            exchange.wake()

    def on_message_complete(self) -> None:
        """A request has arrived."""
        self._is_in_body = False
        self._is_split = True
        self._head_size = 0
        if self._newest is not None:
            self._newest.more_body = False
            self._newest.awaits_continue = False
            self._newest.wake()

    # What an exchange calls

    def write(self, data: bytes) -> None:
        """Send bytes to the client."""
        self._transport.write(data)

    def may_go_on_after(self, exchange: Exchange) -> bool:
        """Whether a further request may follow one whose answer begins."""
        if self._pipeline or self._error is not None:
            return True  # something is behind it that has an answer, too
        if self._is_over or self.connections.draining:
            return False
        if not exchange.more_body:
            return True
        # The rest of its body is thrown away, if it is known to come and to end.
        return not exchange.awaits_continue and self._body_left is not None and self._body_left <= _LINGER_BYTES

    async def until_taken(self) -> None:
        """Wait until the client has taken what was written, or is gone."""
        while self.is_stalled:
            taker = self._loop.create_future()
            self._takers.append(taker)
            await taker

    def answered(self, exchange: Exchange) -> None:
        """An answer is complete: go on with the next request, or end."""
        self._state.total_requests += 1
        self._answering = None
        self._release_body(exchange)
        if self._transport.is_closing():
            return
        if exchange.keeps_alive:
            self._go_on()
        elif self._is_in_body or self._is_over or self._rest or self._pipeline or self.connections.draining:
            self._linger()
        else:
            self._transport.close()

    def drop(self) -> None:
        """Close at once."""
        self._transport.abort()

    # What all connections together call

    def end(self, reason: str) -> None:
        """Close it, with an answer where one can still be given."""
        queue = self._queue
        self._wait_in(None)
        if reason == self.connections.heads.reason and (self._is_in_head or self._head_size):
            self._refuse(RequestTimeout(f"the head of a request arrives within {_seconds(queue)}: send it faster"))
        elif reason == self.connections.bodies.reason and self._newest and not self._newest.is_complete:
            self._fail(self._newest, RequestTimeout(f"a body arrives within {_seconds(queue)}: send it faster"))
        elif self.is_stalled or self._lingers or self._is_in_body:
            self._transport.abort()
        else:
            self._transport.close()

    @property
    def gives_way(self) -> int:
        """How soon some of what it holds is refused; 0 where nothing can be."""
        if self._pipeline or self._rest:
            return 2
        return int(self._is_in_body and not self._is_over and self.held > 0)

    def crowd_out(self) -> None:
        """Refuse what waits behind the answer under way, else the body that arrives."""
        self._wait_in(None)
        is_ahead = bool(self._pipeline or self._rest)
        if not is_ahead and self._newest is not None:
            self._fail(self._newest, BodyCrowdedOut(_CROWDED_OUT))
            return
        for exchange in self._pipeline:
            self._release_body(exchange)
        self._pipeline.clear()
        self._is_over = True
        self._take_rest()
        self._error = BodyCrowdedOut(_CROWDED_OUT)
        if self._answering is None:
            self._go_on()

    # Reading

    def _feed(self, data: bytes) -> None:
        """Give `data` to the parser slice by slice, and keep what has to wait for answers before it."""
        place, length = 0, len(data)
        view = memoryview(data)
        while place < length and not self._is_over:
            if self._head_size >= self._most_head and not self._is_in_body:
                self._refuse(self._too_large())
                break
            if len(self._pipeline) >= MAX_PIPELINED:
                self._keep(data[place:])
                break
            end = min(length, place + self._slice_size())
            self._feed_slice(view[place:end])
            place = end
        self._update_queue()
        self._update_reading()

    def _slice_size(self) -> int:
        """Bytes that the parser may have at once: of a head no more than it may have, of chunks a few."""
        if self._is_in_body:
            return max(_SLICE, self._body_left or 0)
        return min(_SLICE, self._most_head - self._head_size)

    def _feed_slice(self, piece: memoryview) -> None:
        """Give a slice to the parser, and refuse what is wrong with it."""
        self._is_split, self._content = False, 0
        try:
            self._parser.feed_data(piece)
        except httptools.HttpParserUpgrade as upgrade:  # to what is not spoken here: the connection stays as it is
            self._parser = httptools.HttpRequestParser(self)
            place = upgrade.args[0]
            if place < len(piece):
                self._feed_slice(piece[place:])
            return
        except httptools.HttpParserError as error:
            too_many = isinstance(error.__context__, _TooManyHeadersError)
            many = f"a request has at most {MAX_HEADERS} headers, got more: send fewer"
            self._refuse(HeadTooLarge(many) if too_many else MalformedRequest(_MALFORMED))
            return
        if self._is_split:
            return
        if not self._is_in_body:
            self._head_size += len(piece)
        elif self._body_left is None:
            self._framing += len(piece) - self._content
            if self._framing > self._most_head:
                what = "sizes of chunks, their extensions and trailers"
                self._refuse(HeadTooLarge(f"{what} take at most {self._most_head} bytes, got more: send larger chunks"))

    def _too_large(self) -> AisleError:
        most = f"at most {self._most_head} bytes (AISLE_MAX_HEAD_BYTES), got more"
        if len(self._url) > self._most_head // 2:
            return TargetTooLong(f"the address and the headers take {most}: send parameters as a body by POST")
        return HeadTooLarge(f"the headers take {most}: send fewer or shorter ones")

    def _keep(self, data: bytes) -> None:
        """Keep what is not parsed yet."""
        self._rest += data
        self.connections.hold(self, len(data))
        if self.connections.is_full:
            self._refuse(BodyCrowdedOut(_CROWDED_OUT))

    def _take_rest(self) -> bytes:
        rest, self._rest = self._rest, b""
        self.connections.hold(self, -len(rest))
        return rest

    def _update_reading(self) -> None:
        """Read on, or not, as things stand."""
        waits = self.is_stalled or bool(self._rest) or len(self._pipeline) >= MAX_PIPELINED
        is_paused = self._linger_left < 0 if self._is_over else waits
        if is_paused == self._is_paused or self._transport.is_closing():
            return
        self._is_paused = is_paused
        if is_paused:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # Answering

    def _answer(self, exchange: Exchange) -> None:
        self._answering = exchange
        task = self._loop.create_task(exchange.run(self._app))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def _go_on(self) -> None:
        """Begin with what is next, unless the client first has to take what was written."""
        if self._answering is None and not self.is_stalled and not self._lingers:
            if self._pipeline:
                self._answer(self._pipeline.pop(0))
            elif self._error is not None:
                self._answer_error(self._error)
                return
        if self._rest and len(self._pipeline) < MAX_PIPELINED:
            self._feed(self._take_rest())
            return
        self._update_queue()
        self._update_reading()

    def _refuse(self, error: AisleError) -> None:
        """Parse no more, and answer with an error behind all that came before."""
        self._is_over = True
        self._take_rest()
        newest = self._newest
        if newest is not None and self._is_in_body:
            if newest.is_complete:
                self._linger()
            else:
                self._fail(newest, error)
        elif newest is None or newest.keeps_alive:  # else it ends anyhow, and this is nothing that it waits for
            self._error = error
            if self._answering is None:
                self._go_on()

    def _fail(self, exchange: Exchange, error: AisleError) -> None:
        """Have a request whose body will not arrive answered with an error."""
        self._is_over = True
        self._take_rest()
        self._release_body(exchange)
        exchange.fail(error)

    def _answer_error(self, error: AisleError) -> None:
        """Answer what is no request, and end."""
        self._error = None
        request_id = request_id_of(next((value for name, value in self._headers if name == b"x-request-id"), None))
        problem = problem_of(error, request_id)
        own = [*problem.raw_headers, (b"x-request-id", request_id.encode("ascii"))]
        lines = head_of(problem.status_code, self.default_headers + own)
        is_head = bool(self._url) and self._parser.get_method() == b"HEAD"
        self._transport.write(b"".join([*lines, CLOSE, b"\r\n", b"" if is_head else problem.body]))
        self.connections.metrics.count_request("any", "unmatched", problem.status_code)
        self._linger()

    def _linger(self) -> None:
        """End with what was written, and throw away a little of what still comes, so that the client can read it."""
        self._lingers = self._is_over = True
        self._take_rest()
        self._pipeline.clear()
        self._wait_in(self.connections.lingering)
        self._transport.write_eof()
        self._update_reading()

    def _release_body(self, exchange: Exchange) -> None:
        self.connections.hold(self, -exchange.held)
        exchange.held = 0

    def _release_senders(self) -> None:
        self.is_stalled = False
        for taker in self._takers:
            if not taker.done():
                taker.set_result(None)
        self._takers.clear()

    # Waiting

    def _update_queue(self) -> None:
        """Wait for what is missing now."""
        if self._lingers:
            return
        if self._is_in_body and not self._is_over:
            self._wait_in(self.connections.large_bodies if self._is_large else self.connections.bodies)
        elif self._is_over:
            self._wait_in(None)
        elif self._is_in_head or self._head_size or self._newest is None:
            self._wait_in(self.connections.heads)
        elif self._answering or self._pipeline or self._rest:
            self._wait_in(None)
        else:
            self._wait_in(self.connections.idle)

    def _wait_in(self, queue: Queue | None) -> None:
        if queue is self._queue:
            return
        if self._queue is not None:
            self._queue.since.pop(self, None)
        self._queue = queue
        if queue is not None:
            queue.since[self] = self.connections.clock()


def protocol_of(connections: Connections) -> type[HttpConnection]:
    """The protocol of a server whose connections these are, as uvicorn takes it."""
    return type("Connection", (HttpConnection,), {"connections": connections})


def _seconds(queue: Queue | None) -> str:
    return "time" if queue is None else f"{queue.limit_s:g} s"


def _address(name: Any) -> tuple[str, int] | None:
    """Host and port of a socket's name; `None` for one that has none, such as a unix socket."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple | list) and len(name) >= 2 else None
