"""Correction is timid: a slip of typing is mended and said, another word is left as it is, and there is a way back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

Recommend = Callable[..., dict[str, Any]]
TITLES = {
    **{f"bike-{number}": f"Mountain bike {number} gears" for number in range(3)},
    **{f"soft-{number}": f"Soft pillow nr {number}" for number in range(3)},
    **{f"bell-{number}": f"Brass bell nr {number}" for number in range(3)},
    **{f"tent-{number}": f"Family tent for {number} people" for number in range(2, 5)},
    **{f"shoe-{number}": f"Running shoes model {number}" for number in range(3)},
    "glove-1": "Winterhandschuhe wool",
    "kettle": "Electric kettle steel",
    "bikeshoe": "Clip shoes for bike riders",
}


@pytest.fixture(scope="module")
def recommend(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> Iterator[Recommend]:
    with answers_on([{"item_id": item_id, "title": title} for item_id, title in TITLES.items()]) as recommend:
        yield recommend


def ids_of(answer: dict[str, Any]) -> set[str]:
    return {item["item_id"] for item in answer["items"]}


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("montain bike ", "mountain bike"),
        ("kettel ", "kettle"),
        ("pilow ", "pillow"),
        ("runing shoes", "running shoes"),
    ],
)
def test_a_slip_is_mended_and_there_is_a_way_back(recommend: Recommend, typed: str, meant: str) -> None:
    answer = recommend(query=typed)
    assert answer["corrected_query"] == meant
    assert ids_of(answer) == ids_of(recommend(query=meant)) != set()
    as_typed = recommend(query=typed, exact=True)
    assert as_typed["corrected_query"] is None
    assert ids_of(as_typed) != ids_of(answer)


@pytest.mark.parametrize("typed", ["nike ", "sofa ", "dell ", "vent ", "handschuhe ", "nike shoes", "sofa pillow"])
def test_another_word_is_not_taken_for_one_of_the_catalogue(recommend: Recommend, typed: str) -> None:
    answer = recommend(query=typed)
    assert answer["corrected_query"] is None
    if " " in typed.strip():
        assert answer["dropped_words"] == [typed.partition(" ")[0]]
    else:
        assert not ids_of(answer) & {"bike-1", "soft-1", "bell-1", "tent-2"}


def test_what_lacks_a_word_is_not_mended_to_what_lacks_another(recommend: Recommend) -> None:
    answer = recommend(query="ketle shoes")  # no item has kettle and shoes
    assert answer["corrected_query"] is None
    assert answer["dropped_words"] == ["ketle"]


def test_a_cursor_of_what_was_typed_is_no_cursor_of_what_was_meant(recommend: Recommend) -> None:
    first = recommend(query="montain bike", k=1)
    second = recommend(query="montain bike", k=1, cursor=first["next_cursor"])
    assert second["corrected_query"] == "mountain bike"
    with pytest.raises(AssertionError, match="422"):
        recommend(query="montain bike", k=1, exact=True, cursor=first["next_cursor"])
