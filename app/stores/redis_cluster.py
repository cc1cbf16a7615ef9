"""A client of a Redis Cluster, with what the stores call of a client of one server.

The client for clusters that comes with redis-py begins anew with all nodes when one fails, gives nothing of a pipeline
where a part of it fails, and says ASKING on another connection than the command that it is for. Here each node has the
client, the pool and the breaker of one server, and what one of them does not answer keeps none of the others waiting.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

import redis
from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from app.stores.redis_node import LIMIT, Node, NodeUnavailable
from app.stores.redis_slots import Address, owners_of, slot_of, slot_of_command

_REDIRECTIONS: Final = 5
_PAUSE_S: Final = 0.01  # before a key is asked for anew that is on its way to another node
_FOREIGN: Final = (redis.RedisError, OSError, TimeoutError)
Command = tuple[Any, Any]
"""The words of a command, and options of how its reply is read."""


class ClusterRedis(Redis):
    """Sends each command to the node of its key, and those of many keys to all nodes at once.

    Args:
        seeds: addresses of some nodes; the others are learnt from them.
        open_node: opens a client of one node.
    """

    def __init__(self, seeds: Sequence[Address], open_node: Callable[[Address], Redis]) -> None:
        self._seeds = list(seeds)
        self._open = open_node
        self._nodes: dict[Address, Node] = {}
        self._owners: list[Address | None] = []
        self._known: list[Address] = []  # all nodes, replicas too
        self._is_stale = True
        super().__init__(connection_pool=self._node(self._seeds[0]).client.connection_pool)

    @property
    def primaries(self) -> list[Node]:
        """The nodes that have slots, as of the last look."""
        return [self._node(address) for address in dict.fromkeys(self._owners) if address is not None]

    @property
    def is_stale(self) -> bool:
        """Whether something since the last look says that slots may lie elsewhere."""
        return self._is_stale

    def owns(self, node: Node, slot: int) -> bool:
        """Whether a slot lies on a node, as of the last look."""
        return self._owners[slot] == node.address

    def node_of(self, name: bytes) -> Node | None:
        """The node that has the slot of a key, as of the last look."""
        address = self._owners[slot_of(name)] if self._owners else None
        return None if address is None else self._node(address)

    async def refresh(self) -> None:
        """Learn which node has which slots, from whichever node answers first.

        Raises:
            NodeUnavailable: none answered.
        """
        reason: BaseException | None = None
        for address in dict.fromkeys([*self._known, *self._seeds]):
            if self._known and address in self._nodes and self._nodes[address].is_open:
                continue
            try:
                async with asyncio.timeout(1.0):
                    client: Any = self._node(address).client
                    reply = await client.execute_command("CLUSTER", "SLOTS")
            except redis.AuthenticationError:
                raise
            except _FOREIGN as error:
                reason = error
                continue
            if reply:
                self._owners, self._known = owners_of(reply, address)
                self._is_stale = False
                return
            reason = ClusterDownError("no slot of the cluster is served")
        raise NodeUnavailable(f"no node of the cluster can be asked: {reason}") from reason

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply to one command, as of the client of one server.

        Raises:
            RedisError: it failed.
        """
        (reply,) = await self.exchange([(args, options)])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def pipeline(self, transaction: bool = True, shard_hint: str | None = None) -> "ClusterPipeline":
        """Commands that go out at once; there are no transactions across nodes, and it is none here either."""
        del transaction, shard_hint
        return ClusterPipeline(self)

    async def mget(self, keys: Any, *args: Any) -> Any:
        """The values of keys, wherever they lie.

        Raises:
            RedisError: some cannot be read.
        """
        values = await self.values([*([keys] if isinstance(keys, (bytes, str)) else keys), *args])
        for value in values:
            if isinstance(value, Exception):
                raise value
        return values

    async def values(self, names: Sequence[bytes]) -> list[Any]:
        """The value of each key by one MGET a slot, all nodes at once; an exception for each that cannot be read."""
        by_slot: dict[int, list[int]] = {}
        for index, name in enumerate(names):
            by_slot.setdefault(slot_of(name), []).append(index)
        groups = list(by_slot.values())
        replies = await self.exchange([(("MGET", *(names[index] for index in group)), {}) for group in groups])
        values: list[Any] = [None] * len(names)
        split = []
        for group, reply in zip(groups, replies, strict=True):
            if isinstance(reply, TryAgainError):  # the slot is on its way, and some keys are here, others there
                split += group
            else:
                for place, index in enumerate(group):
                    values[index] = reply if isinstance(reply, Exception) else reply[place]
        if split:
            singles = await self.exchange([(("MGET", names[index]), {}) for index in split])
            for index, reply in zip(split, singles, strict=True):
                values[index] = reply if isinstance(reply, Exception) else reply[0]
        return values

    async def delete(self, *names: Any) -> Any:
        """Remove keys, wherever they lie, and count them."""
        return await self._count("DEL", names)

    async def unlink(self, *names: Any) -> Any:
        """The same in the background of the servers."""
        return await self._count("UNLINK", names)

    async def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The reply to each command, an exception for each that failed; one of a key follows its slot.

        One without a key goes to all primaries: INFO tells the worst of them, others reply as the first that does.
        """
        if not self._owners:
            await self.refresh()
        replies: list[Any] = [None] * len(commands)
        everywhere = []
        targets: dict[int, tuple[Address | None, bool]] = {}
        for index, (words, _) in enumerate(commands):
            slot = slot_of_command(words)
            if slot is None:
                everywhere.append(index)
            else:
                targets[index] = self._owners[slot], False
        if not everywhere:
            await self._follow(commands, targets, replies)
            return replies
        broadcasts = [self._broadcast(commands[index]) for index in everywhere]
        _, *broadcast = await asyncio.gather(self._follow(commands, targets, replies), *broadcasts)
        for index, reply in zip(everywhere, broadcast, strict=True):
            replies[index] = reply
        return replies

    async def aclose(self, close_connection_pool: bool | None = None) -> None:
        """Close the connections to all nodes."""
        del close_connection_pool
        for node in self._nodes.values():
            await node.close()

    async def _follow(
        self, commands: Sequence[Command], targets: dict[int, tuple[Address | None, bool]], replies: list[Any]
    ) -> None:
        redirections = 0
        while targets:
            groups: dict[tuple[Address, bool], list[int]] = {}
            for index, (address, asking) in targets.items():
                if address is None:
                    self._is_stale = True
                    replies[index] = ClusterDownError("CLUSTERDOWN no node has the slot")
                else:
                    groups.setdefault((address, asking), []).append(index)
            runs = [
                self._node(address).run([commands[index] for index in group], asking=asking)
                for (address, asking), group in groups.items()
            ]
            # A task takes as long as a small exchange.
            results = [await runs[0]] if len(runs) == 1 else await asyncio.gather(*runs)
            targets, waits = {}, False
            for ((address, _), group), got in zip(groups.items(), results, strict=True):
                for index, reply in zip(group, got, strict=True):
                    replies[index] = reply
                    if isinstance(reply, MovedError):
                        self._is_stale = True
                        self._owners[reply.slot_id] = _redirected(reply, address)
                        targets[index] = self._owners[reply.slot_id], False
                    elif isinstance(reply, AskError):
                        targets[index] = _redirected(reply, address), True
                    elif isinstance(reply, TryAgainError) and commands[index][0][0] != "MGET":
                        waits = True
                        targets[index] = address, False
                    elif isinstance(reply, NodeUnavailable | redis.TimeoutError | ClusterDownError):
                        self._is_stale = True
            redirections += not waits
            if targets and (redirections > _REDIRECTIONS or (waits and not await _pause())):
                return

    async def _broadcast(self, command: Command) -> Any:
        replies = await asyncio.gather(*(node.run([command]) for node in self.primaries))
        sound = [reply for (reply,) in replies if not isinstance(reply, Exception)]
        if not sound:
            return replies[0][0] if replies else NodeUnavailable("no node of the cluster is known")
        return _worst(sound) if str(command[0][0]).upper() == "INFO" else sound[0]

    async def _count(self, command: str, names: Iterable[Any]) -> int:
        replies = await self.exchange([((command, name), {}) for name in names])
        for reply in replies:
            if isinstance(reply, Exception):
                raise reply
        return sum(replies)

    def _node(self, address: Address) -> Node:
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = Node(address, self._open(address))
        return node


class ClusterPipeline(Pipeline):
    """Commands that are collected and go to their nodes at once.

    Args:
        cluster: has the nodes.
    """

    def __init__(self, cluster: ClusterRedis) -> None:
        super().__init__(cluster.connection_pool, cluster.response_callbacks, transaction=False, shard_hint=None)
        self._cluster = cluster

    async def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The reply to each command.

        Raises:
            RedisError: one of them failed, where that is to be raised; with one server, an exchange that fails does
                so as a whole, here it does where all commands failed.
        """
        commands = list(self.command_stack)
        await self.reset()  # type: ignore[no-untyped-call]
        replies = await self._cluster.exchange(commands) if commands else []
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        if errors and (raise_on_error or all(isinstance(reply, redis.ConnectionError) for reply in replies)):
            raise errors[0]
        return replies


def _redirected(error: AskError, source: Address) -> Address:
    return error.host or source[0], error.port


async def _pause() -> bool:
    """Wait a little; false where that would be over the limit."""
    limit = LIMIT.get()
    if limit is not None and asyncio.get_running_loop().time() + 2 * _PAUSE_S > limit.until:
        return False
    await asyncio.sleep(_PAUSE_S)
    return True


def _worst(replies: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One reply to INFO for all: of numbers the smallest, of words the first that is not the good one."""
    joined = dict(replies[0])
    for reply in replies[1:]:
        for name, value in reply.items():
            known = joined.get(name)
            if isinstance(value, int | float) and isinstance(known, int | float):
                joined[name] = min(value, known)
            elif known in ("ok", "noeviction"):
                joined[name] = value
    return joined
