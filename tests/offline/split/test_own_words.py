"""Queries made of items' own words: of some items that are set aside, drawn by the seed alone."""

from typing import Any

import polars as pl
import pytest

from app.artifact.text.ngrams import words
from offline.split.own_words import own_words

SCHEMA = dict.fromkeys(("item_id", "title", "brand", "category", "text"), pl.String)


def catalogue(count: int, **columns: list[Any]) -> pl.DataFrame:
    rows = {
        "item_id": [f"p{number}" for number in range(count)],
        "title": [f"Lamp {number} of brass and glass" for number in range(count)],
        "brand": ["Lumo"] * count,
        "category": ["Home > Lamps"] * count,
        "text": [f"shines at number{number}" for number in range(count)],
        "attributes": [["colour=blue"]] * count,
    }
    return pl.DataFrame(rows | columns, schema_overrides=SCHEMA)


def test_a_tenth_of_the_items_is_set_aside_and_asked_about_by_words_that_they_have() -> None:
    items = catalogue(300)
    made = own_words(items, 1)
    asked = made.judgments["item_id"].unique().to_list()
    assert (made.held_items, len(asked), made.queries.height) == (30, 30, 60)
    by_id = {row["item_id"]: row for row in items.to_dicts()}
    for query_id, query in made.queries.iter_rows():
        item = by_id[query_id.partition(" ")[0]]
        own = words(f"{item['title']} Lumo Lamps blue {item['text']}")
        assert 2 <= len(query.split()) <= 3
        assert set(query.split()) <= set(own)


def test_queries_hang_on_the_seed_and_not_on_the_order_of_rows() -> None:
    items = catalogue(250)
    made = own_words(items, 4)
    again = own_words(items.sample(fraction=1.0, shuffle=True, seed=2), 4)
    assert again.queries.equals(made.queries)
    assert again.judgments.equals(made.judgments)
    assert not own_words(items, 5).queries.equals(made.queries)


def test_words_that_few_items_have_are_drawn_more_often() -> None:
    made = own_words(catalogue(2_000), 1)
    telling = [any(word.isdigit() or word.startswith("number") for word in q.split()) for q in made.queries["query"]]
    assert sum(telling) > 0.6 * len(telling)


def test_a_small_catalogue_is_asked_about_whole_and_none_of_it_is_set_aside() -> None:
    made = own_words(catalogue(150), 1)
    assert (made.held_items, made.judgments["item_id"].n_unique()) == (0, 150)


@pytest.mark.parametrize("count", [1, 3])
def test_items_of_one_title_are_all_right_answers(count: int) -> None:
    made = own_words(catalogue(count, title=["The lamp"] * count), 1)
    assert made.judgments.height == 2 * count * count


def test_items_without_words_are_not_asked_about_and_texts_without_blanks_by_a_part() -> None:
    items = catalogue(
        3,
        title=[None, "!", "東京都庁舎展望室入場券付属説明書"],
        brand=[None, None, None],
        category=[None, None, None],
        text=[None, "", None],
        attributes=[[], [], []],
    )
    made = own_words(items, 1)
    assert made.judgments["item_id"].to_list() == ["p2"]
    (query,) = made.queries["query"].to_list()
    assert len(query) == 6
    assert query in words(items["title"][2])[0]
