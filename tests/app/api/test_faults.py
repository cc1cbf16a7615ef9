"""What every call answers while Redis is broken, in every way that it breaks, and that nothing accepted is lost."""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import redis
from fault_proxy import FaultProxy
from live_events import entries_of, waiting
from quick_services import running_service
from redis_process import HOST, RedisProcess
from serve_process import ServeProcess
from starlette.applications import Starlette

from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD, EventRecord, read_event_record
from app.serving.release import Release
from app.serving.services import FollowOptions, Services
from app.stores.memory import MemoryUserStore
from app.stores.protocol import UserStore
from app.stores.published import RedisModels
from app.stores.redis_gate import FAILURES_IN_A_ROW, PROBE_S, RedisGate
from app.stores.redis_link import RedisAddress, open_async
from app.stores.redis_store import RedisUserStore, Retention
from app.stores.redis_stores import redis_stores
from offline.publishing.publish import PublishConfig, publish

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
StartRedis = Callable[..., AbstractContextManager[RedisProcess]]
READ_S, WRITE_S = 0.2, 0.5  # the gate's limits
DEADLINE_MS = 800  # of every request of a shopper
NOTICED_WITHIN_S = 3.0  # a probe, and its own time limit
WITHIN_S = 20.0
LATE_S = 1.5  # past every limit, that of a probe too
PASSWORD = "changed"
SENT_LISTS = 80


class Kind(Enum):
    """What still works."""

    DEAD = auto()  # nothing
    FULL = auto()  # reads
    EMPTY = auto()  # both, but what was published is gone


@dataclass(frozen=True)
class Stand:
    """A service, and the Redis behind it through a proxy."""

    client: httpx.Client
    proxy: FaultProxy
    server: RedisProcess
    admin: redis.Redis  # one connection past the proxy, which outlives a change of password
    keys: Keys
    bundle: Path

    def publish(self) -> None:
        with self.server.client() as client:
            publish(self.bundle, client, self.keys, config=PublishConfig(force="for a test"))

    def stored_events(self) -> list[EventRecord]:
        """What the stream holds."""
        records = [read_event_record(entry[FIELD]) for entry in entries_of(self.admin, self.keys)]
        return [record for record in records if isinstance(record, EventRecord)]


@dataclass(frozen=True)
class Fault:
    """One way to break."""

    name: str
    kind: Kind
    begin: Callable[[Stand], object]
    end: Callable[[Stand], object]


def work(stand: Stand) -> None:
    stand.proxy.work()


def change_password(stand: Stand) -> None:
    stand.admin.config_set("requirepass", PASSWORD)
    stand.admin.client_kill_filter(_type="normal", skipme=True)


FAULTS = [
    Fault("killed", Kind.DEAD, lambda stand: stand.server.kill(), lambda stand: stand.server.start()),
    Fault("refused", Kind.DEAD, lambda stand: stand.proxy.refuse(), work),
    Fault("slow", Kind.DEAD, lambda stand: stand.proxy.slow(lambda: LATE_S), work),
    Fault("reset", Kind.DEAD, lambda stand: stand.proxy.reset(), work),
    Fault("silent", Kind.DEAD, lambda stand: stand.proxy.silence(), work),
    Fault("password", Kind.DEAD, change_password, lambda stand: stand.admin.config_set("requirepass", "")),
    Fault(
        "read-only",
        Kind.FULL,
        lambda stand: stand.admin.replicaof(HOST, 1),
        lambda stand: stand.admin.replicaof("NO", "ONE"),
    ),
    Fault(
        "memory",
        Kind.FULL,
        lambda stand: stand.admin.config_set("maxmemory", 1),
        lambda stand: stand.admin.config_set("maxmemory", 0),
    ),
    Fault("flushed", Kind.EMPTY, lambda stand: stand.admin.flushdb(), Stand.publish),
]


@dataclass(frozen=True)
class Call:
    """One call, and what it must answer: a status for each kind of fault, or one for all."""

    name: str
    method: str
    path: str
    body: dict[str, Any] | None = None
    degraded: list[str] | None = None  # `None` where answers have none
    statuses: dict[Kind, int] = field(default_factory=dict)  # 200 where nothing else stands


@dataclass(frozen=True)
class Came:
    """What a call answered."""

    status: int
    document: Any
    milliseconds: float
    retry_after: str | None

    @property
    def degraded(self) -> list[str] | None:
        return self.document.get("degraded") if isinstance(self.document, dict) else None

    @property
    def items(self) -> list[str]:
        return [item["item_id"] for item in self.document["items"]]


WRITES = {Kind.DEAD: 503, Kind.FULL: 503}
ASKS_STORE = {Kind.DEAD: 503}
MISSING = ["user_state"]


def visit(visitor_id: str, item_id: str, event_id: str) -> dict[str, Any]:
    return {"type": "view", "visitor_id": visitor_id, "item_id": item_id, "event_id": event_id}


def view(user_id: str, item_id: str, event_id: str) -> dict[str, Any]:
    return {"type": "view", "user_id": user_id, "item_id": item_id, "event_id": event_id}


def calls_on(fault: Fault, user: str, item: str) -> list[Call]:
    """Every call; `user` is one that the bundle knows."""
    name, most = fault.name, DEADLINE_MS
    event = view(f"shopper-{name}", item, f"steady-{name}")
    seen = {"user_id": user, "exclude": "seen", "timeout_ms": most}
    return [
        Call("POST /recommend", "POST", "/recommend", {"user_id": user, "timeout_ms": most}, MISSING),
        Call("POST /recommend exclude=seen", "POST", "/recommend", seen, MISSING),
        Call("GET /recommend", "GET", f"/recommend?user_id={user}&timeout_ms={most}", None, MISSING),
        Call("POST /recommend visitor", "POST", "/recommend", {"visitor_id": f"v-{name}", "timeout_ms": most}, MISSING),
        Call("POST /recommend nobody", "POST", "/recommend", {"timeout_ms": most}, []),
        Call("GET /items/ID", "GET", f"/items/{item}"),
        Call("GET /items/ID/similar", "GET", f"/items/{item}/similar", None, []),
        Call("PUT /items/ID", "PUT", f"/items/put-{name}", {"title": "Kettle"}, statuses=WRITES),
        Call("PATCH /items/ID", "PATCH", f"/items/{item}", {"in_stock": True}, statuses=WRITES),
        Call("DELETE /items/ID", "DELETE", f"/items/put-{name}", statuses=WRITES),
        Call("POST /items/batch", "POST", "/items/batch", {"operations": [{"delete": "gone"}]}, statuses=WRITES),
        Call("GET /items", "GET", "/items?limit=2", statuses=ASKS_STORE),
        Call("POST /events", "POST", "/events", event, statuses=WRITES | {Kind.EMPTY: 202}),
        Call("GET /users/ID", "GET", f"/users/gone-{name}", statuses=ASKS_STORE | {Kind.EMPTY: 404}),
        Call("DELETE /users/ID", "DELETE", f"/users/gone-{name}", statuses=WRITES),
        Call("POST /users/ID/merge", "POST", f"/users/m-{name}/merge", {"visitor_id": f"v-{name}"}, statuses=WRITES),
        Call("GET /models", "GET", "/models", statuses=ASKS_STORE),
        Call("/readyz", "GET", "/readyz"),
        Call("/livez", "GET", "/livez"),
        Call("/metrics", "GET", "/metrics"),
    ]


def make(stand: Stand, call: Call) -> Came:
    began = time.perf_counter()
    response = stand.client.request(call.method, call.path, json=call.body)
    took = (time.perf_counter() - began) * 1e3
    is_json = response.headers["content-type"].partition(";")[0].endswith("json")
    document = response.json() if is_json else response.text
    return Came(response.status_code, document, took, response.headers.get("retry-after"))


def degraded_of(call: Call, fault: Fault) -> list[str] | None:
    """What an answer lacks: the newest changes of items, too, where nothing is read."""
    is_read = call.degraded is None or fault.kind is not Kind.DEAD
    return call.degraded if is_read else [*call.degraded, "catalogue"]


def wrongs(fault: Fault, call: Call, came: Came, before: Came | None) -> list[str]:
    """What is not as it must be."""
    found = []
    status = call.statuses.get(fault.kind, 200)
    if came.status != status:
        found.append(f"status {came.status}, not {status}: {came.document}")
    if status == 503 and (came.document.get("code"), came.retry_after) != ("store_unavailable", "1"):
        found.append(f"{came.document}, Retry-After {came.retry_after}")
    degraded = degraded_of(call, fault)
    if came.degraded != degraded:
        found.append(f"degraded {came.degraded}, not {degraded}")
    if call.degraded is not None and came.milliseconds > DEADLINE_MS:
        found.append(f"{came.milliseconds:.0f} ms")
    if before is not None and came.items != before.items:
        found.append("items are others than before")
    return [f"{fault.name}, {call.name}: {each}" for each in found]


@pytest.fixture(scope="module")
def stand(
    start_redis: StartRedis,
    shop_bundle: Path,
    release: Release,
    services_of: Callable[..., Services],
    application_of: Callable[..., Starlette],
    listening: Listening,
) -> Iterator[Stand]:
    keys = Keys(b"faults:")
    with (
        start_redis("--appendonly", "yes", "--appendfsync", "always") as server,
        FaultProxy(server.port) as proxy,
        redis.Redis(host=HOST, port=server.port, single_connection_client=True) as admin,
    ):
        gate = RedisGate(open_async(RedisAddress(proxy.url, timeout_s=None)), READ_S, WRITE_S)
        store, catalogue = redis_stores(gate, keys, Retention())
        following = FollowOptions(RedisModels(gate, keys), shop_bundle, every_s=0.2)
        with listening(application_of(services=services_of(store, following, catalogue=catalogue))) as client:
            client.timeout = WITHIN_S
            made = Stand(client, proxy, server, admin, keys, shop_bundle)
            made.publish()
            until_whole(made)
            yield made


@pytest.fixture(scope="module")
def table() -> Iterator[dict[tuple[str, str], Came]]:
    """What came, by call and fault; printed at the end (shown with -s, or with -rA)."""
    found: dict[tuple[str, str], Came] = {}
    yield found
    calls, faults = (list(dict.fromkeys(each)) for each in zip(*found, strict=True)) if found else ([], [])
    sys.stdout.write("\n" + " " * 30 + "".join(f"{fault:>24}" for fault in faults) + "\n")
    for call in calls:
        sys.stdout.write(f"{call:30}" + "".join(f"{shown(found.get((call, fault))):>24}" for fault in faults) + "\n")


def shown(came: Came | None) -> str:
    if came is None:
        return ""
    return " ".join([str(came.status), *(came.degraded or []), f"{came.milliseconds:.1f} ms"])


def until(condition: Callable[[], bool], within_s: float = WITHIN_S) -> float:
    """The seconds until it holds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within_s, "it never came to be"
        time.sleep(0.01)
    return time.monotonic() - began


def is_available(stand: Stand) -> bool:
    """What `/readyz` says of the store; it is 200 whatever that is."""
    response = stand.client.get("/readyz")
    assert response.status_code == 200
    return bool(response.json()["store_available"])


def is_whole(stand: Stand) -> bool:
    response = stand.client.post("/recommend", json={"user_id": "anybody"})
    assert response.status_code == 200
    return response.json()["degraded"] == []


def until_whole(stand: Stand) -> None:
    until(lambda: is_whole(stand) and is_available(stand))


def accepted(stand: Stand, *events: dict[str, Any]) -> dict[str, Any]:
    response = stand.client.post("/events", json=events)
    assert response.status_code == 202, response.text
    document: dict[str, Any] = response.json()
    return document


def items_of(stand: Stand, user_id: str) -> list[str]:
    return [event["item_id"] for event in stand.client.get(f"/users/{user_id}").json()["events"]]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_shopper_is_served_while_redis_is_broken_and_nothing_accepted_is_lost(
    stand: Stand, table: dict[tuple[str, str], Came], fault: Fault, users: list[str], item_ids: list[str]
) -> None:
    name, shopper = fault.name, f"shopper-{fault.name}"
    calls = calls_on(fault, users[0], item_ids[2])
    first = view(shopper, item_ids[0], f"before-{name}")
    accepted(stand, first, view(f"gone-{name}", item_ids[0], "g"), visit(f"v-{name}", item_ids[1], "v"))
    known = {call.name: make(stand, call) for call in calls[:3]}
    popular = make(stand, calls[4]).items
    assert all(came.items != popular and came.degraded == [] for came in known.values())

    fault.begin(stand)
    at_once = [(call, make(stand, call)) for call in calls[:1]]
    during = view(shopper, item_ids[1], f"during-{name}")
    written = make(stand, Call("POST /events", "POST", "/events", during))
    at_once += [(call, make(stand, call)) for call in calls[:7]]
    assert [came.status for _, came in at_once] == [200] * 8
    assert all(came.milliseconds < DEADLINE_MS for _, came in at_once)
    assert all(came.items == known[call.name].items for call, came in at_once if call.name in known)
    if fault.kind is not Kind.FULL:  # that one is marked once it is noticed
        assert all(came.degraded == degraded_of(call, fault) for call, came in at_once)
    assert written.status == (202 if fault.kind is Kind.EMPTY else 503), written.document
    assert written.milliseconds < WRITE_S * 1e3 * 2
    table["POST /recommend at once", name], table["POST /events at once", name] = at_once[0][1], written

    is_marked = fault.kind is not Kind.EMPTY  # an empty store takes reads and writes
    until(lambda: is_available(stand) is not is_marked, NOTICED_WITHIN_S)
    wrong = []
    for call in calls:
        came = table[call.name, name] = make(stand, call)
        wrong += wrongs(fault, call, came, known.get(call.name))
    assert wrong == []
    assert f"aisle_store_available {float(not is_marked)}" in table["/metrics", name].document
    assert table["/readyz", name].document["store_available"] is not is_marked

    fault.end(stand)
    until_whole(stand)
    steady = view(shopper, item_ids[2], f"steady-{name}")
    again = accepted(stand, during, steady)
    assert (again["accepted"] + again["duplicates"], again["rejected"]) == (2, [])
    assert accepted(stand, during, steady)["duplicates"] == 2
    kept = [during, steady] if fault.kind is Kind.EMPTY else [first, during, steady]
    assert sorted(items_of(stand, shopper)) == sorted(event["item_id"] for event in kept)
    told = Counter(event.event_id for event in stand.stored_events() if event.user_id == shopper)
    assert told == Counter(event["event_id"] for event in kept)
    assert all(make(stand, call).items == known[call.name].items for call in calls[:3])


def test_events_that_are_sent_until_they_are_accepted_are_stored_once_whatever_breaks(
    stand: Stand, item_ids: list[str]
) -> None:
    """Each list is of three users, so that a part of it may be stored when the whole is answered 503."""
    until_whole(stand)
    told_to: list[Counter[str]] = [Counter() for _ in range(4)]  # one a sender: threads that share one lose counts
    is_over = False

    def send(sender: int) -> None:
        told = told_to[sender]
        with httpx.Client(base_url=stand.client.base_url, timeout=WITHIN_S) as client:
            for place in range(SENT_LISTS):
                events = [view(f"u{sender}-{user}", item_ids[place], f"e{place}") for user in range(3)]
                while (response := client.post("/events", json=events)).status_code != 202:
                    told[response.json()["code"]] += 1
                    time.sleep(0.01)
                told.update(accepted=response.json()["accepted"], duplicates=response.json()["duplicates"])

    def break_on_and_on() -> None:
        proxy = stand.proxy
        while not is_over:
            for begin in (proxy.reset, lambda: proxy.slow(lambda: WRITE_S * 1.2), proxy.refuse, proxy.hold_replies):
                begin()
                time.sleep(0.05)
                proxy.work()
                time.sleep(0.2)

    senders = [Thread(target=send, args=(sender,)) for sender in range(4)]
    breaker = Thread(target=break_on_and_on)
    for thread in (breaker, *senders):
        thread.start()
    for thread in senders:
        thread.join()
    is_over = True
    breaker.join()
    until_whole(stand)
    told = sum(told_to, Counter())
    assert set(told) == {"accepted", "duplicates", "store_unavailable"}
    assert told["accepted"] + told["duplicates"] == 4 * SENT_LISTS * 3
    assert told["duplicates"] > 0  # stored before, though nobody had been told
    ids = Counter((event.user_id, event.event_id) for event in stand.stored_events() if event.event_id[0] == "e")
    users = [f"u{sender}-{user}" for sender in range(4) for user in range(3)]
    assert ids == Counter((user, f"e{place}") for user in users for place in range(SENT_LISTS))
    for user in users:
        assert sorted(items_of(stand, user)) == sorted(item_ids[:SENT_LISTS])


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault.kind is Kind.FULL], ids=lambda fault: fault.name)
def test_refused_writes_are_noticed_although_nobody_writes(stand: Stand, fault: Fault) -> None:
    until_whole(stand)
    time.sleep(0.3)  # notes of what was shown are sent within 0.1 s: none must be under way
    fault.begin(stand)
    took = until(lambda: not is_available(stand))
    fault.end(stand)
    assert took < 2 * PROBE_S + 0.5
    until_whole(stand)


def test_a_dead_redis_is_not_asked_by_requests_and_costs_them_no_time(stand: Stand, users: list[str]) -> None:
    until_whole(stand)
    ask = Call("", "POST", "/recommend", {"user_id": users[0], "timeout_ms": DEADLINE_MS})
    stand.proxy.silence()
    asked = stand.proxy.commands["MGET"]
    first = make(stand, ask)
    assert stand.proxy.commands["MGET"] > asked
    assert first.milliseconds >= READ_S * 1e3  # it was asked, and did not answer
    for _ in range(2):
        make(stand, ask)
    asked, opened, began = stand.proxy.commands["MGET"], stand.proxy.connections, time.monotonic()
    came = [make(stand, ask) for _ in range(50)]
    probes = (time.monotonic() - began) / PROBE_S + 1
    assert stand.proxy.commands["MGET"] == asked
    # Who writes beside requests (which versions are served, what was shown) tries until that breaker is open, too.
    assert stand.proxy.connections - opened <= probes + FAILURES_IN_A_ROW < len(came) / 2
    assert {tuple(each.degraded) for each in came} == {(*MISSING, "catalogue")}
    waited = [each.milliseconds for each in came if each.milliseconds >= READ_S * 1e3]
    assert len(waited) < len(came) / 2  # whoever waited for the store would do so for this long
    stand.proxy.work()
    until_whole(stand)


@pytest.mark.parametrize("begin", [FaultProxy.refuse, FaultProxy.silence], ids=["refused", "silent"])
def test_a_service_starts_serves_and_stops_without_redis_and_finds_it_later(
    start_redis: StartRedis, shop_bundle: Path, users: list[str], begin: Callable[[FaultProxy], None]
) -> None:
    def recommended(address: str) -> dict[str, Any]:
        response = httpx.post(f"{address}/recommend", json={"user_id": users[0]}, timeout=WITHIN_S)
        assert response.status_code == 200
        document: dict[str, Any] = response.json()
        return document

    def stop(service: ServeProcess) -> None:
        service.process.terminate()
        assert service.process.wait(WITHIN_S) == 0

    with start_redis() as server, FaultProxy(server.port) as proxy:
        with server.client() as client:
            publish(shop_bundle, client, Keys(), config=PublishConfig(force="for a test"))
        begin(proxy)
        with running_service(shop_bundle, proxy.url, clock="bundle") as service:
            without = recommended(service.address)
            assert without["degraded"] == [*MISSING, "catalogue"]
            assert httpx.get(f"{service.address}/readyz").json()["store_available"] is False
            proxy.work()
            until(lambda: recommended(service.address)["degraded"] == [])
            ids = [{item["item_id"] for item in each["items"]} for each in (without, recommended(service.address))]
            assert ids[0] == ids[1]
            begin(proxy)
            assert recommended(service.address)["degraded"] == [*MISSING, "catalogue"]
            stop(service)


def test_an_event_whose_answer_nobody_got_is_stored_once_though_service_and_redis_were_killed(
    start_redis: StartRedis, shop_bundle: Path, item_ids: list[str]
) -> None:
    keys, failed = Keys(), []
    event = view("somebody", item_ids[1], "second")
    settings = {"clock": "bundle", "redis_write_timeout_ms": 60_000}

    def post(address: str) -> None:
        try:
            httpx.post(f"{address}/events", json=event, timeout=WITHIN_S)
        except httpx.TransportError as error:
            failed.append(error)

    with start_redis("--appendonly", "yes", "--appendfsync", "always") as server, FaultProxy(server.port) as proxy:
        with server.client() as client:
            publish(shop_bundle, client, keys, config=PublishConfig(force="for a test"))
            with running_service(shop_bundle, proxy.url, **settings) as service:
                before = httpx.post(f"{service.address}/events", json=view("somebody", item_ids[0], "first"))
                assert (before.status_code, before.json()["durable"]) == (202, True)
                proxy.hold_replies()
                thread = Thread(target=post, args=(service.address,))
                thread.start()
                until(lambda: waiting(client, keys) == 2)  # stored, and nobody has been told
                service.kill()
                thread.join()
        assert len(failed) == 1
        server.kill()
        server.start()
        proxy.work()
        with running_service(shop_bundle, proxy.url, **settings) as service, server.client() as client:
            again = httpx.post(f"{service.address}/events", json=event).json()
            assert (again["accepted"], again["duplicates"], again["durable"]) == (0, 1, True)
            found = httpx.get(f"{service.address}/users/somebody").json()["events"]
            assert [each["item_id"] for each in found] == item_ids[:2]
            told = [json.loads(entry[FIELD])["event_id"] for entry in entries_of(client, keys)]
            assert told == ["first", "second"]


@pytest.mark.parametrize(("options", "durable"), [(("--appendonly", "yes"), True), ((), False), (None, False)])
def test_events_are_said_to_be_durable_where_redis_writes_them_to_disk(
    options: tuple[str, ...] | None,
    durable: bool,
    start_redis: StartRedis,
    application_of: Callable[..., Starlette],
    listening: Listening,
) -> None:
    def said(store: UserStore) -> bool:
        with listening(application_of(store)) as client:
            answer: dict[str, bool] = client.post("/events", json=view("u", "i", "e")).json()
            return answer["durable"]

    if options is None:
        assert said(MemoryUserStore()) is durable
        return
    with start_redis(*options) as server:
        gate = RedisGate(open_async(RedisAddress(server.url, timeout_s=None)), WITHIN_S, WITHIN_S)
        assert said(RedisUserStore(gate, Keys())) is durable
