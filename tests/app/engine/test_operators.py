"""Operators of a query: what is one, and what is text."""

import pytest

from app.engine.text.operators import parse_query


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
