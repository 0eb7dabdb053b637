"""What the starter flow model is taught on the side: places of tokens, and where to look from them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from spatial_trainers.flow.batches import FlowBatch
from spatial_trainers.flow.model import FlowModelSettings, new_transformer
from spatial_trainers.flow.teaching import PlaceHead, SeenAttention, look_loss, look_targets
from spatial_trainers.flow.train import token_ids

LENGTH, WIDE = 6, 64


def batch_of(mentions: list[tuple[int, Tensor]], things: Tensor) -> FlowBatch:
    """Return a batch of one caption, of six tokens the last of which ends it."""
    none = torch.zeros(0)
    return FlowBatch(
        latents=torch.zeros(1, 16, 16, 16),
        t5=torch.zeros(1, LENGTH, dtype=torch.long),
        clip=none,
        text_end=torch.tensor([LENGTH - 1]),
        thing_cells=things[None],
        mention_at=torch.tensor([(0, at) for at, _ in mentions]),
        mention_cells=torch.stack([cells for _, cells in mentions]),
        mention_box=none,
        mention_kind=none,
        mention_color=none,
    )


def left_half() -> Tensor:
    """Return cells of which the left half shows a thing."""
    cells = torch.zeros(16, 16, dtype=torch.bool)
    cells[:, :8] = True
    return cells


def test_cells_belong_to_the_mentions_of_what_they_show() -> None:
    left = left_half()
    target = look_targets(batch_of([(1, left / 2), (3, left / 2)], left), LENGTH, WIDE)[0]
    places = target.view(8, 8, LENGTH)
    assert torch.allclose(places[:, :4], torch.tensor([0, 0.5, 0, 0.5, 0, 0]).expand(8, 4, LENGTH))
    assert torch.allclose(places[:, 4:], torch.tensor([0, 0, 0, 0, 0, 0.2]).expand(8, 4, LENGTH))


def test_what_no_word_names_is_not_taught() -> None:
    left = left_half()
    target = look_targets(batch_of([(1, left.float())], left | left.flip(1)), LENGTH, WIDE)[0].view(8, 8, -1)
    assert target[:, :4, 1].eq(1).all() and target[:, 4:].eq(0).all()


def test_the_loss_is_lowest_where_attention_is_the_target() -> None:
    target = torch.zeros(1, WIDE, LENGTH)
    target[:, :, 2] = 1
    key = torch.eye(LENGTH + WIDE)[None, None] * 30
    right = torch.zeros(1, 1, LENGTH + WIDE, LENGTH + WIDE)
    right[..., 2] = 30
    wrong = torch.zeros_like(right)
    wrong[..., 3] = 30
    assert look_loss(right, key, target) < 1e-3 < 1 < look_loss(wrong, key, target)
    # How much the picture's tokens get is not its concern.
    right[..., LENGTH:] = 30
    assert look_loss(right, key, target) < 1e-3
    assert look_loss(right, key, torch.zeros_like(target)) == 0


def test_the_calls_of_all_blocks_are_seen_and_change_nothing() -> None:
    torch.manual_seed(0)
    model = new_transformer(FlowModelSettings(heads=1, text_width=32, clip_width=64))
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.05)
    arguments = {
        "hidden_states": torch.randn(2, WIDE, 64),
        "encoder_hidden_states": torch.randn(2, LENGTH, 32),
        "pooled_projections": torch.randn(2, 64),
        "timestep": torch.tensor([0.3, 0.7]),
        "guidance": torch.ones(2),
        "img_ids": token_ids(),
        "txt_ids": torch.zeros(LENGTH, 3),
        "return_dict": False,
    }
    plain = model(**arguments)[0]
    with SeenAttention() as seen:
        assert torch.allclose(model(**arguments)[0], plain, atol=1e-5)
    assert len(seen.calls) == 4
    assert {tuple(t.shape) for call in seen.calls for t in call} == {(2, 1, LENGTH + WIDE, 128)}
    target = torch.zeros(2, WIDE, LENGTH)
    target[..., 0] = 1
    look_loss(*seen.calls[0], target).backward()
    assert model.transformer_blocks[0].attn.to_q.weight.grad.abs().sum() > 0  # pyright: ignore


def test_places_can_be_read_where_they_are_told() -> None:
    head, ids = PlaceHead(4), token_ids()
    told = F.pad(ids[:, 1:] / 3.5 - 1, (0, 2))[None]
    with torch.no_grad():
        head.layer.weight.copy_(torch.eye(2, 4))
        head.layer.bias.zero_()
    assert head.loss(told, ids) < 1e-12 < 0.1 < head.loss(torch.zeros_like(told), ids)
