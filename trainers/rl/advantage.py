"""From rewards of groups to advantages of the few pictures that are trained on.

The paper (arXiv 2602.24233) keeps the best and the worst of a group and normalises over those: on an easy
prompt most pictures are equally good, and with all of them in the mean each good one would still be pushed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from spatial_core.selection import select_extremes

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class AdvantageRecipe:
    """How rewards become advantages.

    Attributes:
        num_best, num_worst: Pictures of a group that are kept; both 0 keeps all.
        normalise: "after" takes mean and deviation over the kept pictures, as the paper does, "before" over
            the whole group.
        std: Deviation of the "group", or "global" over all groups of a step.
        combine: "sum" normalises the weighted sum of the rewards; "each" normalises every reward and then
            sums by weight (GDPO), so that scales need not agree. Selection is by the same quantity.
        min_std: A group whose rewards deviate by less teaches nothing and is left out.
        clip: Largest absolute advantage.
    """

    num_best: int = 6
    num_worst: int = 6
    normalise: Literal["after", "before"] = "after"
    std: Literal["group", "global"] = "group"
    combine: Literal["sum", "each"] = "sum"
    min_std: float = 1e-4
    clip: float = 5.0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a count is negative or a number is not positive.
        """
        if min(self.num_best, self.num_worst) < 0 or self.min_std < 0 or self.clip <= 0:
            raise ValueError(
                "'advantage' needs num_best, num_worst and min_std >= 0 and clip > 0; got "
                f"{self.num_best}, {self.num_worst}, {self.min_std} and {self.clip}."
            )

    def kept(self, group_size: int) -> int:
        """Return how many pictures of a group are kept."""
        return self.num_best + self.num_worst or group_size


@dataclass(frozen=True, eq=False)
class Chosen:
    """The pictures of a group that are trained on.

    Attributes:
        rows: int64 [M], their indices in the group, best first and worst last.
        advantages: float32 [M].
    """

    rows: Tensor
    advantages: Tensor


def choose(
    rewards: Mapping[str, FloatArray], weights: Mapping[str, float], recipe: AdvantageRecipe
) -> list[Chosen | None]:
    """Return the chosen pictures of each of G groups, None for a group that is left out.

    Flow-GRPO's advantage, (r - mean) / (std + 1e-4), with both taken as the recipe says.

    Args:
        rewards: [G, B] of each reward by name; NaN where it has no answer, and such a picture is never
            chosen.
        weights: Of each.
        recipe: How.

    Raises:
        ValueError: If a group has too few rewards that are numbers, or too few pictures.
    """
    if recipe.combine == "each":
        total = sum(w * _normalised(rewards[name], rewards[name], recipe) for name, w in weights.items())
    else:
        total = sum(w * rewards[name] for name, w in weights.items())
    total = np.asarray(total, dtype=np.float64)
    rows: list[NDArray[np.int64]] = []
    for number, group in enumerate(total):
        usable = int((~np.isnan(group)).sum())
        best, worst = (recipe.num_best, recipe.num_worst) if recipe.kept(0) else (usable, 0)
        try:
            top, bottom = select_extremes(group, best, worst)
        except ValueError as error:
            raise ValueError(f"Group {number} of the step: {error}") from error
        rows.append(np.concatenate([top, bottom[::-1]]))
    kept = [group[row] for group, row in zip(total, rows, strict=True)]
    if recipe.normalise == "after":
        population = np.full((len(kept), max(map(len, kept))), np.nan)
        for line, values in zip(population, kept, strict=True):
            line[: len(values)] = values
    else:
        population = total
    whole = _normalised(population, total, recipe)
    return [
        None
        if np.nanstd(group) < max(recipe.min_std, 1e-12)
        else Chosen(
            torch.from_numpy(row), torch.from_numpy(scaled[row]).float().clamp(-recipe.clip, recipe.clip)
        )
        for group, row, scaled in zip(total, rows, whole, strict=True)
    ]


def _normalised(population: FloatArray, values: FloatArray, recipe: AdvantageRecipe) -> FloatArray:
    """Return `values` [G, B] less the groups' means, over the deviation, both of `population` [G, N]."""
    mean = np.nanmean(population, axis=1, keepdims=True)
    spread = population if recipe.std == "group" else population.reshape(1, -1)
    return (values - mean) / (np.nanstd(spread, axis=1, keepdims=True) + 1e-4)
