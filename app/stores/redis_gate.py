"""The one way to Redis: a time limit on every exchange, foreign errors made ours, and a circuit breaker.

After some failures in a row nobody asks any more: callers are refused at once, and only a probe in the background
tries again, so that a dead Redis costs a request nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import redis
from redis.asyncio import Redis

from app.errors import StoreUnavailable

FAILURES_IN_A_ROW: Final = 3
PROBE_S: Final = 0.5
_RECONNECT_S: Final = 1.0  # a probe that takes longer is a failure

# The first that fits; what a word stands for is in the README's runbook.
_KINDS: Final[tuple[tuple[type[BaseException], str], ...]] = (
    (redis.AuthenticationError, "wrong_password"),
    (redis.exceptions.NoPermissionError, "no_permission"),
    (redis.BusyLoadingError, "loading"),
    (redis.ReadOnlyError, "read_only"),
    (redis.exceptions.OutOfMemoryError, "out_of_memory"),
    (redis.TimeoutError, "timeout"),
    (TimeoutError, "timeout"),
    (redis.ConnectionError, "connection"),
    (OSError, "connection"),
)
_WORDS: Final = (
    ("READONLY", "read_only"),
    ("OOM", "out_of_memory"),
    ("NOAUTH", "wrong_password"),
    ("WRONGPASS", "wrong_password"),
    ("NOPERM", "no_permission"),
    ("MISCONF", "disk_error"),
    ("MASTERDOWN", "loading"),
    ("LOADING", "loading"),
)
_FOREIGN: Final = (redis.RedisError, OSError, TimeoutError)

log = logging.getLogger(__name__)


def kind_of(error: BaseException) -> str:
    """A word for what went wrong, that may be shown, logged and counted."""
    text = str(error)
    # A refusal inside a script arrives with the script's name around it.
    found = next((word for sign, word in _WORDS if sign in text), None)
    return found or next((word for kind, word in _KINDS if isinstance(error, kind)), "refused")


class RedisGate:
    """A client with limits.

    Args:
        client: whose own timeouts are not needed.
        read_timeout_s: of one exchange that only reads; requests wait for it.
        write_timeout_s: of one exchange that writes.
    """

    def __init__(self, client: Redis, read_timeout_s: float, write_timeout_s: float) -> None:
        self._client = client
        self._read_timeout_s = read_timeout_s
        self._write_timeout_s = write_timeout_s
        self._failures = 0
        self._probes: list[Callable[[Redis], Awaitable[None]]] = []
        self._task: asyncio.Task[None] | None = None
        self.lagging = False  # the newest write was refused

    @property
    def is_open(self) -> bool:
        """Whether nobody asks for the time being."""
        return self._failures >= FAILURES_IN_A_ROW

    def on_probe(self, probe: Callable[[Redis], Awaitable[None]]) -> None:
        """Run `probe` twice a second, and before anybody asks again after failures; it must write something."""
        self._probes.append(probe)

    async def start(self) -> None:
        """Probe once, then on and on."""
        await self._probe()
        self._task = asyncio.create_task(self._keep_probing())

    async def close(self) -> None:
        """Stop probing and give connections back."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._client.aclose()

    async def read(self, ask: Callable[[Redis], Awaitable[Any]]) -> Any:
        """What `ask` finds.

        Raises:
            StoreUnavailable: in any case of doubt.
        """
        return await self._within(self._read_timeout_s, ask)

    async def write(self, ask: Callable[[Redis], Awaitable[Any]]) -> Any:
        """The same for what changes something.

        Raises:
            StoreUnavailable: it may have been done all the same when the kind is `timeout` or `connection`.
        """
        try:
            result = await self._within(self._write_timeout_s, ask)
        except StoreUnavailable:
            self.lagging = True
            raise
        self.lagging = False
        return result

    async def _within(self, seconds: float, ask: Callable[[Redis], Awaitable[Any]]) -> Any:
        if self.is_open:
            raise StoreUnavailable("the store has not answered lately (breaker_open): send it again in a second")
        try:
            async with asyncio.timeout(seconds):
                result = await ask(self._client)
        except _FOREIGN as error:
            kind = kind_of(error)
            if not isinstance(error, redis.ResponseError) or isinstance(error, redis.AuthenticationError):
                self._fail(kind)
            raise StoreUnavailable(f"the store cannot be used now ({kind}): send it again") from error
        self._failures = 0
        return result

    def _fail(self, kind: str) -> None:
        self._failures += 1
        if self._failures == FAILURES_IN_A_ROW:
            log.error("the store does not answer; answering without it until it does", extra={"kind": kind})

    async def _keep_probing(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            await self._probe()

    async def _probe(self) -> None:
        was_open, was_lagging = self.is_open, self.lagging
        try:
            async with asyncio.timeout(max(_RECONNECT_S, self._read_timeout_s)):
                for probe in self._probes:
                    await probe(self._client)
        except _FOREIGN as error:
            kind = kind_of(error)
            self.lagging = True
            if isinstance(error, redis.ResponseError) and not isinstance(error, redis.AuthenticationError):
                if not was_lagging:
                    log.error("the store refuses writes", extra={"kind": kind})
            elif not was_open:
                self._fail(kind)
            return
        self._failures, self.lagging = 0, False
        if was_open or was_lagging:
            log.info("the store answers again")


def is_missing_script(result: Any) -> bool:
    """Whether Redis does not know a script by its digest: it was restarted or flushed since."""
    return isinstance(result, redis.exceptions.NoScriptError)
