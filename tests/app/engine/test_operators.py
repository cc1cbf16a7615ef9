"""Operators of a query: what is one, and what is text."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.engine.text.operators import MOST_OPERATORS, MOST_READ, OperatorMatch, parse_query


@pytest.mark.parametrize(
    ("query", "text", "phrases", "excluded"),
    [
        ("mouse -wireless", "mouse", (), ("wireless",)),
        ('"gaming chair" red', "gaming chair red", ("gaming chair",), ()),
        ("\u201cgaming chair\u201d", "gaming chair", ("gaming chair",), ()),
        ('chair -"gaming chair" -c++', "chair", (), ("gaming chair", "c++")),
        ("-wireless", "", (), ("wireless",)),
        ("t-shirt", "t-shirt", (), ()),
        ("paint -40 \u00b0C", "paint -40 \u00b0C", (), ()),
        ("a - b", "a - b", (), ()),
        ("--wireless -", "--wireless -", (), ()),
        ('17" monitor 19" stand', '17" monitor 19" stand', (), ()),
        ('5 "', '5 "', (), ()),
        ('"gaming chair', '"gaming chair', (), ()),
        ('"!!" -"" chair', '"!!" -"" chair', (), ()),
        ("", "", (), ()),
    ],
)
def test_operators_are_told_from_text(
    query: str, text: str, phrases: tuple[str, ...], excluded: tuple[str, ...]
) -> None:
    parsed = parse_query(query)
    assert (" ".join(parsed.text.split()), parsed.phrases, parsed.excluded) == (text, phrases, excluded)


def test_a_corrected_query_keeps_its_operators() -> None:
    assert parse_query('mose -"big one" -red').with_text("mouse") == 'mouse -"big one" -red'


def test_so_many_operators_are_read_and_further_ones_are_text() -> None:
    parsed = parse_query(" ".join(f"-a{number}" for number in range(200)))
    assert parsed.excluded == tuple(f"a{number}" for number in range(MOST_OPERATORS))
    assert f"-a{MOST_OPERATORS}" in parsed.text


@pytest.mark.parametrize("query", ['"red boot"', '-"red boot"', '"red boot" "boot red" -red'])
def test_texts_are_read_of_so_many_items_for_a_query(query: str) -> None:
    parsed = parse_query(query)
    reads: list[int] = []

    def texts_of(row: int) -> list[str]:
        reads.append(row)
        return ["red boot"] if row % 2 else ["boot red"]

    def match(rows: int) -> NDArray[np.bool_]:
        reads.clear()
        found = OperatorMatch(parsed, lambda _: np.arange(rows, dtype=np.int32), texts_of)
        return found.restrict(np.ones(rows, dtype=np.bool_))

    for rows in (30, MOST_READ // 3, MOST_READ + 1, 50 * MOST_READ):
        matched = match(rows)
        assert len(reads) <= MOST_READ
        if rows > MOST_READ:
            assert not reads
            assert not matched.any() if parsed.excluded else matched.all()
    alone = OperatorMatch(parse_query('"red boot"'), lambda _: np.arange(30, dtype=np.int32), texts_of)
    assert np.flatnonzero(alone.restrict(np.ones(30, dtype=np.bool_))).tolist() == list(range(1, 30, 2))
