"""P(best), ranking, extremes, halving and the unbiased estimators, against rows worked by hand."""

import math

import numpy as np
import pytest

from spatial_core.selection import (
    best_of_n,
    blend,
    expected_max,
    halving_schedule,
    p_best,
    pass_at_n,
    probability_better,
    rank,
    select_extremes,
)

PHI_1 = 0.8413447460685429  # standard normal distribution function at 1


def test_probability_better_by_hand():
    # margin 1, spread sqrt(.6^2 + .8^2) = 1
    assert probability_better(3.0, 0.6, 2.0, 0.8) == pytest.approx(PHI_1, abs=1e-12)
    assert probability_better(2.0, 0.6, 3.0, 0.8) == pytest.approx(1.0 - PHI_1, abs=1e-12)
    assert probability_better(1.0, 0.0, 1.0, 0.0) == 0.5
    assert probability_better(2.0, 0.0, 1.0, 0.0) == 1.0
    assert math.isnan(probability_better(math.nan, 1.0, 0.0, 1.0))


def test_p_best_of_two_is_probability_better():
    expected = probability_better(1.0, 0.3, 0.4, 2.0)
    assert p_best([1.0, 0.4], [0.3, 2.0]) == pytest.approx([expected, 1.0 - expected], abs=1e-9)


def test_p_best_of_three_by_hand():
    # Equal scores share; a middle of three with equal spread: P = 1/3 each at equal means.
    assert p_best([5.0, 5.0, 5.0], [2.0, 2.0, 2.0]) == pytest.approx([1 / 3] * 3, abs=1e-10)
    # One certain score at 0 against two standard normals: it wins where both are negative, 1/4.
    assert p_best([0.0, 0.0, 0.0], [0.0, 1.0, 1.0]) == pytest.approx([1 / 4, 3 / 8, 3 / 8], abs=1e-10)
    # All certain: the top ones share.
    assert p_best([1.0, 2.0, 2.0], [0.0, 0.0, 0.0]).tolist() == [0.0, 0.5, 0.5]


def test_p_best_agrees_with_sampling_for_mixed_widths():
    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=12), np.exp(rng.normal(size=12) * 2.0)
    draws = (mean + std * rng.normal(size=(200_000, 12))).argmax(axis=1)
    sampled = np.bincount(draws, minlength=12) / 200_000
    assert np.abs(p_best(mean, std) - sampled).max() < 0.005


def test_p_best_with_a_needle_among_wide_scores():
    # The needle at 0 (std 1e-6) is best where three wide scores are below: (1/2)^3.
    assert p_best([0.0, 0.0, 0.0, 0.0], [1e-6, 1.0, 1.0, 1.0])[0] == pytest.approx(0.125, abs=1e-6)


def test_p_best_does_not_depend_on_order_and_sums_to_one():
    rng = np.random.default_rng(1)
    mean, std = rng.normal(size=24), rng.uniform(0.05, 3.0, size=24)
    shuffle = rng.permutation(24)
    assert p_best(mean, std)[shuffle] == pytest.approx(p_best(mean[shuffle], std[shuffle]), abs=1e-12)
    assert p_best(mean, std).sum() == pytest.approx(1.0, abs=1e-12)


def test_p_best_far_apart_and_unjudged():
    assert p_best([1e9, 0.0], [1.0, 1.0]).tolist() == [1.0, 0.0]
    assert p_best([math.nan, 0.0], [math.nan, 1.0]).tolist() == [0.0, 1.0]
    assert np.isnan(p_best([math.nan, math.nan], [1.0, 1.0])).all()
    assert p_best([], []).shape == (0,)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ([0.0], [1.0, 1.0], "got 1 means and 2 stds"),
        ([[0.0]], [[1.0]], r"shape \[B\]; got \[1, 1\]"),
        ([math.inf], [1.0], "finite"),
        ([0.0], [-1.0], ">= 0"),
        ([0.0], [math.nan], ">= 0"),
    ],
)
def test_p_best_refuses(mean, std, message):
    with pytest.raises(ValueError, match=message):
        p_best(mean, std)


def test_rank_names_ties_without_chaining():
    # Spread of each pair sqrt(2): neighbours differ by .5 (P = .64, a tie), the ends by 1 (P = .76, called).
    ranking = rank([0.0, 1.0, 0.5, -9.0], [1.0, 1.0, 1.0, 1.0])
    assert ranking.order.tolist() == [1, 2, 0, 3]
    assert ranking.ties == ((1, 2),)
    assert ranking.p_best.argmax() == 1


def test_rank_is_stable_and_puts_unjudged_last():
    ranking = rank([math.nan, 1.0, 1.0], [math.nan, 0.0, 0.0])
    assert ranking.order.tolist() == [1, 2, 0]
    assert ranking.ties == ((1, 2),)
    assert rank([], []).order.shape == (0,)
    assert rank([math.nan], [1.0]).ties == ()
    with pytest.raises(ValueError, match="confidence"):
        rank([1.0], [1.0], confidence=1.0)


def test_best_of_n():
    assert best_of_n([1.0, math.nan, 3.0, 3.0]) == 2
    with pytest.raises(ValueError, match="all NaN"):
        best_of_n([math.nan])
    with pytest.raises(ValueError, match="at least one"):
        best_of_n([])


@pytest.mark.parametrize(
    ("rewards", "best", "worst"),
    [
        ([3.0, 1.0, 2.0, 0.0, 5.0], [4, 0], [3, 1]),
        ([1.0, 1.0, 1.0, 1.0], [0, 1], [3, 2]),  # stable: earlier is better
        ([math.nan, 2.0, 1.0, math.nan, 0.0, 3.0], [5, 1], [4, 2]),
        ([-math.inf, 0.0, 1.0, math.inf], [3, 2], [0, 1]),
    ],
)
def test_select_extremes_by_hand(rewards, best, worst):
    found_best, found_worst = select_extremes(rewards, 2, 2)
    assert found_best.tolist() == best
    assert found_worst.tolist() == worst


def test_select_extremes_edges():
    best, worst = select_extremes([1.0, 2.0], 0, 0)
    assert best.tolist() == worst.tolist() == []
    with pytest.raises(ValueError, match=r"2 \+ 2 > 3 \(of 4\)"):
        select_extremes([1.0, 2.0, 3.0, math.nan], 2, 2)
    with pytest.raises(ValueError, match="-1"):
        select_extremes([1.0], -1, 1)


def test_halving_schedule():
    assert halving_schedule(24) == (24, 12, 6, 3, 2, 1)
    assert halving_schedule(24, num_kept=4) == (24, 12, 6, 4)
    assert halving_schedule(9, factor=3.0) == (9, 3, 1)
    assert halving_schedule(3, factor=1.1) == (3, 2, 1)
    assert halving_schedule(1) == (1,)
    with pytest.raises(ValueError, match="num_kept"):
        halving_schedule(4, num_kept=5)
    with pytest.raises(ValueError, match="factor"):
        halving_schedule(4, factor=1.0)


def test_expected_max_by_hand():
    # Pairs of (1, 2, 4): maxima 2, 4, 4.
    assert expected_max([4.0, 1.0, 2.0], 2) == pytest.approx(10 / 3)
    assert expected_max([4.0, 1.0, 2.0], 1) == pytest.approx(7 / 3)
    assert expected_max([4.0, 1.0, 2.0], 3) == pytest.approx(4.0)


def test_expected_max_equals_the_mean_over_all_subsets():
    from itertools import combinations

    scores = np.random.default_rng(2).normal(size=9)
    for n in range(1, 10):
        direct = np.mean([max(subset) for subset in combinations(scores, n)])
        assert expected_max(scores, n) == pytest.approx(direct, abs=1e-12)
    with pytest.raises(ValueError, match="n must be"):
        expected_max(scores, 10)
    with pytest.raises(ValueError, match="NaN"):
        expected_max([1.0, math.nan], 1)


def test_pass_at_n_by_hand():
    # 4 samples, 1 correct, 2 drawn: 3 of 6 pairs hold it.
    assert pass_at_n(4, 1, 2) == pytest.approx(0.5)
    assert pass_at_n(4, 0, 4) == 0.0
    assert pass_at_n(4, 3, 2) == 1.0
    assert pass_at_n(2000, 1000, 1) == pytest.approx(0.5)
    with pytest.raises(ValueError, match="num_correct"):
        pass_at_n(4, 5, 1)
    with pytest.raises(ValueError, match="n must be"):
        pass_at_n(4, 1, 0)


def test_blend_brings_lists_to_one_scale() -> None:
    # By hand: the spread of (0, 2) is 1, that of (30, 10) is 10.
    mean, std = blend([[0.0, 2.0], [30.0, 10.0]], [[0.1, 0.2], [1.0, 2.0]], [1.0, 2.0])
    np.testing.assert_allclose(mean, [0.0 + 6.0, 2.0 + 2.0])
    np.testing.assert_allclose(std, [math.hypot(0.1, 0.2), math.hypot(0.2, 0.4)])


def test_blend_of_one_list_and_of_lists_that_say_nothing() -> None:
    mean, std = blend([[1.0, math.nan, 3.0]], [[0.1, 0.2, 0.3]], [2.0])
    np.testing.assert_array_equal(mean, [1.0, math.nan, 3.0])
    np.testing.assert_array_equal(std, [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(blend([[1.0, 3.0]], [[0.0, 0.0]], [-0.5])[0], [-1.0, -3.0])
    equal, _ = blend([[5.0, 5.0], [1.0, 3.0]], np.zeros((2, 2)), [9.0, 1.0])
    np.testing.assert_array_equal(rank(equal, [0.0, 0.0]).order, [1, 0])


@pytest.mark.parametrize(
    ("means", "stds", "weights", "message"),
    [
        ([[1.0, 2.0]], [[0.0, 0.0]], [1.0, 1.0], "one shape"),
        ([[1.0, 2.0]], [[0.0]], [1.0], "one shape"),
        ([[1.0, 2.0]], [[0.0, 0.0]], [0.0], "not 0"),
    ],
)
def test_blend_refuses(
    means: list[list[float]], stds: list[list[float]], weights: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        blend(means, stds, weights)
