"""`POST /predict` and the objective of a request, through HTTP on a real bundle."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest
from rank_tables_made_up import made_up_batch
from starlette.applications import Starlette

from app.artifact.ranker_spec import CalibrationCheck, RankerSpec
from app.engine.candidate_sources import union_of_sources
from app.engine.ranking import log_chain
from app.engine.recommend import recommend as recommend_engine
from app.engine.recommend import retrieve
from app.engine.requests import OBJECTIVES
from app.engine.snapshot import Snapshot
from app.serving.release import release_of
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.memory import MemoryUserStore
from app.stores.published import FixedModels, model_from_manifest


@pytest.fixture
def predict(client: httpx.Client) -> Callable[..., dict[str, Any]]:
    def post(**fields: Any) -> dict[str, Any]:
        response = client.post("/predict", json=fields)
        assert response.status_code == 200, response.text
        found: dict[str, Any] = response.json()
        return found

    return post


def test_every_named_item_has_probabilities_that_fall_along_the_chain(
    predict: Callable[..., dict[str, Any]], users: list[str], item_ids: list[str]
) -> None:
    answer = predict(user_id=users[0], item_ids=item_ids[:50])
    assert answer["behaviours"] == ["view", "cart", "purchase"]
    assert [item["item_id"] for item in answer["items"]] == item_ids[:50]
    for item in answer["items"]:
        assert 1 >= item["view"] >= item["cart"] >= item["purchase"] >= 0
    assert answer["unknown_item_ids"] == []


def test_unknown_items_are_named_and_repeated_ones_answered_again(
    predict: Callable[..., dict[str, Any]], users: list[str], item_ids: list[str]
) -> None:
    answer = predict(user_id=users[0], item_ids=[item_ids[3], "no-such-item", item_ids[3]])
    assert [item["item_id"] for item in answer["items"]] == [item_ids[3]] * 2
    assert answer["items"][0] == answer["items"][1]
    assert answer["unknown_item_ids"] == ["no-such-item"]


def test_what_is_recommended_first_is_likelier_than_the_rest(
    predict: Callable[..., dict[str, Any]],
    recommend: Callable[..., dict[str, Any]],
    users: list[str],
    item_ids: list[str],
) -> None:
    first, rest = [], []
    for user in users:
        best = [item["item_id"] for item in recommend(user_id=user, k=5)["items"]]
        likely = {item["item_id"]: item["view"] for item in predict(user_id=user, item_ids=item_ids)["items"]}
        first += [likely.pop(item_id) for item_id in best]
        rest += list(likely.values())
    assert np.mean(first) > 2 * np.mean(rest)


def test_somebody_unknown_and_somebody_with_own_events_are_predicted_too(
    predict: Callable[..., dict[str, Any]], item_ids: list[str]
) -> None:
    unknown = predict(user_id="nobody", item_ids=item_ids[:3])
    own = predict(recent_events=[{"item_id": item_ids[0], "type": "cart"}], item_ids=item_ids[:3])
    assert len(unknown["items"]) == len(own["items"]) == 3
    assert unknown["items"] != own["items"]


@pytest.mark.parametrize(
    "wrong", [{}, {"item_ids": []}, {"item_ids": ["p1"], "k": 3}, {"item_ids": ["p1"] * 501}, {"item_ids": "p1"}]
)
def test_a_wrong_call_is_refused(client: httpx.Client, wrong: dict[str, Any]) -> None:
    response = client.post("/predict", json=wrong)
    assert response.status_code == 422
    assert response.json()["code"] == "invalid_request"


def test_predictions_are_the_same_alone_and_in_company(
    application_of: Callable[..., Starlette], users: list[str], item_ids: list[str]
) -> None:
    async def compare() -> None:
        rng = np.random.default_rng(2)
        calls = [
            {"user_id": users[place % len(users)], "item_ids": rng.choice(item_ids, int(rng.integers(1, 30))).tolist()}
            for place in range(40)
        ]
        transport = httpx.ASGITransport(application_of())
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            alone = [(await client.post("/predict", json=call)).json()["items"] for call in calls]
            together = await asyncio.gather(*(client.post("/predict", json=call) for call in calls))
            assert [answer.json()["items"] for answer in together] == alone

    asyncio.run(compare())


@pytest.mark.parametrize("objective", ["view", "cart", "purchase", "revenue"])
def test_an_objective_brings_up_what_serves_it(snapshot: Snapshot, objective: str) -> None:
    """The best by order + wish have, together, no less of the wish than the best by order, for everybody."""
    ranker = snapshot.ranker
    assert ranker is not None
    shapes = snapshot.manifest.shapes
    batch = made_up_batch(np.random.default_rng(1), 30, shapes.items, shapes.window, shapes.dim)
    batch = batch.take(np.flatnonzero(batch.has_events()))
    batch = replace(batch, exclude_rows=np.zeros((len(batch), 0), np.int64))
    retrieved = retrieve(snapshot, batch, 200)
    listed = union_of_sources(batch, retrieved, ranker.tables, ranker.popular_rows)
    _, chain = ranker.run(ranker.features(batch, retrieved, listed))
    wish = log_chain(chain)[:, min(OBJECTIVES[objective], 3) - 1]
    if objective == "revenue":
        price = ranker.tables.log_price[listed.rows]
        wish = wish + np.where(np.isfinite(price), price, ranker.spec.mean_log_price)
    wants = replace(batch, objective=np.full(len(batch), OBJECTIVES[objective], np.uint8))
    usual, wished = (recommend_engine(snapshot, asked, 10).rows for asked in (batch, wants))
    assert not np.array_equal(usual, wished)
    for line in range(len(batch)):
        part = slice(listed.offsets[line], listed.offsets[line + 1])
        worth = dict(zip(listed.rows[part].tolist(), wish[part].tolist(), strict=True))
        assert sum(worth[row] for row in wished[line]) >= sum(worth[row] for row in usual[line]) - 1e-3


def test_an_objective_changes_nobody_elses_answer(
    application_of: Callable[..., Starlette], services_of: Callable[..., Services], users: list[str]
) -> None:
    async def compare() -> None:
        calls: list[dict[str, Any]] = [
            {"user_id": user, "k": 20} | ({"objective": objective} if objective else {})
            for user in users
            for objective in (None, "view", "purchase", "revenue")
        ]
        transport = httpx.ASGITransport(application_of(services=services_of(timeout_ms=60_000.0)))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            alone = [(await client.post("/recommend", json=call)).json()["items"] for call in calls]
            together = await asyncio.gather(*(client.post("/recommend", json=call) for call in calls))
            assert [answer.json()["items"] for answer in together] == alone

    asyncio.run(compare())


def checks(*calibrated: bool) -> list[CalibrationCheck]:
    """What held-out users said of each behaviour."""
    figures = {"cases": 900, "positives": 90, "ece": 0.01, "max_error": None, "ratio": 1.0}
    return [CalibrationCheck(**figures, calibrated=answer) for answer in calibrated]


@pytest.mark.parametrize(
    ("validated", "measured", "calibrated", "uncalibrated"),
    [
        (checks(True, True, True), {"view": True, "cart": True, "purchase": True}, True, []),
        (checks(True, True, True), {}, True, []),
        (checks(True, False, True), {}, False, ["cart"]),
        (checks(True, False, True), {"view": False, "cart": True, "purchase": True}, False, ["view", "cart"]),
        (None, {"view": True, "cart": True, "purchase": False}, False, ["purchase"]),
        (None, {"view": False}, False, ["view"]),
        (None, {"view": True}, None, []),
        (None, {}, None, []),
    ],
)
def test_the_answer_says_whether_its_probabilities_come_true(
    snapshot: Snapshot,
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
    item_ids: list[str],
    validated: list[CalibrationCheck] | None,
    measured: dict[str, bool],
    calibrated: bool | None,
    uncalibrated: list[str],
) -> None:
    assert snapshot.ranker is not None
    spec = snapshot.ranker.spec.model_copy(update={"checks": validated})
    metrics = {"behaviours": {name: {"calibrated": answer} for name, answer in measured.items()}}
    manifest = snapshot.manifest.model_copy(update={"metrics": metrics})
    changed = replace(snapshot, ranker=replace(snapshot.ranker, spec=spec), manifest=manifest)
    models = FollowOptions(FixedModels(model_from_manifest(manifest)), None)
    services = build_services(
        release_of(changed, lambda: 0.0), MemoryUserStore(), models, ServiceLimits(), ImpressionOptions()
    )
    with listening(application_of(services=services)) as client:
        answer = client.post("/predict", json={"user_id": "nobody", "item_ids": item_ids[:2]}).json()
    assert (answer["calibrated"], answer["uncalibrated"]) == (calibrated, uncalibrated)


def test_a_ranker_of_before_does_not_say_whether_it_is_calibrated(snapshot: Snapshot) -> None:
    assert snapshot.ranker is not None
    spec = snapshot.ranker.spec.model_dump()
    assert len(spec.pop("checks")) == len(spec["behaviours"])
    assert RankerSpec.model_validate(spec).calibrated({}) == [None] * len(spec["behaviours"])


def test_an_unknown_objective_is_refused(client: httpx.Client) -> None:
    assert client.post("/recommend", json={"objective": "fame"}).status_code == 422
