"""What becomes of answers is counted by version: what belongs to which answer, for how long, and in how much memory."""

import tracemalloc
import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry
from redis_process import RedisProcess
from starlette.applications import Starlette

from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.redis_keys import Keys
from app.serving.attribution import OnlineTracker
from app.serving.services import Services
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore, Retention
from app.telemetry.online import OnlineMetrics
from offline.collecting.collect import collect
from offline.online_metrics.figures import evaluate_online

WINDOW_S = 100.0
ONE_ANSWER = 466.0  # bytes of one with two items


@dataclass(frozen=True)
class Event:
    item_id: str
    request_id: str | None = None
    behaviour: int = VIEW


class Followed:
    """A tracker and what it counted."""

    def __init__(self, memory: float = 1e6) -> None:
        self.registry = CollectorRegistry()
        self.tracker = OnlineTracker(OnlineMetrics(self.registry), WINDOW_S, memory)

    def show(self, name: str, items: str, at: float = 0.0, first_rank: int = 1, version: str = "m1") -> None:
        self.tracker.record_answer(name, version, list(items), first_rank, at)

    def tell(self, item: str, name: str | None = None, behaviour: int = VIEW, at: float = 1.0, person: int = 7) -> None:
        self.tracker.record_event(Event(item, name, behaviour), person, at)

    def value(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(f"aisle_online_{name}_total", labels) or 0.0

    def of(self, kind: str, version: str = "m1") -> tuple[float, float]:
        """Items, and answers with one, of this type."""
        return (
            self.value("items", version=version, type=kind),
            self.value("answers_with", version=version, type=kind),
        )

    def reciprocal_rank(self) -> float:
        return self.value("reciprocal_rank", version="m1")


@pytest.fixture
def followed() -> Followed:
    return Followed()


def test_an_item_counts_once_for_an_answer_and_the_highest_one_gives_the_rank(followed: Followed) -> None:
    followed.show("r1", "abcd")
    for item in ("d", "d", "b", "c"):
        followed.tell(item, "r1")
    assert followed.of("click") == (3, 1)
    assert followed.reciprocal_rank() == pytest.approx(1 / 2)
    assert followed.value("events", outcome="repeated") == 1


def test_events_belong_to_the_answer_that_they_name(followed: Followed) -> None:
    followed.show("r1", "ab", version="m1")
    followed.show("r2", "ab", version="m2")
    followed.tell("a", "r2")
    followed.tell("c", "r2")
    followed.tell("a", "r3")
    assert (followed.of("click", "m1"), followed.of("click", "m2")) == ((0, 0), (1, 1))
    assert followed.value("events", outcome="other_item") == 1
    assert followed.value("events", outcome="unknown_request") == 1


def test_a_later_page_counts_with_its_ranks_in_the_list(followed: Followed) -> None:
    followed.show("r1", "ab", first_rank=21)
    followed.tell("b", "r1")
    assert followed.reciprocal_rank() == pytest.approx(1 / 22)


def test_a_purchase_without_an_answer_belongs_to_the_one_that_its_person_came_from(followed: Followed) -> None:
    followed.show("r1", "ab")
    followed.tell("a", "r1", person=7)
    followed.tell("a", None, PURCHASE, person=8)
    followed.tell("b", None, PURCHASE, person=7)
    assert followed.of("purchase") == (0, 0)
    followed.tell("a", None, CART, person=7)
    followed.tell("a", None, PURCHASE, person=7)
    followed.tell("a", None, PURCHASE, person=7)
    assert (followed.of("cart"), followed.of("purchase"), followed.of("click")) == ((1, 1), (1, 1), (1, 1))


def test_a_cart_out_of_a_list_is_a_click_too(followed: Followed) -> None:
    followed.show("r1", "ab")
    followed.tell("b", "r1", CART)
    assert (followed.of("click"), followed.of("cart")) == ((1, 1), (1, 1))


def test_what_a_visitor_came_from_is_the_users_after_a_merge_and_nobodys_after_an_erasure(followed: Followed) -> None:
    followed.show("r1", "ab")
    followed.tell("a", "r1", person=1)
    followed.tracker.merge(1, 2)
    followed.tell("a", None, CART, person=1)
    assert followed.of("cart") == (0, 0)
    followed.tell("a", None, CART, person=2)
    assert followed.of("cart") == (1, 1)
    followed.tracker.forget(2)
    followed.tell("a", None, PURCHASE, person=2)
    assert followed.of("purchase") == (0, 0)


def test_nothing_counts_after_the_window(followed: Followed) -> None:
    followed.show("r1", "ab", at=0.0)
    followed.tell("a", "r1", at=WINDOW_S)
    followed.tell("b", "r1", at=WINDOW_S + 1)
    followed.tell("a", None, PURCHASE, at=WINDOW_S + 1)
    assert (followed.of("click"), followed.of("purchase")) == ((1, 1), (0, 0))
    followed.show("r2", "ab", at=WINDOW_S + 1)
    followed.tell("a", "r1", at=1.0)
    assert followed.value("events", outcome="unknown_request") == 2


def test_of_answers_with_one_name_the_newest_that_showed_the_item_counts(followed: Followed) -> None:
    followed.show("r1", "ab", version="m1")
    followed.show("r1", "bc", version="m2")
    for item in "abc":
        followed.tell(item, "r1")
    assert (followed.of("click", "m1"), followed.of("click", "m2")) == ((1, 1), (2, 1))


def test_more_answers_than_fit_are_followed_in_an_even_share() -> None:
    followed = Followed(memory=100 * ONE_ANSWER)  # a hundred within a window: one a second
    for number in range(2_000):
        followed.show(f"r{number}", "ab", at=number / 10)
    assert followed.value("answers", version="m1") == 2_000
    share = followed.value("followed_answers", version="m1")
    assert 195 <= share <= 230
    late = Followed(memory=100 * ONE_ANSWER)
    for number in range(500):
        late.show(f"r{number}", "ab", at=number * 2.0)
    assert late.value("followed_answers", version="m1") == 500


def test_nobody_can_fill_the_memory_with_one_name_or_many_people(followed: Followed) -> None:
    for _ in range(30):
        followed.show("r1", "ab")
    assert followed.value("followed_answers", version="m1") == 8
    for person in range(100):
        followed.tell("a", "r1", person=person)
    followed.tell("a", None, PURCHASE, person=99)
    assert followed.of("purchase") == (0, 0)
    followed.show("r2", "ab", at=WINDOW_S + 1)
    assert followed.tracker.people == 0


def clicked_answers(followed: Followed, answers: int, items: int, clicked: int, people: int) -> None:
    """Answers with as many items, of which each person clicks the first ones."""
    for number in range(answers):
        name = f"{number:026}"
        followed.tracker.record_answer(
            name, "m1", [f"item {number} {place}" for place in range(items)], 1, float(number)
        )
        for person in range(people):
            for place in range(clicked):
                event = Event(f"item {number} {place}", name)
                followed.tracker.record_event(event, number * 100_003 + person + 2**40, float(number))


@pytest.mark.parametrize(("items", "clicked", "people"), [(20, 0, 0), (200, 0, 0), (20, 1, 1), (20, 4, 8), (90, 80, 8)])
def test_what_is_followed_takes_no_more_than_is_reckoned(items: int, clicked: int, people: int) -> None:
    followed = Followed(memory=1e12)
    tracemalloc.start()
    try:
        clicked_answers(followed, 60, items, clicked, people)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < followed.tracker.used_bytes <= 2 * taken
    assert taken <= followed.tracker.used_bytes + 40_000  # of tables that double, and of the metrics themselves


def test_clicks_take_no_more_than_the_memory_either() -> None:
    followed = Followed(memory=200_000)
    clicked_answers(followed, 90, 20, 20, 8)
    assert followed.value("followed_answers", version="m1") == 90
    assert followed.of("click") == (90 * 20, 90)
    assert followed.tracker.used_bytes <= 200_000
    late = WINDOW_S + 100
    followed.show("last", "ab", at=late)
    assert (followed.tracker.people, followed.tracker.used_bytes) == (0, ONE_ANSWER)


class Text(str):
    """A text of which can be told whether it is still kept."""

    __slots__ = ("__weakref__",)


def test_no_text_of_a_release_or_of_a_caller_is_kept(followed: Followed) -> None:
    items, name = [Text("item a"), Text("item b")], Text("r1")
    followed.tracker.record_answer(name, "m1", items, 1, 0.0)
    followed.tracker.record_event(Event(items[1], name), 7, 1.0)
    kept = [weakref.ref(text) for text in (*items, name)]
    items.clear()
    del name
    assert [text() for text in kept] == [None, None, None]
    followed.tell("item b", None, PURCHASE)
    assert followed.of("purchase") == (1, 1)


def test_no_memory_follows_nothing() -> None:
    followed = Followed(memory=0.0)
    followed.show("r1", "ab")
    followed.tell("a", "r1")
    assert followed.value("answers", version="m1") == 0


def metrics_of(client: httpx.Client) -> Callable[[str], float]:
    """Values of the metrics of answers, those of every label summed."""
    text = client.get("/metrics").text
    found: dict[str, float] = {}
    for line in text.splitlines():
        if line.startswith("aisle_online_"):
            name, _, value = line.rpartition(" ")
            found[name.partition("{")[0]] = found.get(name.partition("{")[0], 0.0) + float(value)
            found[name] = float(value)
    return lambda name: found.get(f"aisle_online_{name}", 0.0)


def test_over_http_clicks_and_purchases_of_answers_show_in_the_metrics(
    application_of: Callable[..., Starlette], listening: Callable[[Starlette], AbstractContextManager[httpx.Client]]
) -> None:
    with listening(application_of()) as client:
        first: dict[str, Any] = client.post("/recommend", json={"user_id": "o1", "k": 5}).json()
        page = client.post("/recommend", json={"query": "shoes", "k": 5}).json()
        third = first["items"][2]["item_id"]
        named = {"user_id": "o1", "item_id": third, "request_id": first["request_id"], "position": 3}
        told = [
            named | {"type": "view", "event_id": "1"},
            named | {"type": "view", "event_id": "1"},  # a duplicate
            {"type": "purchase", "event_id": "2", "user_id": "o1", "item_id": third},
            named | {"type": "view", "event_id": "3", "request_id": "another"},
        ]
        assert client.post("/events", json=told).json()["accepted"] == 3
        value = metrics_of(client)
        version = first["model_version"]
        assert value(f'answers_total{{version="{version}"}}') == 2
        assert value(f'shown_items_total{{version="{version}"}}') == 5 + len(page["items"])
        assert value(f'answers_with_total{{type="click",version="{version}"}}') == 1
        assert value(f'answers_with_total{{type="purchase",version="{version}"}}') == 1
        assert value(f'reciprocal_rank_total{{version="{version}"}}') == pytest.approx(1 / 3)
        assert value('events_total{outcome="attributed"}') == 1
        assert value('events_total{outcome="unknown_request"}') == 1


def test_clicks_on_similar_items_count(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    item_ids: list[str],
) -> None:
    with listening(application_of()) as client:
        answer = client.get(f"/items/{item_ids[0]}/similar?k=5").json()
        clicked = {"item_id": answer["items"][1]["item_id"], "request_id": answer["request_id"]}
        client.post("/events", json={"type": "view", "user_id": "o1"} | clicked)
        value, version = metrics_of(client), answer["model_version"]
    assert value(f'followed_answers_total{{version="{version}"}}') == 1
    assert value(f'answers_with_total{{type="click",version="{version}"}}') == 1
    assert value(f'reciprocal_rank_total{{version="{version}"}}') == pytest.approx(1 / 2)


def test_the_metrics_and_what_is_collected_give_the_same_figures(
    redis_server: RedisProcess,
    redis_prefix: str,
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    tmp_path: Path,
) -> None:
    keys = Keys(redis_prefix.encode())
    gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
    services = services_of(RedisUserStore(gate, keys, Retention()))
    with listening(application_of(services=services)) as client:
        for number in range(12):
            who = {"user_id": f"o{number % 4}"}
            answer = client.post("/recommend", json=who | {"k": 6}).json()
            if number % 3:
                continue
            item = answer["items"][number % 5]["item_id"]
            client.post("/events", json=who | {"type": "view", "item_id": item, "request_id": answer["request_id"]})
            client.post("/events", json=who | {"type": "purchase" if number % 2 else "cart", "item_id": item})
        page = client.post("/recommend", json={"query": "shoes", "k": 2}).json()
        if page["next_cursor"]:
            page = client.post("/recommend", json={"cursor": page["next_cursor"], "k": 2}).json()
        item = page["items"][1]["item_id"]
        client.post(
            "/events", json={"type": "cart", "user_id": "o9", "item_id": item, "request_id": page["request_id"]}
        )
        value = metrics_of(client)
    with redis_server.client() as store:  # what was shown is in it now: the service sends it before it ends
        collect(store, keys, tmp_path / "logs")
    (found,) = evaluate_online(tmp_path / "logs", 1_800.0)["versions"]
    assert found["answers"] == value("followed_answers_total") == value("answers_total")
    assert found["shown_items"] == value("shown_items_total")
    version, metrics = found["version"], found["metrics"]
    for kind, metric in {"click": "ctr", "cart": "cart_rate", "purchase": "conversion"}.items():
        counted = value(f'answers_with_total{{type="{kind}",version="{version}"}}')
        assert counted > 0
        assert metrics[metric] == pytest.approx(counted / found["answers"], abs=1e-6)
    assert metrics["mrr"] == pytest.approx(value("reciprocal_rank_total") / found["answers"], abs=1e-6)
