"""What words and meaning find, and what they leave out."""

import numpy as np
from bm25s import BM25
from numpy.typing import NDArray

from app.artifact.text.words import read_words
from app.engine.text.hits import NearItems, everything, hits_of
from app.engine.text.lexical import match
from app.engine.text.lexical_field import LexicalField
from app.engine.text.lexical_index import LexicalIndex

ROWS = 9
REAL = np.array([False, *[True] * (ROWS - 1)])
NOBODY = np.zeros(0, dtype=np.int32)
SELECTABLE = np.array([False, *[True] * 7, False])


def index_of(*texts: str) -> LexicalIndex:
    """Items with a title each, from row 1."""
    terms = [[term for word in read_words(text) for term in word.terms] for text in texts]
    bm25 = BM25(method="lucene")
    bm25.index(terms, show_progress=False)
    rows = len(texts) + 1
    field = LexicalField(bm25, rows)
    return LexicalIndex(main=field, title=field, attributes=LexicalField(None, rows), brands={})


def found_rows(index: LexicalIndex, query: str) -> tuple[list[int], list[str]]:
    words = read_words(query)
    lexical = match(index, words, [(term, 1.0) for word in words for term in word.terms], REAL[: index.main.rows])
    dropped = [word.text for word, is_dropped in zip(words, lexical.is_dropped, strict=True) if is_dropped]
    return np.flatnonzero(lexical.hits).tolist(), dropped


SHOP = index_of(
    "winter boots black for men",
    "winter boots brown for men",
    "ankle boots black for women",
    "board game for kids",
    "board game black edition for kids",
    "chair for kids",
    "lamp",
    "vase",
)


def test_all_words_are_needed_where_an_item_has_them() -> None:
    assert found_rows(SHOP, "winter boots black") == ([1], [])
    assert found_rows(SHOP, "boots") == ([1, 2, 3], [])
    assert found_rows(SHOP, "winter boots") == ([1, 2], [])


def test_a_word_that_most_items_have_need_not_be_there() -> None:
    assert found_rows(SHOP, "lamp for") == ([7], ["for"])
    assert 7 not in found_rows(SHOP, "board game for kids")[0]


def test_words_that_no_item_has_are_dropped_and_named() -> None:
    assert found_rows(SHOP, "comfortable gaming chair") == ([6], ["comfortable", "gaming"])


def test_where_no_item_has_all_those_with_the_most_are_found() -> None:
    rows, dropped = found_rows(SHOP, "winter chair lamp")
    assert set(rows) <= {6, 7}
    assert "winter" in dropped


def test_what_half_of_the_catalogue_has_is_no_find_by_itself() -> None:
    assert found_rows(SHOP, "qzxv for") == ([], ["qzxv", "for"])
    assert found_rows(SHOP, "for")[0] == [1, 2, 3, 4, 5, 6]
    assert found_rows(SHOP, "qzxv wwwkk") == ([], ["qzxv", "wwwkk"])
    assert found_rows(SHOP, "") == ([], [])


def near(*pairs: tuple[int, float]) -> NearItems:
    return NearItems(
        np.array([row for row, _ in pairs], dtype=np.int64), np.array([cosine for _, cosine in pairs], dtype=np.float32)
    )


def has(*rows: int) -> NDArray[np.bool_]:
    return np.isin(np.arange(ROWS), rows)


def test_words_and_meaning_are_told_apart() -> None:
    given = near((3, 0.9), (2, 0.6), (8, 0.95))
    words = hits_of(has(2, 3), NOBODY, ("x",), given, 0.5, SELECTABLE)
    assert (words.matched_by, words.dropped_words) == ("words", ("x",))
    both = hits_of(has(2), NOBODY, (), given, 0.5, SELECTABLE)
    assert both.matched_by == "words_and_meaning"
    assert np.flatnonzero(both.items).tolist() == [2, 3]
    assert both.near_rows.tolist() == [3, 2]
    meaning = hits_of(has(), NOBODY, ("x",), given, 0.7, SELECTABLE)
    assert (meaning.matched_by, meaning.dropped_words) == ("meaning", ())
    assert np.flatnonzero(meaning.items).tolist() == [3]


def test_what_was_chosen_after_a_query_is_found_as_by_its_words() -> None:
    chosen = np.array([4, 8], dtype=np.int32)
    both = hits_of(has(2), chosen, ("x",), near(), None, SELECTABLE)
    assert (both.matched_by, both.dropped_words) == ("words", ("x",))
    assert np.flatnonzero(both.items).tolist() == [2, 4]  # row 8 is no item
    alone = hits_of(has(), chosen, ("x",), near((3, 0.9)), 0.5, SELECTABLE)
    assert (alone.matched_by, alone.dropped_words) == ("words_and_meaning", ())
    assert np.flatnonzero(alone.items).tolist() == [3, 4]


def test_without_a_floor_meaning_finds_nothing() -> None:
    nothing = hits_of(has(), NOBODY, ("x",), near((3, 1.0)), None, SELECTABLE)
    assert (nothing.matched_by, int(nothing.items.sum())) == ("nothing", 0)
    assert hits_of(has(8), NOBODY, (), near(), 0.1, SELECTABLE).matched_by == "nothing"  # row 8 is no item


def test_where_items_have_no_words_a_known_query_orders_all_of_them() -> None:
    assert (
        everything(is_known=True, has_words=False, near=near((3, 0.1)), selectable=SELECTABLE).matched_by == "meaning"
    )
    known = everything(is_known=True, has_words=True, near=near((3, 0.1)), selectable=SELECTABLE)
    assert (known.matched_by, known.items.tolist()) == ("words", SELECTABLE.tolist())
    unknown = everything(is_known=False, has_words=False, near=near(), selectable=SELECTABLE)
    assert (unknown.matched_by, int(unknown.items.sum())) == ("nothing", 0)
