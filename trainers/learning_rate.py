"""How the learning rate goes: a linear warm-up, then a cosine to 0 or nothing more."""

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
