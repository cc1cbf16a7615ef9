"""The stores of one Redis, which share its connections and what is seen of it."""

from collections.abc import Callable

from app.artifact.people import PARTITIONS
from app.artifact.redis_keys import Keys
from app.stores.redis_catalogue import RedisCatalogueStore
from app.stores.redis_cluster import ClusterRedis
from app.stores.redis_cluster_gate import ClusterGate
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore, Retention


def open_gate(
    address: RedisAddress,
    keys: Keys,
    read_timeout_s: float,
    write_timeout_s: float,
    on_failure: Callable[[str], None] = lambda _: None,
) -> RedisGate:
    """The way to one server, or to a cluster, with the limits of one exchange.

    Raises:
        SettingsError: the address cannot be understood.
    """
    client = open_async(address)
    if isinstance(client, ClusterRedis):
        probes = [keys.partition_probe(partition) for partition in range(PARTITIONS)]
        return ClusterGate(client, probes, read_timeout_s, write_timeout_s, on_failure)
    return RedisGate(client, read_timeout_s, write_timeout_s, on_failure)


def redis_stores(gate: RedisGate, keys: Keys, retention: Retention) -> tuple[RedisUserStore, RedisCatalogueStore]:
    """The stores of user states and of the live catalogue; the first starts and closes the gate for both."""
    users = RedisUserStore(gate, keys, retention)
    return users, RedisCatalogueStore(gate, keys, retention, lambda: users.durable)
