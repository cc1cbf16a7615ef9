"""One look at the sequence of the catalogue, and at the states of users, for all that ask in the same moment."""

import asyncio
from collections.abc import Sequence
from typing import Final

from app.stores.catalogue import CatalogueHead, CatalogueStore, ReadTogether
from app.stores.state import StateRequest, StatesRead

MOST_LOOKS: Final = 2
"""Looks on their way at once; whoever asks meanwhile shares the next one, which begins after they asked."""


class _Turn:
    """One look, which has not begun while others may join it."""

    def __init__(self) -> None:
        self.version = ""
        self.requests: list[StateRequest] = []
        self.task: asyncio.Task[tuple[CatalogueHead, StatesRead | None]]

    def join(self, version: str, requests: Sequence[StateRequest]) -> slice | None:
        """The place of what is asked for among the states; None where those of another version are read."""
        if not requests or (self.requests and version != self.version):
            return None
        start = len(self.requests)
        self.version = version
        self.requests += requests
        return slice(start, len(self.requests))


class SharedLook:
    """Asks a store for its head, and where it saves an exchange for the states of those who look.

    Args:
        store: keeps the catalogue.
        together: reads head and states in one exchange; None where that saves none.
    """

    def __init__(self, store: CatalogueStore, together: ReadTogether | None = None) -> None:
        self._store = store
        self._together = together
        self._next: _Turn | None = None  # has not asked yet
        self._running: set[asyncio.Task[tuple[CatalogueHead, StatesRead | None]]] = set()  # the loop holds them weakly
        self._places = asyncio.Semaphore(MOST_LOOKS)

    async def head(self) -> CatalogueHead:
        """The head at this moment or later.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        head, _ = await self.read("", ())
        return head

    async def read(self, version: str, requests: Sequence[StateRequest]) -> tuple[CatalogueHead, StatesRead | None]:
        """The head, and the states of some people at this moment or later; none where they have to be asked for.

        Args:
            version: that their long vectors are to be of.
            requests: of one call.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        turn = self._next
        if turn is None:
            turn = self._next = _Turn()
            turn.task = asyncio.create_task(self._ask(turn))
            self._running.add(turn.task)
            turn.task.add_done_callback(self._settle)
        place = None if self._together is None else turn.join(version, requests)
        head, read = await asyncio.shield(turn.task)
        if read is None or place is None:
            return head, None
        is_whole = read.is_whole and read.unread.isdisjoint(range(place.start, place.stop))
        return head, StatesRead(read.version, read.states[place], is_whole)

    async def _ask(self, turn: _Turn) -> tuple[CatalogueHead, StatesRead | None]:
        async with self._places:
            self._next = None
            if self._together is None or not turn.requests:
                return await self._store.head(), None
            head, result = await self._together(turn.version, turn.requests)
            return head, StatesRead(turn.version, result.states, result.is_whole, result.unread)

    def _settle(self, task: asyncio.Task[tuple[CatalogueHead, StatesRead | None]]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that nobody is told that nobody did
