"""Writes that are finished although whoever asked for them has left."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, TypeVar

GivenT = TypeVar("GivenT")
MadeT = TypeVar("MadeT")

ROWS_A_TURN: Final = 50  # at some 10 microseconds each


async def in_turns(make: Callable[[GivenT], MadeT], given: Sequence[GivenT]) -> list[MadeT]:
    """`make` of each, in order; now and then whoever waits for the event loop goes first."""
    made: list[MadeT] = []
    for start in range(0, len(given), ROWS_A_TURN):
        if start:
            await asyncio.sleep(0)
        made += [make(each) for each in given[start : start + ROWS_A_TURN]]
    return made


ResultT = TypeVar("ResultT")


class Unbroken:
    """Runs what must not stop halfway."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()  # the loop itself holds tasks only weakly

    async def run(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The result of `work`, which goes on when the caller is cancelled.

        Raises:
            whatever `work` raised.
        """
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)
