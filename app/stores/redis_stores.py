"""The stores of one Redis server, which share its connections and what is seen of it."""

from app.artifact.redis_keys import Keys
from app.stores.redis_catalogue import RedisCatalogueStore
from app.stores.redis_gate import RedisGate
from app.stores.redis_store import RedisUserStore, Retention


def redis_stores(gate: RedisGate, keys: Keys, retention: Retention) -> tuple[RedisUserStore, RedisCatalogueStore]:
    """The stores of user states and of the live catalogue; the first starts and closes the gate for both."""
    users = RedisUserStore(gate, keys, retention)
    return users, RedisCatalogueStore(gate, keys, retention, lambda: users.durable)
