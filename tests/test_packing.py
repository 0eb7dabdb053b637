"""Packed rows: ids, positions against transformers' own, and a mask that keeps branches apart."""

from __future__ import annotations

import inspect

import pytest
import torch
from tiny_models import tiny_config, tiny_tokenizer
from torch import Tensor
from transformers import AutoModel

from spatial_core.packing import Row, pack, prefix_positions

IMAGE, PAD = 9, 0


def reference_positions(family: str, ids: list[int], grid: tuple[int, int]) -> Tensor:
    """Return [3, L] by the model's own `get_rope_index`; `grid` is in merged tokens."""
    tokenizer = tiny_tokenizer()
    config = tiny_config(family, tokenizer)
    with torch.device("meta"):
        model = AutoModel.from_config(config)
    input_ids = torch.tensor([ids])
    input_ids[input_ids == IMAGE] = config.image_token_id
    # The vision start token is how older versions find the image.
    before = (input_ids[0] == config.image_token_id).nonzero()
    if len(before):
        input_ids[0, before[0, 0] - 1] = config.vision_start_token_id
    thw = torch.tensor([[1, grid[0] * 2, grid[1] * 2]])
    kwargs = {"image_grid_thw": thw, "attention_mask": torch.ones_like(input_ids)}
    if "mm_token_type_ids" in inspect.signature(model.get_rope_index).parameters:
        kwargs["mm_token_type_ids"] = (input_ids == config.image_token_id).int()
    return model.get_rope_index(input_ids, **kwargs)[0][:, 0]


@pytest.mark.parametrize("family", ["qwen2_5_vl", "qwen3_vl"])
@pytest.mark.parametrize("grid", [(1, 1), (2, 2), (2, 5), (7, 3), (8, 8)])
@pytest.mark.parametrize("before", [1, 13])
def test_positions_equal_the_reference_in_both_orders(
    family: str, grid: tuple[int, int], before: int
) -> None:
    """`before` 1 is image first; 13 is text first. The branch is what follows the image."""
    prefix = [*range(50, 50 + before), *[IMAGE] * (grid[0] * grid[1]), 40, 41]
    branch = [30, 31, 32]
    expected = reference_positions(family, prefix + branch, grid)
    packed = pack([Row(prefix, grid, [branch])], image_token=IMAGE, pad_token=PAD)
    assert torch.equal(packed.position_ids[:, 0], expected)
    final = pack([Row(prefix, grid, final=branch)], image_token=IMAGE, pad_token=PAD)
    assert torch.equal(final.position_ids[:, 0], expected)


def test_positions_are_not_flat() -> None:
    """The trap this module exists for: one axis for everything would lose where things are."""
    positions = prefix_positions([1, IMAGE, IMAGE, IMAGE, IMAGE, 2], IMAGE, (2, 2))
    assert positions.tolist() == [[0, 1, 1, 1, 1, 3], [0, 1, 1, 2, 2, 3], [0, 1, 2, 1, 2, 3]]


def test_text_without_an_image_counts_up() -> None:
    assert prefix_positions([5, 6, 7], IMAGE, (2, 2)).tolist() == [[0, 1, 2]] * 3


def test_mask_by_hand() -> None:
    """Prefix of 2, branches of 2 and 1, final of 1, beside a shorter row that is padded."""
    rows = [Row([1, 2], (1, 1), [[3, 4], [5]], [6]), Row([1], (1, 1), [[3]])]
    packed = pack(rows, image_token=IMAGE, pad_token=PAD)
    assert packed.input_ids.tolist() == [[1, 2, 3, 4, 5, 6], [1, 3, 0, 0, 0, 0]]
    assert packed.mask[0, 0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 0, 0],
        [1, 1, 0, 0, 1, 0],
        [1, 1, 1, 1, 1, 1],
    ]
    # Nothing sees the padding but itself: an empty row would make its softmax NaN.
    assert packed.mask[1, 0, :2].int().tolist() == [[1, 0, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0]]
    assert packed.mask[1, 0, :, 2:].int().tolist() == torch.eye(6, dtype=torch.int)[:, 2:].tolist()
    assert packed.branch_readouts.tolist() == [[3, 4], [1, 0]]
    assert packed.branch_mask.tolist() == [[True, True], [True, False]]
    assert packed.final_readout.tolist() == [5, 1]


def test_branches_start_at_one_position_and_the_final_follows_the_longest() -> None:
    packed = pack(
        [Row([1, 2, 3], (1, 1), [[4], [5, 6, 7], [8, 8]], [1, 2])], image_token=IMAGE, pad_token=PAD
    )
    assert packed.position_ids[0, 0].tolist() == [0, 1, 2, 3, 3, 4, 5, 3, 4, 6, 7]
    assert torch.equal(packed.position_ids[0], packed.position_ids[1])


def test_branches_that_begin_alike_share_tokens_by_hand() -> None:
    """4 5 | 4 5 6 | 4 7 | 8: the second goes on from the first, the third leaves it after one token."""
    row = Row([1, 2], (1, 1), [[4, 5], [4, 5, 6], [4, 7], [8]])
    packed = pack([row], image_token=IMAGE, pad_token=PAD, share_beginnings=True)
    assert packed.input_ids.tolist() == [[1, 2, 4, 5, 6, 7, 8]]
    assert packed.position_ids[0, 0].tolist() == [0, 1, 2, 3, 4, 3, 2]
    assert packed.branch_readouts.tolist() == [[3, 4, 5, 6]]
    assert packed.mask[0, 0, 2:].int().tolist() == [
        [1, 1, 1, 0, 0, 0, 0],
        [1, 1, 1, 1, 0, 0, 0],
        [1, 1, 1, 1, 1, 0, 0],
        [1, 1, 1, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 0, 1],
    ]


def test_rows_without_branches() -> None:
    packed = pack([Row([1, 2], (1, 1), (), [3])], image_token=IMAGE, pad_token=PAD)
    assert packed.branch_readouts.shape == packed.branch_mask.shape == (1, 0)
    assert packed.final_readout.tolist() == [2]
