"""Which images go through a network together."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph


def batches_of_like(images: list[Tensor], graphs: list[SceneGraph], batch_size: int) -> Iterator[list[int]]:
    """Yield the indices of all B images in batches; those alike in size and prompt meet, which saves padding.

    Args:
        images: B tensors [3, H, W].
        graphs: B graphs.
        batch_size: Images in one batch, at most.
    """
    order = sorted(range(len(images)), key=lambda i: (images[i].shape[-2:].numel(), len(graphs[i].text)))
    for start in range(0, len(order), batch_size):
        yield order[start : start + batch_size]
