"""One forward of a Qwen2.5-VL or Qwen3-VL backbone over packed rows, without its traps.

Positions are ours and always three-dimensional (transformers falls back to flat ones without a word when
`mm_token_type_ids` is missing), vocabulary logits are never computed, and the vision windows of one length
run in one attention call instead of one call each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.utils.checkpoint import checkpoint

from spatial_core.packing import PackedRows

SUPPORTED_MODEL_TYPES = ("qwen2_5_vl", "qwen3_vl")


_COMPILED = "compiled_block"
Encode = Callable[[Any, Tensor, Tensor], tuple[Tensor, list[Tensor]]]


def encode_text(tokenizer: Any, text: str, *, special: bool) -> list[int]:
    """Return the token ids of `text`.

    Args:
        tokenizer: A fast tokenizer of transformers.
        text: Any string; characters that UTF-8 cannot hold (lone surrogates) become "?".
        special: Whether special tokens spelled out in `text` are meant; False for everything that a user
            wrote, which is then read as plain characters.
    """
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return tokenizer(clean, add_special_tokens=False, split_special_tokens=not special)["input_ids"]


def _block_order(height: int, width: int, merge: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return row and column of each patch, `[height * width]`, in the order of merge blocks."""
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    shape = (height // merge, merge, width // merge, merge)
    rows, columns = (x.reshape(shape).transpose(1, 2).reshape(-1) for x in (rows, columns))
    return rows, columns


def vision_layout(grid_thw: Tensor, *, merge: int, window: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return `(positions [N, 2], window_of [N], image_of [N])` for the patches of all images, in input order.

    Args:
        grid_thw: `[B, 3]` patches over time (1 for a still), height and width.
        merge: Patches a side of one merged token.
        window: Merged tokens a side of one attention window.
    """
    positions: list[Tensor] = []
    windows: list[Tensor] = []
    images: list[Tensor] = []
    offset = 0
    for index, (_, height, width) in enumerate(grid_thw.tolist()):
        row, column = _block_order(height, width, merge, grid_thw.device)
        across = -(-(width // merge) // window)
        down = -(-(height // merge) // window)
        windows.append(offset + row // merge // window * across + column // merge // window)
        positions.append(torch.stack([row, column], dim=-1))
        images.append(torch.full_like(row, index))
        offset += across * down
    return torch.cat(positions), torch.cat(windows), torch.cat(images)


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = x.float().chunk(2, dim=-1)
    return (x.float() * cos + torch.cat([-second, first], dim=-1) * sin).to(x.dtype)


@dataclass(frozen=True)
class _Blocks:
    """Which tokens attend to each other: runs of equal length are handled in one call.

    Attributes:
        lengths: The distinct lengths of the runs.
        indices: `[runs, length]` for each length, the tokens of its runs.
        back: Where each token is among all of `indices` laid end to end.
    """

    lengths: list[int]
    indices: list[Tensor]
    back: Tensor


def _blocks(run_of: Tensor) -> _Blocks:
    """Return the runs of equal values in `run_of` `[N]`, which must be contiguous."""
    _, counts = torch.unique_consecutive(run_of, return_counts=True)
    starts = counts.cumsum(0) - counts
    lengths = torch.unique(counts).tolist()
    indices = [starts[counts == n][:, None] + torch.arange(n, device=run_of.device) for n in lengths]
    return _Blocks(lengths, indices, torch.cat([i.flatten() for i in indices]).argsort())


def _attend(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Return `[runs * length, heads, head]` of `[runs, length, heads, head]`."""
    query, key, value = query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    return F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(0, 1)


def _block_attention(attention: Any, x: Tensor, cos: Tensor, sin: Tensor, blocks: _Blocks) -> Tensor:
    query, key, value = attention.qkv(x).view(x.shape[0], 3, attention.num_heads, -1).unbind(1)
    heads = _rotate(query, cos, sin), _rotate(key, cos, sin), value
    if len(blocks.lengths) == 1:
        runs = [part.unflatten(0, (-1, blocks.lengths[0])) for part in heads]
        return attention.proj(_attend(*runs).flatten(1))
    mixed = [_attend(*[part[index] for part in heads]) for index in blocks.indices]
    return attention.proj(torch.cat(mixed)[blocks.back].flatten(1))


def _vision_block(block: Any, x: Tensor, cos: Tensor, sin: Tensor, blocks: _Blocks) -> Tensor:
    x = x + _block_attention(block.attn, block.norm1(x), cos, sin, blocks)
    return x + block.mlp(block.norm2(x))


def _encode_qwen2_5(visual: Any, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
    config = visual.config
    window = config.window_size // config.spatial_merge_size // config.patch_size
    positions, window_of, image_of = vision_layout(grid_thw, merge=config.spatial_merge_size, window=window)
    # Window by window, so that windows and images are runs of neighbours and equal ones need no gathering.
    order = torch.argsort(window_of, stable=True)
    whole, windowed = _blocks(image_of[order]), _blocks(window_of[order])
    quarter = config.hidden_size // config.num_heads // 4
    steps = torch.arange(quarter, dtype=torch.float32, device=pixel_values.device)
    frequencies = 1.0 / 10000.0 ** (steps / quarter)
    angles = (positions[order][..., None] * frequencies).flatten(1).repeat(1, 2)[:, None]
    cos, sin = angles.cos(), angles.sin()
    hidden = visual.patch_embed(pixel_values)[order]
    run = getattr(visual, _COMPILED, _vision_block)
    for index, block in enumerate(visual.blocks):
        blocks = whole if index in config.fullatt_block_indexes else windowed
        if getattr(block, "gradient_checkpointing", False) and block.training:
            hidden = checkpoint(_vision_block, block, hidden, cos, sin, blocks, use_reentrant=False)
        else:
            hidden = run(block, hidden, cos, sin, blocks)
    return visual.merger(hidden[order.argsort()])


def compile_repeated_blocks(backbone: Any, **kwargs: Any) -> None:
    """Compile the blocks of both towers, each kind once for all its blocks, as diffusers does by this name.

    Args:
        backbone: `Qwen2_5_VLModel` or `Qwen3VLModel`.
        kwargs: Of `torch.compile`, such as `dynamic=True` for images of many sizes.
    """
    for layer in backbone.language_model.layers:
        layer.compile(**kwargs)
    if backbone.config.model_type == "qwen2_5_vl":
        setattr(backbone.visual, _COMPILED, torch.compile(_vision_block, **kwargs))
        return
    for block in backbone.visual.blocks:
        block.compile(**kwargs)


def encode_images(backbone: Any, pixel_values: Tensor, grid_thw: Tensor) -> tuple[Tensor, list[Tensor]]:
    """Return the merged image tokens of all images `[N, D]` and, for Qwen3-VL, its deepstack features.

    Args:
        backbone: `Qwen2_5_VLModel` or `Qwen3VLModel`.
        pixel_values: `[patches, channels * time * patch * patch]`, normalised.
        grid_thw: `[B, 3]`, patches over time, height and width of each image.
    """
    visual = backbone.visual
    pixel_values = pixel_values.to(visual.patch_embed.proj.weight.dtype)
    if backbone.config.model_type == "qwen2_5_vl":
        return _encode_qwen2_5(visual, pixel_values, grid_thw), []
    features = visual(pixel_values, grid_thw=grid_thw, return_dict=True)
    if hasattr(features, "pooler_output"):
        return features.pooler_output, list(features.deepstack_features)
    merged, deepstack = features
    return merged, list(deepstack)


def _tokens_of(image_of_row: Sequence[int], grid_thw: Tensor, merge: int) -> Tensor:
    """Return the indices of the merged tokens of each row's image, row after row."""
    counts: list[int] = (grid_thw.prod(dim=1) // merge**2).tolist()
    starts = [sum(counts[:image]) for image in range(len(counts))]
    return torch.cat([torch.arange(starts[i], starts[i] + counts[i]) for i in image_of_row])


def _shared_text(input_ids: Tensor, image_token: int) -> int:
    """Return how many tokens before any image are the same in all rows of `[B, L]`; 0 for a single row."""
    if len(input_ids) < 2:
        return 0
    before = ((input_ids == image_token).cumsum(1) == 0).all(0)
    alike = before & (input_ids == input_ids[:1]).all(0)
    # Without an image after it, the run would reach into branches, which are not causal.
    return 0 if before.all() else int(alike.long().cumprod(0).sum())


def _language_model(
    model: Any, embeds: Tensor, mask: Tensor, positions: Tensor, shared: int, **kwargs: Any
) -> Tensor:
    """Return the last hidden states `[B, L, D]`; the first `shared` tokens, alike in all rows, run once."""
    if not shared:
        return model(
            inputs_embeds=embeds, attention_mask=mask, position_ids=positions, use_cache=False, **kwargs
        ).last_hidden_state
    from transformers import DynamicCache

    cache = DynamicCache()
    first = model(
        inputs_embeds=embeds[:1, :shared],
        attention_mask=mask[:1, :, :shared, :shared],
        position_ids=positions[:, :1, :shared],
        past_key_values=cache,
        use_cache=True,
    ).last_hidden_state
    cache.batch_repeat_interleave(len(embeds))
    if "visual_pos_masks" in kwargs:
        kwargs["visual_pos_masks"] = kwargs["visual_pos_masks"][:, shared:]
    rest = model(
        inputs_embeds=embeds[:, shared:],
        attention_mask=mask[:, :, shared:],
        position_ids=positions[:, :, shared:],
        past_key_values=cache,
        use_cache=True,
        **kwargs,
    ).last_hidden_state
    return torch.cat([first.expand(len(embeds), -1, -1), rest], dim=1)


def forward_packed(
    backbone: Any,
    packed: PackedRows,
    pixel_values: Tensor,
    grid_thw: Tensor,
    *,
    image_of_row: Sequence[int] | None = None,
    share_text: bool = True,
    encode: Encode | None = None,
    **kwargs: Any,
) -> Tensor:
    """Return the language model's last hidden states `[B, L, D]`.

    Args:
        backbone: `Qwen2_5_VLModel` or `Qwen3VLModel` with `attn_implementation` "sdpa" or "eager"; or a
            host's own model of these families with a method `forward_packed` that does the same.
        packed: Rows whose image placeholders match the images, in order.
        pixel_values: As for `encode_images`.
        grid_thw: As for `encode_images`.
        image_of_row: Which image each row shows, where rows share images; each row its own if None.
        share_text: Whether text that all rows begin with (one prompt, many images) is computed once where no
            gradients are asked for; hooks inside the language model then see the rest alone.
        encode: Does what `encode_images` does, for instance from a cache; that if None.
        kwargs: Handed to the language model.
    """
    if hasattr(backbone, "forward_packed"):
        return backbone.forward_packed(packed, pixel_values, grid_thw, image_of_row=image_of_row)
    device = backbone.device
    encode = encode or encode_images
    image_tokens, deepstack = encode(backbone, pixel_values.to(device), grid_thw.to(device))
    if image_of_row is not None:
        merge = backbone.config.vision_config.spatial_merge_size
        chosen = _tokens_of(image_of_row, grid_thw, merge).to(device)
        image_tokens = image_tokens.index_select(0, chosen)
        deepstack = [features.index_select(0, chosen) for features in deepstack]
    input_ids = packed.input_ids.to(device)
    embeds = backbone.get_input_embeddings()(input_ids)
    places = input_ids == backbone.config.image_token_id
    assert int(places.sum()) == image_tokens.shape[0], "image placeholders and image tokens differ in number"
    embeds = embeds.masked_scatter(places[..., None], image_tokens.to(embeds.dtype))
    mask = torch.zeros(packed.mask.shape, dtype=embeds.dtype, device=device)
    mask.masked_fill_(~packed.mask.to(device), torch.finfo(embeds.dtype).min)
    if deepstack:
        kwargs |= {"visual_pos_masks": places, "deepstack_visual_embeds": deepstack}
    # A trainer's checkpointing recomputes blocks, which a cache does not allow.
    share_text = share_text and not torch.is_grad_enabled()
    shared = _shared_text(packed.input_ids, backbone.config.image_token_id) if share_text else 0
    positions = packed.position_ids.to(device)
    return _language_model(backbone.language_model, embeds, mask, positions, shared, **kwargs)


def gather_readouts(hidden: Tensor, readouts: Tensor) -> Tensor:
    """Return the hidden states `[B, R, D]` of `[B, L, D]` at the indices `[B, R]`."""
    return hidden.gather(1, readouts[..., None].expand(-1, -1, hidden.shape[-1]))
