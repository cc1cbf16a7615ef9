"""One look at the sequence of the catalogue for all that ask in the same moment."""

import asyncio
from typing import Final

from app.stores.catalogue import CatalogueHead, CatalogueStore

MOST_LOOKS: Final = 2
"""Looks on their way at once; whoever asks meanwhile shares the next one, which begins after they asked."""


class SharedLook:
    """Asks a store for its head.

    Args:
        store: keeps the catalogue.
    """

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self._next: asyncio.Task[CatalogueHead] | None = None  # has not asked yet
        self._running: set[asyncio.Task[CatalogueHead]] = set()  # the loop itself holds tasks only weakly
        self._places = asyncio.Semaphore(MOST_LOOKS)

    async def head(self) -> CatalogueHead:
        """The head at this moment or later.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        task = self._next
        if task is None:
            task = self._next = asyncio.create_task(self._ask())
            self._running.add(task)
            task.add_done_callback(self._settle)
        return await asyncio.shield(task)

    async def _ask(self) -> CatalogueHead:
        async with self._places:
            self._next = None
            return await self._store.head()

    def _settle(self, task: asyncio.Task[CatalogueHead]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # read, so that nobody is told that nobody did
