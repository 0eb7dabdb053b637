"""From the names that other trainers give a model's layers to diffusers' own.

Three kinds of names are known: those of the models' original code (FLUX.1, SD3), whose fused projections are
split; SDXL's block numbers; and diffusers' own names with "_" for ".".
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch

from spatial_core.lora.layers import LoraLayer

_SELF = ("attn.to_q", "attn.to_k", "attn.to_v")
_ADDED = ("attn.add_q_proj", "attn.add_k_proj", "attn.add_v_proj")

# First word of a block's name -> (diffusers' name of the list, {part of the block: its parts there}).
_BLOCKS: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "double": (
        "transformer_blocks",
        {
            "img_attn_qkv": _SELF,
            "txt_attn_qkv": _ADDED,
            "img_attn_proj": ("attn.to_out.0",),
            "txt_attn_proj": ("attn.to_add_out",),
            "img_mlp_0": ("ff.net.0.proj",),
            "img_mlp_2": ("ff.net.2",),
            "txt_mlp_0": ("ff_context.net.0.proj",),
            "txt_mlp_2": ("ff_context.net.2",),
            "img_mod_lin": ("norm1.linear",),
            "txt_mod_lin": ("norm1_context.linear",),
        },
    ),
    "single": (
        "single_transformer_blocks",
        {
            "linear1": (*_SELF, "proj_mlp"),
            "linear2": ("proj_out",),
            "modulation_lin": ("norm.linear",),
        },
    ),
    "joint": (
        "transformer_blocks",
        {
            "x_block_attn_qkv": _SELF,
            "context_block_attn_qkv": _ADDED,
            "x_block_attn2_qkv": ("attn2.to_q", "attn2.to_k", "attn2.to_v"),
            "x_block_attn_proj": ("attn.to_out.0",),
            "context_block_attn_proj": ("attn.to_add_out",),
            "x_block_attn2_proj": ("attn2.to_out.0",),
            "x_block_mlp_fc1": ("ff.net.0.proj",),
            "x_block_mlp_fc2": ("ff.net.2",),
            "context_block_mlp_fc1": ("ff_context.net.0.proj",),
            "context_block_mlp_fc2": ("ff_context.net.2",),
            "x_block_adaLN_modulation_1": ("norm1.linear",),
            "context_block_adaLN_modulation_1": ("norm1_context.linear",),
        },
    ),
}

_TOP = {
    "img_in": "x_embedder",
    "txt_in": "context_embedder",
    "time_in_in_layer": "time_text_embed.timestep_embedder.linear_1",
    "time_in_out_layer": "time_text_embed.timestep_embedder.linear_2",
    "vector_in_in_layer": "time_text_embed.text_embedder.linear_1",
    "vector_in_out_layer": "time_text_embed.text_embedder.linear_2",
    "guidance_in_in_layer": "time_text_embed.guidance_embedder.linear_1",
    "guidance_in_out_layer": "time_text_embed.guidance_embedder.linear_2",
    "x_embedder_proj": "pos_embed.proj",
    "t_embedder_mlp_0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder_mlp_2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder_mlp_0": "time_text_embed.text_embedder.linear_1",
    "y_embedder_mlp_2": "time_text_embed.text_embedder.linear_2",
    "final_layer_linear": "proj_out",
    "final_layer_adaLN_modulation_1": "norm_out.linear",
}
_BLOCK = re.compile(r"(double|single|joint)_blocks_(\d+)_(\w+)")

# Names with an underscore of their own; everything else is cut at underscores.
_WORDS = """
    single_transformer_blocks transformer_blocks down_blocks up_blocks mid_block time_emb_proj conv_shortcut
    to_q to_k to_v to_out to_add_out add_q_proj add_k_proj add_v_proj proj_in proj_out proj_mlp ff_context
    norm1_context norm_out x_embedder context_embedder time_text_embed timestep_embedder text_embedder
    guidance_embedder linear_1 linear_2 linear_3 conv_in conv_out time_embedding add_embedding pos_embed
    img_in txt_in img_mlp txt_mlp img_mod txt_mod adaln_single caption_projection attn_out
    text_model text_projection self_attn q_proj k_proj v_proj out_proj wi_0 wi_1
""".split()
_TOKEN = re.compile(f"(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?=_|$)|[^_]+")

_NUMBERED = re.compile(r"(input_blocks|output_blocks|middle_block)_(\d+)_(?:(\d+)_)?(\w+)")
_RESNET = {
    "in_layers_2": "conv1",
    "out_layers_3": "conv2",
    "emb_layers_1": "time_emb_proj",
    "skip_connection": "conv_shortcut",
}

_UNET = ("down_blocks", "mid_block", "up_blocks", "conv_in", "conv_out", "time_embedding", "add_embedding")


def denoiser_of(path: str) -> str:
    """Return the component that has the module `path`: "unet" or "transformer"."""
    return "unet" if path.split(".")[0] in _UNET else "transformer"


def convert_layer(name: str, layer: LoraLayer) -> dict[str, LoraLayer] | None:
    """Return a layer under diffusers' paths, several where the original fuses them; None if not known.

    Args:
        name: Path in the model's original code with "_" for ".", as "double_blocks_0_img_attn_qkv".
        layer: Its update.

    Raises:
        ValueError: If the layer has not the shape that this name has in FLUX.1 and SD3.
    """
    paths = _paths(name)
    if not paths:
        return None
    if len(paths) > 1:
        return dict(zip(paths, _split(name, layer, len(paths)), strict=True))
    out, width = layer.up.shape[0], layer.down.shape[1]
    # The last modulation gives (shift, scale) in the original code and (scale, shift) in diffusers. SD3's
    # last block modulates its text by such a one, the others by six.
    if name == "final_layer_adaLN_modulation_1" or ("context_block_adaLN" in name and out == 2 * width):
        shift, scale = layer.up.chunk(2)
        layer = LoraLayer(layer.down, torch.cat([scale, shift]), layer.scale)
    return {paths[0]: layer}


def _paths(name: str) -> list[str]:
    block = _BLOCK.fullmatch(name)
    if block is None:
        return [_TOP[name]] if name in _TOP else []
    kind, index, part = block.groups()
    container, parts = _BLOCKS[kind]
    return [f"{container}.{index}.{path}" for path in parts.get(part, ())]


def _split(name: str, layer: LoraLayer, parts: int) -> list[LoraLayer]:
    """Return the projections fused in `layer`: q, k and v, as wide as what comes in, then the rest."""
    out, width = layer.up.shape[0], layer.down.shape[1]
    sizes = [width] * 3 + [out - 3 * width] * (parts - 3)
    if sum(sizes) != out or min(sizes) <= 0:
        raise ValueError(
            f"'{name}' must fuse {parts} projections of a width of {width}; it has {out} rows. This is "
            "neither FLUX.1 nor SD3: convert it with the tools of the model it was trained for."
        )
    split: list[LoraLayer] = []
    for up in layer.up.split(sizes):
        # Converters stack separate projections: each then uses a part of the rank, and the rest is zero.
        used = up.ne(0).any(0)
        used[0] |= not used.any()
        split.append(LoraLayer(layer.down[used], up[:, used], layer.scale))
    return split


def dotted(name: str) -> str:
    """Return diffusers' path of a name that has "_" for ".", SDXL's numbered blocks included.

    Example:
        "transformer_blocks_0_attn_to_out_0" -> "transformer_blocks.0.attn.to_out.0"
    """
    numbered = _NUMBERED.fullmatch(name)
    if numbered is None:
        return ".".join(_TOKEN.findall(name))
    side, first, second, rest = numbered.groups()
    number, place = int(first), int(second or 0)
    if side == "middle_block":
        # resnet, attention, resnet
        rest = name.removeprefix(f"middle_block_{number}_")
        container = "mid_block.attentions.0" if number == 1 else f"mid_block.resnets.{number // 2}"
    else:
        level, index = divmod(number - (side == "input_blocks"), 3)
        blocks = f"{'down' if side == 'input_blocks' else 'up'}_blocks.{level}"
        if rest == "op" or (rest == "conv" and place):
            return f"{blocks}.{'downsamplers' if rest == 'op' else 'upsamplers'}.0.conv"
        container = f"{blocks}.{'attentions' if place else 'resnets'}.{index}"
    return f"{container}.{_RESNET.get(rest) or '.'.join(_TOKEN.findall(rest))}"
