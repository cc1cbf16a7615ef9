"""Conditions on rows say what they mean, and what is none is named with its place."""

from contextlib import suppress

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.dataset.conditions import ConditionError, columns_of, holds, parse_condition
from offline.dataset.reading import number, text

ROWS = pl.DataFrame(
    {
        "status": ["new", "cancelled", None, "N/A", " new ", 'it\'s "new"'],
        "quantity": ["1", "-2", "", "x", "10", "2.5"],
        "Order Status": ["A", "b", "c", "d", "e", "f"],
        "items.price": ["9", "10", "11", "12", "", "1"],
        "sold": ["TRUE", "false", "1", "no", "Yes", ""],
    }
)


def fitting(condition: str, rows: pl.DataFrame = ROWS) -> list[int]:
    expression = holds(
        parse_condition(condition),
        lambda name: text(name, rows.schema[name]),
        lambda name: number(name, rows.schema[name]),
    )
    return rows.with_row_index().filter(expression)["index"].to_list()


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ('status = "new"', [0, 4]),
        ("status == 'new'", [0, 4]),
        ('status != "cancelled"', [0, 2, 3, 4, 5]),
        ('status <> "cancelled"', [0, 2, 3, 4, 5]),
        ('not status = "cancelled"', [0, 2, 3, 4, 5]),
        ('status = "it\'s \\"new\\""', [5]),
        ("status is missing", [2, 3]),
        ("status is not missing", [0, 1, 4, 5]),
        ("quantity > 0", [0, 4, 5]),
        ("quantity > 1.5", [4, 5]),
        ("quantity <= -2", [1]),
        ("quantity = 1", [0]),
        ("quantity = 10.0", [4]),
        ('quantity < "2"', [0, 1, 4]),
        ("not quantity > 0", [1, 2, 3]),
        ("quantity in [1, 10]", [0, 4]),
        ('status in ["new", "cancelled",]', [0, 1, 4]),
        ('status not in ["new"]', [1, 2, 3, 5]),
        ('`Order Status` = "b"', [1]),
        ("items.price >= 10", [1, 2, 3]),
        ('status starts with "can"', [1]),
        ('status contains "new"', [0, 4, 5]),
        ('status not contains "new"', [1, 2, 3]),
        ("sold = true", [0, 2, 4]),
        ("sold = false", [1, 3]),
        ('status = "new" and quantity > 5', [4]),
        ('status = "cancelled" or status = "new" and quantity > 5', [1, 4]),
        ('(status = "cancelled" or status = "new") and quantity > 0', [0, 4]),
        ('NOT (status = "new" OR quantity > 0)', [1, 2, 3]),
    ],
)
def test_a_condition_holds_for_the_rows_that_it_says(condition: str, rows: list[int]) -> None:
    assert fitting(condition) == rows


def test_numbers_flags_and_dates_that_are_typed_are_compared_as_they_are() -> None:
    rows = pl.DataFrame({"n": [1.0, 2.0, None], "flag": [True, False, None], "day": ["2024-01-01", "2024-03-01", None]})
    rows = rows.with_columns(pl.col("day").str.to_date())
    assert fitting("n = 1", rows) == [0]
    assert fitting('n = "1"', rows) == [0]
    assert fitting("flag = true", rows) == [0]
    assert fitting('flag = "false"', rows) == [1]
    assert fitting('day >= "2024-02-01"', rows) == [1]
    assert fitting("n is missing", rows) == [2]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("", ["the name of a column", "nothing more"]),
        ("status", ["= != < <= > >=", "nothing more after 'status'"]),
        ("status = ", ["a text in quotes, a number", "nothing more after 'status ='", 'such as 12 or "new"']),
        ("status = active", ["got active after 'status ='", "put a text in quotes"]),
        ('status = "active', ["'\"active' at character 10", "close it"]),
        ("`status = 1", ["'`status = 1' at character 1", "close it"]),
        ('status = "a" "b"', ["and, or, or the end", 'got "b" after \'status = "a"\'']),
        ("status ~ 1", ["'~ 1' at character 8", "remove it"]),
        ("(status = 1", ["expected ), got nothing more", "close it"]),
        ("status in (1)", ["expected [", "write a list"]),
        ("status in [1", [", or ]", "close the list"]),
        ("status in []", ["a text in quotes"]),
        ("quantity > true", ["a number or a text", "got true"]),
        ("status is new", ["missing, or not missing", "got new"]),
        ("status starts new", ["expected with", "got new"]),
        ("status contains 7", ["a text in quotes", "got 7"]),
        ("status not 7", ["in, starts with or contains", "got 7"]),
        ("and status = 1", ["the name of a column", "got and"]),
        ("order status = 1", ["got status after 'order'"]),
    ],
)
def test_what_is_no_condition_is_named_with_its_place(condition: str, said: list[str]) -> None:
    with pytest.raises(ConditionError) as caught:
        parse_condition(condition)
    for part in said:
        assert part in str(caught.value)


def test_the_columns_of_a_condition_are_named_once_each() -> None:
    assert columns_of(parse_condition("a = 1 or not (b.c in [1] and `d e` is missing) or a > 2")) == ["a", "b.c", "d e"]


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_is_said_to_be_none(condition: str) -> None:
    with suppress(ConditionError):
        parse_condition(condition)


@given(st.text(max_size=20))
def test_any_text_can_be_compared_with(value: str) -> None:
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    rows = pl.DataFrame({"a": [value.strip(), "another"]})
    parsed = parse_condition(f'a = "{quoted}"')
    hits = rows.select(holds(parsed, pl.col, pl.col)).to_series().to_list()
    assert hits == [value == value.strip(), value == "another"]
