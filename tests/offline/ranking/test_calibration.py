"""Calibration: rising, true on average, and measured against slow definitions."""

import numpy as np
import pytest

from offline.evaluation.calibration_error import area_under_curve, expected_calibration_error, reliability
from offline.ranking.calibration import fit_calibration


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
