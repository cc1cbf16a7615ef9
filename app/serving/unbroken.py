"""Writes that are finished although whoever asked for them has left."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

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
