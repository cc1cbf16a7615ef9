"""What is reported of every ranking: each figure equals its definition, computed the slow way."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.evaluation.baselines import popularity
from offline.evaluation.exposure import coverage, exposure_of, gini, mean_percentile, popularity_percentiles
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import event_counts, load_cases
from offline.evaluation.secondary_metrics import USUAL_METRICS, secondary_figures

Write = Callable[..., Path]

counts = st.lists(st.integers(0, 6), min_size=1, max_size=12)


@given(times=counts)
def test_gini_is_half_the_mean_difference_over_the_mean(times: list[int]) -> None:
    n, total = len(times), sum(times)
    apart = sum(abs(one - other) for one in times for other in times)
    assert gini(np.array(times)) == pytest.approx(apart / (2 * n * total) if total else 0.0)


@given(events=counts)
def test_a_percentile_counts_fewer_and_half_of_equals(events: list[int]) -> None:
    came = popularity_percentiles(np.array([0, *events]))
    assert np.isnan(came[0])
    for item, mine in enumerate(events, start=1):
        fewer, equal = sum(other < mine for other in events), events.count(mine)
        assert came[item] == pytest.approx((fewer + equal / 2) / len(events))
    assert came[1:].mean() == pytest.approx(0.5)


rankings = st.lists(st.permutations(range(1, 9)).map(lambda rows: [*rows[:5], 0, 0]), min_size=1, max_size=5)


@given(lines=rankings, k=st.integers(1, 7))
def test_coverage_is_the_share_of_items_that_anybody_is_shown(lines: list[list[int]], k: int) -> None:
    shown = {row for line in lines for row in line[:k] if row}
    assert coverage(np.array(lines), k, 8) == pytest.approx(len(shown) / 8)


@given(lines=rankings)
def test_exposure_looks_at_what_is_shown_and_not_at_padding(lines: list[list[int]]) -> None:
    percentiles = popularity_percentiles(np.array([0, 5, 4, 4, 3, 2, 1, 0, 0]))
    came = exposure_of(np.array(lines), 8, percentiles)
    shown = [row for line in lines for row in line if row]
    assert came["popularity_percentile@10"] == pytest.approx(np.mean([percentiles[row] for row in shown]))
    assert came["gini@10"] == pytest.approx(gini(np.array([shown.count(row) for row in range(1, 9)])))
    assert came["coverage@10"] == came["coverage@20"] == len(set(shown)) / 8


def test_nothing_shown_has_no_popularity() -> None:
    assert mean_percentile(np.zeros((2, 3), np.int64), np.ones(4)) is None


def test_further_metrics_are_those_that_the_set_does_not_name(write_split: Write, tmp_path: Path) -> None:
    train = [(user, 1 + (user + step) % 10, 1, float(step)) for user in range(9) for step in range(user % 4 + 1)]
    test = [(user, 1 + (3 * user) % 10, 1, 50.0) for user in range(9)]
    folder = write_split(tmp_path, train=train, test=test)
    cases, named = load_cases(folder, "test"), [Metric("hr", 10), Metric("map", 5)]
    events = event_counts(folder, "test", 10)
    assert events.tolist() == [0, *(sum(row == item for _, row, _, _ in train) for item in range(1, 11))]
    ranked = popularity(folder, cases, ["seen"])["seen"]
    (figures,) = secondary_figures(named, {"it": ranked}, cases, events, np.random.default_rng(0)).values()
    found = figures.json()
    assert list(found["metrics"]) == [metric.name for metric in USUAL_METRICS if metric.name != "hr@10"]
    for metric in USUAL_METRICS[1:]:
        value = table_of([metric], ranked, cases.targets).mean()
        assert found["metrics"][metric.name] == pytest.approx(value)
        assert found["ci95"][metric.name][0] <= value <= found["ci95"][metric.name][1]
    percentiles = popularity_percentiles(events)
    assert found["target_popularity_percentile"] == pytest.approx(percentiles[cases.targets.rows].mean())
