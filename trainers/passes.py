"""Which examples a step of training uses."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np


def step_indices(count: int, *, step: int, size: int, seed: int) -> list[int]:
    """Return which of `count` examples step `step` uses: pass after pass, each in an order of its own.

    A function of its arguments alone, so a resumed run goes on with the same ones.
    """
    first = step * size
    chosen: list[int] = []
    while len(chosen) < size:
        epoch, at = divmod(first + len(chosen), count)
        chosen.extend(_order(count, epoch, seed)[at : at + size - len(chosen)].tolist())
    return chosen


@lru_cache(maxsize=2)
def _order(count: int, epoch: int, seed: int) -> Any:
    return np.random.default_rng([seed, epoch]).permutation(count)
