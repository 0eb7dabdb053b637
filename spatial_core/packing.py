"""Several short texts behind one shared prefix, in one forward: token ids, positions and the mask.

A row is `[prefix][branch_0]...[branch_n-1][final]`. Every branch sees the prefix and itself, never another
branch; the final segment sees everything. All branches start at the same position, so neither their number
nor their order changes what one of them computes. Each segment is read out at its last token. Branches that
begin alike may share these tokens, since what a token computes depends on those before it alone.

Shapes: B rows, L tokens, R branches (of the row with most).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


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


def _tree(branches: Sequence[Sequence[int]], *, merge: bool) -> tuple[list[int], list[int], list[int]]:
    """Return ids of T tokens, the token before each one (-1 at a beginning), and each branch's last token.

    Branches that begin alike share these tokens if `merge`.
    """
    ids: list[int] = []
    parents: list[int] = []
    ends: list[int] = []
    known: dict[tuple[int, int], int] = {}
    for branch in branches:
        at = -1
        for token in branch:
            if not merge or (at, token) not in known:
                known[at, token] = len(ids)
                ids.append(token)
                parents.append(at)
            at = known[at, token]
        ends.append(at)
    return ids, parents, ends


def _sees(parents: Sequence[int]) -> Tensor:
    """Return `[T, T]`: whether the token of a row is, or comes after, that of a column."""
    count = len(parents)
    # The token `count` stands before all beginnings. Each turn looks twice as far back.
    before = torch.tensor([parent if parent >= 0 else count for parent in parents] + [count])
    sees = torch.eye(count + 1, dtype=torch.bool)
    while (before < count).any():
        sees |= sees[before]
        before = before[before]
    return sees[:count, :count]


def pack(
    rows: Sequence[Row], *, image_token: int, pad_token: int, share_beginnings: bool = False
) -> PackedRows:
    """Return rows as one right-padded batch.

    Args:
        rows: At least one row.
        image_token: Id of the image placeholder.
        pad_token: Id that fills rows up to the longest; padding is invisible to every other token.
        share_beginnings: Whether branches that begin alike share tokens, which changes what none of them
            computes; a final segment would see them once.
    """
    trees = [_tree(row.branches, merge=share_beginnings) for row in rows]
    lengths = [
        len(row.prefix) + len(ids) + len(row.final) for row, (ids, _, _) in zip(rows, trees, strict=True)
    ]
    width, batch = max(lengths), len(rows)
    input_ids = torch.full((batch, width), pad_token, dtype=torch.long)
    position_ids = torch.zeros((3, batch, width), dtype=torch.long)
    mask = torch.eye(width, dtype=torch.bool).repeat(batch, 1, 1)
    num_branches = max(len(row.branches) for row in rows)
    readouts = torch.zeros((batch, num_branches), dtype=torch.long)
    branch_mask = torch.zeros((batch, num_branches), dtype=torch.bool)
    for i, (row, (ids, parents, ends)) in enumerate(zip(rows, trees, strict=True)):
        begin, end, length = len(row.prefix), len(row.prefix) + len(ids), lengths[i]
        input_ids[i, :length] = torch.tensor([*row.prefix, *ids, *row.final])
        before, sees = prefix_positions(row.prefix, image_token, row.image_grid), _sees(parents)
        start = int(before.max()) + 1
        position_ids[:, i, :begin] = before
        position_ids[:, i, begin:end] = start + sees.sum(1) - 1
        longest = max(map(len, row.branches), default=0)
        position_ids[:, i, end:length] = start + longest + torch.arange(len(row.final))
        mask[i, :length, :length] = torch.ones(length, length, dtype=torch.bool).tril()
        mask[i, begin:end, begin:end] = sees
        readouts[i, : len(ends)] = torch.tensor(ends, dtype=torch.long) + begin
        branch_mask[i, : len(ends)] = True
    return PackedRows(
        input_ids, position_ids, mask[:, None], readouts, branch_mask, torch.tensor(lengths) - 1
    )
