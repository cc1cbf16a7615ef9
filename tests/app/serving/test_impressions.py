"""What was shown is noted beside the request path: sampled, in groups, dropped rather than waited for, and counted."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import httpx
import pytest
from redis_process import RedisProcess
from starlette.applications import Starlette

from app.artifact.people import Person, user_hash, visitor_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, ImpressionRecord
from app.errors import StoreUnavailable
from app.serving.impressions import GROUP, Impression, ImpressionLog
from app.serving.services import ImpressionOptions, Services
from app.stores.memory import MemoryUserStore
from app.stores.redis_gate import RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore, Retention
from app.telemetry.metrics import Metrics

Serve = Callable[..., AbstractContextManager[httpx.Client]]
WITHIN_S = 20


@pytest.fixture
def keys(redis_prefix: str) -> Keys:
    return Keys(redis_prefix.encode())


@pytest.fixture
def serve(
    redis_server: RedisProcess,
    keys: Keys,
    snapshot: Any,
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Serve:
    """Serves from a real Redis in which the shop's version counts as published."""
    with redis_server.client() as client:
        client.set(keys.marker(snapshot.manifest.version), b"")

    def make(share: float = 1.0, cap: int = 1_000) -> Any:
        gate = RedisGate(open_async(RedisAddress(redis_server.url, timeout_s=None)), 5.0, 5.0)
        store = RedisUserStore(gate, keys, Retention(impressions=cap))
        return listening(application_of(services=services_of(store, impressions=ImpressionOptions(share))))

    return make


def noted(server: RedisProcess, keys: Keys, at_least: int) -> list[ImpressionRecord]:
    deadline = time.monotonic() + WITHIN_S
    with server.client() as client:
        while True:
            entries: Any = client.xrange(keys.impression_stream)
            if len(entries) >= at_least:
                return [ImpressionRecord.model_validate_json(fields[FIELD]) for _, fields in entries]
            assert time.monotonic() < deadline, f"{len(entries)} impressions, expected {at_least}"
            time.sleep(0.01)


def metric(client: httpx.Client, outcome: str) -> float:
    name = f'aisle_impressions_total{{outcome="{outcome}"}} '
    lines = [line for line in client.get("/metrics").text.splitlines() if line.startswith(name)]
    return float(lines[0].removeprefix(name)) if lines else 0.0


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def test_an_answer_is_noted_with_its_items_in_order_and_nobodys_id(
    serve: Serve, redis_server: RedisProcess, keys: Keys, snapshot: Any
) -> None:
    with serve() as client:
        answer = client.post("/recommend", json={"user_id": "someone", "k": 7}, headers={"x-request-id": "r-1"}).json()
        client.post("/recommend", json={"k": 3}, headers={"x-request-id": "r-2"})
        client.post("/recommend", json={"visitor_id": "someone", "k": 3}, headers={"x-request-id": "r-3"})
        first, second, third = noted(redis_server, keys, 3)
    assert first.request_id == "r-1"
    assert first.item_ids == [item["item_id"] for item in answer["items"]]
    assert first.model_version == answer["model_version"]
    assert first.user_hash == f"{user_hash('someone'):016x}"
    assert first.time == snapshot.manifest.cut
    assert (second.request_id, second.user_hash, len(second.item_ids)) == ("r-2", None, 3)
    assert (third.request_id, third.user_hash) == ("r-3", f"{visitor_hash('someone'):016x}")


def test_a_search_is_noted_with_its_query_and_what_came_of_it(
    serve: Serve, redis_server: RedisProcess, keys: Keys, snapshot: Any
) -> None:
    title = str(snapshot.catalogue.values_of(1, ["title"])["title"])
    bodies: list[dict[str, Any]] = [
        {"query": title, "k": 1, "user_id": "u"},
        {"query": f"{title[:-1]}{title[-1]}x zzqqwwx -gray"},
        {"query": "qzxv wwwkk"},
        {"k": 1},
    ]
    with serve() as client:
        answers = [client.post("/recommend", json=body).json() for body in bodies]
        pages = [
            client.post("/recommend", json=fields | {"cursor": answers[0]["next_cursor"]}).json()
            for fields in (bodies[0], {"k": 1})
        ]
        odd = client.post("/recommend", content=b'{"query": "\\u0000 \\ufffe \xf0\x9f\x91\x9f"}').json()
        records = noted(redis_server, keys, 7)
    for record, answer in zip(records, [*answers, *pages, odd], strict=True):
        assert record.request_id == answer["request_id"]
        assert (record.corrected_query, record.total) == (answer["corrected_query"], answer["total"])
        assert record.matched_by == answer["matched_by"]
    typed = [record.query for record in records]
    assert typed[6] == "\0 \ufffe \U0001f45f"
    assert typed[:6] == [bodies[0]["query"], bodies[1]["query"], bodies[2]["query"], None, bodies[0]["query"], None]
    assert (records[2].total, records[2].matched_by, records[3].matched_by) == (0, "nothing", None)


def test_similar_items_are_noted_like_any_others_of_nobody(
    serve: Serve, redis_server: RedisProcess, keys: Keys, item_ids: list[str]
) -> None:
    with serve() as client:
        answer = client.get(f"/items/{item_ids[0]}/similar?k=4", headers={"x-request-id": "r-1"}).json()
        (only,) = noted(redis_server, keys, 1)
    assert (only.request_id, only.user_hash, only.first_position) == ("r-1", None, 1)
    assert only.item_ids == [item["item_id"] for item in answer["items"]]
    assert only.model_version == answer["model_version"]


def test_what_waits_when_the_service_ends_is_sent_first(serve: Serve, redis_server: RedisProcess, keys: Keys) -> None:
    with serve() as client:
        for _ in range(20):
            client.post("/recommend", json={})
    assert len(noted(redis_server, keys, 20)) == 20


def test_a_share_of_nothing_notes_nothing(serve: Serve, redis_server: RedisProcess, keys: Keys) -> None:
    with serve(share=0.0) as client:
        client.post("/recommend", json={})
    with redis_server.client() as server:
        assert server.exists(keys.impression_stream) == 0


def test_a_full_stream_takes_no_more_until_it_is_collected(
    serve: Serve, redis_server: RedisProcess, keys: Keys
) -> None:
    with serve(cap=5) as client:
        for _ in range(8):
            assert client.post("/recommend", json={}).status_code == 200
        until(lambda: metric(client, "kept") + metric(client, "dropped_full") == 8)
        assert metric(client, "kept") == 5
        with redis_server.client() as server:
            server.xtrim(keys.impression_stream, maxlen=0)
        client.post("/recommend", json={})
        until(lambda: metric(client, "kept") == 6)


class Sink(MemoryUserStore):
    """Takes impressions, or does not."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[int] = []
        self.is_there = True

    async def log_impressions(self, records: Sequence[bytes]) -> int:
        if not self.is_there:
            raise StoreUnavailable("gone")
        self.groups.append(len(records))
        return len(records)


def impression(number: int) -> Impression:
    return Impression(f"r{number}", Person("user", "u"), "v1", 1.0, ["a", "b"])


def counted(metrics: Metrics) -> dict[str, float]:
    (family,) = [family for family in metrics.registry.collect() if family.name == "aisle_impressions"]
    return {sample.labels["outcome"]: sample.value for sample in family.samples if sample.name.endswith("_total")}


def test_they_are_sent_in_groups_and_dropped_where_too_many_wait_or_the_store_is_gone() -> None:
    async def run() -> None:
        sink, metrics = Sink(), Metrics()
        log = ImpressionLog(sink, 1.0, GROUP + 10, lambda: 0.0, metrics)
        for number in range(GROUP + 13):
            log.add(impression(number))
        await log.send()
        await log.send()
        await log.send()
        assert sink.groups == [GROUP, 10]
        sink.is_there = False
        log.add(impression(0))
        await log.send()
        assert counted(metrics) == {"kept": GROUP + 10, "dropped_here": 3, "dropped_store": 1, "dropped_full": 0}

    asyncio.run(run())


def test_the_share_is_drawn_anew_for_every_answer() -> None:
    draws = iter([0.1, 0.6, 0.49, 0.5])
    log = ImpressionLog(Sink(), 0.5, 10, lambda: next(draws), Metrics())
    assert [log.samples_next() for _ in range(4)] == [True, False, True, False]
