"""While the engine is busy the loop is not: cheap calls pass, deadlines hold, and what nobody waits for is left out."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from app.serving import lone_runs
from app.serving.call import EventHistory, RecommendCall
from app.serving.lone_runs import IN_A_ROW
from app.serving.predict import PredictCall
from app.serving.release import Release
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.memory import MemoryUserStore
from app.stores.published import FixedModels, model_from_manifest

Listening = Callable[[Starlette], AbstractContextManager[httpx.Client]]
WITHIN_S = 30
NO_ROW = 10**9


class Brake:
    """A clock of a release that stands still in the threads of some lanes until it is let go: the engine reads it."""

    def __init__(self) -> None:
        self.lanes: set[str] = set()
        self.reached = threading.Event()
        self.let_go = threading.Event()
        self.runs: list[str] = []  # the lane of each run

    def __call__(self) -> float:
        _, _, lane = threading.current_thread().name.rpartition("aisle-")
        lane = lane.partition("-")[0]
        if lane in {"engine", "dear"}:
            self.runs.append(lane)
        if lane in self.lanes:
            self.reached.set()
            assert self.let_go.wait(WITHIN_S)
        return 1.7e9


@pytest.fixture
def brake() -> Iterator[Brake]:
    brake = Brake()
    yield brake
    brake.let_go.set()


@pytest.fixture
def services(release: Release, brake: Brake) -> Services:
    return build_services(
        replace(release, clock=brake),
        MemoryUserStore(),
        FollowOptions(FixedModels(model_from_manifest(release.snapshot.manifest)), None),
        ServiceLimits(timeout_ms=WITHIN_S * 1e3),
        ImpressionOptions(),
    )


@pytest.fixture
def client(
    services: Services, brake: Brake, application_of: Callable[..., Starlette], listening: Listening
) -> Iterator[httpx.Client]:
    with listening(application_of(services=services)) as client:
        yield client
        brake.let_go.set()


@contextmanager
def asking(client: httpx.Client, answers: list[httpx.Response], *bodies: dict[str, Any]) -> Iterator[None]:
    """Requests under way, whose answers are there at the end."""

    def ask(body: dict[str, Any]) -> None:
        with httpx.Client(base_url=client.base_url, timeout=WITHIN_S) as own:
            answers.append(own.post("/recommend", json=body))

    threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for thread in threads:
            thread.join()


@contextmanager
def busy(client: httpx.Client, brake: Brake, lane: str, body: dict[str, Any]) -> Iterator[list[httpx.Response]]:
    """The thread of a lane stands still while the body runs; the answer of what it works on is there at the end."""
    answers: list[httpx.Response] = []
    brake.lanes = {lane}
    with ExitStack() as stack:
        stack.enter_context(asking(client, answers, body))
        stack.callback(brake.let_go.set)
        assert brake.reached.wait(WITHIN_S)
        yield answers


DEAR = {"k": 200, "explain": True}


def test_cheap_calls_pass_while_the_engine_is_busy(
    client: httpx.Client, brake: Brake, item_ids: list[str], users: list[str]
) -> None:
    event = {"type": "view", "user_id": users[0], "item_id": item_ids[0]}
    with busy(client, brake, "engine", {"user_id": users[0]}) as answers:
        for path in ("/suggest?q=a", f"/items/{item_ids[0]}", "/livez", "/readyz", "/metrics", "/models"):
            assert client.get(path).status_code == 200, path
        assert client.post("/events", json=event).json()["accepted"] == 1
        assert client.post("/events", json=[event] * 100).json()["accepted"] == 100
        assert not answers
    assert answers[0].json()["degraded"] == []


def test_lone_calls_are_the_loops_once_they_were_short_and_answer_as_before(
    client: httpx.Client, brake: Brake, users: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lone_runs, "perf_counter", lambda: 0.0)  # however busy this machine is
    body = {"user_id": users[0]}
    answers = [client.post("/recommend", json=body) for _ in range(IN_A_ROW + 4)]
    assert brake.runs == ["engine"] * IN_A_ROW
    first, *others = [(answer.json()["items"], answer.json()["degraded"]) for answer in answers]
    assert all(other == first for other in others)
    stages = stages_of(answers[-1])
    total = stages.pop("total")
    assert {"wait", "assemble", "engine"} <= stages.keys()
    assert sum(stages.values()) <= total
    client.post("/recommend", json=DEAR | body)
    assert brake.runs[IN_A_ROW:] == ["dear"]


def test_plain_calls_pass_while_a_dear_one_is_worked_on(client: httpx.Client, brake: Brake, users: list[str]) -> None:
    with busy(client, brake, "dear", DEAR | {"user_id": users[0]}) as answers:
        for user in users[:5]:
            assert client.post("/recommend", json={"user_id": user}).json()["degraded"] == []
        assert not answers
    assert answers[0].json()["degraded"] == []
    assert len(answers[0].json()["items"]) > 20


@pytest.mark.parametrize(("lane", "body"), [("engine", {}), ("dear", DEAR)])
def test_a_deadline_holds_while_the_engine_is_busy(
    client: httpx.Client, brake: Brake, popular: list[str], users: list[str], lane: str, body: dict[str, Any]
) -> None:
    with busy(client, brake, lane, body | {"user_id": users[0]}) as answers:
        late = client.post("/recommend", json=body | {"user_id": users[1], "timeout_ms": 5}).json()
        assert late["degraded"] == ["timeout"]
        assert late["items"][0]["item_id"] == popular[0]
        assert not answers
    assert answers[0].json()["degraded"] == []


def test_a_late_answer_holds_what_passes_the_filter_and_none_where_that_is_dear_to_say(
    client: httpx.Client, brake: Brake, users: list[str]
) -> None:
    cheap = {"field": "price", "gte": 20}
    dear = {"not": {"any": [{"field": "title", "eq": f"no such title {number}"} for number in range(200)]}}
    prices = {item["item_id"]: item["fields"]["price"] for item in pages(client, {"k": 200, "fields": ["price"]})}
    known = client.post("/recommend", json={"filter": dear}).json()
    assert known["total"] > 20  # from now on its mask is kept
    unknown = {"not": {"any": [{"field": "title", "eq": f"nor such a title {number}"} for number in range(200)]}}
    asked = {"user_id": users[1], "timeout_ms": 5, "facets": ["category"]}
    with busy(client, brake, "engine", {"user_id": users[0]}), ExitStack() as stack:
        brake.lanes.add("dear")
        stack.callback(brake.let_go.set)
        late = client.post("/recommend", json=asked | {"filter": cheap}).json()
        assert late["degraded"] == ["timeout"]
        assert late["items"]
        assert all(prices[item["item_id"]] >= 20 for item in late["items"] if item["item_id"] in prices)
        late = client.post("/recommend", json=asked | {"filter": dear}).json()
        assert (late["degraded"], late["total"]) == (["timeout"], known["total"])
        assert late["items"]
        late = client.post("/recommend", json=asked | {"filter": unknown}).json()
        assert (late["degraded"], late["total"], late["items"]) == (["timeout"], 0, [])
        assert late["facets"] == {"category": []}


def pages(client: httpx.Client, body: dict[str, Any]) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = client.post("/recommend", json=body).json()["items"]
    return items


def test_what_nobody_waits_for_any_more_is_not_worked_on(client: httpx.Client, brake: Brake, users: list[str]) -> None:
    with busy(client, brake, "engine", {"user_id": users[0]}):
        for user in users[1:6]:
            late = client.post("/recommend", json={"user_id": user, "timeout_ms": 5}).json()
            assert late["degraded"] == ["timeout"]
    until(lambda: "aisle_pending_requests 0.0" in client.get("/metrics").text)
    assert brake.runs == ["engine"]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not condition():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.002)


def test_the_end_waits_for_what_has_begun(
    services: Services, brake: Brake, application_of: Callable[..., Starlette], listening: Listening, users: list[str]
) -> None:
    answers: list[httpx.Response] = []
    others = set(threading.enumerate())  # of services that other tests go on to use
    with listening(application_of(services=services)) as client:
        brake.lanes = {"engine"}
        asked = asking(client, answers, {"user_id": users[0]})
        asked.__enter__()
        assert brake.reached.wait(WITHIN_S)
        threading.Timer(0.05, brake.let_go.set).start()  # while the server ends
    asked.__exit__(None, None, None)
    assert answers[0].json()["degraded"] == []
    assert not [thread for thread in set(threading.enumerate()) - others if thread.name.startswith("aisle-engine")]


def test_the_stages_of_an_answer_make_up_its_time_and_waiting_for_a_thread_is_waiting(
    client: httpx.Client, brake: Brake, users: list[str]
) -> None:
    answers: list[httpx.Response] = []
    with busy(client, brake, "engine", {"user_id": users[0]}), ExitStack() as stack:
        stack.enter_context(asking(client, answers, {"user_id": users[1]}))
        stack.callback(brake.let_go.set)
        until(lambda: "aisle_pending_requests 2.0" in client.get("/metrics").text)
        time.sleep(0.1)
    stages = stages_of(answers[0])
    assert stages["wait"] >= 100 > stages["assemble"]
    total = stages.pop("total")
    assert sum(stages.values()) <= total


def stages_of(response: httpx.Response) -> dict[str, float]:
    parts = (part.split(";dur=") for part in response.headers["server-timing"].split(", "))
    return {name: float(milliseconds) for name, milliseconds in parts}


def test_of_a_run_that_fails_only_the_call_fails_that_fails_alone(
    services: Services, release: Release, users: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """The engine really fails: an item row that no table has."""
    good = [RecommendCall(k=10, user_id=user) for user in users[:8]]
    bad = RecommendCall(k=10, similar_to=NO_ROW)

    async def answers_to(calls: list[RecommendCall]) -> list[Any]:
        current = services.recommender.release
        answers = await asyncio.gather(
            *(services.recommender.recommend(call, current) for call in calls), return_exceptions=True
        )
        await services.recommender.lanes.close()
        return answers

    alone = [asyncio.run(answers_to([call]))[0] for call in good]
    together = asyncio.run(answers_to([*good[:4], bad, *good[4:]]))
    assert isinstance(together.pop(4), IndexError)
    assert [answer.item_ids for answer in together] == [answer.item_ids for answer in alone]
    assert [answer.scores for answer in together] == [answer.scores for answer in alone]
    assert [record.message for record in caplog.records] == ["a run failed; each of its requests is answered alone"]


def test_of_a_run_of_predictions_that_fails_only_one_fails_too(
    services: Services, users: list[str], item_ids: list[str]
) -> None:
    good = [PredictCall(RecommendCall(k=1, user_id=user), item_ids[:3]) for user in users[:4]]
    lists_of_two_lengths = EventHistory(item_ids=item_ids[:3], types=[1, 1], times=[0.0, 0.0, 0.0])
    bad = PredictCall(RecommendCall(k=1, recent_events=lists_of_two_lengths), item_ids[:3])

    async def predictions_of(calls: list[PredictCall]) -> list[Any]:
        current = services.recommender.release
        answers = await asyncio.gather(
            *(services.predictor.predict(call, current) for call in calls), return_exceptions=True
        )
        await services.recommender.lanes.close()
        return answers

    alone = [asyncio.run(predictions_of([call]))[0] for call in good]
    together = asyncio.run(predictions_of([*good[:2], bad, *good[2:]]))
    assert isinstance(together.pop(2), (ValueError, IndexError))
    assert together == alone
    assert all(prediction.items[0].probabilities for prediction in together)
