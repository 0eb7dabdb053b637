"""As many things at a time as memory allows: halved when it runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

Item = TypeVar("Item")


def in_micro_batches(items: Sequence[Item], size: int, run: Callable[[list[Item]], bool | None]) -> int:
    """Call `run` for micro-batches of `items` until none is left, or it returns True.

    Args:
        items: In their order.
        size: Items at a time; a batch for which memory runs out is run again in two halves.
        run: Does one batch.

    Returns:
        The size that memory allowed.

    Raises:
        OutOfMemoryError: torch's, if memory does not even hold one item.
    """
    start = 0
    while start < len(items):
        batch = list(items[start : start + size])
        try:
            if run(batch):
                break
        except torch.OutOfMemoryError:
            if len(batch) == 1:
                raise
            size = (len(batch) + 1) // 2
            # Collected after the handler: the traceback holds the tensors.
            batch = []
        if not batch:
            gc.collect()
            torch.cuda.empty_cache()
        start += len(batch)
    return size
