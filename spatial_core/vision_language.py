"""One forward of a Qwen2.5-VL or Qwen3-VL backbone over packed rows, without its traps.

Positions are ours and always three-dimensional (transformers falls back to flat ones without a word when
`mm_token_type_ids` is missing), vocabulary logits are never computed, and the vision windows of one length
run in one attention call instead of one call each.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from spatial_core.packing import PackedRows

SUPPORTED_MODEL_TYPES = ("qwen2_5_vl", "qwen3_vl")


def _block_order(height: int, width: int, merge: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return row and column of each patch, `[height * width]`, in the order of merge blocks."""
    rows, columns = torch.meshgrid(
        torch.arange(height, device=device), torch.arange(width, device=device), indexing="ij"
    )
    shape = (height // merge, merge, width // merge, merge)
    return tuple(x.reshape(shape).transpose(1, 2).reshape(-1) for x in (rows, columns))  # pyright: ignore


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


def _groups(block_of: Tensor) -> list[Tensor]:
    """Return, for each distinct block length, the patch indices of its blocks as `[blocks, length]`."""
    order = torch.argsort(block_of, stable=True)
    _, counts = torch.unique_consecutive(block_of[order], return_counts=True)
    starts = counts.cumsum(0) - counts
    return [
        order[starts[counts == length][:, None] + torch.arange(length, device=order.device)]
        for length in torch.unique(counts).tolist()
    ]


def _grouped_attention(attention: Any, x: Tensor, cos: Tensor, sin: Tensor, groups: list[Tensor]) -> Tensor:
    query, key, value = attention.qkv(x).view(x.shape[0], 3, attention.num_heads, -1).unbind(1)
    query, key = _rotate(query, cos, sin), _rotate(key, cos, sin)
    if len(groups) == 1:
        parts = [part[groups[0]].transpose(1, 2) for part in (query, key, value)]
        mixed = F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(0, 1)
        back = torch.empty_like(groups[0].view(-1))
        back[groups[0].view(-1)] = torch.arange(len(back), device=back.device)
        return attention.proj(mixed[back].flatten(1))
    out = torch.empty_like(query)
    for group in groups:
        parts = [part[group].transpose(1, 2) for part in (query, key, value)]
        out = out.index_put((group.view(-1),), F.scaled_dot_product_attention(*parts).transpose(1, 2).flatten(0, 1))
    return attention.proj(out.flatten(1))


def _encode_qwen2_5(visual: Any, pixel_values: Tensor, grid_thw: Tensor) -> Tensor:
    config = visual.config
    window = config.window_size // config.spatial_merge_size // config.patch_size
    positions, window_of, image_of = vision_layout(grid_thw, merge=config.spatial_merge_size, window=window)
    head_dim = config.hidden_size // config.num_heads
    frequencies = 1.0 / 10000.0 ** (
        torch.arange(0, head_dim // 2, 2, dtype=torch.float32, device=pixel_values.device) / (head_dim // 2)
    )
    angles = (positions[..., None] * frequencies).flatten(1).repeat(1, 2)[:, None]
    cos, sin = angles.cos(), angles.sin()
    whole, windowed = _groups(image_of), _groups(window_of)
    hidden = visual.patch_embed(pixel_values)
    for index, block in enumerate(visual.blocks):
        groups = whole if index in visual.fullatt_block_indexes else windowed
        hidden = hidden + _grouped_attention(block.attn, block.norm1(hidden), cos, sin, groups)
        hidden = hidden + block.mlp(block.norm2(hidden))
    return visual.merger(hidden)


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


def forward_packed(
    backbone: Any, packed: PackedRows, pixel_values: Tensor, grid_thw: Tensor, **kwargs: Any
) -> Tensor:
    """Return the language model's last hidden states `[B, L, D]`.

    Args:
        backbone: `Qwen2_5_VLModel` or `Qwen3VLModel` with `attn_implementation` "sdpa" or "eager".
        packed: Rows whose image placeholders match the images, in order.
        pixel_values: As for `encode_images`.
        grid_thw: As for `encode_images`.
        kwargs: Handed to the language model.
    """
    device = backbone.device
    image_tokens, deepstack = encode_images(backbone, pixel_values.to(device), grid_thw.to(device))
    input_ids = packed.input_ids.to(device)
    embeds = backbone.get_input_embeddings()(input_ids)
    places = input_ids == backbone.config.image_token_id
    assert int(places.sum()) == image_tokens.shape[0], "image placeholders and image tokens differ in number"
    embeds = embeds.masked_scatter(places[..., None], image_tokens.to(embeds.dtype))
    mask = torch.zeros(packed.mask.shape, dtype=embeds.dtype, device=device)
    mask.masked_fill_(~packed.mask.to(device), torch.finfo(embeds.dtype).min)
    if deepstack:
        kwargs |= {"visual_pos_masks": places, "deepstack_visual_embeds": deepstack}
    output = backbone.language_model(
        inputs_embeds=embeds,
        attention_mask=mask,
        position_ids=packed.position_ids.to(device),
        use_cache=False,
        **kwargs,
    )
    return output.last_hidden_state


def gather_readouts(hidden: Tensor, readouts: Tensor) -> Tensor:
    """Return the hidden states `[B, R, D]` of `[B, L, D]` at the indices `[B, R]`."""
    return hidden.gather(1, readouts[..., None].expand(-1, -1, hidden.shape[-1]))
