"""Presence: a service that follows the pointer says so in Redis, and which version it serves."""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from typing import Final

from app.artifact.replica_record import LIVES_S, ReplicaRecord
from app.errors import StoreUnavailable
from app.stores.protocol import ModelStore

_EVERY_S: Final = LIVES_S / 3


class Presence:
    """Keeps the record of this process in the store while it runs. A store that does not answer is no error.

    Args:
        models: takes the record.
        record: what the process is at the time of the call.
    """

    def __init__(self, models: ModelStore, record: Callable[[], ReplicaRecord]) -> None:
        self._models = models
        self._record = record
        self._replica = secrets.token_hex(8)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say that this process runs, then again and again in the background."""
        await self.tell()
        self._task = asyncio.create_task(self._keep_telling())

    async def tell(self) -> None:
        """Say now what has changed."""
        with contextlib.suppress(StoreUnavailable):
            await self._models.announce(self._replica, self._record())

    async def close(self) -> None:
        """Take the record back."""
        if self._task is None:
            return
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        with contextlib.suppress(StoreUnavailable):
            await self._models.withdraw(self._replica)

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            await self.tell()
