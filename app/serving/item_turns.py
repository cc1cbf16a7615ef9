"""Turns at keys: who works on one waits for those that came before, and for nobody else."""

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Lets one at a time work on a key, in the order in which they came; for one event loop."""

    def __init__(self) -> None:
        self._last: dict[Hashable, asyncio.Future[None]] = {}  # by key, the end of the last turn that was asked for

    @asynccontextmanager
    async def take(self, keys: Collection[Hashable]) -> AsyncIterator[None]:
        """Hold the turn at all of these keys at once; two that ask for the same ones never wait for each other."""
        end = asyncio.get_running_loop().create_future()
        before = {self._last[key] for key in keys if key in self._last}
        self._last.update(dict.fromkeys(keys, end))
        try:
            if before:
                await asyncio.wait(before)
            yield
        finally:
            end.set_result(None)
            for key in keys:
                if self._last.get(key) is end:
                    del self._last[key]
