"""A service, and the job, on a real cluster: from the publication of a model to the events that are collected again."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import pytest
from collected import rows_in
from quick_services import running_service
from redis_cluster import RedisCluster

from app.artifact.redis_keys import Keys
from app.artifact.user_state import read_user_states
from offline.collecting.collect import collect
from offline.publishing.migrate import migrate
from offline.publishing.publish import PublishConfig, publish

WITHIN_S = 30
PEOPLE = [f"person-{number}" for number in range(40)]


@pytest.fixture(scope="module")
def cluster(start_cluster: Callable[..., AbstractContextManager[RedisCluster]], shop_bundle: Path) -> Iterator[Any]:
    """A cluster in which the shop's bundle is published, twice."""
    with start_cluster(replicas=False) as cluster:
        with cluster.client() as client:
            for _ in range(2):
                published = publish(shop_bundle, client, Keys(), config=PublishConfig(force="for a test"))
        assert published.users == len(read_user_states(next(shop_bundle.glob("*/manifest.json")).parent).hashes)
        yield cluster


@pytest.fixture
def client(cluster: RedisCluster, shop_bundle: Path) -> Iterator[httpx.Client]:
    settings = {"redis_timeout_ms": 2_000, "redis_write_timeout_ms": 5_000}
    with (
        running_service(shop_bundle, cluster.url, **settings) as service,
        httpx.Client(base_url=service.address, timeout=WITHIN_S) as client,
    ):
        yield client


def degraded(client: httpx.Client, **fields: Any) -> list[str]:
    response = client.post("/recommend", json=fields)
    assert response.status_code == 200
    return list(response.json()["degraded"])


def events_of_each(client: httpx.Client, item: str) -> list[int]:
    """The status of an event of each person."""
    events = [{"type": "view", "item_id": item, "visitor_id": person} for person in PEOPLE]
    return [client.post("/events", json=event).status_code for event in events]


def test_what_is_told_is_answered_merged_erased_and_collected_and_a_lost_node_degrades_its_own_people(
    cluster: RedisCluster, client: httpx.Client, tmp_path: Path
) -> None:
    (model,) = client.get("/models").json()["models"]
    assert (model["served"], client.get("/readyz").json()["model_version"]) == (True, model["version"])
    user = client.get("/demo/users").json()["users"][0]
    shown = [item["item_id"] for item in client.post("/recommend", json={"user_id": user, "k": 20}).json()["items"]]

    # All that a call tells is stored, wherever it lies; sent again it is a duplicate.
    events = [
        {"type": "view", "item_id": shown[number % 5], "event_id": f"e{number}", "visitor_id": person}
        for number, person in enumerate(PEOPLE)
    ]
    assert client.post("/events", json=events).json()["accepted"] == len(PEOPLE)
    assert client.post("/events", json=events).json()["duplicates"] == len(PEOPLE)
    assert [degraded(client, visitor_id=person) for person in PEOPLE] == [[]] * len(PEOPLE)

    # Live items, merges and erasures.
    item = {"title": "A thing", "category": "Things"}
    assert client.put("/items/new", json=item).status_code in (200, 201)
    assert client.get("/items/new").json()["item_id"] == "new"
    for number, person in enumerate(PEOPLE[:10]):
        merged = client.post(f"/users/u{number}/merge", json={"visitor_id": person})
        assert merged.json()["merged"]["events"] == 1
        assert client.get(f"/users/{person}?kind=visitor").status_code == 404
    assert client.delete("/users/u0").json()["removed"]["events"] == 1
    assert client.get("/users/u0").status_code == 404

    # The job takes each event once.
    with cluster.client() as own:
        result = collect(own, Keys(), tmp_path)
        assert (result.merged, result.erased, result.rejected, result.duplicates) == (10, 1, 0, 0)
        assert collect(own, Keys(), tmp_path).events == 0
        assert migrate(own, Keys()).keys == 0
    assert len(rows_in(tmp_path / "events")) == len(PEOPLE) - 1
    assert result.items == 1

    # A node that is full degrades its own people, and takes no events of theirs.
    full = next(node for node in cluster.nodes if node is not cluster.owner_of(cluster.slot_of(Keys().catalogue_head)))
    with full.client() as own:
        own.config_set("maxmemory", 1)
    statuses = events_of_each(client, shown[0])
    assert set(statuses) == {202, 503}
    lag = [["user_state"] if status == 503 else [] for status in statuses]
    assert [degraded(client, visitor_id=person) for person in PEOPLE] == lag
    assert "\naisle_store_available 0.0" in client.get("/metrics").text
    with full.client() as own:
        own.config_set("maxmemory", 0)
    cluster.wait_until(lambda: "\naisle_store_available 1.0" in client.get("/metrics").text)
    assert [degraded(client, visitor_id=person) for person in PEOPLE] == [[]] * len(PEOPLE)

    # A node that nothing replaces takes its people along; in one call with others it takes nobody.
    of_catalogue = cluster.owner_of(cluster.slot_of(Keys().catalogue_head))
    gone = next(node for node in cluster.nodes if node is not of_catalogue)
    gone.kill()
    answers = [degraded(client, visitor_id=person) for person in PEOPLE]
    assert 0 < answers.count([]) < len(PEOPLE)
    assert answers.count([]) + answers.count(["user_state"]) == len(PEOPLE)
    statuses = events_of_each(client, shown[0])
    assert [status == 202 for status in statuses] == [answer == [] for answer in answers]
