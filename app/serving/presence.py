"""Presence: a service that follows the pointer says so in Redis, and which version it serves."""

import contextlib
import secrets
from collections.abc import Callable
from typing import Final

from app.artifact.replica_record import LIVES_S, ReplicaRecord
from app.background import BackgroundTask
from app.errors import StoreUnavailable
from app.stores.protocol import ModelStore

_EVERY_S: Final = LIVES_S / 3


class Presence:
    """Keeps the record of this process in the store while it runs. A store that does not answer is no error.

    Args:
        models: takes the record.
        record: what the process is at the time of the call.
        on_failure: called with the name of the task in the background for each time that it failed.
    """

    def __init__(
        self, models: ModelStore, record: Callable[[], ReplicaRecord], on_failure: Callable[[str], None]
    ) -> None:
        self._models = models
        self._record = record
        self._replica = secrets.token_hex(8)
        self._has_begun = False
        self._task = BackgroundTask("presence", self._tell, _EVERY_S, on_failure)

    async def start(self) -> None:
        """Say that this process runs, then again and again in the background."""
        self._has_begun = True
        await self.tell()
        self._task.start()

    async def tell(self) -> None:
        """Say now what has changed; what comes of it is told in the log alone."""
        await self._task.take_turn()

    async def close(self) -> None:
        """Take the record back."""
        await self._task.close()
        if self._has_begun:
            with contextlib.suppress(StoreUnavailable):
                await self._models.withdraw(self._replica)

    async def _tell(self) -> None:
        with contextlib.suppress(StoreUnavailable):
            await self._models.announce(self._replica, self._record())
