"""Work in the background: a turn again and again, until it is closed. One that fails is told of, and the next comes."""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


class BackgroundTask:
    """Takes a turn every few seconds.

    Args:
        name: what it does, for the log and for who counts.
        turn: is awaited; whatever it raises ends this turn alone.
        every_s: seconds between the end of a turn and the next one.
        on_failure: called with the name for each turn that failed.
    """

    def __init__(
        self, name: str, turn: Callable[[], Awaitable[None]], every_s: float, on_failure: Callable[[str], None]
    ) -> None:
        self._name = name
        self._turn = turn
        self._every_s = every_s
        self._on_failure = on_failure
        self._last_failure: str | None = None
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first turn comes after `every_s` seconds."""
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def take_turn(self) -> None:
        """Take one turn now."""
        try:
            await self._turn()
        except Exception as error:  # whatever it is, the next turn has to come
            self._on_failure(self._name)
            failure = f"{type(error).__name__}: {error}"
            if failure != self._last_failure:  # told once, not twice a second
                log.exception("work in the background failed, and goes on", extra={"task": self._name})
            self._last_failure = failure
        else:
            self._last_failure = None

    async def close(self) -> None:
        """Stop; a turn under way is cancelled."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self.take_turn()
