"""A blocking client of a Redis Cluster for the job, with what the job calls of one server's client.

The client for clusters that comes with redis-py takes no scripts into its pipelines. This one is patient: where a node
is gone it waits for the one that takes its place, as a job has the time, and all that it sends may be sent twice.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

import redis
from redis import Redis
from redis.client import Pipeline
from redis.exceptions import AskError, ClusterDownError, MovedError, TryAgainError

from app.stores.redis_slots import Address, owners_of, slot_of, slot_of_command

PATIENCE_S: Final = 30.0
_PAUSE_S: Final = 0.1
_REDIRECTIONS: Final = 5  # in a row, before nodes that do not agree are given time
_AGAIN: Final = (redis.ConnectionError, redis.TimeoutError, ClusterDownError, TryAgainError)
_NEVER: Final = (redis.AuthenticationError,)
_OF_MANY_KEYS: Final = frozenset({"MGET", "DEL", "UNLINK", "EXISTS"})
Command = tuple[Any, Any]
"""The words of a command, and options of how its reply is read."""


class JobCluster(Redis):
    """Sends each command to the node of its key, and those of many keys to each node of theirs.

    Args:
        seeds: addresses of some nodes; the others are learnt from them.
        open_node: opens a client of one node.
        patience_s: seconds to wait for a node.
    """

    def __init__(
        self, seeds: Sequence[Address], open_node: Callable[[Address], Redis], patience_s: float = PATIENCE_S
    ) -> None:
        self._seeds = list(seeds)
        self._open = open_node
        self._patience_s = patience_s
        self._clients: dict[Address, Redis] = {}
        self._owners: list[Address | None] = []
        self._known: list[Address] = []  # all nodes, replicas too
        super().__init__(connection_pool=self._client(self._seeds[0]).connection_pool)

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply to one command, as of the client of one server.

        Raises:
            RedisError: it failed.
        """
        (reply,) = self.exchange([(args, options)])
        return _sound(reply)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> "JobPipeline":
        """Commands that go out at once; in a transaction one after another, as no cluster has one across nodes."""
        del shard_hint
        return JobPipeline(self, in_order=transaction)

    def dbsize(self, **_: Any) -> Any:
        """The number of keys of all nodes.

        Raises:
            RedisError: a node is gone, and nothing took its place.
        """
        return self._patiently(lambda: sum(int(client.dbsize()) for client in self._primaries().values()))

    def scan_iter(
        self, match: Any = None, count: int | None = None, _type: str | None = None, **_: Any
    ) -> Iterator[Any]:
        """The keys of all nodes, one node after another, some twice where slots changed hands meanwhile.

        Raises:
            RedisError: a node is gone, and nothing took its place.
        """
        while True:
            owners = self._learnt()
            done: set[Address] = set()
            while (address := next((place for place in self._primaries() if place not in done), None)) is not None:
                try:
                    yield from self._client(address).scan_iter(match=match, count=count, _type=_type)
                    done.add(address)
                except _AGAIN:
                    self._patiently(self._ping)
            if self._learnt() == owners:  # else what changed hands may have been behind those that were done
                return

    def each_primary(self, keys: Iterable[bytes]) -> Iterator[tuple[Redis, bytes]]:
        """The client of each primary, and the first of some keys that lies on it."""
        primaries = self._primaries()
        for key in keys:
            address = self._owners[slot_of(key)]
            if address in primaries:
                yield primaries.pop(address), key

    def close(self) -> None:
        """Close the connections to all nodes."""
        for client in self._clients.values():
            client.close()

    def exchange(self, commands: Sequence[Command]) -> list[Any]:
        """The reply to each command, an exception for each that failed.

        One without a key goes to all primaries, one of many keys to the nodes of them all, key by key.
        """
        parts = [_by_key(command) for command in commands]
        replies = iter(self._exchange([command for part in parts for command in part]))
        return [
            _joined(words[0], [next(replies) for _ in part]) for (words, _), part in zip(commands, parts, strict=True)
        ]

    def _exchange(self, commands: Sequence[Command]) -> list[Any]:
        until = None  # a node that is silent may have taken longer than that before it is given up
        redirections = 0
        replies: list[Any] = [None] * len(commands)
        asking: dict[int, Address] = {}
        remaining = list(range(len(commands)))
        while remaining:
            groups: dict[tuple[Address, bool], list[int]] = {}
            for index in remaining:
                replies[index] = None
                for address in [asking[index]] if index in asking else self._targets(commands[index]):
                    groups.setdefault((address, index in asking), []).append(index)
            for (address, is_asking), group in groups.items():
                for index, reply in zip(group, self._send(address, commands, group, is_asking), strict=True):
                    replies[index] = reply if replies[index] is None or isinstance(reply, Exception) else replies[index]
            remaining, asking, waits = self._redirect(remaining, replies)
            redirections += not waits
            if waits or redirections > _REDIRECTIONS:
                until = time.monotonic() + self._patience_s if until is None else until
                if time.monotonic() > until:
                    break
                time.sleep(_PAUSE_S)
                self._owners = []  # learnt anew
        return replies

    def _redirect(self, indices: Sequence[int], replies: Sequence[Any]) -> tuple[list[int], dict[int, Address], bool]:
        """What has to be sent again, where to another node for once, and whether after a pause."""
        again: list[int] = []
        asking: dict[int, Address] = {}
        waits = False
        for index in indices:
            reply = replies[index]
            if isinstance(reply, MovedError):
                self._owners[reply.slot_id] = reply.host or self._seeds[0][0], reply.port
            elif isinstance(reply, AskError):
                asking[index] = reply.host or self._seeds[0][0], reply.port
            elif isinstance(reply, _AGAIN) and not isinstance(reply, _NEVER):
                waits = True
            else:
                continue
            again.append(index)
        return again, asking, waits

    def _targets(self, command: Command) -> list[Address]:
        if not self._owners:
            self._refresh()
        slot = slot_of_command(command[0])
        if slot is None:
            return [address for address in dict.fromkeys(self._owners) if address is not None]
        return [self._owners[slot] or self._known[0]]  # a node says that the slot is nobody's

    def _send(self, address: Address, commands: Sequence[Command], group: Sequence[int], asking: bool) -> list[Any]:
        try:
            with self._client(address).pipeline(transaction=False) as pipe:
                for index in group:
                    words, options = commands[index]
                    if asking:
                        pipe.execute_command("ASKING")  # type: ignore[no-untyped-call]
                    pipe.execute_command(*words, **options)  # type: ignore[no-untyped-call]
                replies = pipe.execute(raise_on_error=False)
        except (redis.ConnectionError, redis.TimeoutError) as error:
            return [error] * len(group)
        return replies[1::2] if asking else replies

    def _learnt(self) -> list[Address | None]:
        self._refresh()
        return list(self._owners)

    def _refresh(self) -> None:
        until = time.monotonic() + self._patience_s
        while True:
            reason: Exception = redis.ConnectionError("no node of the cluster can be asked")
            for address in dict.fromkeys([*self._known, *self._seeds]):
                client: Any = self._client(address)
                try:
                    reply = client.execute_command("CLUSTER", "SLOTS")
                except redis.AuthenticationError:
                    raise
                except (redis.ConnectionError, redis.TimeoutError) as error:
                    reason = error
                    continue
                if reply:
                    self._owners, self._known = owners_of(reply, address)
                    return
            if time.monotonic() > until or not self._known:  # one that never answered is a wrong address
                raise reason
            time.sleep(_PAUSE_S)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """What `ask` gets from all nodes, once it gets it."""
        until = None
        while True:
            try:
                return ask()
            except _AGAIN as error:
                until = time.monotonic() + self._patience_s if until is None else until
                if isinstance(error, _NEVER) or time.monotonic() > until:
                    raise
                time.sleep(_PAUSE_S)
                self._owners = []  # learnt anew

    def _ping(self) -> None:
        for client in self._primaries().values():
            client.ping()

    def _primaries(self) -> dict[Address, Redis]:
        if not self._owners:
            self._refresh()
        return {address: self._client(address) for address in dict.fromkeys(self._owners) if address is not None}

    def _client(self, address: Address) -> Redis:
        client = self._clients.get(address)
        if client is None:
            client = self._clients[address] = self._open(address)
        return client


class JobPipeline(Pipeline):
    """Commands that are collected, then sent.

    Args:
        cluster: sends them.
        in_order: one after another, so that stopped in between those in front are done; else at once, in no order.
    """

    def __init__(self, cluster: JobCluster, *, in_order: bool) -> None:
        callbacks: Any = cluster.response_callbacks
        super().__init__(cluster.connection_pool, callbacks, transaction=False, shard_hint=None)
        self._cluster = cluster
        self._in_order = in_order

    def execute(self, raise_on_error: bool = True) -> list[Any]:
        """The reply to each command.

        Raises:
            RedisError: one of them failed, where that is to be raised; or a node is gone.
        """
        commands = list(self.command_stack)
        self.reset()
        if self._in_order:
            return [_sound(reply) for command in commands for reply in self._cluster.exchange([command])]
        replies = self._cluster.exchange(commands)
        for reply in replies:
            if isinstance(reply, Exception) and (raise_on_error or isinstance(reply, _AGAIN)):
                raise reply
        return replies


def _by_key(command: Command) -> list[Command]:
    words, options = command
    name, *keys = words
    if name == "MSET":
        return [(("SET", *keys[place : place + 2]), {}) for place in range(0, len(keys), 2)]
    return [((name, key), options) for key in keys] if name in _OF_MANY_KEYS else [command]


def _joined(name: Any, replies: Sequence[Any]) -> Any:
    """The reply to a command from those to its parts; the first error among them."""
    error = next((reply for reply in replies if isinstance(reply, Exception)), None)
    if error is not None or (name != "MSET" and name not in _OF_MANY_KEYS):
        return error or replies[0]
    if name == "MSET":
        return True
    return [value for reply in replies for value in reply] if name == "MGET" else sum(replies)


def _sound(reply: Any) -> Any:
    if isinstance(reply, Exception):
        raise reply
    return reply
