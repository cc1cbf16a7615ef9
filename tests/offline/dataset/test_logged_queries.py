"""The queries of a log: spellings joined, single people's left out, test never read."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from offline.dataset.logged_queries import logged_query_texts, popular_queries, query_events

Told = tuple[int, int, str | None]
"""user, item, query."""


@pytest.fixture
def told(write_split: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """Writes a split whose events carry queries."""

    def write(new_queries: Sequence[str] = (), **parts: Sequence[Told]) -> Path:
        events = {part: [(user, item, 3, None, query) for user, item, query in rows] for part, rows in parts.items()}
        return write_split(tmp_path / "split", new_queries=new_queries, **events)

    return write


def test_spellings_of_a_query_count_together(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 1, "Trail  Shoes"), (1, 2, "trail shoes"), (2, 2, "trail shoes"), (2, 3, None)])
    found = popular_queries(split, ["train"])
    assert found.rows() == [("trail shoes", "trail shoes", 3, 3)]


def test_what_one_person_typed_is_left_out(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 1, "my secret"), (0, 2, "my secret"), (0, 1, "shoes"), (1, 1, "shoes")])
    assert popular_queries(split, ["train"])["query"].to_list() == ["shoes"]


def test_queries_without_words_and_other_parts_are_not_read(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 1, "???"), (1, 1, "???")], valid=[(0, 2, "boots"), (1, 2, "boots")], test=[(0, 3, "hats")])
    assert popular_queries(split, ["train"]).is_empty()
    assert popular_queries(split, ["train", "valid"])["query"].to_list() == ["boots"]


def test_a_query_that_is_to_be_new_is_not_read_with_train_alone(told: Callable[..., Path]) -> None:
    rows = [(user, 1, query) for user in range(2) for query in ("boots", "hats")]
    split = told(train=rows, new_queries=["hats"])
    assert popular_queries(split, ["train"])["query"].to_list() == ["boots"]
    assert popular_queries(split, ["train", "valid"])["query"].to_list() == ["boots", "hats"]


def test_most_people_come_first(told: Callable[..., Path]) -> None:
    rows = [(user, 1, "few") for user in range(2)] + [(user, 1, "many") for user in range(3)]
    assert popular_queries(told(train=rows), ["train"])["query"].to_list() == ["many", "few"]


def test_an_item_has_the_queries_that_led_to_it_by_share(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 2, "red shoes"), (1, 2, "RED shoes"), (2, 2, "boots"), (3, 5, "hat"), (3, 6, None)])
    found = logged_query_texts(split, ["train"])
    assert found["item"].to_list() == [2, 2, 5]
    assert found["query"].to_list() == ["red shoes", "boots", "hat"]
    assert found["share"].to_list() == pytest.approx([2 / 3, 1 / 3, 1.0])


def test_an_item_has_ten_queries_at_most(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 2, f"query {number}") for number in range(30)])
    assert logged_query_texts(split, ["train"]).height == 10


def test_a_log_without_queries_has_none(told: Callable[..., Path]) -> None:
    split = told(train=[(0, 1, None), (1, 2, None)])
    assert query_events(split, ["train"]).is_empty()
    assert popular_queries(split, ["train"]).is_empty()
    assert logged_query_texts(split, ["train"]).is_empty()
