"""One primary of a Redis Cluster: its connections, its time limits, and its own breaker."""

import asyncio
import logging
from collections.abc import Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final

import redis
from redis.asyncio import Redis
from redis.exceptions import AskError, ClusterDownError, NoScriptError, TryAgainError

from app.stores.redis_gate import is_wrong_type, kind_of
from app.stores.redis_held import HeldConnections
from app.stores.redis_slots import Address

FAILURES_IN_A_ROW: Final = 3
_ELSEWHERE: Final = (AskError, ClusterDownError, TryAgainError, NoScriptError)
"""What says nothing against the node; a slot that has moved is an `AskError`, too."""
_AS_THEY_COME: Final = frozenset({"MGET", "EVALSHA"})
"""Commands whose replies are read without options."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limit:
    """Until when an exchange may last, in seconds of the event loop's clock, and whether it writes."""

    until: float
    writes: bool


LIMIT: Final[ContextVar[Limit | None]] = ContextVar("limit", default=None)
"""That of the exchange under way; without one, it has none."""


class NodeUnavailable(redis.ConnectionError):
    """A node of the cluster cannot be used now; the others may be."""


class Node:
    """A node that others of the cluster name as a primary.

    Args:
        address: host and port.
        client: to that node alone.
    """

    def __init__(self, address: Address, client: Redis) -> None:
        self.address = address
        self.client = client
        self._held = HeldConnections(client)
        self._failed = {False: 0, True: 0}  # in a row, of reads and of writes
        self.refuses = False  # a write was refused, and no probe has written since

    @property
    def is_open(self) -> bool:
        """Whether the breaker refuses reads of this node at present."""
        return self._failed[False] >= FAILURES_IN_A_ROW

    async def run(self, commands: Sequence[tuple[Any, Any]], *, asking: bool = False) -> list[Any]:
        """The result of each command, an exception where it failed; `asking` for a slot that is on its way here."""
        if not asking and all(words[0] in _AS_THEY_COME for words, _ in commands):
            return await self._guarded(self._held.exchange([words for words, _ in commands]), len(commands))
        return await self._guarded(self._pipe(commands, asking=asking), len(commands))

    async def probe(self, key: bytes | None, read_s: float, write_s: float) -> None:
        """Write a key of its slots, close the breaker where that goes, and note whether the node refuses."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout_at(loop.time() + write_s):
                if key is not None:
                    await self.client.set(key, b"", ex=60)
            self._note(writes=True, failed=False)
            self._note_refusals([])
        except redis.ResponseError as error:
            self._note_refusals([error])
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._note(writes=True, failed=True, kind=kind_of(error))
        try:
            async with asyncio.timeout_at(loop.time() + read_s):
                await self.client.ping()
            self._note(writes=False, failed=False)
        except (redis.RedisError, OSError, TimeoutError) as error:
            self._note(writes=False, failed=True, kind=kind_of(error))

    async def close(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _guarded(self, work: Any, number: int) -> list[Any]:
        limit = LIMIT.get()
        writes = limit is not None and limit.writes
        if self._failed[writes] >= FAILURES_IN_A_ROW:
            work.close()
            return [NodeUnavailable("a node has not answered lately (breaker_open)")] * number
        try:
            async with asyncio.timeout_at(None if limit is None else limit.until):
                results: list[Any] = await work
        except TimeoutError:
            self._note(writes=writes, failed=True, kind="timeout")
            return [redis.TimeoutError("a node did not answer in time")] * number
        except redis.AuthenticationError as error:
            return [error] * number
        except (redis.RedisError, OSError) as error:
            self._note(writes=writes, failed=True, kind=kind_of(error))
            unavailable = NodeUnavailable(f"a node cannot be used now: {error}")
            return [error if isinstance(error, redis.BusyLoadingError) else unavailable] * number
        self._note(writes=writes, failed=False)
        if writes and not self.refuses:
            self._note_refusals(results)
        return results

    async def _pipe(self, commands: Sequence[tuple[Any, Any]], *, asking: bool) -> list[Any]:
        async with self.client.pipeline(transaction=False) as pipe:
            for words, options in commands:
                if asking:
                    pipe.execute_command("ASKING")
                pipe.execute_command(*words, **options)
            results: list[Any] = await pipe.execute(raise_on_error=False)
        return results[1::2] if asking else results

    def _note(self, *, writes: bool, failed: bool, kind: str = "") -> None:
        before = self._failed[writes]
        self._failed[writes] = before + 1 if failed else 0
        if failed and before + 1 == FAILURES_IN_A_ROW:
            where = {"node": _name(self.address), "writes": writes, "kind": kind}
            log.error("a node of the store does not answer", extra=where)
        elif not failed and before >= FAILURES_IN_A_ROW:
            log.info("a node of the store answers again", extra={"node": _name(self.address), "writes": writes})

    def _note_refusals(self, replies: Sequence[Any]) -> None:
        refusal = next(filter(is_refusal, replies), None)
        if refusal is not None and not self.refuses:
            where = {"node": _name(self.address), "kind": kind_of(refusal)}
            log.error("a node of the store refuses writes", extra=where)
        elif refusal is None and self.refuses:
            log.info("a node of the store takes writes again", extra={"node": _name(self.address)})
        self.refuses = refusal is not None


def is_refusal(reply: object) -> bool:
    """Whether a node does not take writes now: not that a slot, a script or a value is another than was thought."""
    return isinstance(reply, redis.ResponseError) and not isinstance(reply, _ELSEWHERE) and not is_wrong_type(reply)


def _name(address: Address) -> str:
    host, port = address
    return f"{host}:{port}"
