"""Choosing among scored images: P(best), ranking with ties, best-of-N, extremes, halving.

NumPy in, indices out. A score is a Gaussian: a mean and a standard deviation, independent of its neighbours.
Array letters: B scored images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]

_TAIL = 8.5
"""Standard deviations after which a normal tail (1e-17) is below the resolution of float64."""

_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(8)

_erfc = np.frompyfunc(math.erfc, 1, 1)


def probability_better(mean_a: float, std_a: float, mean_b: float, std_b: float) -> float:
    """Return the probability in [0, 1] that score a exceeds score b.

    Phi((mean_a - mean_b) / sqrt(std_a^2 + std_b^2)); two equal certain scores give 0.5, NaN in is NaN out.
    """
    margin, spread = mean_a - mean_b, math.hypot(std_a, std_b)
    if math.isnan(margin) or math.isnan(spread):
        return math.nan
    if spread == 0.0:
        return 0.5 if margin == 0.0 else float(margin > 0.0)
    return 0.5 * math.erfc(-margin / spread / math.sqrt(2.0))


def p_best(mean: ArrayLike, std: ArrayLike) -> FloatArray:
    """Return the probability that each of B independent Gaussian scores is the largest.

    P(i best) = integral of f_i(x) prod_{j != i} F_j(x) dx, by Gauss-Legendre quadrature between break
    points a standard deviation apart, so that narrow and wide scores may be mixed; error below 1e-9.

    Args:
        mean: [B], finite; NaN for an image that was not judged.
        std: [B], >= 0; scores with std 0 that are equal share their probability.

    Returns:
        float64 [B] that sums to 1. Unjudged images get 0; all are NaN if no image was judged.

    Raises:
        ValueError: If the shapes differ or are not [B], a mean is infinite, or a std is not in [0, inf).
    """
    means, stds = _checked(mean, std)
    known = ~np.isnan(means)
    if not known.any():
        return np.full(means.shape, np.nan)
    probabilities = np.zeros(means.shape)
    probabilities[known] = _p_best_known(means[known], stds[known])
    return probabilities


@dataclass(frozen=True, eq=False)
class Ranking:
    """B scored images in order.

    Attributes:
        order: int64 [B], best first; equal means keep the order they came in, unjudged images come last.
        mean: float64 [B], in the order the images came in.
        std: float64 [B], in the order the images came in.
        p_best: float64 [B], in the order the images came in: the probability to be the best of all. Sums to
            1; NaN throughout if no image was judged.
        ties: Groups of two or more neighbours in `order` that are too close to call.
    """

    order: IntArray
    mean: FloatArray
    std: FloatArray
    p_best: FloatArray
    ties: tuple[tuple[int, ...], ...]


def rank(mean: ArrayLike, std: ArrayLike, *, confidence: float = 0.75) -> Ranking:
    """Rank B images by mean score, best first, and name the groups that are too close to call.

    An image joins the group of the best image before it for as long as that one is better with a
    probability below `confidence`; groups therefore never chain from a clear best to a clear worst.

    Args:
        mean: [B], finite; NaN for an image that was not judged.
        std: [B], >= 0.
        confidence: Probability in [0.5, 1) from which a difference is called.

    Raises:
        ValueError: As `p_best`, or if `confidence` is out of range.
    """
    if not 0.5 <= confidence < 1.0:
        raise ValueError(f"confidence must be in [0.5, 1); got {confidence}.")
    means, stds = _checked(mean, std)
    order = _descending(means)
    groups: list[list[int]] = []
    for i in map(int, order):
        if math.isnan(means[i]):
            break
        leader = groups[-1][0] if groups else None
        if leader is not None and _better(means, stds, leader, i) < confidence:
            groups[-1].append(i)
        else:
            groups.append([i])
    ties = tuple(tuple(group) for group in groups if len(group) > 1)
    return Ranking(order=order, mean=means, std=stds, p_best=p_best(means, stds), ties=ties)


def blend(means: ArrayLike, stds: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Return one score list from K lists about the same B images, whose scales need not agree.

    A single list comes back as it is, times the sign of its weight. Several are each divided by their spread
    over the B images and summed by weight, so weights say how much a list decides; one that is the same for
    all images decides nothing.

    Args:
        means: [K, B]; NaN where a list has not judged an image, which leaves it unjudged.
        stds: [K, B], >= 0.
        weights: [K]; negative where lower is better.

    Returns:
        mean [B] and std [B], both float64.

    Raises:
        ValueError: If the shapes do not fit, or no weight differs from 0.
    """
    mean, std = np.asarray(means, dtype=np.float64), np.asarray(stds, dtype=np.float64)
    weight = _vector(weights, "weights")
    if mean.ndim != 2 or mean.shape != std.shape or len(mean) != len(weight):
        raise ValueError(
            f"blend() needs means and stds of one shape [K, B] and K weights; got {list(mean.shape)}, "
            f"{list(std.shape)} and {len(weight)}."
        )
    if not weight.any():
        raise ValueError("blend() needs a weight that is not 0; all are 0, so nothing would be ranked.")
    if len(weight) == 1:
        return mean[0] * np.sign(weight[0]), std[0]
    scale = np.zeros(len(weight))
    for k, row in enumerate(mean):
        known = row[~np.isnan(row)]
        spread = float(known.std()) if len(known) else 0.0
        scale[k] = weight[k] / spread if spread > 0.0 else 0.0
    return scale @ mean, np.sqrt((scale**2) @ std**2)


def best_of_n(scores: ArrayLike) -> int:
    """Return the index of the highest score; the first of equals, never NaN.

    Raises:
        ValueError: If `scores` is not [B] or holds no number.
    """
    values = _vector(scores, "scores")
    if np.isnan(values).all():
        raise ValueError(
            f"best_of_n() needs at least one score that is a number; got {len(values)} scores, all NaN."
        )
    return int(np.nanargmax(values))


def select_extremes(rewards: ArrayLike, num_best: int, num_worst: int) -> tuple[IntArray, IntArray]:
    """Return the indices of the best and of the worst rewards of one group.

    Ties are stable: among equals the earlier index counts as better. NaN is never selected, and no index
    is in both answers.

    Args:
        rewards: [B], higher is better.
        num_best: How many to take from the top, >= 0.
        num_worst: How many to take from the bottom, >= 0.

    Returns:
        int64 [num_best], best first, and int64 [num_worst], worst first.

    Raises:
        ValueError: If fewer than `num_best + num_worst` rewards are numbers, or a count is negative.
    """
    values = _vector(rewards, "rewards")
    if num_best < 0 or num_worst < 0:
        raise ValueError(f"num_best and num_worst must be >= 0; got {num_best} and {num_worst}.")
    usable = int((~np.isnan(values)).sum())
    if num_best + num_worst > usable:
        raise ValueError(
            f"select_extremes() needs num_best + num_worst <= the rewards that are numbers; got {num_best} + "
            f"{num_worst} > {usable} (of {len(values)}). Use a larger group or fewer extremes."
        )
    order = _descending(values)[:usable]
    return order[:num_best], order[usable - num_worst :][::-1]


def halving_schedule(num_candidates: int, *, num_kept: int = 1, factor: float = 2.0) -> tuple[int, ...]:
    """Return how many candidates are alive in each round of successive halving.

    Each round keeps the `1 / factor` best, rounded up, and never fewer than `num_kept`: 24 candidates give
    (24, 12, 6, 3, 2, 1). Every round is one check, so the schedule has `len - 1` cuts.

    Raises:
        ValueError: If `num_kept` is not in [1, num_candidates] or `factor` <= 1.
    """
    if not 1 <= num_kept <= num_candidates:
        raise ValueError(f"num_kept must be in [1, num_candidates = {num_candidates}]; got {num_kept}.")
    if factor <= 1.0:
        raise ValueError(f"factor must be > 1, or no round drops a candidate; got {factor}.")
    rounds = [num_candidates]
    while rounds[-1] > num_kept:
        # Rounding up may keep everyone (3 / 1.2); a round that drops nobody would never end.
        rounds.append(max(num_kept, min(math.ceil(rounds[-1] / factor), rounds[-1] - 1)))
    return tuple(rounds)


def expected_max(scores: ArrayLike, n: int) -> float:
    """Return the expected best of `n` draws, estimated without bias from B >= n scores.

    The mean over all subsets of size n of their maximum: sum_i x_(i) C(i - 1, n - 1) / C(B, n), with
    x_(1) <= ... <= x_(B).

    Raises:
        ValueError: If `n` is not in [1, B] or a score is NaN.
    """
    values = np.sort(_vector(scores, "scores"))
    count = len(values)
    if not 1 <= n <= count:
        raise ValueError(f"n must be in [1, {count}], the number of scores; got {n}.")
    if np.isnan(values).any():
        raise ValueError(
            "expected_max() needs scores that are numbers; got NaN. Drop the images not judged first."
        )
    # From the top: w_B = n / B, and w_i / w_{i+1} = (i + 1 - n) / i, which avoids huge binomials.
    weight, total = n / count, 0.0
    for i in range(count, n - 1, -1):
        total += weight * float(values[i - 1])
        weight *= (i - n) / max(i - 1, 1)
    return total


def pass_at_n(num_samples: int, num_correct: int, n: int) -> float:
    """Return the chance that at least one of `n` draws is correct, estimated without bias.

    1 - C(num_samples - num_correct, n) / C(num_samples, n) (Chen et al., arXiv 2107.03374, eq. 1).

    Raises:
        ValueError: If `n` is not in [1, num_samples] or `num_correct` not in [0, num_samples].
    """
    if not 1 <= n <= num_samples:
        raise ValueError(f"n must be in [1, num_samples = {num_samples}]; got {n}.")
    if not 0 <= num_correct <= num_samples:
        raise ValueError(f"num_correct must be in [0, num_samples = {num_samples}]; got {num_correct}.")
    return 1.0 - math.comb(num_samples - num_correct, n) / math.comb(num_samples, n)


def _vector(values: ArrayLike, name: str) -> FloatArray:
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must have shape [B]; got {list(vector.shape)}.")
    return vector


def _checked(mean: ArrayLike, std: ArrayLike) -> tuple[FloatArray, FloatArray]:
    means, stds = _vector(mean, "mean"), _vector(std, "std")
    if means.shape != stds.shape:
        raise ValueError(
            f"mean and std must have one shape [B]; got {len(means)} means and {len(stds)} stds."
        )
    if np.isinf(means).any():
        raise ValueError("mean must be finite (or NaN for an image that was not judged); got an infinity.")
    known = stds[~np.isnan(means)]
    if not (np.isfinite(known) & (known >= 0.0)).all():
        raise ValueError(f"std must be finite and >= 0 wherever mean is a number; got {known.tolist()}.")
    return means, stds


def _descending(values: FloatArray) -> IntArray:
    """Return the indices from high to low, stable, NaN last."""
    return np.argsort(-values, kind="stable").astype(np.int64)


def _normal_cdf(x: FloatArray) -> FloatArray:
    return 0.5 * np.asarray(_erfc(-x / math.sqrt(2.0)), dtype=np.float64)


def _better(means: FloatArray, stds: FloatArray, a: int, b: int) -> float:
    return probability_better(float(means[a]), float(stds[a]), float(means[b]), float(stds[b]))


def _p_best_known(means: FloatArray, stds: FloatArray) -> FloatArray:
    certain = stds == 0.0
    # Below this point some score is certain to be higher, so nothing there can win.
    floor = float((means - _TAIL * stds).max())
    probabilities = np.zeros(means.shape)
    open_ = ~certain & (means + _TAIL * stds > floor)
    mu, sigma = means[open_], stds[open_]
    if certain.any():
        top = means[certain].max()
        winners = certain & (means == top)
        # Certain scores win where every other score falls below them, and share that among equals.
        probabilities[winners] = _normal_cdf((top - mu) / sigma).prod() / winners.sum()
        if not open_.any():
            return probabilities
    steps = np.arange(-_TAIL, _TAIL + 0.5)
    points = np.unique(np.concatenate([(mu[:, None] + sigma[:, None] * steps).ravel(), [floor]]))
    points = points[points >= floor]
    # Break points much closer than the narrowest score's width add work and no accuracy.
    cells = np.floor((points - floor) / (0.5 * sigma.min()))
    points = np.append(points[np.unique(cells, return_index=True)[1]], points[-1])
    half = 0.5 * np.diff(points)
    x = ((points[:-1] + half)[:, None] + half[:, None] * _NODES).ravel()
    weights = (half[:, None] * _WEIGHTS).ravel()
    z = (x - mu[:, None]) / sigma[:, None]
    cdf = _normal_cdf(z)
    density = np.exp(-0.5 * z * z) / (sigma[:, None] * math.sqrt(2.0 * math.pi))
    for row in range(len(mu)):
        others = np.delete(cdf, row, axis=0).prod(axis=0)
        probabilities[np.flatnonzero(open_)[row]] = float((weights * density[row] * others).sum())
    return probabilities / probabilities.sum()
