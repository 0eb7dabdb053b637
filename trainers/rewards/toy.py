"""Rewards that are seen at a glance, for trying the machinery."""

from __future__ import annotations

from torch import Tensor


def bright_left(images: Tensor, _prompts: list[str]) -> Tensor:
    """Return how much brighter the left halves of `[B, 3, H, W]` are than the right ones, `[B]`."""
    left, right = images.chunk(2, dim=-1)
    return left.mean((1, 2, 3)) - right.mean((1, 2, 3))
