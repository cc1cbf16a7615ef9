"""Searches over HTTP that ask for one thing and mean just that."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

Recommend = Callable[..., dict[str, Any]]
TITLES = (
    *(
        "C for beginners",
        "C++ for beginners",
        "C# for beginners",
        "F# for beginners",
        "Net for tennis",
        ".NET for teams",
    ),
    *("H&M summer dress", "Dress size M", "HM Printer", "AT&T phone", "Hex bolt 1/2 inch", "Hex bolt 12 mm"),
    *("Copper pipe 1 1/2 inch", "Copper pipe 1/2 inch", "Hex bolt 1/4 inch", "Pencil lead 0.5 mm", "Pencil lead 5 mm"),
)


@pytest.fixture(scope="module")
def search(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> Iterator[Callable[[str], list[str]]]:
    """The titles that a query finds, the first first."""
    items = [{"item_id": f"t{place}", "title": title} for place, title in enumerate(TITLES)]
    with answers_on(items) as recommend:

        def titles(query: str) -> list[str]:
            answer = recommend(query=query, fields=["title"], k=20)
            return [item["fields"]["title"] for item in answer["items"]]

        yield titles


@pytest.mark.parametrize(
    ("query", "first"),
    [
        ("c++", "C++ for beginners"),
        ("c# beginners", "C# for beginners"),
        ("F#", "F# for beginners"),
        (".net", ".NET for teams"),
        ("h&m", "H&M summer dress"),
        ("h & m dress", "H&M summer dress"),
        ("at&t", "AT&T phone"),
        ("1/2 inch bolt", "Hex bolt 1/2 inch"),
        ("\u00bd inch bolt", "Hex bolt 1/2 inch"),
        ("hex bolt 1/4", "Hex bolt 1/4 inch"),
        ("1/2 inch pipe", "Copper pipe 1/2 inch"),
        ("copper pipe 1\u00bd\u2033", "Copper pipe 1 1/2 inch"),
        (".5 mm lead", "Pencil lead 0.5 mm"),
        ("pencil lead 5mm", "Pencil lead 5 mm"),
    ],
)
def test_signs_tell_words_apart(search: Callable[[str], list[str]], query: str, first: str) -> None:
    assert search(query)[0] == first


def test_operators_leave_out_and_hold_together(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> None:
    titles = ["Mouse wireless", "Mouse wired", "Chair for gaming", "Red gaming chairs", "Gaming desk", "Mouse pad"]
    items: list[dict[str, Any]] = [{"item_id": f"o{place}", "title": title} for place, title in enumerate(titles)]
    items[5] |= {"attributes": ["use=gaming chair"]}
    with answers_on(items, queries={"o1": "wireless mouse"}) as recommend:

        def ids(query: str) -> set[str]:
            return {item["item_id"] for item in recommend(query=query, k=100)["items"]}

        assert "o1" in ids("mouse -wireless")
        assert "o0" not in ids("mouse -wireless")
        assert ids('"gaming chair"') == {"o3", "o5"}
        assert ids("\u201cgaming chair\u201d -red") == {"o5"}
        assert not ids('gaming -"gaming chair"') & {"o3", "o5"}
        everything = recommend(query="-gaming", k=100, facets=["title"])
        assert everything["total"] == len(everything["items"]) == recommend(k=1)["total"] - 4
