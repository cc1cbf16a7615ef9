"""Intervals: they cover as often as they claim, and are drawn the same for all columns."""

import numpy as np

from offline.evaluation.intervals import (
    cluster_difference_intervals,
    cluster_intervals,
    difference_interval,
    mean_interval,
    mean_intervals,
)


def test_an_interval_of_a_constant_is_a_point() -> None:
    assert mean_interval(np.full(50, 0.25), np.random.default_rng(0)) == (0.25, 0.25)


def test_an_interval_has_the_width_that_the_normal_approximation_gives() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 2.0, 4_000)
    low, high = mean_interval(values, rng, rounds=4_000)
    spread = 1.96 * values.std() / np.sqrt(len(values))
    np.testing.assert_allclose([low, high], [values.mean() - spread, values.mean() + spread], atol=0.1 * spread)


def test_about_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(2)
    ends = np.array([mean_interval((rng.random(120) < 0.3).astype(float), rng, 300) for _ in range(300)])
    assert 0.91 <= ((ends[:, 0] <= 0.3) & (ends[:, 1] >= 0.3)).mean() <= 0.98


def test_columns_share_their_resamples_and_one_column_is_as_many() -> None:
    values = np.random.default_rng(3).random((80, 1))
    together = mean_intervals(np.hstack([values, 2 * values]), np.random.default_rng(4))
    np.testing.assert_allclose(together[1], 2 * together[0])
    np.testing.assert_allclose(mean_interval(values[:, 0], np.random.default_rng(4)), together[0])


def test_many_users_are_drawn_in_portions_without_changing_the_meaning() -> None:
    values = np.random.default_rng(5).random((30_000, 1))  # more draws than are made at once
    low, high = mean_intervals(values, np.random.default_rng(6), rounds=400)[0]
    assert low < values.mean() < high
    assert high - low < 0.01


def test_a_difference_is_of_the_same_users() -> None:
    rng = np.random.default_rng(7)
    hard = rng.random(500)  # users differ far more than the rankings do
    low, high = difference_interval(hard + 0.02, hard, rng)
    np.testing.assert_allclose([low, high], [0.02, 0.02])


def test_whole_clusters_are_resampled() -> None:
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(40), 25)
    values = (rng.normal(size=40)[clusters] + 0.1 * rng.normal(size=1_000))[:, None]
    low, high = cluster_intervals(values, clusters, rng)[0]
    spread = 1.96 * np.array([values[clusters == each].mean() for each in range(40)]).std() / np.sqrt(40)
    np.testing.assert_allclose([low, high], [values.mean() - spread, values.mean() + spread], atol=0.15 * spread)
    naive = mean_intervals(values, rng)[0]
    assert high - low > 3 * (naive[1] - naive[0])


def test_clusters_of_one_case_each_are_cases() -> None:
    values = np.random.default_rng(7).random((60, 2))
    apart = cluster_intervals(values, np.arange(60), np.random.default_rng(8))
    np.testing.assert_allclose(apart, mean_intervals(values, np.random.default_rng(8)))


def test_a_difference_of_other_cases_has_the_width_that_the_normal_approximation_gives() -> None:
    rng = np.random.default_rng(8)
    ours, theirs = rng.normal(1.0, 1.0, (900, 1)), rng.normal(0.5, 2.0, (400, 1))
    alone = np.arange(900), np.arange(900, 1_300)
    low, high = cluster_difference_intervals(ours, alone[0], theirs, alone[1], rng, rounds=4_000)[0]
    spread = 1.96 * np.sqrt(ours.var() / 900 + theirs.var() / 400)
    difference = ours.mean() - theirs.mean()
    np.testing.assert_allclose([low, high], [difference - spread, difference + spread], atol=0.15 * spread)


def test_people_on_both_sides_are_drawn_together() -> None:
    rng = np.random.default_rng(9)
    hard = rng.random((300, 1))  # people differ far more than the sides do
    people = np.arange(300)
    low, high = cluster_difference_intervals(hard + 0.02, people, hard, people, rng)[0]
    np.testing.assert_allclose([low, high], [0.02, 0.02])


def test_a_difference_is_told_however_few_cases_there_are() -> None:
    rng = np.random.default_rng(10)
    low, high = cluster_difference_intervals(np.ones((1, 1)), np.array([1]), np.zeros((1, 1)), np.array([2]), rng)[0]
    assert (low, high) == (1.0, 1.0)
