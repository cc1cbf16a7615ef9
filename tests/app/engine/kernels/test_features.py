"""The ranker's features: the compiled form against NumPy's."""

from dataclasses import Field, fields, replace
from typing import Any

import numpy as np
import pytest
from candidate_lists import alone, batch_lengths, candidate_list, seeds
from hypothesis import given, settings
from hypothesis import strategies as st
from rank_tables_made_up import made_up_batch, made_up_tables

from app.artifact import rank_features as numpy_form
from app.artifact.rank_features import CandidateList, UserContext
from app.artifact.rank_tables import RankTables
from app.engine.kernels.features import KernelTables, popularity_columns, rank_features
from app.engine.kernels.library import Library
from app.engine.scoring import list_of

ITEMS = 60


def drawn_context(rng: np.random.Generator, size: int, window: int, dim: int) -> UserContext:
    batch = made_up_batch(rng, size, ITEMS, window, dim)
    queries = rng.normal(size=(size, dim)).astype(np.float32)
    queries[rng.random(size) < 0.2] = 0
    return UserContext(batch.event_rows, batch.event_types, batch.event_times, batch.now, queries)


def some_of(candidates: CandidateList, rng: np.random.Generator, size: int) -> CandidateList:
    kept = rng.random(len(candidates)) < 0.4
    lines = candidates.request_index[kept]
    offsets = np.searchsorted(lines, np.arange(size + 1))
    return CandidateList(lines, candidates.rows[kept], candidates.sources[kept], offsets)


@given(
    lengths=batch_lengths,
    seed=seeds,
    dim=st.sampled_from([1, 3, 8, 64]),
    content=st.sampled_from([0, 4, 5, 33]),
    window=st.sampled_from([1, 4, 12, 50]),
)
@settings(max_examples=100, deadline=None)
def test_any_candidates_have_the_same_bits(
    compiled: Library, lengths: list[int], seed: int, dim: int, content: int, window: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = made_up_tables(rng, ITEMS, dim, content)
    tables.vectors[20:30], tables.score_scales[20:30] = tables.vectors[20], tables.score_scales[20]  # ties
    candidates = candidate_list(lengths, rng, ITEMS + 1)
    context = drawn_context(rng, len(lengths), window, dim)
    features = rank_features(tables, candidates, context)
    assert features.tobytes() == numpy_form.rank_features(tables, candidates, context).tobytes()
    for request in range(len(lengths)):
        of_one = rank_features(tables, alone(candidates, request), context.take(np.array([request])))
        assert of_one.tobytes() == features[candidates.part(request)].tobytes()
    some = some_of(candidates, rng, len(lengths))
    within = rank_features(tables, some, context, candidates)
    assert within.tobytes() == numpy_form.rank_features(tables, some, context, candidates).tobytes()


@given(shared=st.lists(st.integers(1, 19), min_size=1, max_size=5), length=st.integers(0, 40), seed=seeds)
@settings(max_examples=60, deadline=None)
def test_requests_that_share_a_list_are_ranked_within_it_each_by_its_own_query(
    compiled: Library, shared: list[int], length: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    tables = made_up_tables(rng, ITEMS, 8, 5)
    tables.vectors[20:30], tables.score_scales[20:30] = tables.vectors[20], tables.score_scales[20]  # ties
    lists = candidate_list([length] * len(shared), rng, ITEMS + 1).rows_of_requests()
    within = list_of([rows for rows, count in zip(lists, shared, strict=True) for _ in range(count)])
    candidates = candidate_list([7] * sum(shared), rng, ITEMS + 1)  # some of them are not in the list
    context = drawn_context(rng, sum(shared), 12, 8)
    features = rank_features(tables, candidates, context, within)
    assert features.tobytes() == numpy_form.rank_features(tables, candidates, context, within).tobytes()


@given(seed=seeds, count=st.integers(0, 40))
@settings(max_examples=30, deadline=None)
def test_popularity_alone_has_the_same_bits(compiled: Library, seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    tables, rows = made_up_tables(rng, ITEMS, 8, 5), rng.integers(0, ITEMS + 1, count)
    columns = popularity_columns(tables, rows)
    assert columns.tobytes() == np.array(numpy_form.popularity_features(tables, rows), dtype=np.float32).tobytes()
    with pytest.raises(IndexError):
        popularity_columns(tables, np.append(rows, ITEMS + 1))


def test_half_precision_weights_are_read_exactly(compiled: Library) -> None:
    rng = np.random.default_rng(0)
    every = np.arange(1 << 15, dtype=np.uint16).view(np.float16)  # from 0 up, then what is no number
    finite = np.concatenate([every[:1_100], every[np.isfinite(every)][1_100::101], every[np.isfinite(every)][-1:]])
    tables = made_up_tables(rng, len(finite), 4, 0)
    neighbours, weights = np.zeros((2, len(finite)), np.int32), np.zeros((2, len(finite)), np.float16)
    neighbours[1], weights[1] = np.arange(1, len(finite) + 1), finite
    tables = replace(tables, neighbours=neighbours, neighbour_weights=weights)
    context = UserContext(
        np.array([[1]], np.int32), np.ones((1, 1), np.uint8), np.zeros((1, 1)), np.zeros(1), np.ones((1, 4), np.float32)
    )
    candidates = candidate_list([len(finite)], rng, len(finite) + 1)
    features = rank_features(tables, candidates, context)
    assert features.tobytes() == numpy_form.rank_features(tables, candidates, context).tobytes()


@pytest.mark.parametrize("wrong", ["candidate", "reference", "event"])
def test_a_row_outside_of_the_tables_is_refused_as_numpy_refuses_it(compiled: Library, wrong: str) -> None:
    rng = np.random.default_rng(1)
    tables, context = made_up_tables(rng, ITEMS), drawn_context(rng, 1, 12, 8)
    candidates = candidate_list([9], rng, ITEMS + 1)
    outside = replace(candidates, rows=np.append(candidates.rows[:-1], ITEMS + 1))
    if wrong == "event":
        context.event_rows[0, -1] = ITEMS + 1
    asked = (outside if wrong == "candidate" else candidates, context, outside if wrong == "reference" else None)
    for form in (rank_features, numpy_form.rank_features):
        with pytest.raises(IndexError):
            form(tables, *asked)


def test_tables_with_more_dimensions_than_sums_are_exact_for_are_left_to_numpy(compiled: Library) -> None:
    rng = np.random.default_rng(2)
    tables, context = made_up_tables(rng, ITEMS, 1_500), drawn_context(rng, 2, 12, 1_500)
    candidates = candidate_list([9, 5], rng, ITEMS + 1)
    features = rank_features(tables, candidates, context)
    assert features.tobytes() == numpy_form.rank_features(tables, candidates, context).tobytes()


@given(seed=seeds, changed=st.integers(0, 5), further=st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_what_is_known_of_items_is_taken_over_where_nothing_differs(
    compiled: Library, seed: int, changed: int, further: int
) -> None:
    rng = np.random.default_rng(seed)
    after = made_up_tables(rng, ITEMS + further, 8, 4)
    rows = ITEMS + 1
    before = replace(after, **{field.name: getattr(after, field.name)[:rows] for field in _columns_by_row()})
    counts, popularity = (column[:rows].copy() for column in after.assumed)
    other = 1 + rng.permutation(ITEMS)[:changed]
    counts[other[::2], 1] += 1
    popularity[other[1::2]] += np.float32(0.5)
    before = before.knowing(None, before.never_seen, (counts, popularity))
    candidates = candidate_list([ITEMS], rng, ITEMS + 1)
    context = drawn_context(rng, 1, 12, 8)
    rank_features(before, candidates, context)
    KernelTables.carry(before, after)
    assert np.flatnonzero(KernelTables.of(after).has_logs).tolist() == sorted({*range(1, rows)} - {*other.tolist()})
    features = rank_features(after, candidates, context)
    assert features.tobytes() == numpy_form.rank_features(after, candidates, context).tobytes()


def _columns_by_row() -> list[Field[Any]]:
    return [field for field in fields(RankTables) if field.name != "absent"]
