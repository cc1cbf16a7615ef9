"""Typing mistakes: one a query, where it hurts, the same for the same seed."""

from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import OSA

from offline.evaluation.typos import add_typos

words = st.text("abcdefgh", min_size=2, max_size=9)


@given(
    queries=st.lists(st.lists(words, min_size=1, max_size=4).map(" ".join), min_size=1, max_size=5),
    seed=st.integers(0, 99),
)
def test_every_query_gets_one_mistake(queries: list[str], seed: int) -> None:
    typed = add_typos(queries, seed)
    assert [OSA.distance(query, written) for query, written in zip(queries, typed, strict=True)] == [1] * len(queries)
    assert add_typos(queries, seed) == typed


@given(seed=st.integers(0, 99))
def test_short_words_and_numbers_are_left_alone_where_there_is_a_longer_word(seed: int) -> None:
    (written,) = add_typos(["usb 3.0 ps4 cable"], seed)
    assert written.startswith("usb 3.0 ps4 ")


def test_what_holds_no_word_stays() -> None:
    assert add_typos(["", "4", "耳 a"], 0) == ["", "4", "耳 a"]
