"""Which images go through a network together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.micro_batches import images_at_a_time, in_micro_batches


def in_batches_of_like(
    images: list[Tensor], graphs: list[SceneGraph], batch_size: int, run: Callable[[list[int]], None]
) -> int:
    """Call `run` with the indices of all B images in batches; those alike in size and prompt meet.

    Rows of one batch are padded to the longest, which costs less among equals. Returns the size of a batch
    that memory allowed, `batch_size` at most (`spatial_core.micro_batches.in_micro_batches`).

    Args:
        images: B tensors [3, H, W].
        graphs: B graphs.
        batch_size: Images in one batch, at most.
        run: Does one batch.
    """
    order = sorted(range(len(images)), key=lambda i: (images[i].shape[-2:].numel(), len(graphs[i].text)))
    return in_micro_batches(order, batch_size, run)


def distinct(images: list[Tensor]) -> tuple[list[Tensor], list[int] | None]:
    """Return the images without those that are the same object as one before, and which of them each was.

    None for which if all are different objects.
    """
    rows: dict[int, int] = {}
    which = [rows.setdefault(id(image), len(rows)) for image in images]
    if len(rows) == len(images):
        return images, None
    return [images[which.index(row)] for row in range(len(rows))], which


def batch_that_fits(config: Any, images: list[Tensor], graphs: list[SceneGraph], *, max_pixels: int) -> int:
    """Return how many of the images fit into free memory beside each other (`images_at_a_time`).

    Args:
        config: Of the backbone.
        images: B tensors [3, H, W], where the backbone is.
        graphs: B graphs.
        max_pixels: Larger images are shrunk to this area.
    """
    pixels = max(min(image.shape[-2:].numel(), max_pixels) for image in images)
    # No token is shorter than a character, and a clause is as long as the words that it stands for.
    tokens = max(2 * len(graph.text) for graph in graphs)
    return images_at_a_time(config, images[0].device, pixels=pixels, tokens=tokens)
