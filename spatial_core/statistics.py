"""How far a measured number can be trusted: intervals, paired tests, calibration.

NumPy and the standard library only. Array letters: B predictions.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]

_DRAWS = 4000
"""Resamplings of a bootstrap."""


def wilson_interval(successes: int, total: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return the Wilson score interval of a proportion.

    By hand: 350 of 365 at 95 % gives (.933, .975). No trials give (0, 1).

    Raises:
        ValueError: If `successes` is not in [0, total] or `confidence` not in (0, 1).
    """
    if not 0 <= successes <= total:
        raise ValueError(f"successes must be in [0, total = {total}]; got {successes}.")
    if not 0.0 < confidence < 1.0:
        raise ValueError(f"confidence must be in (0, 1); got {confidence}.")
    if total == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2.0)
    share, shrink = successes / total, 1.0 + z * z / total
    center = (share + z * z / (2.0 * total)) / shrink
    half = z * math.sqrt(share * (1.0 - share) / total + z * z / (4.0 * total * total)) / shrink
    # At the ends the bound is 0 or 1 exactly, which the subtraction misses by rounding.
    return (
        0.0 if successes == 0 else max(0.0, center - half),
        1.0 if successes == total else min(1.0, center + half),
    )


def bootstrap_interval(
    values: FloatArray, statistic: Callable[[FloatArray], FloatArray] | None = None
) -> list[float]:
    """Return the 95 % bootstrap interval over P items, such as prompts, of a mean or a statistic of means.

    Args:
        values: `[P]`, or `[P, K]` for K values of each item that stay together.
        statistic: From means `[draws, K]` to `[draws]`.
    """
    rng = np.random.default_rng(0)
    rows = np.stack([values[rng.integers(len(values), size=len(values))].mean(0) for _ in range(_DRAWS)])
    drawn = rows if statistic is None else statistic(rows)
    return [float(x) for x in np.quantile(drawn, (0.025, 0.975))]


def mcnemar(only_first: int, only_second: int) -> float:
    """Return the exact two-sided p-value of McNemar's test for two judges on the same items.

    The chance, if both judges were equally good, of a split at least as uneven as the one seen.
    By hand: 0 against 5 gives 2 / 2^5 = .0625; 3 against 3 gives 1.

    Args:
        only_first: Items that only the first judge got right.
        only_second: Items that only the second judge got right.

    Raises:
        ValueError: If a count is negative.
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"Counts must be >= 0; got {only_first} and {only_second}.")
    total, fewer = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(total, i) for i in range(fewer + 1))
    # Integer division by a power of two stays exact for any count.
    return min(1.0, 2 * tail / (1 << total)) if total else 1.0


@dataclass(frozen=True)
class ReliabilityBin:
    """Predictions whose probability fell into [low, high).

    Attributes:
        low: Lower edge.
        high: Upper edge; the last bin includes it.
        count: How many predictions.
        predicted: Their mean probability.
        observed: The share of them that came true.
    """

    low: float
    high: float
    count: int
    predicted: float
    observed: float


def reliability_bins(
    probabilities: ArrayLike, outcomes: ArrayLike, *, num_bins: int = 10
) -> tuple[ReliabilityBin, ...]:
    """Return the reliability diagram's non-empty bins of equal width, from low to high.

    Args:
        probabilities: [B] in [0, 1]. For a pair, the probability that its first image is better; where the
            first image is always the chosen one, use the probability of the predicted winner instead, or
            count each pair in both orders.
        outcomes: [B], 1 where it came true, else 0.
        num_bins: Bins over [0, 1].

    Raises:
        ValueError: If the shapes differ or are empty, or a value is out of range.
    """
    p, y = _checked(probabilities, outcomes)
    if num_bins < 1:
        raise ValueError(f"num_bins must be >= 1; got {num_bins}.")
    place = np.minimum((p * num_bins).astype(np.int64), num_bins - 1)
    return tuple(
        ReliabilityBin(
            low=i / num_bins,
            high=(i + 1) / num_bins,
            count=int((place == i).sum()),
            predicted=float(p[place == i].mean()),
            observed=float(y[place == i].mean()),
        )
        for i in range(num_bins)
        if (place == i).any()
    )


def expected_calibration_error(probabilities: ArrayLike, outcomes: ArrayLike, *, num_bins: int = 10) -> float:
    """Return the mean distance between predicted and observed over the reliability bins, weighted by count.

    Arguments and errors are those of `reliability_bins`.
    """
    bins = reliability_bins(probabilities, outcomes, num_bins=num_bins)
    return sum(b.count * abs(b.predicted - b.observed) for b in bins) / sum(b.count for b in bins)


def brier_skill(probabilities: ArrayLike, outcomes: ArrayLike, *, reference: float | None = None) -> float:
    """Return 1 - Brier(probabilities) / Brier(constant): 1 is perfect, 0 no better than the constant.

    Args:
        probabilities: [B] in [0, 1].
        outcomes: [B], 1 where it came true, else 0.
        reference: The constant forecast; the outcomes' own mean if None, the hardest constant to beat.

    Raises:
        ValueError: As `reliability_bins`, or if the constant is already perfect.
    """
    p, y = _checked(probabilities, outcomes)
    constant = float(y.mean()) if reference is None else reference
    baseline = float(((constant - y) ** 2).mean())
    if baseline == 0.0:
        raise ValueError(
            f"Brier skill is undefined: the constant {constant:g} predicts all {len(y)} outcomes perfectly. "
            "Count each pair in both orders, so that outcomes differ."
        )
    return 1.0 - float(((p - y) ** 2).mean()) / baseline


def _checked(probabilities: ArrayLike, outcomes: ArrayLike) -> tuple[FloatArray, FloatArray]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(outcomes, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape or not p.size:
        raise ValueError(
            "probabilities and outcomes must have one shape [B], B >= 1; "
            f"got {list(p.shape)} and {list(y.shape)}."
        )
    if not ((p >= 0.0) & (p <= 1.0)).all():
        raise ValueError(f"probabilities must be in [0, 1]; got {p.min():.4g} to {p.max():.4g}.")
    if not np.isin(y, (0.0, 1.0)).all():
        raise ValueError("outcomes must be 0 or 1.")
    return p, y
