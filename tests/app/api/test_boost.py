"""Boosts over HTTP: an item counts as so many times as likely, wherever it then stands."""

import math
from collections.abc import Callable
from typing import Any

import httpx
import pytest

Recommend = Callable[..., dict[str, Any]]
CHEAP = {"field": "price", "lt": 60}


def scores(answer: dict[str, Any]) -> dict[str, float]:
    return {item["item_id"]: item["score"] for item in answer["items"]}


@pytest.mark.parametrize("who", [{"query": "black"}, {"user_id": "KNOWN"}, {"query": "grey", "user_id": "KNOWN"}])
@pytest.mark.parametrize("factor", [5.0, 0.2])
def test_a_boost_adds_the_logarithm_of_its_factor(
    recommend: Recommend, users: list[str], who: dict[str, Any], factor: float
) -> None:
    who = {name: users[1] if value == "KNOWN" else value for name, value in who.items()}
    plain = scores(recommend(**who, k=200))
    answer = recommend(**who, k=200, boost=[{"filter": CHEAP, "factor": factor}], fields=["price"])
    cheap = {item["item_id"]: (item["fields"]["price"] or math.inf) < 60 for item in answer["items"]}
    assert {True, False} == set(cheap.values())
    for item_id, score in scores(answer).items():
        if item_id in plain:
            assert score - plain[item_id] == pytest.approx(math.log(factor) if cheap[item_id] else 0, abs=2e-6)
    found = [item["score"] for item in answer["items"]]
    assert found == sorted(found, reverse=True)


def test_popularity_is_multiplied(recommend: Recommend) -> None:
    plain = scores(recommend(k=200))
    answer = recommend(k=200, boost=[{"filter": CHEAP, "factor": 3}], fields=["price"])
    for item in answer["items"]:
        factor = 3 if (item["fields"]["price"] or math.inf) < 60 else 1
        if item["item_id"] in plain:
            assert item["score"] == pytest.approx(factor * plain[item["item_id"]], abs=2e-6)


def test_a_pinned_item_is_boosted_like_any_other(recommend: Recommend) -> None:
    boost = [{"filter": {"field": "price", "gte": 0}, "factor": 7}]
    last = recommend(query="black shoes", k=200, filter={"field": "price", "gte": 0})["items"][-1]["item_id"]
    plain = recommend(query="black shoes", k=3, pin=[{"item_id": last, "position": 1}])["items"][0]
    raised = recommend(query="black shoes", k=3, pin=[{"item_id": last, "position": 1}], boost=boost)["items"][0]
    assert plain["item_id"] == raised["item_id"] == last
    assert raised["score"] - plain["score"] == pytest.approx(math.log(7), abs=2e-6)


def test_several_boosts_multiply(recommend: Recommend, users: list[str]) -> None:
    twice = recommend(user_id=users[0], k=50, boost=[{"filter": CHEAP, "factor": 2}, {"filter": CHEAP, "factor": 3}])
    assert twice["items"] == recommend(user_id=users[0], k=50, boost=[{"filter": CHEAP, "factor": 6}])["items"]


@pytest.mark.parametrize("factor", [1000.0, 0.001, 1e-300])
@pytest.mark.parametrize("who", [{}, {"user_id": "KNOWN"}, {"query": "black"}])
def test_the_product_of_boosts_is_bounded(
    recommend: Recommend, users: list[str], who: dict[str, Any], factor: float
) -> None:
    who = {name: users[0] if value == "KNOWN" else value for name, value in who.items()}
    boost = [{"filter": CHEAP, "factor": factor}] * 20
    answer = recommend(**who, k=20, boost=boost)
    rest = recommend(k=20, cursor=answer["next_cursor"])
    assert all(isinstance(item["score"], float) for page in (answer, rest) for item in page["items"])
    explained = recommend(**who, k=20, boost=boost, explain=True)["items"]
    for item in explained:
        assert sum(reason["weight"] for reason in item["reasons"]) == pytest.approx(item["score"], rel=1e-5, abs=1e-5)


def test_the_order_of_boosts_past_the_bound_does_not_count(recommend: Recommend, users: list[str]) -> None:
    boosts = [{"filter": CHEAP, "factor": factor} for factor in [1000.0] * 6 + [0.001] * 2]
    first = scores(recommend(user_id=users[0], k=50, boost=boosts))
    assert scores(recommend(user_id=users[0], k=50, boost=boosts[::-1])) == pytest.approx(first, abs=2e-6)


def test_a_large_boost_brings_up_items_that_lay_deep(recommend: Recommend, item_ids: list[str]) -> None:
    rare = {"all": [{"field": "price", "exists": True}, {"field": "price", "gte": 100}]}
    matching = recommend(query="black", k=200, filter=rare)["items"]
    boosted = recommend(query="black", k=5, boost=[{"filter": rare, "factor": 1000}])
    assert [item["item_id"] for item in boosted["items"]] == [item["item_id"] for item in matching[:5]]


def test_a_pinned_item_is_boosted_too_if_the_order_would_not_have_brought_it(
    recommend: Recommend, item_ids: list[str]
) -> None:
    plain, everything = recommend(query="black", k=200), {"field": "price", "lt": 1e9}
    priced = {item["item_id"] for item in recommend(filter=everything, k=200)["items"]}
    pinned = next(each for each in item_ids if each in priced and each not in scores(plain))
    asked = {"query": "black", "k": 3, "pin": [{"item_id": pinned, "position": 1}]}
    before = scores(recommend(**asked))[pinned]
    after = scores(recommend(**asked, boost=[{"filter": everything, "factor": 2}]))[pinned]
    assert after - before == pytest.approx(math.log(2), abs=2e-6)


def test_a_boost_that_does_not_fit_is_refused(client: httpx.Client) -> None:
    def field(**fields: Any) -> str:
        problem = client.post("/recommend", json=fields).json()
        assert problem["status"] == 422, problem
        return str(problem["errors"][0]["field"])

    assert field(boost=[{"filter": {"field": "nosuch", "eq": 1}, "factor": 2}]).startswith("boost.0.filter")
    assert field(boost=[{"filter": CHEAP, "factor": 0}]) == "boost.0.factor"
    assert field(boost=[{"filter": CHEAP}]) == "boost.0.factor"
    assert field(boost=[{"filter": CHEAP, "factor": 2}], sort="price_asc") == "boost"
