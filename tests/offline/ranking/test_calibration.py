"""Calibration: rising, true on average, and measured against slow definitions."""

import numpy as np
import pytest

from offline.evaluation.calibration_error import (
    area_under_curve,
    calibration_figures,
    expected_calibration_error,
    reliability,
)
from offline.ranking.calibration import cross_calibrated, fit_calibration


def skewed(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Raw probabilities twice the true ones."""
    raw = rng.beta(1, 6, count)
    return raw, rng.random(count) < raw / 2


def test_calibration_brings_probabilities_to_what_happens() -> None:
    rng = np.random.default_rng(0)
    curve = fit_calibration(*skewed(rng, 20_000))
    raw, happened = skewed(rng, 20_000)
    calibrated = np.interp(raw, curve.raw, curve.calibrated)
    before = expected_calibration_error(reliability(raw, happened))
    after = expected_calibration_error(reliability(calibrated, happened))
    assert before > 0.05
    assert after < 0.01


def test_calibration_rises_and_is_short() -> None:
    curve = fit_calibration(*skewed(np.random.default_rng(1), 50_000))
    assert curve.raw == sorted(curve.raw)
    assert curve.calibrated == sorted(curve.calibrated)
    assert 2 <= len(curve.raw) == len(curve.calibrated) <= 200


def test_where_nothing_ever_happens_the_probability_is_zero() -> None:
    curve = fit_calibration(np.linspace(0, 1, 50), np.zeros(50, dtype=bool))
    assert np.interp(0.7, curve.raw, curve.calibrated) == 0.0


def test_the_highest_few_are_not_promised_what_only_they_have_kept() -> None:
    """Three cases at the very end happened, of some hundred near them 30 %: a curve of single cases ends at 1."""
    rng = np.random.default_rng(3)
    raw = np.concatenate([rng.uniform(0, 0.1, 5_000), rng.uniform(0.5, 0.8, 200), [0.9, 0.91, 0.92]])
    happened = np.concatenate([rng.random(5_000) < 0.02, rng.random(200) < 0.3, [True, True, True]])
    curve = fit_calibration(raw, happened)
    assert np.interp(0.95, curve.raw, curve.calibrated) < 0.5
    calibrated = np.interp(raw, curve.raw, curve.calibrated)
    assert calibrated.sum() == pytest.approx(happened.sum(), rel=0.05)


def test_the_cases_of_one_list_are_no_level_of_their_own() -> None:
    """One user did all that was likely to be done; nine others, as likely, did nothing."""
    raw = np.concatenate([np.full(5_000, 0.01), np.linspace(0.7, 0.8, 1_000)])
    lists = np.concatenate([np.arange(5_000) % 50, 100 + np.arange(1_000)[::-1] // 100])
    happened = np.concatenate([np.zeros(5_000, dtype=bool), lists[5_000:] == 100])
    curve = fit_calibration(raw, happened, lists)
    assert np.interp(0.8, curve.raw, curve.calibrated) < 0.2
    alone = fit_calibration(raw, happened)
    assert np.interp(0.8, alone.raw, alone.calibrated) > 0.9


def test_each_case_is_said_by_a_curve_that_has_not_seen_its_list() -> None:
    """Outcomes that are nothing but the list's own: in-sample curves follow them, others cannot."""
    rng = np.random.default_rng(4)
    lists = np.repeat(np.arange(300), 40)
    raw = (lists[:, None] + 1) / 400 + rng.uniform(0, 1e-4, (len(lists), 1))
    happened = np.repeat(rng.random(300) < 0.3, 40)[:, None]
    predicted = cross_calibrated(raw, happened, lists, seed=0)
    figures = calibration_figures(predicted[:, 0], happened[:, 0], lists)
    assert figures.ratio == pytest.approx(1.0, abs=0.1)
    for held in (0, 150, 299):
        changed = happened.copy()
        changed[lists == held] = ~changed[lists == held]
        again = cross_calibrated(raw, changed, lists, seed=0)
        np.testing.assert_array_equal(again[lists == held], predicted[lists == held])


@pytest.mark.parametrize(
    ("predicted", "share", "calibrated"),
    [(0.3, 0.3, True), (1.0, 0.29, False), (0.02, 0.01, False), (0.004, 0.002, False), (0.0011, 0.001, True)],
)
def test_probabilities_are_calibrated_when_as_much_comes_as_is_said(
    predicted: float, share: float, calibrated: bool
) -> None:
    lists = np.repeat(np.arange(1_000), 100)
    happened = (np.arange(100_000) * 7_919 % 100_000) < share * 100_000
    figures = calibration_figures(np.full(100_000, predicted), happened, lists)
    assert figures.calibrated is calibrated
    assert figures.ratio == pytest.approx(predicted / share)
    assert figures.max_error == pytest.approx(abs(predicted - share))


@pytest.mark.parametrize("ties", [False, True])
def test_area_under_curve_is_the_share_of_pairs_in_order(ties: bool) -> None:
    rng = np.random.default_rng(2)
    predicted = rng.integers(0, 6, 60) / 6 if ties else rng.random(60)
    happened = rng.random(60) < 0.3
    yes, no = predicted[happened], predicted[~happened]
    pairs = [(a > b) + 0.5 * (a == b) for a in yes for b in no]
    assert area_under_curve(predicted, happened) == pytest.approx(np.mean(pairs))


def test_without_both_outcomes_there_is_no_area() -> None:
    assert area_under_curve(np.array([0.1, 0.2]), np.array([False, False])) is None


def test_calibration_error_is_the_mean_distance_over_bins() -> None:
    bins = [{"predicted": 0.1, "observed": 0.3, "count": 30}, {"predicted": 0.5, "observed": 0.4, "count": 10}]
    assert expected_calibration_error(bins) == pytest.approx((30 * 0.2 + 10 * 0.1) / 40)
