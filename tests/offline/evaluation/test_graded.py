"""Graded search: metrics equal their definition computed the slow way, and ties follow a fixed hash."""

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.hashing import stable_hashes
from offline.errors import DatasetError, RunFolderError
from offline.evaluation.graded_cases import GradedCases, break_ties, graded_table, load_graded_cases
from offline.evaluation.metrics import Metric
from offline.evaluation.protocol import RowLists
from offline.evaluation.tf_idf import tf_idf_ranking

METRICS = [Metric("ndcg", 3), Metric("mrr", 5), Metric("recall", 4), Metric("hr", 1)]


def cases_of(judged: list[dict[int, float]]) -> GradedCases:
    """By query, the gain of each relevant row."""
    offsets = np.concatenate([[0], np.cumsum([len(gains) for gains in judged])]).astype(np.int64)
    rows = np.array([row for gains in judged for row in gains], dtype=np.int32)
    worth = np.array([gain for gains in judged for gain in gains.values()])
    return GradedCases([""] * len(judged), RowLists(offsets, rows), worth, 0)


def slow(metric: Metric, ranked: list[int], gains: dict[int, float]) -> float:
    best = [row for row in ranked if row][: metric.k]
    found = [gains.get(row, 0.0) for row in best]
    match metric.kind:
        case "ndcg":
            ideal = sorted(gains.values(), reverse=True)[: metric.k]
            dcg = [
                sum(gain / math.log2(rank + 1) for rank, gain in enumerate(order, start=1)) for order in (found, ideal)
            ]
            return dcg[0] / dcg[1]
        case "mrr":
            return next((1 / rank for rank, gain in enumerate(found, start=1) if gain), 0.0)
        case "recall":
            return sum(gain > 0 for gain in found) / len(gains)
        case _:
            return float(any(found))


queries = st.lists(
    st.tuples(
        st.permutations(range(1, 10)).flatmap(lambda rows: st.integers(0, 9).map(lambda most: rows[:most])),
        st.dictionaries(st.integers(1, 12), st.sampled_from([1.0, 2.0, 3.0, 0.5]), min_size=1, max_size=7),
    ),
    min_size=1,
    max_size=5,
)


@given(queries=queries)
def test_graded_metrics_equal_their_definition(queries: list[tuple[list[int], dict[int, float]]]) -> None:
    ranked = np.zeros((len(queries), 9), dtype=np.int64)
    for line, (rows, _) in enumerate(queries):
        ranked[line, : len(rows)] = rows
    came = graded_table(METRICS, ranked, cases_of([gains for _, gains in queries]))
    expected = [[slow(metric, rows, gains) for metric in METRICS] for rows, gains in queries]
    np.testing.assert_allclose(came, expected, rtol=1e-12)


@given(scores=st.lists(st.sampled_from([0.0, 0.5, 0.75]), min_size=1, max_size=12), filled=st.integers(0, 3))
def test_equal_scores_are_ordered_by_the_hash_of_the_id(scores: list[float], filled: int) -> None:
    ids = [f"p{row}" for row in range(1, len(scores) + 1)]
    hashes = np.concatenate([np.zeros(1, np.uint64), stable_hashes(ids)])
    rows = np.array([[*range(1, len(scores) + 1), *[0] * filled]], dtype=np.int64)
    came = break_ties(rows, np.array([[*scores, *[-np.inf] * filled]]), hashes)[0].tolist()
    expected = sorted(range(1, len(scores) + 1), key=lambda row: (-scores[row - 1], int(hashes[row])))
    assert came == expected + [0] * filled


def write_graded(folder: Path, judged: list[tuple[int, str, float]]) -> Path:
    pl.DataFrame({"query_id": [2, 1, 3], "query": ["two", "one", "three"]}).write_parquet(folder / "queries.parquet")
    pl.DataFrame(judged, schema=["query_id", "item_id", "relevance"], orient="row").write_parquet(
        folder / "judgments.parquet"
    )
    return folder


def test_queries_without_anything_relevant_are_left_out_and_items_outside_the_catalogue_count_as_missed(
    tmp_path: Path,
) -> None:
    judged = [(1, "b", 1.0), (1, "b", 3.0), (1, "z", 2.0), (2, "a", 0.0), (3, "a", 1.0), (2, "b", -1.0)]
    cases = load_graded_cases(write_graded(tmp_path, judged), ["a", "b"])
    assert (cases.queries, cases.unanswerable) == (["one", "three"], 1)
    assert sorted(cases.relevant.of(0).tolist()) == [0, 2]
    assert cases.relevant.of(1).tolist() == [1]
    worth = dict(zip(cases.relevant.rows.tolist(), cases.gains.tolist(), strict=True))
    assert worth == {0: 2.0, 2: 3.0, 1: 1.0}
    perfect = graded_table([Metric("ndcg", 2), Metric("recall", 2)], np.array([[2, 1], [1, 2]]), cases)
    np.testing.assert_allclose(perfect[0], [3 / (3 + 2 / math.log2(3)), 0.5])


def test_a_split_without_judgments_or_without_anything_relevant_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="split again"):
        load_graded_cases(tmp_path, ["a"])
    with pytest.raises(DatasetError, match="judgment above 0, got none"):
        load_graded_cases(write_graded(tmp_path, [(1, "a", 0.0)]), ["a"])


def test_tf_idf_ranks_by_the_cosine_of_rare_words_first_and_ends_where_nothing_is_shared() -> None:
    items = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "item_id": ["a", "b", "c"],
            "title": ["red shoe", "red hat", "green tea"],
            "brand": [None] * 3,
            "category": [None] * 3,
            "text": [None] * 3,
            "attributes": [[], ["made_of=felt"], []],
        },
        schema_overrides=dict.fromkeys(("brand", "category", "text"), pl.String),
    )
    assert tf_idf_ranking(items, ["shoe red", "felt", "zzz"], 3).tolist() == [[1, 2, 0], [2, 0, 0], [0, 0, 0]]
