"""As many things at a time as memory allows: from what is free, and halved when it runs out."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

Item = TypeVar("Item")

_SPARED = 0.8
"""Share of the free memory that is planned with."""


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


def bytes_per_image(config: Any, *, pixels: int, tokens: int, bytes_per_value: int) -> int:
    """Return roughly what one image takes while a Qwen-VL backbone reads it, without gradients.

    Counted are what a block of either tower holds at once (residual, queries, keys, values, their float32
    rotation and the two inner layers of the feed-forward), the cache of all layers and the mask.

    Args:
        config: Of a `Qwen2_5_VLModel` or `Qwen3VLModel`.
        pixels: Of the resized image.
        tokens: Of the prompt and the questions.
        bytes_per_value: Of an activation.
    """
    vision, text = config.vision_config, config.text_config
    patches = pixels // vision.patch_size**2
    length = tokens + patches // vision.spatial_merge_size**2
    seen = patches * (12 * vision.hidden_size + 3 * vision.intermediate_size)
    read = length * (12 * text.hidden_size + 3 * text.intermediate_size)
    share = text.num_key_value_heads / text.num_attention_heads
    kept = 2 * length * text.num_hidden_layers * text.hidden_size * share
    return int(bytes_per_value * (max(seen, read) + kept + length * (length + text.hidden_size)))


def images_at_a_time(config: Any, device: torch.device, *, pixels: int, tokens: int) -> int:
    """Return how many images of `pixels` with `tokens` of text fit into what is free on `device`.

    On a CPU, where more than a few at a time is no faster, it is 16.
    """
    if device.type != "cuda":
        return 16
    free, _ = torch.cuda.mem_get_info(device)
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    one = bytes_per_image(config, pixels=pixels, tokens=tokens, bytes_per_value=2)
    return max(1, int(_SPARED * (free + unused)) // one)
