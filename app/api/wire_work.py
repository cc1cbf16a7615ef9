"""Reading requests and writing answers: small ones at once, large ones in a thread, so that nobody waits for them."""

from collections.abc import Callable
from typing import TypeVar

from starlette.requests import ClientDisconnect, Request

from app.serving.cost import DEAR_READING_BYTES, DEAR_WRITING_US
from app.serving.lanes import Lanes

ResultT = TypeVar("ResultT")


async def whole_body(http: Request) -> bytes:
    """The body of a request, which the server hands over as one message.

    Raises:
        ClientDisconnect: its client has gone.
    """
    body: bytes = b""
    while True:
        message = await http.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        part: bytes = message.get("body", b"")
        body = body + part if body else part
        if not message.get("more_body"):
            return body


async def read_request(lanes: Lanes, size: int, read: Callable[[], ResultT]) -> ResultT:
    """What `read` makes of a request of so many bytes.

    Raises:
        Exception: whatever `read` raised.
    """
    return read() if size < DEAR_READING_BYTES else await lanes.wire.run(read)


async def write_answer(lanes: Lanes, cost_us: float, write: Callable[[], ResultT]) -> ResultT:
    """What `write` makes of an answer; it takes some `cost_us` microseconds."""
    return write() if cost_us < DEAR_WRITING_US else await lanes.wire.run(write)
