"""Slices of one weight, fused, against the slices applied one by one."""

from __future__ import annotations

import pytest
import torch

from spatial_core.lora.fusion import Slice, fuse_slices
from spatial_core.lora.layers import LoraLayer


def layer(rows: int, rank: int, scale: float, seed: int) -> LoraLayer:
    generator = torch.Generator().manual_seed(seed)
    return LoraLayer(
        torch.randn(rank, 5, generator=generator), torch.randn(rows, rank, generator=generator), scale
    )


def test_fused_slices_act_as_each_does_in_its_place() -> None:
    first, second = layer(4, 2, 2.0, 0), layer(3, 1, 0.5, 1)
    fused = fuse_slices([Slice(first, 0, 4), Slice(second, 6, 3)], 9)
    expected = torch.zeros(9, 5)
    expected[:4] += 2.0 * first.up @ first.down
    expected[6:] += 0.5 * second.up @ second.down
    torch.testing.assert_close(fused.scale * fused.up @ fused.down, expected)
    assert fused.rank == 3 and fused.shape == (9, 5)


@pytest.mark.parametrize(("start", "length"), [(7, 4), (-1, 4), (0, 3)])
def test_a_slice_outside_its_weight_is_refused(start: int, length: int) -> None:
    with pytest.raises(ValueError, match="must lie within"):
        fuse_slices([Slice(layer(4, 2, 1.0, 0), start, length)], 9)
