"""Counts, pages, orders and groups of a search all speak of one set: the items that it finds."""

from collections.abc import Callable
from typing import Any

import pytest

Recommend = Callable[..., dict[str, Any]]
QUERIES = ("black boots", "runners", "sky blue polo shirt", "rare black zzzz", "凉鞋", "rain jaket", "boots -winter")


def pages_of(recommend: Recommend, **fields: Any) -> list[dict[str, Any]]:
    """All items of a list, page by page."""
    answer = recommend(**fields)
    items = list(answer["items"])
    while answer["next_cursor"]:
        answer = recommend(cursor=answer["next_cursor"], **fields)
        items += answer["items"]
    return items


@pytest.mark.parametrize("query", QUERIES)
def test_the_count_of_a_value_is_the_total_of_its_filter(recommend: Recommend, query: str) -> None:
    answer = recommend(query=query, k=1, facets=["category", "brand", "in_stock"])
    assert answer["total"] > 0
    for field, values in answer["facets"].items():
        for counted in values:
            drilled = recommend(query=query, k=1, filter={"field": field, "eq": counted["value"]})
            assert drilled["total"] == counted["count"], (field, counted)
            assert drilled["matched_by"] == answer["matched_by"]


@pytest.mark.parametrize("query", QUERIES)
def test_all_pages_in_any_order_are_the_items_found(recommend: Recommend, query: str) -> None:
    total = recommend(query=query, k=1)["total"]
    by_relevance, by_price = (
        [item["item_id"] for item in pages_of(recommend, query=query, k=20, sort=sort)]
        for sort in ("relevance", "price_asc")
    )
    assert len(by_relevance) == len(set(by_relevance)) == total
    assert set(by_relevance) == set(by_price)


def test_a_sort_by_price_begins_with_what_was_searched_for(recommend: Recommend) -> None:
    answer = recommend(query="winter boots navy", sort="price_asc", k=20, fields=["title"])
    titles = [item["fields"]["title"].casefold() for item in answer["items"]]
    assert titles
    assert all({"winter", "boots", "navy"} <= set(title.split()) for title in titles)


def test_a_filter_without_what_was_searched_for_leaves_nothing(recommend: Recommend) -> None:
    found = recommend(query="winter boots", k=1, facets=["category"])
    elsewhere = {"not": {"field": "category", "in": [each["value"] for each in found["facets"]["category"]]}}
    answer = recommend(query="winter boots", k=5, filter=elsewhere)
    assert (answer["total"], answer["items"], answer["matched_by"]) == (0, [], found["matched_by"])
    assert len(answer["popular_items"]) == 5


def test_with_a_pin_each_group_stands_once_and_the_total_counts_them(recommend: Recommend) -> None:
    plain = recommend(query="boots", k=50, fields=["brand"])
    best = plain["items"][0]["fields"]["brand"]
    second = [item["item_id"] for item in plain["items"] if item["fields"]["brand"] == best][1]
    pin = [{"item_id": second, "position": 1}]
    grouped = pages_of(recommend, query="boots", k=10, group_by="brand", pin=pin, fields=["brand"])
    brands = [item["fields"]["brand"] for item in grouped]
    assert grouped[0]["item_id"] == second
    assert len(brands) == len(set(brands))
    assert recommend(query="boots", k=10, group_by="brand", pin=pin)["total"] == len(brands)


def test_a_pin_that_is_not_found_counts_with_those_that_are(recommend: Recommend, item_ids: list[str]) -> None:
    found = {item["item_id"] for item in pages_of(recommend, query="winter boots", k=50)}
    outside = next(item_id for item_id in item_ids if item_id not in found)
    pin = [{"item_id": outside, "position": 1}]
    answer = recommend(query="winter boots", k=5, pin=pin)
    assert answer["items"][0]["item_id"] == outside
    assert answer["total"] == len(found) + 1
