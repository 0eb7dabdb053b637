"""Judges to measure: Qwen2.5-VL in its real shapes or scaled down, with random weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedTokenizerFast, Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

from spatial_core.backbones import BackboneParts, image_statistics
from spatial_core.reward_model import SpatialRewardModel, SpatialScoreConfig
from spatial_trainers.backbone.model import SPECIAL_TOKENS, train_tokenizer
from spatial_trainers.speed.templates import PROMPT, RUBRIC, STATEMENTS

MAX_PIXELS = 1280 * 1280
"""High enough that an image of 1024 pixels a side keeps its size."""

# The share of the vision tower in the cost of an image lies between those of the real 3B and 7B.
_SCALED_DOWN = (
    {
        "hidden_size": 256,
        "intermediate_size": 1024,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "rope_scaling": {"type": "mrope", "mrope_section": [8, 12, 12]},
    },
    {"depth": 4, "hidden_size": 96, "intermediate_size": 256, "num_heads": 4, "fullatt_block_indexes": [3]},
)
_REAL_VISION = {
    "depth": 32,
    "hidden_size": 1280,
    "intermediate_size": 3420,
    "num_heads": 16,
    "fullatt_block_indexes": [7, 15, 23, 31],
}
_REAL_ROPE = {"rope_scaling": {"type": "mrope", "mrope_section": [16, 24, 24]}}
SIZES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "scaled-down": _SCALED_DOWN,
    "3b": (
        {
            "hidden_size": 2048,
            "intermediate_size": 11008,
            "num_hidden_layers": 36,
            "num_attention_heads": 16,
            "num_key_value_heads": 2,
            **_REAL_ROPE,
        },
        _REAL_VISION,
    ),
    "7b": (
        {
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            **_REAL_ROPE,
        },
        _REAL_VISION,
    ),
}


def speed_tokenizer() -> PreTrainedTokenizerFast:
    """Return a tokenizer that splits the texts of the benchmark about as finely as the public one does."""
    return train_tokenizer([PROMPT, RUBRIC, *STATEMENTS, *["Yes No yes no"] * 4], vocab_size=870)


def qwen_config(size: str, tokenizer: PreTrainedTokenizerFast) -> Qwen2_5_VLConfig:
    """Return the configuration of one of `SIZES` with a tokenizer's special ids."""
    text, vision = SIZES[size]
    ids = {name: tokenizer.convert_tokens_to_ids(name) for name in SPECIAL_TOKENS}
    shared = {"max_position_embeddings": 8192, "rope_theta": 1e6, "tie_word_embeddings": True}
    ends = {
        "bos_token_id": None,
        "eos_token_id": ids["<|im_end|>"],
        "pad_token_id": ids["<|endoftext|>"],
    }
    patches = {"patch_size": 14, "window_size": 112, "spatial_merge_size": 2, "temporal_patch_size": 2}
    return Qwen2_5_VLConfig(
        text_config={"vocab_size": len(tokenizer), **shared, **ends, **text},
        vision_config={**patches, "out_hidden_size": text["hidden_size"], **vision},
        tie_word_embeddings=True,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )


def random_parts(size: str, *, device: torch.device, dtype: torch.dtype) -> BackboneParts:
    """Return a judge's backbone with random weights, large enough that every part of it matters."""
    tokenizer = speed_tokenizer()
    config = qwen_config(size, tokenizer)
    config._attn_implementation = "sdpa"  # pyright: ignore[reportPrivateUsage]
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        with torch.random.fork_rng(), device:
            torch.manual_seed(0)
            model = Qwen2_5_VLForConditionalGeneration(config)
            for module in model.modules():
                if isinstance(module, (nn.Linear, nn.Conv3d)):
                    nn.init.normal_(module.weight, std=0.6 / module.weight[0].numel() ** 0.5)
                elif isinstance(module, nn.Embedding):
                    nn.init.normal_(module.weight, std=0.3)
    finally:
        torch.set_default_dtype(before)
    processing = {
        **image_statistics("qwen2_5_vl"),
        "patch_size": 14,
        "merge_size": 2,
        "temporal_patch_size": 2,
        "min_pixels": 28 * 28,
        "max_pixels": MAX_PIXELS,
    }
    return BackboneParts(model.eval(), tokenizer, processing, Path())


def reward_model(parts: BackboneParts) -> SpatialRewardModel:
    """Return an untrained SpatialScore on a backbone; its head is random."""
    config = SpatialScoreConfig(backbone="random", min_pixels=28 * 28, max_pixels=MAX_PIXELS)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        model = SpatialRewardModel(parts.model.model, parts.tokenizer, parts.processing, config)
        nn.init.normal_(model.head[-1].weight, std=0.3)
    return model.to(parts.model.device).eval()
