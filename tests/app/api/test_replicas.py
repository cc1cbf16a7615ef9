"""Two services on one Redis: what one of them was told, the other knows on its next request."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from quick_services import running_service
from redis_process import RedisProcess
from serve_process import running_service as running_command

from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish

WITHIN_S = 30
_ids = count()


@pytest.fixture(scope="module")
def replicas(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], shop_bundle: Path
) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """A client of each of two processes."""
    with start_redis() as server:
        with server.client() as client:
            publish(shop_bundle, client, Keys(), config=PublishConfig(force="for a test"))
        settings = {"redis_timeout_ms": 5_000, "redis_write_timeout_ms": 5_000}
        with (
            running_service(shop_bundle, server.url, **settings) as first,
            running_command(shop_bundle, server.url, **settings) as second,  # whose sets have an order of their own
            httpx.Client(base_url=first.address, timeout=WITHIN_S) as to_first,
            httpx.Client(base_url=second.address, timeout=WITHIN_S) as to_second,
        ):
            yield to_first, to_second


@pytest.fixture
def somebody() -> str:
    """A user whom nothing knows."""
    return f"somebody-{next(_ids)}"


def tell(client: httpx.Client, item_id: str, **who: str) -> None:
    response = client.post("/events", json={"type": "view", "item_id": item_id, "event_id": f"e{next(_ids)}"} | who)
    assert (response.status_code, response.json()["accepted"]) == (202, 1)


def recommended(client: httpx.Client, **fields: Any) -> tuple[list[str], set[str]]:
    """The items of a full answer, and the items of the history that speak for them."""
    response = client.post("/recommend", json={"explain": True, "k": 20} | fields)
    assert (response.status_code, response.json()["degraded"]) == (200, [])
    items = response.json()["items"]
    reasons = {reason["item_id"] for item in items for reason in item["reasons"] if "item_id" in reason}
    return [item["item_id"] for item in items], reasons


@pytest.mark.parametrize("kind", ["user_id", "visitor_id"])
def test_an_event_told_to_one_changes_the_next_recommendations_of_both(
    replicas: tuple[httpx.Client, httpx.Client], somebody: str, kind: str
) -> None:
    who = {kind: somebody}
    popular, _ = recommended(replicas[0])
    assert recommended(replicas[1], **who) == (popular, set())
    for place in range(10):
        teller, other = replicas[place % 2], replicas[1 - place % 2]
        shown = recommended(other, exclude="seen", **who)[0][0]
        tell(teller, shown, **who)
        items, reasons = recommended(other, **who)
        assert items != popular
        assert reasons
        assert shown not in recommended(other, exclude="seen", k=200, **who)[0]
        if not place:
            assert reasons == {shown}


def test_a_list_that_one_began_is_gone_on_with_by_the_other(replicas: tuple[httpx.Client, httpx.Client]) -> None:
    first, second = replicas
    page = first.post("/recommend", json={"query": "shoes", "k": 3}).json()
    more = second.post("/recommend", json={"cursor": page["next_cursor"], "k": 3})
    assert (more.status_code, [item["rank"] for item in more.json()["items"]]) == (200, [4, 5, 6])


def test_an_event_told_to_one_changes_what_the_other_recommends_to_a_user_of_the_bundle(
    replicas: tuple[httpx.Client, httpx.Client], users: list[str], item_ids: list[str]
) -> None:
    first, second = replicas
    _, before = recommended(second, user_id=users[0], k=200)
    assert before
    unseen = next(item_id for item_id in item_ids if item_id not in before)
    tell(first, unseen, user_id=users[0])
    assert unseen in recommended(second, user_id=users[0], k=200)[1]


def test_an_event_told_to_both_counts_once(
    replicas: tuple[httpx.Client, httpx.Client], somebody: str, item_ids: list[str]
) -> None:
    event = {"type": "view", "item_id": item_ids[0], "event_id": "e", "user_id": somebody}
    answers = [client.post("/events", json=event).json() for client in replicas]
    assert [(answer["accepted"], answer["duplicates"]) for answer in answers] == [(1, 0), (0, 1)]
    assert len(replicas[0].get(f"/users/{somebody}").json()["events"]) == 1


def test_a_merge_by_one_is_seen_by_the_other(
    replicas: tuple[httpx.Client, httpx.Client], somebody: str, item_ids: list[str]
) -> None:
    first, second = replicas
    tell(first, item_ids[0], visitor_id=f"{somebody}-device")
    tell(second, item_ids[1], user_id=somebody)
    merged = first.post(f"/users/{somebody}/merge", json={"visitor_id": f"{somebody}-device"})
    assert merged.json()["merged"] == {"events": 1, "seen": 1, "purchased": 0}
    assert recommended(second, user_id=somebody, k=200)[1] == set(item_ids[:2])
    assert recommended(second, visitor_id=f"{somebody}-device") == recommended(second)
    assert second.get(f"/users/{somebody}-device").status_code == 404
    stored = second.get(f"/users/{somebody}").json()["events"]
    assert {event["item_id"] for event in stored} == set(item_ids[:2])


def test_an_erasure_by_one_is_seen_by_the_other(
    replicas: tuple[httpx.Client, httpx.Client], users: list[str], item_ids: list[str]
) -> None:
    first, second = replicas
    tell(second, item_ids[0], user_id=users[1])
    assert recommended(second, user_id=users[1])[1]
    removed = first.delete(f"/users/{users[1]}").json()["removed"]
    assert removed["events"] > 1
    assert recommended(second, user_id=users[1]) == recommended(second)
    assert second.get(f"/users/{users[1]}").status_code == 404
    tell(second, item_ids[1], user_id=users[1])
    assert recommended(first, user_id=users[1], k=200)[1] == {item_ids[1]}
