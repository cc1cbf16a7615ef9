"""The list of erasures beside the bundles, to which this process adds its own, and those that it learns of."""

import asyncio
import contextlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.artifact.erasures import note_erasures
from app.stores.protocol import UserStore

EVERY_S: Final = 1.0

log = logging.getLogger(__name__)


class ErasureList:
    """Adds to the list in a folder, where this process may write there.

    Args:
        folder: a store of bundles; `None` keeps no list.
        store: tells of erasures that other replicas made.
    """

    def __init__(self, folder: Path | None, store: UserStore) -> None:
        self._folder = folder
        self._store = store
        self._noted: Mapping[int, float] = {}
        self._has_failed = False
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to write down in the background what the store learns."""
        if self._folder is not None:
            self._task = asyncio.create_task(self._keep_noting())

    async def close(self) -> None:
        """Stop; what is learned later waits for the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def note(self, erasures: Mapping[int, float]) -> bool:
        """Write erasures down, and return whether they are on the disk."""
        return await asyncio.to_thread(self._write, erasures)

    async def _keep_noting(self) -> None:
        while True:
            learned = self._store.erasures
            if learned is not self._noted and await self.note(learned):
                self._noted = learned
            await asyncio.sleep(EVERY_S)

    def _write(self, erasures: Mapping[int, float]) -> bool:
        if self._folder is None:
            return False
        try:
            note_erasures(self._folder, erasures)
        except OSError as error:
            if not self._has_failed:
                log.info("the list of erasures beside the bundles is not kept", extra={"reason": str(error)})
            self._has_failed = True
            return False
        self._has_failed = False
        return True
