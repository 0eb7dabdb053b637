"""Advantages against the published formulas, and what the filter changes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from spatial_trainers.rl.advantage import AdvantageRecipe, choose

RNG = np.random.default_rng(0)
REWARDS = RNG.normal(size=(3, 24))


def advantages(rewards: Any, **settings: Any) -> list[Any]:
    return choose({"r": np.asarray(rewards, dtype=np.float64)}, {"r": 1.0}, AdvantageRecipe(**settings))


def test_all_pictures_as_flow_grpo_has_them() -> None:
    """(r - mean of the prompt) / (std + 1e-4), the deviation of the group or of all groups."""
    for std in ("group", "global"):
        found = advantages(REWARDS, num_best=0, num_worst=0, std=std)
        for group, chosen in zip(REWARDS, found, strict=True):
            spread = group.std() if std == "group" else REWARDS.std()
            expected = (group - group.mean()) / (spread + 1e-4)
            assert sorted(chosen.rows.tolist()) == list(range(24))
            assert np.abs(chosen.advantages.numpy() - expected[chosen.rows.numpy()]).max() <= 1e-6


@pytest.mark.parametrize("normalise", ["after", "before"])
def test_best_and_worst(normalise: Any) -> None:
    found = advantages(REWARDS, normalise=normalise)
    for group, chosen in zip(REWARDS, found, strict=True):
        order = np.argsort(-group, kind="stable")
        assert chosen.rows.tolist() == [*order[:6], *order[-6:]]
        kept = group[chosen.rows.numpy()]
        population = kept if normalise == "after" else group
        expected = (kept - population.mean()) / (population.std() + 1e-4)
        assert np.abs(chosen.advantages.numpy() - expected).max() <= 1e-6
    assert found[0].advantages[:6].min() > 0 > found[0].advantages[-6:].max()


def test_global_deviation_after_selection_is_that_of_all_kept() -> None:
    found = advantages(REWARDS, std="global")
    kept = [group[chosen.rows.numpy()] for group, chosen in zip(REWARDS, found, strict=True)]
    for values, chosen in zip(kept, found, strict=True):
        expected = (values - values.mean()) / (np.concatenate(kept).std() + 1e-4)
        assert np.abs(chosen.advantages.numpy() - expected).max() <= 1e-6


def test_on_an_easy_prompt_the_filter_pushes_fewer_good_pictures() -> None:
    """The paper's argument: 20 of 24 are good; without the filter each of them is pushed a little."""
    rewards = [[1.0] * 20 + [0.0] * 4]
    (everything,) = advantages(rewards, num_best=0, num_worst=0)
    assert (everything.advantages > 0).sum() == 20
    assert everything.advantages.max() == pytest.approx(0.447, abs=1e-3)
    (kept,) = advantages(rewards)
    assert (kept.advantages > 0).sum() == 8
    assert kept.advantages.max() == pytest.approx(0.707, abs=1e-3)
    # Ties go to the earlier picture.
    assert kept.rows.tolist() == [0, 1, 2, 3, 4, 5, 18, 19, 20, 21, 22, 23]


def test_the_kept_half_carries_most_of_the_signal() -> None:
    rewards = np.random.default_rng(1).normal(size=(400, 24))
    scaled = (rewards - rewards.mean(1, keepdims=True)) / rewards.std(1, keepdims=True)
    found = advantages(rewards, normalise="before")
    share = sum(float((c.advantages**2).sum()) for c in found) / (scaled**2).sum()
    assert share == pytest.approx(0.91, abs=0.01)


def test_nan_is_never_chosen() -> None:
    rewards = np.arange(8.0)[None].repeat(2, 0)
    rewards[0, 7] = np.nan
    found = advantages(rewards, num_best=2, num_worst=2)
    assert found[0].rows.tolist() == [6, 5, 1, 0]
    assert found[1].rows.tolist() == [7, 6, 1, 0]
    with pytest.raises(ValueError, match="Group 0 of the step.*Use a larger group"):
        advantages([[np.nan] * 5 + [1.0, 2.0, 3.0]], num_best=2, num_worst=2)


def test_a_group_without_differences_is_left_out() -> None:
    rewards = np.stack([np.full(24, 3.0), REWARDS[0]])
    found = advantages(rewards)
    assert found[0] is None and found[1] is not None
    assert advantages(REWARDS * 1e-3, min_std=0.01) == [None, None, None]


def test_clipping_and_weights() -> None:
    outlier = np.zeros((1, 100))
    outlier[0, 0] = 1.0
    (found,) = advantages(outlier, num_best=0, num_worst=0)
    assert found.advantages.max() == 5.0
    parts = {"a": REWARDS, "b": 100 * np.random.default_rng(2).normal(size=(3, 24))}
    summed = choose(parts, {"a": 1.0, "b": 0.5}, AdvantageRecipe())
    total = parts["a"] + 0.5 * parts["b"]
    assert summed[0].rows.tolist() == advantages(total)[0].rows.tolist()
    each = choose(parts, {"a": 1.0, "b": 0.5}, AdvantageRecipe(combine="each"))
    scaled = {k: (v - v.mean(1, keepdims=True)) / (v.std(1, keepdims=True) + 1e-4) for k, v in parts.items()}
    order = np.argsort(-(scaled["a"][0] + 0.5 * scaled["b"][0]), kind="stable")
    assert each[0].rows.tolist() == [*order[:6], *order[-6:]]
    # Of two rewards of unlike scale, only "each" lets the small one decide.
    assert summed[0].rows.tolist() == advantages(parts["b"])[0].rows.tolist() != each[0].rows.tolist()


def test_bad_recipes() -> None:
    with pytest.raises(ValueError, match="num_best"):
        AdvantageRecipe(num_best=-1)
