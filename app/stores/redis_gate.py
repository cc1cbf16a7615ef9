"""The one way to Redis: a time limit on every exchange, foreign errors translated, and a circuit breaker.

After some failures in a row nobody asks any more: callers are refused at once, and only a probe in the background
tries again, so that a dead Redis costs a request nothing. Reads and writes are counted apart: a Redis that is too slow
for requests may still take events.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import redis
from redis.asyncio import Redis

from app.background import BackgroundTask
from app.errors import StoreUnavailable
from app.stores.damage import DamageLog
from app.stores.redis_held import HeldConnections
from app.time_limit import TimeLimit

FAILURES_IN_A_ROW: Final = 3
PROBE_S: Final = 0.5
RECONNECT_S: Final = 1.0  # a probe that takes longer is a failure

# The first that fits; what a word stands for is in the runbook of OPERATING.md.
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
    ("CERTIFICATE_VERIFY_FAILED", "wrong_certificate"),
)
FOREIGN: Final = (redis.RedisError, OSError, TimeoutError)
"""What an exchange fails with, whoever is to blame."""

log = logging.getLogger(__name__)


def kind_of(error: BaseException) -> str:
    """A word for what went wrong, that may be shown, logged and counted."""
    text = str(error)
    # A refusal inside a script arrives with the script's name around it.
    refusal = next((word for sign, word in _WORDS if sign in text), None)
    return refusal or next((word for kind, word in _KINDS if isinstance(error, kind)), "refused")


class RedisGate:
    """A client with time limits and a breaker.

    Args:
        client: a client without timeouts of its own.
        read_timeout_s: limit of one exchange that only reads; requests wait for it.
        write_timeout_s: limit of one exchange that writes.
        on_failure: called with the name of the task in the background where a probe failed for no reason of Redis.
    """

    has_older_layouts = True
    """Whether what is stored may be in the layout of keys before this one."""

    def __init__(
        self,
        client: Redis,
        read_timeout_s: float,
        write_timeout_s: float,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._held: HeldConnections | None = None  # from the first exchange on them
        self._read_timeout_s = read_timeout_s
        self._write_timeout_s = write_timeout_s
        self._failed_reads = 0  # in a row
        self._failed_writes = 0
        self._probes: list[Callable[[Redis], Awaitable[None]]] = []
        self._task = BackgroundTask("probe", self._probe, PROBE_S, on_failure)
        self.lagging = False  # a write was refused, and no probe has written since
        self.damage: Final = DamageLog()

    @property
    def is_open(self) -> bool:
        """Whether the breaker refuses reads at present."""
        return self._failed_reads >= FAILURES_IN_A_ROW

    def lags_for(self, name: bytes) -> bool:
        """Whether what is read of a key may lack the newest: writes of it are refused at present."""
        del name  # of one server all are alike
        return self.lagging or self.is_open

    def on_probe(self, probe: Callable[[Redis], Awaitable[None]]) -> None:
        """Run `probe` twice a second, and before calls go through again after failures; it must write something."""
        self._probes.append(probe)

    async def start(self) -> None:
        """Probe once, then on and on."""
        await self._task.take_turn()
        self._task.start()

    async def close(self) -> None:
        """Stop probing, and close the connections."""
        await self._task.close()
        await self._client.aclose()

    async def read(self, exchange: Callable[[Redis], Awaitable[Any]], *, is_bulk: bool = False) -> Any:
        """The result of an exchange that only reads.

        Args:
            exchange: asks the client.
            is_bulk: whether it reads much that nobody asks for anew each time, and so has the time of a write.

        Raises:
            StoreUnavailable: Redis did not answer in time, failed, or has not answered lately.
        """
        if self.is_open:
            raise _breaker_open()
        try:
            seconds = self._write_timeout_s if is_bulk else self._read_timeout_s
            result = await self._within(seconds, exchange, writes=False)
        except StoreUnavailable as error:
            self._failed_reads = self._count_failure(self._failed_reads, error.__cause__)
            raise
        self._failed_reads = 0
        return result

    async def read_values(self, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of some keys by one MGET, None for one that is not there or holds something else.

        Raises:
            StoreUnavailable: as of `read`.
        """
        values: list[bytes | None] = await self.read(lambda _: self._connections.mget(names))
        return values

    async def read_value(self, name: bytes) -> bytes | None:
        """The value of a key, None for one that is not there, and nothing (`b""`) for one that holds something else.

        Raises:
            StoreUnavailable: as of `read`.
        """

        async def exchange(client: Redis) -> bytes | None:
            try:
                return await self._get(client, name)
            except redis.ResponseError as error:
                if not is_wrong_type(error):
                    raise
                return b""

        value: bytes | None = await self.read(exchange)
        return value

    async def read_reachable(self, names: Sequence[bytes]) -> tuple[list[bytes | None], frozenset[int]]:
        """The same, and the places of those that cannot be read while others can: of one server, none.

        Raises:
            StoreUnavailable: as of `read`.
        """
        return await self.read_values(names), frozenset()

    async def write(self, exchange: Callable[[Redis], Awaitable[Any]]) -> Any:
        """The result of an exchange that writes.

        Raises:
            StoreUnavailable: it may have been done all the same when the kind is `timeout` or `connection`.
        """
        if self._failed_writes >= FAILURES_IN_A_ROW:
            raise _breaker_open()
        try:
            result = await self._within(self._write_timeout_s, exchange, writes=True)
        except StoreUnavailable as error:
            self._failed_writes = self._count_failure(self._failed_writes, error.__cause__)
            self._note_refused_write(error.__cause__)
            raise
        self._failed_writes = 0
        return result

    async def replies(self, client: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The replies to commands that write, in one exchange; its error for each that is refused. Only for `write`.

        Raises:
            RedisError: the exchange failed; some of it may have been done.
            OSError: the server cannot be reached.
        """
        del client  # what is held is faster
        return await self._connections.exchange(commands)

    @property
    def _connections(self) -> HeldConnections:
        if self._held is None:
            self._held = HeldConnections(self._client)
        return self._held

    async def _get(self, client: Redis, name: bytes) -> bytes | None:
        del client
        return await self._connections.get(name)

    async def _within(self, seconds: float, exchange: Callable[[Redis], Awaitable[Any]], *, writes: bool) -> Any:
        del writes  # of one server it makes no difference
        try:
            with TimeLimit(seconds):
                return await exchange(self._client)
        except FOREIGN as error:
            raise unavailable(error) from error

    def _note_refused_write(self, cause: BaseException | None) -> None:
        """Be behind until a probe has written: a duplicate succeeds without writing anything."""
        self.lagging = self.lagging or not is_wrong_type(cause)

    def _count_failure(self, failures: int, cause: BaseException | None) -> int:
        """`failures` and this one, unless the server answered and only refused."""
        if cause is None or _is_refusal(cause):
            return failures
        if failures + 1 == FAILURES_IN_A_ROW:
            log.error("the store does not answer; going on without it until it does", extra={"kind": kind_of(cause)})
        return failures + 1

    async def _probe(self) -> None:
        """Write something, and see whether it answers in time for requests."""
        was_whole = not (self.is_open or self.lagging)
        defects: list[Exception] = []
        try:
            async with asyncio.timeout(max(RECONNECT_S, self._read_timeout_s)):
                for probe in self._probes:
                    try:
                        await probe(self._client)
                    except FOREIGN:
                        raise
                    except Exception as error:  # an answer that nobody foresaw: says nothing of the store
                        defects.append(error)
        except FOREIGN as error:
            self.lagging = True
            if _is_refusal(error):
                if was_whole:
                    log.error("the store refuses writes", extra={"kind": kind_of(error)})
                return
            self._failed_reads = self._count_failure(self._failed_reads, error)
            self._failed_writes += 1
            return
        self._failed_writes, self.lagging = 0, False
        try:
            async with asyncio.timeout(self._read_timeout_s):
                await self._client.ping()
        except FOREIGN as error:
            self._failed_reads = self._count_failure(self._failed_reads, error)
            return
        self._failed_reads = 0
        if not was_whole:
            log.info("the store answers again")
        if defects:
            raise defects[0]


async def pipe(client: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
    """The replies to commands that a client sends at once; its error for each that is refused.

    Raises:
        RedisError: the exchange failed; some of it may have been done.
        OSError: the server cannot be reached.
    """
    async with client.pipeline(transaction=False) as collected:
        for words in commands:
            collected.execute_command(*words)
        replies: list[Any] = await collected.execute(raise_on_error=False)
        return replies


def unavailable(error: BaseException) -> StoreUnavailable:
    """What callers are told where an exchange fails."""
    return StoreUnavailable(f"the store cannot be used now ({kind_of(error)}): send it again")


def _breaker_open() -> StoreUnavailable:
    return StoreUnavailable("the store has not answered lately (breaker_open): send it again in a second")


def _is_refusal(error: BaseException) -> bool:
    """Whether the server answered, and said no."""
    return isinstance(error, redis.ResponseError) and not isinstance(error, redis.AuthenticationError)


def is_missing_script(result: Any) -> bool:
    """Whether Redis does not know a script by its digest: it was restarted or flushed since."""
    return isinstance(result, redis.exceptions.NoScriptError)


def is_wrong_type(result: Any) -> bool:
    """Whether Redis says that a key holds a value of another type."""
    return isinstance(result, redis.ResponseError) and "WRONGTYPE" in str(result)
