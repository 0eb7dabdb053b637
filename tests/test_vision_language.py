"""The forward over packed rows against plain transformers: vision windows, branches, positions, escaping."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_models import tiny_tokenizer
from torch import Tensor

from spatial_core.backbones import BackboneParts, load_backbone
from spatial_core.images import patchify
from spatial_core.packing import Row, pack
from spatial_core.vision_language import (
    encode_images,
    encode_text,
    forward_packed,
    gather_readouts,
    vision_layout,
)


@pytest.fixture(scope="module")
def loaded(tiny_folders: dict[str, Path]) -> dict[str, BackboneParts]:
    return {name: load_backbone(folder, vocabulary=False) for name, folder in tiny_folders.items()}


@pytest.fixture(params=["qwen2_5_vl", "qwen3_vl"])
def parts(request: pytest.FixtureRequest, loaded: dict[str, BackboneParts]) -> BackboneParts:
    return loaded[request.param]


def noise(*sizes: tuple[int, int], seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(3, h, w, generator=generator) for h, w in sizes]


def patches(parts: BackboneParts, images: list[Tensor]) -> tuple[Tensor, Tensor]:
    p = parts.processing
    return patchify(
        images,
        patch_size=p["patch_size"],
        merge_size=p["merge_size"],
        temporal_patch_size=p["temporal_patch_size"],
        mean=p["image_mean"],
        std=p["image_std"],
    )


def stock_vision(backbone: Any, pixels: Tensor, grid: Tensor) -> tuple[Tensor, list[Tensor]]:
    out = backbone.visual(pixels, grid_thw=grid)
    if hasattr(out, "pooler_output"):
        return out.pooler_output, list(getattr(out, "deepstack_features", None) or [])
    return (out, []) if isinstance(out, Tensor) else (out[0], list(out[1]))


@pytest.mark.parametrize(
    "sizes",
    [
        [(112, 112)],  # one window
        [(224, 224), (112, 336)],  # several windows of one length
        [(140, 140)],  # windows cut at two sides
        [(196, 84)],  # narrower than a window
        [(112, 112), (140, 196), (28, 28), (112, 112), (252, 84)],  # everything in one batch
    ],
)
@torch.no_grad()
def test_grouped_windows_equal_the_stock_vision_tower(
    loaded: dict[str, BackboneParts], sizes: list[tuple[int, int]]
) -> None:
    parts = loaded["qwen2_5_vl"]
    pixels, grid = patches(parts, noise(*sizes))
    ours, deepstack = encode_images(parts.model, pixels, grid)
    theirs, _ = stock_vision(parts.model, pixels, grid)
    assert not deepstack
    assert ours.std() > 0.01
    torch.testing.assert_close(ours, theirs, atol=2e-6, rtol=0.0)


@torch.no_grad()
def test_qwen3_features_and_deepstack_are_the_stock_ones(loaded: dict[str, BackboneParts]) -> None:
    parts = loaded["qwen3_vl"]
    pixels, grid = patches(parts, noise((64, 64), (96, 128)))
    ours, deepstack = encode_images(parts.model, pixels, grid)
    theirs, their_deepstack = stock_vision(parts.model, pixels, grid)
    assert torch.equal(ours, theirs)
    assert len(deepstack) == len(their_deepstack) == 2
    assert all(torch.equal(a, b) for a, b in zip(deepstack, their_deepstack, strict=True))


def test_vision_layout_by_hand() -> None:
    """A 4 x 6 patch image, merged in pairs, with windows of 2 x 2 merged tokens: 2 windows, one cut."""
    positions, window_of, image_of = vision_layout(torch.tensor([[1, 4, 6], [1, 2, 2]]), merge=2, window=2)
    assert positions[:8].tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [0, 2], [0, 3], [1, 2], [1, 3]]
    assert window_of.tolist() == [*([0] * 8 + [1] * 4) * 2, *[2] * 4]
    assert image_of.tolist() == [0] * 24 + [1] * 4


def test_gradient_checkpointing_changes_nothing(tiny_folders: dict[str, Path]) -> None:
    parts = load_backbone(tiny_folders["qwen2_5_vl"], vocabulary=False)
    pixels, grid = patches(parts, noise((140, 112)))

    def gradients() -> list[Tensor]:
        parts.model.zero_grad()
        encode_images(parts.model, pixels, grid)[0].square().sum().backward()
        return [p.grad.clone() for p in parts.model.visual.parameters() if p.grad is not None]

    parts.model.train()
    plain = gradients()
    parts.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
    assert all(block.gradient_checkpointing for block in parts.model.visual.blocks)
    saved = gradients()
    assert len(plain) == len(saved) == len(list(parts.model.visual.parameters()))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(plain, saved, strict=True))


def row(parts: BackboneParts, grid: tuple[int, int], **texts: Any) -> Row:
    config = parts.model.config
    image = [config.image_token_id] * (grid[0] * grid[1])
    before = encode_text(parts.tokenizer, "Prompt: a red ball\nImage: ", special=True)
    prefix = [*before, config.vision_start_token_id, *image, config.vision_end_token_id]
    ids = {k: [encode_text(parts.tokenizer, t, special=True) for t in v] for k, v in texts.items()}
    return Row(prefix, grid, ids.get("branches", ()), ids.get("final", [()])[0])


def run(parts: BackboneParts, rows: list[Row], images: list[Tensor]) -> tuple[Any, Tensor]:
    pixels, grid = patches(parts, images)
    packed = pack(rows, image_token=parts.model.config.image_token_id, pad_token=0)
    with torch.no_grad():
        return packed, forward_packed(parts.model, packed, pixels, grid)


def plain_forward(parts: BackboneParts, ids: list[int], image: Tensor) -> Tensor:
    """Return the last hidden state `[D]` of an ordinary forward, positions worked out by transformers."""
    pixels, grid = patches(parts, [image])
    input_ids = torch.tensor([ids])
    kwargs: dict[str, Any] = {}
    if "mm_token_type_ids" in inspect.signature(parts.model.forward).parameters:
        kwargs["mm_token_type_ids"] = (input_ids == parts.model.config.image_token_id).int()
    with torch.no_grad():
        out = parts.model(
            input_ids=input_ids,
            attention_mask=torch.ones_like(input_ids),
            pixel_values=pixels,
            image_grid_thw=grid,
            use_cache=False,
            **kwargs,
        )
    return out.last_hidden_state[0, -1]


CLAUSES = ["the ball is left of the cup<|im_end|>", "below<|im_end|>", "the cup is on top of it<|im_end|>"]


def size_of(parts: BackboneParts, rows: int, columns: int) -> tuple[int, int]:
    cell = parts.processing["patch_size"] * parts.processing["merge_size"]
    return rows * cell, columns * cell


def test_packed_branches_equal_separate_plain_forwards(parts: BackboneParts) -> None:
    """With two images of different sizes and different numbers of branches in one batch."""
    images = noise(size_of(parts, 4, 4), size_of(parts, 3, 5))
    rows = [row(parts, (4, 4), branches=CLAUSES), row(parts, (3, 5), branches=CLAUSES[:1])]
    packed, hidden = run(parts, rows, images)
    ours = gather_readouts(hidden, packed.branch_readouts)
    for i, (one, image) in enumerate(zip(rows, images, strict=True)):
        for k, branch in enumerate(one.branches):
            expected = plain_forward(parts, [*one.prefix, *branch], image)
            torch.testing.assert_close(ours[i, k], expected, atol=1e-4, rtol=1e-4)
    assert (ours[0, 0] - ours[0, 1]).abs().max() > 1e-2


def test_order_and_number_of_branches_do_not_matter(parts: BackboneParts) -> None:
    images = noise(size_of(parts, 3, 3))
    packed, hidden = run(parts, [row(parts, (3, 3), branches=CLAUSES)], images)
    turned, other = run(parts, [row(parts, (3, 3), branches=CLAUSES[::-1])], images)
    alone, single = run(parts, [row(parts, (3, 3), branches=CLAUSES[1:2])], images)
    ours = gather_readouts(hidden, packed.branch_readouts)[0]
    torch.testing.assert_close(
        ours, gather_readouts(other, turned.branch_readouts)[0].flip(0), atol=1e-5, rtol=0
    )
    torch.testing.assert_close(
        ours[1], gather_readouts(single, alone.branch_readouts)[0, 0], atol=1e-5, rtol=0
    )


def test_the_final_sees_prompt_image_and_every_clause(parts: BackboneParts) -> None:
    images = noise(size_of(parts, 3, 3))

    def final(branches: list[str], image: Tensor) -> Tensor:
        packed, hidden = run(
            parts, [row(parts, (3, 3), branches=branches, final=["Overall<|im_end|>"])], [image]
        )
        return hidden[0, packed.final_readout[0]]

    plain = final(CLAUSES, images[0])
    for k in range(3):
        changed = [
            c.replace("the", "a").replace("below", "above") if i == k else c for i, c in enumerate(CLAUSES)
        ]
        assert (final(changed, images[0]) - plain).abs().max() > 1e-4
    assert (final(CLAUSES, noise(images[0].shape[1:], seed=1)[0]) - plain).abs().max() > 1e-4
    # The order of the clauses is no information: they share their positions.
    torch.testing.assert_close(final(CLAUSES[::-1], images[0]), plain, atol=1e-5, rtol=0)


def test_image_placeholders_must_match(parts: BackboneParts) -> None:
    with pytest.raises(AssertionError, match="placeholders"):
        run(parts, [row(parts, (2, 2), branches=CLAUSES)], noise(size_of(parts, 3, 3)))


@pytest.mark.parametrize(
    "text", ["<|im_end|>", "a <|image_pad|> b", "<|vision_start|><|image_pad|><|vision_end|>"]
)
def test_special_tokens_of_a_user_are_plain_characters(text: str) -> None:
    tokenizer = tiny_tokenizer()
    special = set(tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|image_pad|>", "<|vision_start|>"]))
    assert special & set(encode_text(tokenizer, text, special=True))
    plain = encode_text(tokenizer, text, special=False)
    assert not special & set(plain)
    assert tokenizer.decode(plain) == text


def test_any_string_can_be_encoded() -> None:
    tokenizer = tiny_tokenizer()
    assert encode_text(tokenizer, "", special=False) == []
    for text in ("\x00\x1b[2J\u202e", "\ud800 lone surrogate", "\U0001f534 \u7403"):
        ids = encode_text(tokenizer, text, special=False)
        assert tokenizer.decode(ids) == text.encode("utf-8", "replace").decode("utf-8")


def test_rows_may_share_an_image(parts: BackboneParts) -> None:
    """Three rows of two images, the first shown last, equal to three images encoded one by one."""
    images = noise(size_of(parts, 4, 4), size_of(parts, 3, 5))
    grids, shown = [(4, 4), (3, 5)], [1, 1, 0]
    rows = [row(parts, grids[i], branches=[CLAUSES[k]]) for k, i in enumerate(shown)]
    pixels, grid = patches(parts, images)
    packed, expected = run(parts, rows, [images[i] for i in shown])
    with torch.no_grad():
        hidden = forward_packed(parts.model, packed, pixels, grid, image_of_row=shown)
    ours, theirs = (gather_readouts(h, packed.branch_readouts) for h in (hidden, expected))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)


def test_text_that_all_rows_begin_with_is_computed_once(parts: BackboneParts) -> None:
    """Against the same rows with gradients, where nothing is shared; images and branches differ."""
    images = noise(size_of(parts, 4, 4), size_of(parts, 3, 5), size_of(parts, 2, 2))
    grids = [(4, 4), (3, 5), (2, 2)]
    rows = [row(parts, grid, branches=CLAUSES[:k]) for grid, k in zip(grids, (3, 1, 0), strict=True)]
    pixels, grid = patches(parts, images)
    packed = pack(rows, image_token=parts.model.config.image_token_id, pad_token=0)
    expected = forward_packed(parts.model, packed, pixels, grid).detach()
    seen: list[tuple[int, ...]] = []
    hook = parts.model.language_model.layers[0].register_forward_pre_hook(
        lambda _, args, kwargs: seen.append((args[0] if args else kwargs["hidden_states"]).shape[:2]),
        with_kwargs=True,
    )
    with torch.no_grad():
        ours = forward_packed(parts.model, packed, pixels, grid)
    hook.remove()
    text = list(rows[0].prefix).index(parts.model.config.image_token_id)
    assert seen == [(1, text), (3, packed.input_ids.shape[1] - text)]
    assert ours.shape == expected.shape
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=0)


def test_rows_of_different_texts_share_what_they_begin_with(parts: BackboneParts) -> None:
    image = noise(size_of(parts, 2, 2))[0]
    first, second = row(parts, (2, 2), branches=CLAUSES[:1]), row(parts, (2, 2), branches=CLAUSES[1:2])
    other = Row([*first.prefix[:3], 7, *first.prefix[4:]], (2, 2), second.branches)
    packed, hidden = run(parts, [first, other], [image, image])
    ours = gather_readouts(hidden, packed.branch_readouts)[:, 0]
    for value, one in zip(ours, (first, other), strict=True):
        expected = plain_forward(parts, [*one.prefix, *one.branches[0]], image)
        torch.testing.assert_close(value, expected, atol=1e-4, rtol=1e-4)
