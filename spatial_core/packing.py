"""Several short texts behind one shared prefix, in one forward: token ids, positions and the mask.

A row is `[prefix][branch_0]...[branch_n-1][final]`. Every branch sees the prefix and itself, never another
branch; the final segment sees everything. All branches start at the same position, so neither their number
nor their order changes what one of them computes. Each segment is read out at its last token.

Shapes: B rows, L tokens, R branches (of the row with most).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_FINAL = -1


@dataclass(frozen=True)
class Row:
    """One image with its texts, as token ids.

    Attributes:
        prefix: Ids with one image placeholder for each merged image token.
        image_grid: Merged image tokens as (height, width).
        branches: Ids of each branch; may be empty.
        final: Ids of the final segment; may be empty.
    """

    prefix: Sequence[int]
    image_grid: tuple[int, int]
    branches: Sequence[Sequence[int]] = ()
    final: Sequence[int] = ()


@dataclass(frozen=True)
class PackedRows:
    """What a language model needs, right-padded.

    Attributes:
        input_ids: `[B, L]`.
        position_ids: `[3, B, L]`, time, height and width as Qwen2-VL counts them.
        mask: `[B, 1, L, L]`, True where a query (third axis) may see a key.
        branch_readouts: `[B, R]`, index of each branch's last token; 0 where a row has fewer branches.
        branch_mask: `[B, R]`, True where the branch exists.
        final_readout: `[B]`, index of the row's last token.
    """

    input_ids: Tensor
    position_ids: Tensor
    mask: Tensor
    branch_readouts: Tensor
    branch_mask: Tensor
    final_readout: Tensor


def prefix_positions(prefix: Sequence[int], image_token: int, image_grid: tuple[int, int]) -> Tensor:
    """Return `[3, len(prefix)]`: text counts up, the image spreads over height and width from its start.

    Closed form of `get_rope_index` for one still image (Qwen2-VL, section 2.1, M-RoPE).
    """
    height, width = image_grid
    positions = torch.arange(len(prefix)).repeat(3, 1)
    if image_token not in prefix:
        return positions
    start = list(prefix).index(image_token)
    count = height * width
    cell = torch.arange(count)
    positions[0, start : start + count] = start
    positions[1, start : start + count] = start + cell // width
    positions[2, start : start + count] = start + cell % width
    positions[:, start + count :] += max(height, width) - count
    return positions


def pack(rows: Sequence[Row], *, image_token: int, pad_token: int) -> PackedRows:
    """Lay the rows out side by side.

    Args:
        rows: At least one row.
        image_token: Id of the image placeholder.
        pad_token: Id that fills rows up to the longest; padding is invisible to every other token.
    """
    lengths = [len(r.prefix) + sum(map(len, r.branches)) + len(r.final) for r in rows]
    width = max(lengths)
    batch = len(rows)
    input_ids = torch.full((batch, width), pad_token, dtype=torch.long)
    position_ids = torch.zeros((3, batch, width), dtype=torch.long)
    segment = torch.full((batch, width), -2, dtype=torch.long)
    num_branches = max((len(r.branches) for r in rows), default=0)
    readouts = torch.zeros((batch, num_branches), dtype=torch.long)
    branch_mask = torch.zeros((batch, num_branches), dtype=torch.bool)
    for i, row in enumerate(rows):
        at = len(row.prefix)
        ids = list(row.prefix)
        before = prefix_positions(row.prefix, image_token, row.image_grid)
        position_ids[:, i, :at] = before
        segment[i, :at] = 0
        start = int(before.max()) + 1
        longest = 0
        for k, branch in enumerate(row.branches):
            end = at + len(branch)
            ids.extend(branch)
            position_ids[:, i, at:end] = start + torch.arange(len(branch))
            segment[i, at:end] = k + 1
            readouts[i, k], branch_mask[i, k] = end - 1, True
            at, longest = end, max(longest, len(branch))
        ids.extend(row.final)
        position_ids[:, i, at : lengths[i]] = start + longest + torch.arange(len(row.final))
        segment[i, at : lengths[i]] = _FINAL
        input_ids[i, : lengths[i]] = torch.tensor(ids)
    query, key = segment[:, :, None], segment[:, None, :]
    causal = torch.ones(width, width, dtype=torch.bool).tril()
    mask = causal & (key >= _FINAL) & ((key == 0) | (key == query) | (query == _FINAL))
    mask |= torch.eye(width, dtype=torch.bool)
    return PackedRows(
        input_ids, position_ids, mask[:, None], readouts, branch_mask, torch.tensor(lengths) - 1
    )
