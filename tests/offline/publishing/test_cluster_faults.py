"""A cluster loses a primary, or moves slots, while a version is published: it is there whole, or not pointed to."""

from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import httpx
import numpy as np
import pytest
import redis
from quick_services import running_service
from redis_cluster import PRIMARIES, RedisCluster
from redis_process import RedisProcess

from app.artifact.redis_keys import Keys
from app.artifact.user_state import UserStates
from offline.publishing.publish import PublishConfig, publish

Start = Callable[..., AbstractContextManager[RedisCluster]]
Bundles = Callable[..., Path]
KEYS = Keys()
LAST = "removing older versions"
FEW = PublishConfig(at_once=40)


def missing(client: redis.Redis, version: str, states: UserStates, item_hashes: np.ndarray) -> list[bytes]:
    """The keys of a published version that are not there."""
    users = zip(states.hashes.tolist(), (states.long_weights > 0).tolist(), strict=True)
    names = [KEYS.item_vector(version, item) for item in item_hashes[1:].tolist()]
    for user_hash, has_vector in users:
        names += [KEYS.events(user_hash), KEYS.seen(user_hash)]
        names += [KEYS.long_vector(version, user_hash)] * has_vector
    names += [KEYS.marker(version)]
    return [name for name, value in zip(names, client.mget(names), strict=True) if value is None]


@dataclass
class Fall:
    """Kills a primary in one moment of a publication; before, its replica may have stopped to follow."""

    cluster: RedisCluster
    gone: RedisProcess
    cut: str | None  # from this stage on the replica has nothing
    kill: str  # in this stage, the second time that it tells how far it is
    pointers: set[bytes | None] = field(default_factory=set)  # before the last stage
    turns: Counter[str] = field(default_factory=Counter)

    def __call__(self, done: int, total: int, what: str) -> None:
        self.turns[what] += 1
        if what in ("users", "items", "comparing users", "comparing items") and self.gone.runs:
            with self.cluster.client() as client:
                self.pointers.add(client.get(KEYS.pointer))
        if self.turns[what] == 1 and what == self.cut:
            self.cluster.cut_off_replicas(self.gone)
        if self.gone.runs and what == self.kill and (self.turns[what] == 2 or what == LAST):
            self.gone.kill()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cut", "kill"),
    [
        (None, "users"),
        ("users", "users"),
        ("items", "items"),
        ("users", "comparing users"),
        (None, "comparing items"),
        (None, LAST),
    ],
)
def test_a_primary_that_is_killed_while_a_version_is_published_leaves_it_whole(
    start_cluster: Start,
    bundle_named: Bundles,
    states: UserStates,
    item_hashes: np.ndarray,
    cut: str | None,
    kill: str,
) -> None:
    with start_cluster() as cluster, cluster.client() as client:
        publish(bundle_named("old"), client, KEYS)
        fall = Fall(cluster, cluster.owner_of(cluster.slot_of(KEYS.pointer)), cut, kill)
        published = publish(bundle_named("new"), client, KEYS, config=FEW, progress=fall)
        assert not fall.gone.runs
        assert fall.pointers == {b"old"}
        assert published.previous == "old"
        assert client.get(KEYS.pointer) == b"new"
        assert set(client.hkeys(KEYS.models)) == {b"old", b"new"}
        assert missing(client, "old", states, item_hashes) == missing(client, "new", states, item_hashes) == []


def test_what_a_lost_primary_takes_along_of_the_last_step_is_written_again_or_leaves_the_version_before(
    start_cluster: Start, bundle_named: Bundles, states: UserStates, item_hashes: np.ndarray
) -> None:
    with start_cluster() as cluster, cluster.client() as client:
        old, new = bundle_named("old"), bundle_named("new")
        publish(old, client, KEYS)
        places = {name: cluster.owner_of(cluster.slot_of(name)).port for name in (KEYS.pointer, KEYS.marker("new"))}
        assert len(set(places.values())) == 2
        gone = next(node for node in cluster.nodes if node.port == places[KEYS.marker("new")])
        publish(new, client, KEYS, config=FEW, progress=Fall(cluster, gone, "comparing items", LAST))
        assert client.get(KEYS.pointer) == b"new"
        assert missing(client, "old", states, item_hashes) == missing(client, "new", states, item_hashes) == []


def test_replicas_of_the_service_go_from_one_whole_version_to_the_other_while_a_primary_is_lost(
    start_cluster: Start, bundle_named: Bundles, states: UserStates
) -> None:
    old, new = bundle_named("old"), bundle_named("new")
    with start_cluster() as cluster, cluster.client() as client:
        publish(old, client, KEYS)
        fall = Fall(cluster, cluster.owner_of(cluster.slot_of(KEYS.pointer)), "items", "comparing items")
        settings = {"follow_s": 0.1, "redis_timeout_ms": 2_000, "redis_write_timeout_ms": 5_000, "catalogue_start_s": 1}
        with (
            running_service(old.parent, cluster.url, **settings) as service,
            httpx.Client(base_url=service.address, timeout=30) as shopper,
        ):
            users = shopper.get("/demo/users").json()["users"]
            served = []

            def look(done: int, total: int, what: str) -> None:
                fall(done, total, what)
                answer = shopper.post("/recommend", json={"user_id": users[0]})
                served.append((what, answer.status_code, answer.json()["model_version"]))

            publish(new, client, KEYS, config=replace(FEW, wait_s=20.0), progress=look)
            assert not fall.gone.runs
            assert {version for what, _, version in served if what not in (LAST, "published")} == {"old"}
            assert {status for _, status, _ in served} == {200}
            cluster.wait_until(lambda: shopper.get("/readyz").json()["model_version"] == "new")
            cluster.wait_until(lambda: shopper.get("/readyz").json()["store_available"])
            for user in users:
                answer = shopper.post("/recommend", json={"user_id": user}).json()
                assert (answer["model_version"], answer["degraded"]) == ("new", [])
            models = {model["version"]: model["served"] for model in shopper.get("/models").json()["models"]}
            assert models == {"old": False, "new": True}


def test_slots_that_move_while_a_version_is_published_take_nothing_along(
    start_cluster: Start, bundle_named: Bundles, states: UserStates, item_hashes: np.ndarray
) -> None:
    with start_cluster(replicas=False) as cluster, cluster.client() as client:
        versions = ["older", "old", "new"]
        for name in versions[:2]:
            publish(bundle_named(name), client, KEYS)
        people = states.hashes.tolist()
        names = [KEYS.pointer, KEYS.models, KEYS.marker("new"), KEYS.publishing("new"), *map(KEYS.events, people)]
        names += [KEYS.item_vector("new", item) for item in item_hashes[1:].tolist()]
        slots = sorted({cluster.slot_of(name) for name in names})
        moves = iter(slots[:: len(slots) // 20])
        moved = 0

        def move(done: int, total: int, what: str) -> None:
            nonlocal moved
            for slot in islice(moves, 1):
                source = cluster.owner_of(slot)
                target = cluster.nodes[(cluster.nodes.index(source) + 1) % PRIMARIES]
                moved += cluster.move_slot(slot, target, lambda: client.get(KEYS.pointer))

        published = publish(bundle_named("new"), client, KEYS, config=FEW, progress=move)
        assert moved > 20
        assert published.removed_versions == ["older"]
        assert client.get(KEYS.pointer) == b"new"
        assert missing(client, "old", states, item_hashes) == missing(client, "new", states, item_hashes) == []
        left = [list(client.scan_iter(match=pattern)) for pattern in KEYS.patterns_of_version("older")]
        assert left == [[], [], []]
