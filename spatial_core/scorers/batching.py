"""Which images go through a network together, and how many: what free memory holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.micro_batches import in_micro_batches

_SPARED = 0.8
"""Share of the free memory that is planned with."""


def in_batches_of_like(
    images: list[Tensor],
    graphs: list[SceneGraph],
    run: Callable[[list[int]], None],
    *,
    batch_size: int | None,
    config: Any,
    max_pixels: int,
) -> int | None:
    """Call `run` with the indices of all B images in batches; those alike in size and prompt meet.

    Rows of one batch are padded to the longest, which costs less among equals.

    Args:
        images: B tensors [3, H, W], where the backbone is.
        graphs: B graphs.
        run: Does one batch.
        batch_size: Images in one batch, at most; None for what fits into free memory (`images_at_a_time`).
        config: Of the backbone.
        max_pixels: Larger images are shrunk to this area.

    Returns:
        The `batch_size` to go on with: the one that memory allowed, if it ran out.
    """
    pixels = [min(image.shape[-2:].numel(), max_pixels) for image in images]
    # No token is shorter than a character, and a clause is as long as the words that it stands for.
    tokens = max(2 * len(graph.text) for graph in graphs)
    size = batch_size or images_at_a_time(config, images[0].device, pixels=max(pixels), tokens=tokens)
    order = sorted(range(len(images)), key=lambda i: (images[i].shape[-2:].numel(), len(graphs[i].text)))
    fitted = in_micro_batches(order, size, run)
    return fitted if fitted < size else batch_size


def distinct(images: list[Tensor]) -> tuple[list[Tensor], list[int] | None]:
    """Return the images without those that are the same object as one before, and which of them each was.

    None for which if all are different objects.
    """
    rows: dict[int, int] = {}
    which = [rows.setdefault(id(image), len(rows)) for image in images]
    if len(rows) == len(images):
        return images, None
    return [images[which.index(row)] for row in range(len(rows))], which


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
