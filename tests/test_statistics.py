"""Intervals, McNemar and calibration against rows worked by hand."""

import numpy as np
import pytest

from spatial_core.statistics import (
    brier_skill,
    expected_calibration_error,
    mcnemar,
    reliability_bins,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("successes", "total", "low", "high"),
    [
        (350, 365, 0.933, 0.975),
        (347, 365, 0.923, 0.969),
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (0, 0, 0.0, 1.0),
    ],
)
def test_wilson_by_hand(successes, total, low, high):
    assert wilson_interval(successes, total) == pytest.approx((low, high), abs=5e-4)


def test_wilson_covers():
    rng = np.random.default_rng(0)
    hits = [
        low <= 0.9 <= high
        for low, high in (wilson_interval(k, 200) for k in rng.binomial(200, 0.9, 2000).tolist())
    ]
    assert 0.93 < np.mean(hits) < 0.97


def test_wilson_refuses():
    with pytest.raises(ValueError, match="successes"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="confidence"):
        wilson_interval(1, 2, confidence=1.0)


def test_mcnemar_by_hand():
    assert mcnemar(0, 5) == mcnemar(5, 0) == pytest.approx(0.0625)
    assert mcnemar(3, 3) == 1.0
    assert mcnemar(0, 0) == 1.0
    # 1 + 8 + 28 = 37 of 256 in one tail.
    assert mcnemar(2, 6) == pytest.approx(2 * 37 / 256)
    assert 0.0 < mcnemar(900, 1100) < 1e-4
    with pytest.raises(ValueError, match=">= 0"):
        mcnemar(-1, 2)


def test_reliability_bins_by_hand():
    low, high = reliability_bins([0.1, 0.3, 0.9, 1.0], [0, 1, 1, 1], num_bins=2)
    assert (low.low, low.high, low.count, low.predicted, low.observed) == (
        0.0,
        0.5,
        2,
        pytest.approx(0.2),
        0.5,
    )
    assert (high.count, high.predicted, high.observed) == (2, pytest.approx(0.95), 1.0)
    error = expected_calibration_error([0.1, 0.3, 0.9, 1.0], [0, 1, 1, 1], num_bins=2)
    assert error == pytest.approx(0.5 * 0.3 + 0.5 * 0.05)


def test_a_calibrated_forecast_has_a_small_error():
    rng = np.random.default_rng(0)
    p = rng.uniform(size=40_000)
    y = rng.uniform(size=40_000) < p
    assert expected_calibration_error(p, y) < 0.01
    assert expected_calibration_error(p**3, y) > 0.1


def test_brier_skill_by_hand():
    # Errors .04, .04, .04, .04 against .25 of the constant one half.
    assert brier_skill([0.8, 0.2, 0.8, 0.2], [1, 0, 1, 0]) == pytest.approx(1 - 0.04 / 0.25)
    assert brier_skill([1.0, 0.0], [1, 0]) == 1.0
    assert brier_skill([0.75] * 4, [1, 1, 1, 0]) == pytest.approx(0.0)
    assert brier_skill([0.75] * 4, [1, 1, 1, 0], reference=0.5) == pytest.approx(1 - 0.1875 / 0.25)
    with pytest.raises(ValueError, match="both orders"):
        brier_skill([0.9, 0.8], [1, 1])


@pytest.mark.parametrize(
    ("probabilities", "outcomes", "message"),
    [
        ([0.5], [1, 0], "one shape"),
        ([], [], "B >= 1"),
        ([1.5], [1], r"in \[0, 1\]"),
        ([0.5], [0.5], "0 or 1"),
    ],
)
def test_calibration_refuses(probabilities, outcomes, message):
    with pytest.raises(ValueError, match=message):
        reliability_bins(probabilities, outcomes)
    with pytest.raises(ValueError, match="num_bins"):
        reliability_bins([0.5], [1], num_bins=0)
