"""Metrics: each equals its published definition, computed the slow way."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.errors import DatasetError
from offline.evaluation.metrics import DEPTH, Metric, hits, parse_metric, table_of
from offline.evaluation.protocol import RowLists


def lists(rows: list[list[int]]) -> RowLists:
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])]).astype(np.int64)
    return RowLists(offsets, np.array([row for line in rows for row in line], dtype=np.int32))


def oracle(kind: str, k: int, ranked: list[int], targets: list[int]) -> float:
    wanted = {row for row in targets if row}
    found = [row in wanted for row in ranked[:k]]
    ranks = [rank for rank, hit in enumerate(found, start=1) if hit]
    match kind:
        case "hr":
            return float(bool(ranks))
        case "recall":
            return len(ranks) / len(targets)
        case "precision":
            return len(ranks) / k
        case "mrr":
            return 1 / ranks[0] if ranks else 0.0
        case "ndcg":
            ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(k, len(targets)) + 1))
            return sum(1 / math.log2(rank + 1) for rank in ranks) / ideal
        case _:
            precisions = [sum(found[:rank]) / rank for rank in ranks]
            return sum(precisions) / min(k, len(targets))


users = st.lists(
    st.tuples(
        st.permutations(range(1, 13)).flatmap(lambda rows: st.integers(0, 12).map(lambda most: rows[:most])),
        st.lists(st.integers(0, 15), min_size=1, max_size=6).map(
            lambda rows: sorted({row for row in rows if row}) + [0] * rows.count(0)
        ),
    ),
    min_size=1,
    max_size=6,
)


@given(users=users, kind=st.sampled_from(["hr", "recall", "precision", "ndcg", "mrr", "map"]), k=st.integers(1, 15))
def test_every_metric_equals_its_definition(users: list[tuple[list[int], list[int]]], kind: str, k: int) -> None:
    ranked = np.zeros((len(users), 12), dtype=np.int64)
    for line, (rows, _) in enumerate(users):
        ranked[line, : len(rows)] = rows
    came = table_of([Metric(kind, k)], ranked, lists([targets for _, targets in users]))
    expected = [oracle(kind, k, rows, targets) for rows, targets in users]
    np.testing.assert_allclose(came[:, 0], expected, rtol=1e-12, atol=0)


def test_ndcg_of_a_single_held_out_item_is_one_over_the_logarithm_of_its_rank() -> None:
    ranked = np.arange(1, 11)[None, :].repeat(10, axis=0)
    came = table_of([Metric("ndcg", 10)], ranked, lists([[row] for row in range(1, 11)]))[:, 0]
    np.testing.assert_allclose(came, 1 / np.log2(np.arange(2, 12)))


def test_the_padding_row_is_never_a_hit_and_unknown_targets_count_as_missed() -> None:
    ranked = np.array([[3, 0, 0], [0, 0, 0]])
    assert hits(ranked, lists([[0, 3], [0]])).tolist() == [[True, False, False], [False] * 3]
    assert table_of([Metric("recall", 3)], ranked, lists([[0, 3], [0]]))[:, 0].tolist() == [0.5, 0.0]


def test_a_users_hit_is_not_another_users() -> None:
    ranked = np.array([[1, 2], [1, 2]])
    assert hits(ranked, lists([[2], [1]])).tolist() == [[False, True], [True, False]]


def test_a_name_says_how_deep_the_metric_looks() -> None:
    assert parse_metric("mrr").name == f"mrr@{DEPTH}"
    assert parse_metric("ndcg@10") == Metric("ndcg", 10)


@pytest.mark.parametrize("name", ["ndcg", "hr@0", "auc@10", "hr@10 ", f"recall@{DEPTH + 1}"])
def test_a_metric_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(DatasetError, match="expected"):
        parse_metric(name)
