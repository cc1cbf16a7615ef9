"""A Redis that forgets, refuses or fills up: nothing is served that is not whole."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pytest
import redis
from live_events import append
from redis_process import RedisProcess

from app.artifact.hashing import stable_hash
from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from app.artifact.user_records import unpack_events
from app.artifact.user_state import UserStates
from app.errors import StoreUnavailable
from app.stores.redis_link import RedisAddress
from offline.errors import PublishRefused
from offline.publishing.publish import PublishConfig, publish
from offline.workspace.redis_client import connected

StartRedis = Callable[..., AbstractContextManager[RedisProcess]]


def test_what_went_missing_before_the_comparison_is_written_again(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates, redis_prefix: str
) -> None:
    merged, cut_off = (int(user_hash) for user_hash in states.hashes[1:3])

    def lose(done: int, total: int, what: str) -> None:
        if what == "items" and done == total:
            client.delete(keys.events(merged), keys.seen(merged), keys.purchased(merged))  # as a visitor's merge does
            client.set(keys.events(cut_off), client.get(keys.events(cut_off))[-13:])

    publish(bundle, client, keys, progress=lose)
    fresh = Keys(f"{redis_prefix}fresh:".encode())
    publish(bundle, client, fresh)
    for user_hash in (merged, cut_off):
        assert client.get(keys.events(user_hash)) == client.get(fresh.events(user_hash))
        assert client.get(keys.seen(user_hash)) == client.get(fresh.seen(user_hash))


def test_events_that_came_while_publishing_are_no_difference(
    client: redis.Redis, keys: Keys, bundle: Path, states: UserStates
) -> None:
    user_hash = int(states.hashes[2])
    cut = read_manifest(bundle).cut

    def buy(done: int, total: int, what: str) -> None:
        if what == "items" and done == total:
            for number in range(110):
                append(client, keys, user_hash, stable_hash(f"live {number}"), 3, cut + 1 + number)

    said: list[str] = []
    publish(bundle, client, keys, progress=buy, say=said.append)
    items, _, _ = unpack_events(client.get(keys.events(user_hash)))
    assert items.tolist() == [stable_hash(f"live {number}") for number in range(10, 110)]


def test_an_item_that_reads_back_otherwise_is_refused_and_the_next_publication_begins_anew(
    client: redis.Redis, keys: Keys, bundle: Path, item_hashes: np.ndarray
) -> None:
    version = read_manifest(bundle).version

    def spoil(done: int, total: int, what: str) -> None:
        if what == "items" and done == total:
            client.setrange(keys.item_vector(version, int(item_hashes[5])), 4, b"\x7f\x7e")

    with pytest.raises(PublishRefused, match=r"1 of its keys .* an item's vector.* publish again"):
        publish(bundle, client, keys, progress=spoil)
    assert not client.exists(keys.pointer, keys.models, keys.marker(version), keys.publishing(version))
    publish(bundle, client, keys)
    assert client.get(keys.pointer).decode() == version


def test_a_redis_that_drops_keys_is_told_from_one_that_keeps_them(start_redis: StartRedis, bundle: Path) -> None:
    with start_redis("--maxmemory-policy", "allkeys-random") as server, server.client() as client:
        client.mset({f"other:{number}": bytes(1_000) for number in range(500)})
        client.config_set("maxmemory", client.info("memory")["used_memory"])
        with pytest.raises(PublishRefused, match="maxmemory-policy is noeviction"):
            publish(bundle, client, Keys(), config=PublishConfig(at_once=20))
        assert client.get(Keys().pointer) is None


def test_a_script_that_redis_forgot_is_loaded_again(client: redis.Redis, keys: Keys, bundle: Path) -> None:
    def forget(done: int, total: int, what: str) -> None:
        if what == "users":
            client.script_flush()

    published = publish(bundle, client, keys, config=PublishConfig(at_once=50), progress=forget)
    assert client.get(keys.pointer).decode() == published.version


def refusal(url: str, bundle: Path, password: str | None = None) -> str:
    with pytest.raises(StoreUnavailable) as refused, connected(RedisAddress(url, password=password)) as client:
        publish(bundle, client, Keys())
    assert "\n" not in refused.value.message
    return refused.value.message


def test_a_redis_that_refuses_says_so_in_one_line_and_serves_what_it_served(
    start_redis: StartRedis, bundle_named: Callable[..., Path]
) -> None:
    old, new = bundle_named("old"), bundle_named("new")
    keys = Keys()
    with start_redis() as server, server.client() as client:
        publish(old, client, keys)
        client.config_set("maxmemory", 1)
        message = refusal(server.url, new)
        assert "out_of_memory" in message
        assert server.url in message
        client.config_set("maxmemory", 0)
        client.replicaof("127.0.0.1", "1")
        assert "read_only" in refusal(server.url, new)
        assert client.get(keys.pointer) == b"old"
        assert client.hkeys(keys.models) == [b"old"]
        client.replicaof("NO", "ONE")
        client.config_set("requirepass", "a-secret")
        message = refusal(server.url.replace("redis://", "redis://:wrong-secret@"), new)
        assert "wrong_password" in message
        assert "secret" not in message
        with connected(RedisAddress(server.url, password="a-secret")) as known:
            assert publish(new, known, keys).previous == "old"
        server.kill()
        assert "connection" in refusal(server.url, new)


def test_memory_that_runs_out_half_way_changes_nothing_that_is_served(
    start_redis: StartRedis, bundle_named: Callable[..., Path]
) -> None:
    old, new = bundle_named("old"), bundle_named("new")
    with start_redis() as server, server.client() as client:
        publish(old, client, Keys())

        def fill(done: int, total: int, what: str) -> None:
            if what == "users":
                client.config_set("maxmemory", 1)

        with pytest.raises(redis.RedisError):
            publish(new, client, Keys(), config=PublishConfig(at_once=50), progress=fill)
        assert client.get(Keys().pointer) == b"old"
        client.config_set("maxmemory", 0)
        said: list[str] = []
        published = publish(new, client, Keys(), config=PublishConfig(at_once=50), say=said.append)
        assert said[-1].startswith("going on at user 50 ")
        assert published.previous == "old"
