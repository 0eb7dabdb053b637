"""Updates of slices of one weight, as one update of the whole weight.

Hosts keep q, k and v in one matrix where diffusers keeps three; an adapter beside the layer then needs one
update for all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from spatial_core.lora.layers import LoraLayer


@dataclass(frozen=True)
class Slice:
    """An update of the rows [start, start + length) of a weight.

    Attributes:
        layer: The update; its weights are 2-d.
        start: First output row.
        length: Number of output rows.
    """

    layer: LoraLayer
    start: int
    length: int


def fuse_slices(slices: Sequence[Slice], rows: int) -> LoraLayer:
    """Return the update `[rows, in]` that acts as all of `slices` together; its rank is the sum of theirs.

    Args:
        slices: Updates of one weight, with its scale each; they may overlap, and then add up.
        rows: Output rows of the whole weight.

    Raises:
        ValueError: If a slice does not lie within the weight or has another number of rows.
    """
    for piece in slices:
        if piece.layer.up.shape[0] != piece.length or not 0 <= piece.start <= rows - piece.length:
            raise ValueError(
                f"A slice of {piece.length} rows from {piece.start} must lie within {rows} rows and have an "
                f"update of as many; its update has {piece.layer.up.shape[0]}."
            )
    down = torch.cat([piece.layer.down for piece in slices])
    up = down.new_zeros((rows, down.shape[0]))
    column = 0
    for piece in slices:
        rank = piece.layer.rank
        up[piece.start : piece.start + piece.length, column : column + rank] = piece.layer.folded()
        column += rank
    return LoraLayer(down, up, 1.0)
