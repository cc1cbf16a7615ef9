"""The one way to a Redis Cluster: as the way to one server, but that every node has a breaker of its own."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from redis.asyncio import Redis

from app.errors import StoreUnavailable
from app.stores.redis_cluster import ClusterRedis
from app.stores.redis_gate import FOREIGN, RECONNECT_S, RedisGate, kind_of, pipe, unavailable
from app.stores.redis_node import LIMIT, Limit, Node, is_refusal
from app.stores.redis_slots import slot_of

_LOOK_EVERY: Final = 20  # probes, ten seconds, between looks at who has which slots when nothing gives reason for one

log = logging.getLogger(__name__)


class ClusterGate(RedisGate):
    """A client of a cluster with time limits, and a breaker for each node.

    Args:
        cluster: the client.
        probe_keys: keys all over the slots, of which each node gets one to write.
        read_timeout_s: limit of one exchange that only reads.
        write_timeout_s: limit of one exchange that writes.
        on_failure: called with the name of the task in the background where a probe failed for no reason of Redis.
    """

    has_older_layouts = False  # no cluster could take it

    def __init__(
        self,
        cluster: ClusterRedis,
        probe_keys: Sequence[bytes],
        read_timeout_s: float,
        write_timeout_s: float,
        on_failure: Callable[[str], None] = lambda _: None,
    ) -> None:
        super().__init__(cluster, read_timeout_s, write_timeout_s, on_failure)
        self._cluster = cluster
        self._probe_keys = {slot_of(key): key for key in probe_keys}
        self._turn = 0
        self._is_gone = False  # no node answers

    @property
    def is_open(self) -> bool:
        """Whether the breakers of all nodes refuse reads at present."""
        return self._is_gone

    def lags_for(self, name: bytes) -> bool:
        """Whether the node of a key refuses writes at present."""
        if not (self.lagging or self.is_open):
            return False
        node = self._cluster.node_of(name)
        return self.is_open or node is None or node.refuses

    async def read_reachable(self, names: Sequence[bytes]) -> tuple[list[bytes | None], frozenset[int]]:
        """The values of some keys, and the places of those whose node cannot be read now.

        Raises:
            StoreUnavailable: none of them can be read.
        """
        values: list[Any] = await self.read(lambda _: self._cluster.values(names))
        errors = {place: value for place, value in enumerate(values) if isinstance(value, Exception)}
        if errors and len(errors) == len(values):
            error = errors[0]
            raise unavailable(error) from error
        return [None if place in errors else value for place, value in enumerate(values)], frozenset(errors)

    async def read_values(self, names: Sequence[bytes]) -> list[bytes | None]:
        """The values of some keys, None for one that is not there or holds something else.

        Raises:
            StoreUnavailable: some of them cannot be read.
        """
        values: list[bytes | None] = await self.read(lambda client: client.mget(names))
        return values

    async def replies(self, client: Redis, commands: Sequence[Sequence[Any]]) -> list[Any]:
        """The replies to commands, each by its node.

        Raises:
            RedisError: all failed.
        """
        return await pipe(client, commands)

    async def _get(self, client: Redis, name: bytes) -> bytes | None:
        value: Any = await client.get(name)
        return None if value is None else bytes(value)

    async def _within(self, seconds: float, exchange: Callable[[Redis], Awaitable[Any]], *, writes: bool) -> Any:
        token = LIMIT.set(Limit(asyncio.get_running_loop().time() + seconds, writes))
        try:
            return await exchange(self._cluster)
        except FOREIGN as error:
            raise unavailable(error) from error
        finally:
            LIMIT.reset(token)

    def _count_failure(self, failures: int, cause: BaseException | None) -> int:
        del failures, cause
        return 0  # the nodes count their own

    def _note_refused_write(self, cause: BaseException | None) -> None:
        self.lagging = self.lagging or is_refusal(cause)

    async def _probe(self) -> None:
        nodes = self._cluster.primaries
        self._turn += 1
        if not nodes or self._cluster.is_stale or self._turn % _LOOK_EVERY == 0 or any(node.is_open for node in nodes):
            try:
                await self._cluster.refresh()
            except FOREIGN as error:
                if not self._is_gone:
                    log.error("no node of the store answers", extra={"kind": kind_of(error)})
                self._is_gone = self.lagging = True
                return
        nodes = self._cluster.primaries
        refusals = await asyncio.gather(*(self._probe_node(node) for node in nodes))
        if self._is_gone and not all(node.is_open for node in nodes):
            log.info("the store answers again")
        self._is_gone = all(node.is_open for node in nodes)
        self.lagging = self._is_gone or any(refusals)
        await self._run_probes()

    async def _probe_node(self, node: Node) -> bool:
        """Whether a node refuses to write, for another reason than that its slots are elsewhere."""
        key = next((key for slot, key in self._probe_keys.items() if self._cluster.owns(node, slot)), None)
        await node.probe(key, self._read_timeout_s, max(RECONNECT_S, self._read_timeout_s))
        return node.refuses

    async def _run_probes(self) -> None:
        """Let the stores look; what one node does not answer is looked at again."""
        defects: list[Exception] = []
        for probe in self._probes:
            until = asyncio.get_running_loop().time() + max(RECONNECT_S, self._read_timeout_s)
            token = LIMIT.set(Limit(until, writes=True))
            try:
                await probe(self._cluster)
            except (*FOREIGN, StoreUnavailable):
                continue
            except Exception as error:  # an answer that nobody foresaw: says nothing of the store
                defects.append(error)
            finally:
                LIMIT.reset(token)
        if defects:
            raise defects[0]
