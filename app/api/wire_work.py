"""Reading requests and writing answers: small ones at once, large ones in a thread, so that nobody waits for them."""

from collections.abc import Callable
from typing import TypeVar

from app.serving.cost import DEAR_READING_BYTES, DEAR_WRITING_US
from app.serving.lanes import Lanes

ResultT = TypeVar("ResultT")


async def read_request(lanes: Lanes, size: int, read: Callable[[], ResultT]) -> ResultT:
    """What `read` makes of a request of so many bytes.

    Raises:
        Exception: whatever `read` raised.
    """
    return read() if size < DEAR_READING_BYTES else await lanes.wire.run(read)


async def write_answer(lanes: Lanes, cost_us: float, write: Callable[[], ResultT]) -> ResultT:
    """What `write` makes of an answer; it takes some `cost_us` microseconds."""
    return write() if cost_us < DEAR_WRITING_US else await lanes.wire.run(write)
