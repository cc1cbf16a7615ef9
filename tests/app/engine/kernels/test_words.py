"""Sums over postings, what has all of a query, and texts in order: the compiled forms against NumPy's and Python's."""

import numpy as np
import pytest
from candidate_lists import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.text.sorted_texts import SortedTexts
from app.engine.kernels.library import Library
from app.engine.kernels.texts import FastTexts
from app.engine.kernels.words import (
    Addend,
    Column,
    Kind,
    Query,
    RowColumns,
    match_words,
    numpy_match,
    numpy_rows_in_any,
    numpy_sum,
    rows_in_any,
    sum_postings,
)


def drawn_addend(rng: np.random.Generator, rows: int, kind: Kind) -> Addend:
    shift = int(rng.integers(0, 2))
    places = rng.permutation(rows - shift)[: int(rng.integers(0, rows))].astype(np.int32)
    scores = rng.random(len(places)).astype(np.float32) * 9 if kind == Kind.SCORES else None
    column = Column.SAID if kind == Kind.MARK else Column(int(rng.integers(0, int(Column.SAID))))
    return Addend(column, kind, places, scores, float(rng.random() * 3), shift)


@given(
    seed=seeds,
    rows=st.sampled_from([2, 17, 64, 400, 3_000]),
    kinds=st.lists(st.sampled_from(list(Kind)), max_size=12),
    has_unknown=st.booleans(),
    said=st.sampled_from([0.0, 0.5, 2.0, 9.0]),
)
@settings(max_examples=200, deadline=None)
def test_any_query_matches_with_the_same_bits(
    compiled: Library, seed: int, rows: int, kinds: list[Kind], has_unknown: bool, said: float
) -> None:
    rng = np.random.default_rng(seed)
    addends = [drawn_addend(rng, rows, kind) for kind in kinds]
    words = [np.sort(rng.permutation(rows)[: int(rng.integers(0, 4))]).astype(np.int32) for _ in range(3)]
    query = Query(float(rng.random() * 4) + 1e-9, said, 0.9, 0.7, 1e-5, has_unknown, words)
    allowed = rng.random(rows) < 0.8
    found, expected = match_words(addends, query, allowed), numpy_match(addends, query, allowed)
    for name in ("hits", "has_hit"):
        assert getattr(found, name).tobytes() == getattr(expected, name).tobytes(), name
    for name in ("rows", "columns"):
        assert getattr(found.columns, name).tobytes() == getattr(expected.columns, name).tobytes(), name
    asked = rng.permutation(rows)[:30]
    wide = np.full((int(Column.SAID), len(asked) + 3), np.nan, dtype=np.float32)
    found.columns.write(asked, wide[:, 2:-1])
    assert np.array_equal(wide[:, 2:-1], found.columns.numpy_columns(asked))
    assert np.isnan(wide[:, [0, 1, -1]]).all()
    assert found.best_coverage == expected.best_coverage
    sums = [addend for addend in addends if addend.kind != Kind.MARK]
    assert sum_postings(sums, rows).tobytes() == numpy_sum(sums, rows).tobytes()
    parts = [words[0], *(addend.places for addend in addends)]
    assert rows_in_any(parts, rows).tobytes() == numpy_rows_in_any(parts, rows).tobytes()


@given(
    seed=seeds,
    n=st.sampled_from([0, 1, 30, 900, 5_000]),
    k=st.sampled_from([1, 7, 200, 899]),
    values=st.sampled_from([2, 5, 1_000_000]),  # so few that many sums are equal
    named=st.integers(0, 40),
    columns=st.permutations(list(Column)[: Column.SAID]),
)
@settings(max_examples=200, deadline=None)
def test_any_words_have_the_same_best_rows(
    compiled: Library, seed: int, n: int, k: int, values: int, named: int, columns: list[Column]
) -> None:
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.permutation(2 * n + 1)[:n]).astype(np.int32)
    scores = RowColumns(rows, rng.integers(0, values, (int(Column.SAID), n)).astype(np.float32) / np.float32(values))
    weights = {column: float(rng.choice([-1.5, 0, 1, 5])) for column in columns[: 1 + seed % 5]}
    allowed = rng.random(2 * n + 1) < rng.choice([0.1, 0.9, 1])
    gains = np.sort(rng.permutation(2 * n + 1)[:named]).astype(np.int32), rng.normal(0, 9, named).astype(np.float32)
    gains = gains[0], gains[1][: len(gains[0])]
    best = scores.best(allowed, weights, gains, k)
    assert best.tolist() == scores.numpy_best(allowed, weights, gains, k).tolist()


def test_a_place_that_is_no_row_is_refused(compiled: Library) -> None:
    outside = Addend(Column.MAIN, Kind.CONSTANT, np.array([1, 9], dtype=np.int32), None, 1.0, 1)
    query = Query(1.0, 0.0, 0.9, 0.7, 1e-5, False, [])
    with pytest.raises(IndexError):
        match_words([outside], query, np.ones(10, dtype=np.bool_))
    with pytest.raises(IndexError):
        sum_postings([outside], 10)
    with pytest.raises(IndexError):
        rows_in_any([np.array([3, -1], dtype=np.int32)], 10)
    scores = RowColumns(np.array([3, 9], dtype=np.int32), np.ones((int(Column.SAID), 2), dtype=np.float32))
    with pytest.raises(IndexError):
        scores.best(np.ones(9, dtype=np.bool_), {Column.MAIN: 1.0}, (scores.rows, scores.of(Column.MAIN)), 1)


@given(texts=st.lists(st.text(min_size=1, max_size=5), min_size=1, unique=True), others=st.lists(st.text(max_size=4)))
@settings(max_examples=200, deadline=None)
def test_texts_are_found_as_by_bisection(compiled: Library, texts: list[str], others: list[str]) -> None:
    column = TextColumn.of(sorted(texts, key=str.encode))
    plain, fast = SortedTexts(column), FastTexts(column)
    for text in [*texts, *others, *(text[:1] for text in texts)]:
        assert fast.find(text) == plain.find(text)
        assert list(fast.beginning_with(text)) == list(plain.beginning_with(text))
