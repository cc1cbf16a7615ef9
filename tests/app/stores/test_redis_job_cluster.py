"""The job's client of a cluster waits for a node that is gone, follows slots, and takes many keys at once."""

from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest
import redis
from redis_cluster import RedisCluster

from app.stores.redis_link import RedisAddress, open_sync

NAMES = [f"name{number}".encode() for number in range(200)]
Start = Callable[..., AbstractContextManager[RedisCluster]]


def test_many_keys_wherever_they_lie(redis_cluster: RedisCluster, redis_prefix: str) -> None:
    names = [redis_prefix.encode() + name for name in NAMES]
    with redis_cluster.client() as client:
        client.mset(dict(zip(names, NAMES, strict=True)))
        assert client.mget([*names, b"nothing"]) == [*NAMES, None]
        assert sorted(client.scan_iter(match=redis_prefix.encode() + b"*")) == sorted(names)
        with client.pipeline(transaction=True) as pipe:
            pipe.set(names[0], b"other")
            pipe.get(names[0])
            pipe.mget(names[:3])
            pipe.delete(*names[:2])
            pipe.exists(*names[:5])
            assert pipe.execute() == [True, b"other", [b"other", *NAMES[1:3]], 2, 3]
        assert (client.unlink(*names), client.exists(*names)) == (len(names) - 2, 0)


def test_a_node_that_is_gone_is_waited_for_and_slots_on_their_way_are_followed(start_cluster: Start) -> None:
    with start_cluster() as cluster, cluster.client() as client:
        values: dict[bytes, bytes] = dict(zip(NAMES, NAMES, strict=True))
        client.mset(values)
        slot = cluster.slot_of(NAMES[0])
        target = next(node for node in cluster.nodes[:3] if node is not cluster.owner_of(slot))
        tagged = [b"{" + NAMES[0] + b"}%d" % number for number in range(40)]
        client.mset(dict.fromkeys(tagged, b"1"))

        def read_half_way() -> None:
            assert client.mget(tagged) == [b"1"] * len(tagged)

        assert cluster.move_slot(slot, target, read_half_way) == len(tagged) + 1
        assert client.mget(NAMES) == NAMES
        with cluster.nodes[0].client() as primary:
            primary.set(NAMES[cluster_place(cluster)], NAMES[cluster_place(cluster)])
            assert primary.wait(1, 5_000) == 1  # its replica, which takes over
        cluster.nodes[0].kill()
        assert client.mget(NAMES) == NAMES


def cluster_place(cluster: RedisCluster) -> int:
    """A name that lies on the first node."""
    return next(
        place for place, name in enumerate(NAMES) if cluster.owner_of(cluster.slot_of(name)) is cluster.nodes[0]
    )


def test_a_cluster_that_cannot_be_reached_is_said_at_once() -> None:
    with open_sync(RedisAddress("redis+cluster://127.0.0.1:1")) as client, pytest.raises(redis.ConnectionError):
        client.get("a")
