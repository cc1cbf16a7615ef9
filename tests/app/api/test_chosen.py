"""Searches over HTTP whose results were chosen before, by people who asked the same."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Answers = Callable[..., AbstractContextManager[Callable[..., dict[str, Any]]]]
ITEMS = [
    {"item_id": "plain", "title": "Tea cup white", "price": 3.0},
    {"item_id": "liked", "title": "Tea cup blue with a saucer and a spoon in a box", "price": 9.0},
    {"item_id": "other", "title": "Tea cup red with a saucer and a spoon in a box", "price": 8.0},
    {"item_id": "pot", "title": "Kettle", "price": 20.0},
    {"item_id": "once", "title": "Sugar tongs", "price": 5.0},
]
CHOSEN = [
    *[(f"u{place}", "tea cup", "liked") for place in range(40)],
    *[(f"u{place}", "tea cup", "pot") for place in range(5)],
    ("u1", "tea cup", "once"),
    *[(f"u{place}", "xmas sale", "pot") for place in range(4)],
]


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_what_many_chose_after_a_query_comes_first_and_is_found(answers_on: Answers) -> None:
    with answers_on(ITEMS) as recommend:
        assert ids_of(recommend(query="tea cup")) == ["plain", "liked", "other"]
        assert recommend(query="xmas sale")["matched_by"] == "nothing"
    with answers_on(ITEMS, chosen=CHOSEN) as recommend:
        answer = recommend(query="tea cup", facets=["price"])
        assert ids_of(answer)[0] == "liked"
        assert sorted(ids_of(answer)) == ["liked", "other", "plain", "pot"]  # not what one chose
        assert (answer["total"], answer["matched_by"]) == (4, "words")
        assert ids_of(recommend(query="tea cups"))[0] == "liked"
        by_price = recommend(query="tea cup", sort="price_desc")
        assert (ids_of(by_price), by_price["total"]) == (["pot", "liked", "other", "plain"], 4)
        cheap = recommend(query="tea cup", filter={"field": "price", "lte": 8})
        assert (sorted(ids_of(cheap)), cheap["total"]) == (["other", "plain"], 2)
        assert "pot" not in ids_of(recommend(query="tea cup -kettle"))
        alone = recommend(query="xmas sale")
        assert (ids_of(alone), alone["matched_by"], alone["total"]) == (["pot"], "words", 1)


def test_reasons_count_what_was_chosen_to_the_query(answers_on: Answers) -> None:
    with answers_on(ITEMS, chosen=CHOSEN) as recommend:
        first = recommend(query="tea cup", explain=True, k=1)["items"][0]
        assert first["item_id"] == "liked"
        assert round(sum(reason["weight"] for reason in first["reasons"]), 6) == round(first["score"], 6)
        assert next(reason for reason in first["reasons"] if reason["kind"] == "query_match")["weight"] > 0
