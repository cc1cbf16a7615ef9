"""The order of a search over HTTP: what the whole query names comes first, then words by field and by order."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

Recommend = Callable[..., dict[str, Any]]
Titles = Callable[[str], list[str]]

PARTS: list[dict[str, Any]] = [
    {"item_id": "w-100", "title": "Gearbox for mills", "attributes": ["sku=BRX.5510-20", "colour=red"]},
    {"item_id": "w-101", "title": "Gearbox for saws", "attributes": ["sku=BRX.5510-21", "colour=red"]},
    {"item_id": "w-102", "title": "Bearing small", "attributes": ["sku=07715", "colour=blue"]},
    {"item_id": "w-103", "title": "Bearing large", "attributes": ["sku=7715", "colour=blue"]},
    {"item_id": "w-104", "title": "Flange", "attributes": ["sku=28-04", "colour=blue"]},
    {"item_id": "w-105", "title": "Flange wide", "attributes": ["sku=2804", "colour=red"]},
    {"item_id": "w-106", "title": "Seal for 2804 flanges", "attributes": ["sku=90210B7", "colour=red"]},
    {"item_id": "w-107", "title": "Hose 655 mm", "attributes": ["sku=QQ-1", "colour=red"]},
    {"item_id": "w-108", "title": "Clamp", "attributes": ["sku=655A", "colour=red"]},
    {"item_id": "w-109", "title": "Korvat RT-450X2 pump", "attributes": ["sku=KT 77 3", "colour=grey"]},
    {"item_id": "w-110", "title": "Korvat RT-450X9 pump", "attributes": ["sku=KT 77 4", "colour=grey"]},
    {"item_id": "w-111", "title": "Screen (rest of 2024)", "attributes": ["sku=XYZ", "colour=grey"]},
]
WORDS: list[dict[str, Any]] = [
    {"item_id": "n-1", "title": "Amber Valley"},
    {"item_id": "n-2", "title": "Amber Valley Collected Stories"},
    {"item_id": "n-3", "title": "Amber Valley Amber Valley Guide"},
    {"item_id": "n-4", "title": "Valley of amber"},
    {"item_id": "n-5", "title": "Cover for tables with garden prints"},
    {"item_id": "n-6", "title": "Large folding garden table in brown oak with wheels"},
    {"item_id": "n-7", "title": "Storm over the coast", "category": "Novels > Lantern", "attributes": ["mood=lantern"]},
    {"item_id": "n-8", "title": "The long way with a brass lantern and other tales of the sea"},
    {"item_id": "n-9", "title": "Kettle", "text": "boils water", "brand": "Ostra"},
    {"item_id": "n-10", "title": "Kettle descaler", "text": "for every kettle; kettle kettle kettle kettle"},
]


def titles_of(recommend: Recommend) -> Titles:
    """The titles that a query finds, the first first."""

    def titles(query: str) -> list[str]:
        answer = recommend(query=query, fields=["title"], k=50)
        assert answer["total"] == len(answer["items"])
        return [item["fields"]["title"] for item in answer["items"]]

    return titles


@pytest.fixture(scope="module")
def parts(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> Iterator[Recommend]:
    with answers_on(PARTS) as recommend:
        yield recommend


@pytest.fixture(scope="module")
def words(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> Iterator[Titles]:
    with answers_on(WORDS) as recommend:
        yield titles_of(recommend)


@pytest.mark.parametrize(
    ("query", "titles"),
    [
        ("w-104", ["Flange"]),  # an id
        ("W104", ["Flange"]),
        ("w-10", [item["title"] for item in PARTS[:10]]),  # as it begins
        ("BRX.5510-20", ["Gearbox for mills"]),
        ("brx 5510 20", ["Gearbox for mills"]),
        ("BRX551021", ["Gearbox for saws"]),
        ("brx.5510", ["Gearbox for mills", "Gearbox for saws"]),
        ("07715", ["Bearing small"]),
        ("7715", ["Bearing large"]),
        ("0771", ["Bearing small"]),
        ("28-04", ["Flange", "Flange wide", "Seal for 2804 flanges"]),  # as it is written, without signs, a word
        ("2804", ["Flange wide", "Flange", "Seal for 2804 flanges"]),
        ("90210", ["Seal for 2804 flanges"]),
        ("kt77-3", ["Korvat RT-450X2 pump"]),
        ("655", ["Hose 655 mm"]),  # a word of a title: no beginning of a code
        ("655a", ["Clamp"]),
        ("xyz", ["Screen (rest of 2024)"]),
    ],
)
def test_a_code_finds_its_items(parts: Recommend, query: str, titles: list[str]) -> None:
    came = titles_of(parts)(query)
    assert sorted(came) == sorted(titles)
    assert came[:2] == titles[:2] or query in {"w-10", "brx.5510"}


def test_what_a_code_finds_is_found_everywhere(parts: Recommend) -> None:
    answer = parts(query="2804", facets=["colour"], explain=True)
    assert answer["matched_by"] == "words"
    assert (answer["total"], answer["corrected_query"], answer["dropped_words"]) == (3, None, [])
    assert {entry["value"]: entry["count"] for entry in answer["facets"]["colour"]} == {"red": 2, "blue": 1}
    for item in answer["items"]:
        assert sum(reason["weight"] for reason in item["reasons"]) == pytest.approx(item["score"], abs=2e-6)
        assert any(reason["kind"] == "query_match" and reason["terms"] == ["2804"] for reason in item["reasons"])
    blue = parts(query="2804", filter={"field": "colour", "eq": "blue"})
    assert [item["item_id"] for item in blue["items"]] == ["w-104"]


def test_a_part_of_a_model_number_finds_the_model(parts: Recommend) -> None:
    titles = titles_of(parts)
    assert titles("korvat x2") == ["Korvat RT-450X2 pump"]
    assert titles("korvat 450x9") == ["Korvat RT-450X9 pump"]
    assert set(titles("korvat rt450")) == {"Korvat RT-450X2 pump", "Korvat RT-450X9 pump"}


def test_a_code_needs_all_of_its_parts(parts: Recommend) -> None:
    assert titles_of(parts)("rt-450x2 pump") == ["Korvat RT-450X2 pump"]


def test_a_title_that_is_the_query_comes_first(words: Titles) -> None:
    came = words("amber valley")
    assert came[0] == "Amber Valley"
    assert came.index("Amber Valley Amber Valley Guide") > came.index("Amber Valley Collected Stories")
    assert came[-1] == "Valley of amber"
    assert words("kettles")[0] == "Kettle"


def test_words_in_their_order_come_before_scattered_ones(words: Titles) -> None:
    assert words("garden table") == [WORDS[5]["title"], WORDS[4]["title"]]


def test_a_word_counts_most_in_a_title(words: Titles) -> None:
    assert words("lantern") == [WORDS[7]["title"], WORDS[6]["title"]]


def test_what_a_query_names_stays_first_in_a_diverse_list(parts: Recommend) -> None:
    for diversity in (0.1, 1.0):
        came = [item["item_id"] for item in parts(query="2804", diversity=diversity)["items"]]
        assert came == ["w-105", "w-104", "w-106"]
