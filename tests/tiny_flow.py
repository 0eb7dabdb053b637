"""A tiny FLUX pipeline with random weights, of the starter flow model's architecture."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

WORDS = (
    "a red ball is to the left of the blue cube and above it",
    "the green cone stands behind a small yellow box on the table in front of the wall",
)


def build_tiny_flow(folder: Path) -> Path:
    """Write the pipeline as diffusers does and return its folder."""
    from diffusers import AutoencoderTiny

    from spatial_trainers.flow.model import (
        FlowModelSettings,
        make_pipeline,
        new_text_encoders,
        new_transformer,
        save_pipeline,
    )
    from spatial_trainers.flow.tokenizers import clip_tokenizer, t5_tokenizer

    torch.manual_seed(0)
    settings = FlowModelSettings(
        double_blocks=1,
        single_blocks=1,
        heads=1,
        text_width=64,
        text_layers=2,
        clip_width=64,
        clip_layers=1,
    )
    tokenizer, tokenizer_2 = clip_tokenizer(WORDS), t5_tokenizer(WORDS)
    clip, t5 = new_text_encoders(settings, tokenizer, tokenizer_2)
    transformer = new_transformer(settings)
    for module in transformer.modules():
        # Gates start closed, and a model that predicts 0 shows no difference.
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.1)
    save_pipeline(
        make_pipeline(transformer, AutoencoderTiny(latent_channels=16), clip, t5, tokenizer, tokenizer_2),
        folder,
    )
    return folder
