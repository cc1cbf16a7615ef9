"""Events over HTTP: what is accepted is stored, once; what is wrong is said, row by row, without ids of people."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from live_events import entries_of
from redis_process import RedisProcess
from starlette.applications import Starlette
from starlette.middleware import Middleware

from app.api.event_routes import event_routes
from app.api.event_schemas import Event
from app.api.middleware import RequestTelemetryMiddleware
from app.api.problems import PROBLEM_HANDLERS
from app.artifact.behaviours import CART, PURCHASE, VIEW
from app.artifact.hashing import stable_hash
from app.artifact.people import Person, PersonKind
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, EventRecord, read_event_record
from app.serving.events import EventService
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserStore
from app.stores.redis_link import RedisAddress
from app.stores.redis_store import RedisUserStore
from app.stores.redis_stores import open_gate
from app.telemetry.metrics import Metrics

NOW = 1_795_428_900.0  # 2026-11-23T10:15:00Z
MOST = 20
StoreMaker = Callable[[], UserStore]


def redis_store(url: str, prefix: str) -> RedisUserStore:
    keys = Keys(prefix.encode())
    return RedisUserStore(open_gate(RedisAddress(url), keys, 2.0, 5.0), keys)


@pytest.fixture(params=["memory", "redis", "cluster"])
def make_store(request: pytest.FixtureRequest) -> StoreMaker:
    """Makes a store of each kind, always the same one as far as its contents go."""
    if request.param == "memory":
        store = MemoryUserStore()
        return lambda: store
    server = request.getfixturevalue("redis_server" if request.param == "redis" else "redis_cluster")
    prefix = request.getfixturevalue("redis_prefix")
    return lambda: redis_store(server.url, prefix)


@asynccontextmanager
async def serving(
    store: UserStore, now: float = NOW, metrics: Metrics | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The routes on a store, within the surroundings that they have in the service."""
    metrics = metrics or Metrics()
    application = Starlette(
        routes=event_routes(EventService(store, lambda: now), store, MOST, metrics),
        middleware=[Middleware(RequestTelemetryMiddleware, metrics=metrics)],
        exception_handlers=PROBLEM_HANDLERS,
    )
    await store.start()
    try:
        transport = httpx.ASGITransport(application)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            yield client
    finally:
        await store.close()


def post(store: UserStore, *bodies: Any, now: float = NOW) -> list[httpx.Response]:
    """The answers to some calls, one after another."""

    async def run() -> list[httpx.Response]:
        async with serving(store, now) as client:
            return [await client.post("/events", json=body) for body in bodies]

    return asyncio.run(run())


def accept(store: UserStore, *bodies: Any) -> list[dict[str, Any]]:
    """The same, when all of them are accepted in whole or in part."""
    responses = post(store, *bodies)
    assert [response.status_code for response in responses] == [202] * len(bodies)
    return [response.json() for response in responses]


def stored(make_store: StoreMaker, user_id: str, kind: PersonKind = "user") -> list[tuple[int, int, float]]:
    """The item hash, behaviour and time of each event of a user or visitor, oldest first."""

    async def run() -> list[tuple[int, int, float]]:
        store = make_store()
        found = await store.stored(Person(kind, user_id).hash)
        await store.close()
        if found is None:
            return []
        lists = (found.event_items.tolist(), found.event_types.tolist(), found.event_times.tolist())
        return list(zip(*lists, strict=True))

    return asyncio.run(run())


def view(**fields: Any) -> dict[str, Any]:
    return {"type": "view", "user_id": "u1", "item_id": "p1"} | fields


def test_an_event_that_is_sent_alone_is_stored_with_the_time_of_the_clock(make_store: StoreMaker) -> None:
    (answer,) = accept(make_store(), view())
    assert answer == {"accepted": 1, "duplicates": 0, "rejected": [], "durable": False}
    assert stored(make_store, "u1") == [(stable_hash("p1"), VIEW, NOW)]


def test_events_of_several_users_and_visitors_go_to_each_of_them(make_store: StoreMaker) -> None:
    (answer,) = accept(
        make_store(),
        [
            view(item_id="p1", time=NOW - 30),
            view(type="add_to_cart", item_id="p2", time=NOW - 20),
            {"type": "purchase", "visitor_id": "v1", "item_id": "p3"},
            view(type="Purchase-Complete", item_id="p2", time=NOW - 10, visitor_id="v1"),
        ],
    )
    assert answer["accepted"] == 4
    assert stored(make_store, "u1") == [
        (stable_hash("p1"), VIEW, NOW - 30),
        (stable_hash("p2"), CART, NOW - 20),
        (stable_hash("p2"), PURCHASE, NOW - 10),
    ]
    assert stored(make_store, "v1", "visitor") == [(stable_hash("p3"), PURCHASE, NOW)]
    assert stored(make_store, "v1") == stored(make_store, "u1", "visitor") == []


@pytest.mark.parametrize(
    ("word", "behaviour"),
    [
        ("productViewed", VIEW),
        ("pageview", VIEW),
        ("basket", CART),
        ("Added to Cart", CART),
        ("checkout_completed", PURCHASE),
        ("transaction", PURCHASE),
        ("AddPurchase", PURCHASE),
    ],
)
def test_words_of_other_systems_are_taken_as_ingest_takes_them(
    make_store: StoreMaker, word: str, behaviour: int
) -> None:
    (answer,) = accept(make_store(), view(type=word))
    assert (answer["accepted"], answer["rejected"]) == (1, [])
    assert stored(make_store, "u1") == [(stable_hash("p1"), behaviour, NOW)]


def test_a_second_event_of_the_same_id_is_a_duplicate_of_its_user_only(make_store: StoreMaker) -> None:
    first, again, others = accept(
        make_store(),
        [view(event_id="e1"), view(event_id="e2"), view(event_id="e1", item_id="p2")],
        view(event_id="e2"),
        [view(event_id="e1", user_id="u2"), view(event_id="e3")],
    )
    assert (first["accepted"], first["duplicates"]) == (2, 1)
    assert (again["accepted"], again["duplicates"]) == (0, 1)
    assert (others["accepted"], others["duplicates"]) == (2, 0)
    assert len(stored(make_store, "u1")) == 3
    assert len(stored(make_store, "u2")) == 1


def test_events_without_an_id_are_never_duplicates(make_store: StoreMaker) -> None:
    answers = accept(make_store(), [view(), view()], view())
    assert [(answer["accepted"], answer["duplicates"]) for answer in answers] == [(2, 0), (1, 0)]
    assert len(stored(make_store, "u1")) == 3


def test_wrong_rows_are_rejected_by_themselves(make_store: StoreMaker) -> None:
    (answer,) = accept(
        make_store(),
        [
            view(),
            view(type="wish"),
            {"type": "view", "item_id": "p1"},
            view(time="1969-12-31T00:00:00Z"),
            view(price=-3),
            "p1",
            view(item_id="p2"),
        ],
    )
    assert (answer["accepted"], answer["duplicates"]) == (2, 0)
    assert [(one["index"], one["code"]) for one in answer["rejected"]] == [
        (1, "unknown_type"),
        (2, "no_user"),
        (3, "bad_time"),
        (4, "invalid_event"),
        (5, "invalid_event"),
    ]
    messages = [one["message"] for one in answer["rejected"]]
    assert messages[0].startswith("type: expected view, cart, purchase")
    assert messages[0].endswith("got 'wish'")
    assert messages[1] == "user_id: expected a user_id, a visitor_id or a session_id, got none of them"
    assert "2026-11-23T10:15:00.000Z" in messages[2]
    assert messages[2].endswith("got 1969-12-31T00:00:00+00:00")
    assert messages[3] == "price: Input should be greater than or equal to 0, got -3"
    assert messages[4] == "expected an object, got a text of 2 characters"
    assert len(stored(make_store, "u1")) == 2


def test_a_list_of_nothing_but_wrong_rows_is_answered_like_any_list(make_store: StoreMaker) -> None:
    (answer,) = accept(make_store(), [view(type="wish"), None])
    assert answer["accepted"] == answer["duplicates"] == 0
    assert [one["index"] for one in answer["rejected"]] == [0, 1]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"type": "view", "user_id": "u1"}, "item_id"),
    ({"item_id": "p1", "user_id": "u1"}, "type"),
    (view(type="wish"), "type"),
    (view(type=3), "type"),
    (view(type="v" * 65), "type"),
    (view(user_id=None), "user_id"),
    (view(user_id=""), "user_id"),
    (view(user_id=7), "user_id"),
    (view(visitor_id="v" * 257), "visitor_id"),
    (view(item_id=""), "item_id"),
    (view(item_id=["p1"]), "item_id"),
    (view(event_id="e" * 257), "event_id"),
    (view(query="q" * 513), "query"),
    (view(position=0), "position"),
    (view(position=2**31), "position"),
    (view(position=1.5), "position"),
    (view(quantity=0), "quantity"),
    (view(quantity=-1e308), "quantity"),
    (view(price=-0.01), "price"),
    (view(price="cheap"), "price"),
    (view(currency="EU"), "currency"),
    (view(currency="EURO€"), "currency"),
    (view(currency="EUR\n"), "currency"),
    (view(time="soon"), "time"),
    (view(time=True), "time"),
    (view(time=0), "time"),
    (view(time=NOW + 86_401), "time"),
    (view(time=NOW * 1e6), "time"),
    (view(time="0001-01-01T00:00:00+14:00"), "time"),
    (view(time="9999-12-31T23:59:59-12:00"), "time"),
    (view(itemid="p1"), "itemid"),
]


@pytest.mark.parametrize(("event", "field"), WRONG)
def test_a_wrong_event_that_is_sent_alone_is_a_problem_that_names_the_field(event: dict[str, Any], field: str) -> None:
    (response,) = post(MemoryUserStore(), event)
    problem = response.json()
    assert (response.status_code, problem["code"]) == (422, "invalid_request")
    assert [one["field"] for one in problem["errors"]] == [field]
    assert problem["detail"].startswith(f"{field}: ")
    assert len(problem["detail"]) < 400


def test_several_wrong_fields_are_counted() -> None:
    (response,) = post(MemoryUserStore(), view(price=-1, position=0, currency="?"))
    assert response.json()["detail"].endswith("(and 2 more)")


@pytest.mark.parametrize(
    "fields",
    [
        {"user_id": 491775551234},
        {"user_id": {"mail": "ann@shop.example"}},
        {"user_id": ["ann@shop.example"]},
        {"visitor_id": "ann@shop.example" * 20},
        {"session_id": 491775551234},
        {"query": "ann@shop.example" * 40},
        {"user_id": None, "type": "wish", "session_id": "ann@shop.example"},
    ],
)
def test_what_is_told_of_a_wrong_event_tells_nothing_of_people(fields: dict[str, Any]) -> None:
    alone, listed = post(MemoryUserStore(), view(**fields), [view(**fields)])
    assert alone.status_code == 422
    assert len(listed.json()["rejected"]) == 1
    for response in (alone, listed):
        assert "ann@" not in response.text
        assert "491775551234" not in response.text


@pytest.mark.parametrize(
    "time",
    [
        1_795_428_000,
        1_795_428_000_000,
        "1795428000",
        "2026-11-23T10:00:00Z",
        "2026-11-23T11:00:00+01:00",
        "2026-11-23T10:00:00",
        "2026-11-23 10:00:00.000",
    ],
)
def test_a_time_may_be_iso_or_seconds_or_milliseconds(time: Any) -> None:
    store = MemoryUserStore()
    accept(store, view(time=time))
    assert stored(lambda: store, "u1") == [(stable_hash("p1"), VIEW, 1_795_428_000.0)]


def test_a_day_ahead_of_the_clock_is_taken_and_the_day_after_1970_began() -> None:
    (answer,) = accept(MemoryUserStore(), [view(time=NOW + 86_399), view(time="1970-01-02T00:00:00Z"), view(time=None)])
    assert answer["accepted"] == 3


@pytest.mark.parametrize("body", [b"", b"{", b"type=view", b"\xff\xfe", b"3", b"null", b'"view"', b"true", b"[" * 3000])
def test_a_body_that_is_neither_an_event_nor_a_list_is_refused(body: bytes) -> None:
    async def run() -> httpx.Response:
        async with serving(MemoryUserStore()) as client:
            return await client.post("/events", content=body)

    response = asyncio.run(run())
    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert "expected an event as a JSON object, or a list" in response.json()["detail"]


def test_an_empty_list_and_one_that_is_too_long_are_refused() -> None:
    store = MemoryUserStore()
    empty, long, longest = post(store, [], [view()] * (MOST + 1), [view()] * MOST)
    assert [response.status_code for response in (empty, long, longest)] == [422, 422, 202]
    assert f"at most {MOST} events" in long.json()["detail"]
    assert len(stored(lambda: store, "u1")) == MOST


def viewed(event_id: str) -> EventRecord:
    return EventRecord(event_id=event_id, type="view", item_id="p1", time=NOW, user_id="u1")


def test_a_long_list_keeps_its_order_and_lets_others_go_first() -> None:
    async def run() -> tuple[list[bool], int]:
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        counting = asyncio.create_task(count())
        events = [viewed(f"e{number // 2}") for number in range(1_000)]
        stored = await EventService(MemoryUserStore(), lambda: NOW).accept(events)
        counting.cancel()
        return stored, turns

    stored_, turns = asyncio.run(run())
    assert stored_ == [True, False] * 500
    assert turns >= 10


def test_outcomes_are_counted() -> None:
    metrics = Metrics()

    async def run() -> None:
        async with serving(MemoryUserStore(), metrics=metrics) as client:
            await client.post("/events", json=[view(event_id="e"), view(event_id="e"), view(), view(type="wish")])

    asyncio.run(run())
    text = metrics.exposition().decode()
    for outcome, number in (("accepted", 2), ("duplicate", 1), ("rejected", 1)):
        assert f'aisle_events_total{{outcome="{outcome}"}} {number}.0' in text


def records(server: RedisProcess, prefix: str) -> list[Any]:
    with server.client() as client:
        return [read_event_record(fields[FIELD]) for fields in entries_of(client, Keys(prefix.encode()))]


def test_the_stream_has_all_that_was_told_of_an_event(redis_server: RedisProcess, redis_prefix: str) -> None:
    told = {
        "event_id": "e1",
        "item_id": "p1",
        "user_id": "u1",
        "visitor_id": "v1",
        "session_id": "s1",
        "query": "rain jäckät",
        "request_id": "r1",
        "position": 3,
        "quantity": 2,
        "price": 12.5,
        "currency": "EUR",
    }
    accept(redis_store(redis_server.url, redis_prefix), told | {"type": "AddPurchase", "time": NOW - 1}, view())
    first, second = records(redis_server, redis_prefix)
    assert first == EventRecord.model_validate(told | {"type": "purchase", "time": NOW - 1})
    assert second.time == NOW
    assert len(second.event_id) >= 26
    assert second.model_fields_set == {"kind", "type", "item_id", "user_id", "time", "event_id"}


def test_a_server_that_appends_to_a_file_is_durable(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], redis_prefix: str
) -> None:
    with start_redis("--appendonly", "yes") as server:
        (answer,) = accept(redis_store(server.url, redis_prefix), view())
    assert answer["durable"] is True


def test_a_store_that_is_gone_is_a_503_that_may_be_tried_again(
    start_redis: Callable[..., AbstractContextManager[RedisProcess]], redis_prefix: str
) -> None:
    async def run(server: RedisProcess) -> httpx.Response:
        async with serving(redis_store(server.url, redis_prefix)) as client:
            assert (await client.post("/events", json=view())).status_code == 202
            server.kill()
            return await client.post("/events", json=view())

    with start_redis() as server:
        response = asyncio.run(run(server))
    assert (response.status_code, response.json()["code"]) == (503, "store_unavailable")
    assert "retry-after" in response.headers
    assert server.url.partition("://")[2] not in response.text


def test_a_write_that_was_begun_is_finished_although_its_client_left(
    redis_server: RedisProcess, redis_prefix: str
) -> None:
    async def run() -> None:
        store = redis_store(redis_server.url, redis_prefix)
        events = EventService(store, lambda: NOW)
        with redis_server.client() as client:
            client.client_pause(60_000, all=False)  # writes wait
            try:
                accepting = asyncio.create_task(events.accept([viewed("e1")]))
                await asyncio.sleep(0)
                accepting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await accepting
                assert await store.stored(stable_hash("u1")) is None
            finally:
                client.client_unpause()
        async with asyncio.timeout(10):
            while await store.stored(stable_hash("u1")) is None:
                await asyncio.sleep(0.01)
        await store.close()

    asyncio.run(run())
    assert len(records(redis_server, redis_prefix)) == 1


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
LIKELY = ANYTHING | st.sampled_from(["view", "p1", "u1", "EUR", NOW, 1, 2.5, "2026-11-23T10:00:00Z"])
ROWS = ANYTHING | st.fixed_dictionaries(
    {"type": st.sampled_from(["view", "cart", "wish"]) | ANYTHING, "item_id": st.sampled_from(["p1", "p2"]) | ANYTHING},
    optional={field: LIKELY for field in Event.model_fields if field not in {"type", "item_id"}},
)


def test_whatever_is_in_a_list_each_row_is_accepted_or_a_duplicate_or_rejected() -> None:
    store = MemoryUserStore()

    @settings(deadline=None)  # the machine may be busy
    @given(st.lists(ROWS, min_size=1, max_size=MOST))
    def check(rows: list[Any]) -> None:
        response = runner.run(client.post("/events", content=json.dumps(rows)))
        assert response.status_code == 202, response.text
        answer = response.json()
        assert answer["accepted"] + answer["duplicates"] + len(answer["rejected"]) == len(rows)
        places = [one["index"] for one in answer["rejected"]]
        assert places == sorted(set(places) & set(range(len(rows))))

    with asyncio.Runner() as runner:
        context = serving(store)
        client = runner.run(context.__aenter__())
        check()
        runner.run(context.__aexit__(None, None, None))


def test_whatever_the_body_is_it_is_no_defect() -> None:
    @settings(deadline=None)  # the machine may be busy
    @given(st.binary() | ANYTHING.map(json.dumps).map(str.encode))
    def check(body: bytes) -> None:
        response = runner.run(client.post("/events", content=body))
        assert response.status_code in {202, 422}

    with asyncio.Runner() as runner:
        context = serving(MemoryUserStore())
        client = runner.run(context.__aenter__())
        check()
        runner.run(context.__aexit__(None, None, None))


def test_what_was_accepted_is_known_to_the_next_recommendation(
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    item_ids: list[str],
) -> None:
    def reasons(client: httpx.Client) -> set[tuple[str, str | None]]:
        answer = client.post("/recommend", json={"user_id": "newcomer", "explain": True}).json()
        return {(why["kind"], why.get("item_id")) for item in answer["items"] for why in item["reasons"]}

    with listening(application_of()) as client:
        assert reasons(client) == {("popular", None)}
        event = {"type": "add_to_cart", "user_id": "newcomer", "item_id": item_ids[0]}
        assert client.post("/events", json=event).json()["accepted"] == 1
        assert ("carted", item_ids[0]) in reasons(client)
        assert client.delete("/users/newcomer").json()["removed"]["events"] == 1
        assert reasons(client) == {("popular", None)}
