"""How learning rates go, as shares of their peak: a linear warm-up, and a fall in the end."""

from __future__ import annotations

import math
from typing import Protocol


class Schedule(Protocol):
    """What a recipe says of it.

    Attributes:
        steps: Of training.
        warmup_steps: Of linear growth from 0.
        schedule: "cosine" or "constant", after the warm-up.
    """

    @property
    def steps(self) -> int: ...
    @property
    def warmup_steps(self) -> int: ...
    @property
    def schedule(self) -> str: ...


def learning_rate_factor(step: int, recipe: Schedule) -> float:
    """Return the share of the peak learning rate that step `step`, counted from 0, takes."""
    if step < recipe.warmup_steps:
        return (step + 1) / recipe.warmup_steps
    if recipe.schedule == "constant":
        return 1.0
    progress = (step - recipe.warmup_steps) / max(1, recipe.steps - recipe.warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * progress))


class Plateau(Protocol):
    """What settings say of it.

    Attributes:
        steps: Of training.
        warmup: Steps of linear growth.
        cooldown: Share of the steps over which the rate falls to 0 at the end.
    """

    @property
    def steps(self) -> int: ...
    @property
    def warmup(self) -> int: ...
    @property
    def cooldown(self) -> float: ...


def plateau_factor(step: int, settings: Plateau) -> float:
    """Return the share of the peak rate of step `step`, from 0: warm-up, plateau, then a linear fall."""
    fall = max(settings.steps * settings.cooldown, 1.0)
    return min(1.0, (step + 1) / settings.warmup, max(0.0, (settings.steps - step) / fall))
