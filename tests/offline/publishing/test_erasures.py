"""Who was erased is not brought back by a bundle that was made before."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
import redis
from redis_cluster import RedisCluster
from redis_process import RedisProcess

from app.artifact.manifest import read_manifest
from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.artifact.user_state import UserStates
from app.stores.scripts import script
from offline.publishing.publish import PublishConfig, publish

pytestmark = pytest.mark.parametrize("server", ["redis_server", "redis_cluster"], indirect=True)


def erase(client: redis.Redis, keys: Keys, user_hash: int, at: float) -> None:
    client.hset(keys.erased(partition_of(user_hash)), user_hash.to_bytes(8, "little"), repr(at))


def erase_as_the_service_does(client: redis.Redis, keys: Keys, user_hash: int) -> None:
    """With a version that is not yet published, whose vectors it does not know of."""
    written = [*of_user(keys, "", user_hash)[:3], keys.event_ids(user_hash)]
    arguments = (user_hash.to_bytes(8, "little"), repr(time.time()), "{}")
    partition = partition_of(user_hash)
    streams = (keys.event_stream(partition), keys.erased(partition))
    client.eval(script("erase").decode(), 6, *streams, *written, *arguments)


def of_user(keys: Keys, version: str, user_hash: int) -> list[bytes]:
    return [
        keys.events(user_hash),
        keys.seen(user_hash),
        keys.purchased(user_hash),
        keys.long_vector(version, user_hash),
    ]


def test_erased_users_stay_erased_until_a_bundle_is_newer(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path], states: UserStates
) -> None:
    bundle = bundle_named("a", cut=1_000.0)
    gone, back = (int(user_hash) for user_hash in states.hashes[np.flatnonzero(states.long_weights)[:2]])
    erase(client, keys, gone, 1_000.0)
    erase(client, keys, back, 999.9)
    publish(bundle, client, keys)
    assert client.exists(*of_user(keys, "a", gone)) == 0
    assert client.exists(keys.events(back), keys.long_vector("a", back)) == 2


def test_without_a_clock_an_erased_user_always_stays_erased(
    client: redis.Redis, keys: Keys, bundle_named: Callable[..., Path], states: UserStates
) -> None:
    gone = int(states.hashes[0])
    erase(client, keys, gone, 1.0)
    publish(bundle_named("a", cut=None), client, keys)
    assert client.exists(*of_user(keys, "a", gone)) == 0


@pytest.mark.parametrize("when", ["users", "comparing items"])
def test_a_user_erased_during_the_publication_stays_erased(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, when: str
) -> None:
    version = read_manifest(bundle).version
    gone = int(states.hashes[np.flatnonzero(states.long_weights)[0]])

    def erase_then(done: int, total: int, what: str) -> None:
        if what == when and done == total:
            erase_as_the_service_does(client, keys, gone)

    publish(bundle, client, keys, progress=erase_then)
    assert client.exists(*of_user(keys, version, gone)) == 0


@pytest.mark.parametrize("attempt", range(4))  # which users are caught in between is up to chance
def test_users_erased_while_they_are_written_stay_erased(
    server: RedisProcess | RedisCluster, client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, attempt: int
) -> None:
    version = read_manifest(bundle).version
    users = states.hashes.tolist()

    def erase_all() -> None:
        with server.client() as own:
            for user_hash in reversed(users[100:]):
                erase_as_the_service_does(own, keys, user_hash)

    eraser = Thread(target=erase_all)
    publish(
        bundle,
        client,
        keys,
        config=PublishConfig(at_once=100),
        progress=lambda done, _, what: eraser.start() if (done, what) == (100, "users") else None,
    )
    eraser.join()
    assert sum(client.hlen(keys.erased(partition)) for partition in range(PARTITIONS)) == len(users) - 100
    assert [user for user in users[100:] if client.exists(*of_user(keys, version, user)[:3])] == []
    assert client.exists(*(keys.events(user) for user in users[:100])) == 100
