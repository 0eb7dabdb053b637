"""How candidates are ordered, and when to stop drawing more."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_LOWER_BOUND = re.compile(r"mean\s*-\s*(\d+(?:\.\d+)?)\s*\*?\s*std")


def std_weight(selection: str) -> float:
    """Return k of "mean - k std", 0 for "mean".

    Raises:
        ValueError: If `selection` is neither.
    """
    match = _LOWER_BOUND.fullmatch(selection.strip())
    if match is None and selection.strip() != "mean":
        raise ValueError(
            f'`selection` must be "mean", or "mean - k std" with a number k such as "mean - 0.5 std"; got '
            f"{selection!r}."
        )
    return 0.0 if match is None else float(match[1])


def chance_next_is_better(scores: Sequence[float], *, rank: int = 1) -> float:
    """Return the probability in [0, 1] that one more draw would exceed the `rank`-th best of `scores`.

    The draws of one prompt are taken as normal with unknown mean and variance, so the next one follows
    Student's t with n - 1 degrees of freedom around their mean, scaled by s sqrt(1 + 1 / n) (Geisser,
    Predictive Inference, 1993, section 2). For two draws that is 1/3 whatever they are.

    Args:
        scores: n >= 2 numbers.
        rank: Which of the best has to be beaten.
    """
    n = len(scores)
    mean = math.fsum(scores) / n
    spread = math.sqrt(math.fsum((score - mean) ** 2 for score in scores) / (n - 1) * (1.0 + 1.0 / n))
    margin = sorted(scores, reverse=True)[rank - 1] - mean
    if spread == 0.0:
        return 0.5
    return 1.0 - _student_cdf(margin / spread, n - 1)


def _student_cdf(t: float, freedom: int) -> float:
    """Return P(T <= t) of Student's t with an integer number of degrees of freedom.

    The finite sums of Abramowitz and Stegun, 26.7.3 (odd) and 26.7.4 (even).
    """
    theta = math.atan(t / math.sqrt(freedom))
    sine, cosine = math.sin(theta), math.cos(theta)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for k in range(3 if odd else 2, freedom - 1, 2):
        term *= (k - 1) / k * cosine**2
        total += term
    inner = 2.0 / math.pi * (theta + sine * total) if odd else sine * total
    return 0.5 * (1.0 + inner)
