"""A tiny untrained FLUX with its text encoders, so that a recipe can be tried without a download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from diffusers import AutoencoderTiny
from torch import nn

from spatial_core.atomic_files import atomic_folder
from spatial_trainers.flow.model import (
    FlowModelSettings,
    make_pipeline,
    new_text_encoders,
    new_transformer,
    save_pipeline,
)
from spatial_trainers.flow.tokenizers import clip_tokenizer, t5_tokenizer


def random_flow(folder: str | Path, prompts: Iterable[str], *, seed: int) -> None:
    """Write a diffusers folder with random weights: the starter's architecture with fewer layers.

    Args:
        folder: Replaced if there.
        prompts: The tokenizers learn their words here.
        seed: Of the weights.
    """
    settings = FlowModelSettings(
        single_blocks=1, heads=1, text_width=64, text_layers=1, clip_width=64, clip_layers=1
    )
    words = list(prompts)
    tokenizer, tokenizer_2 = clip_tokenizer(words), t5_tokenizer(words)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        clip, t5 = new_text_encoders(settings, tokenizer, tokenizer_2)
        transformer = new_transformer(settings)
        for module in transformer.modules():
            # Gates start closed, and a model that predicts 0 can learn nothing through a LoRA.
            if isinstance(module, nn.Linear) and not module.weight.any():
                nn.init.normal_(module.weight, std=0.1)
        vae = AutoencoderTiny(latent_channels=16)
    with atomic_folder(folder) as temporary:
        save_pipeline(make_pipeline(transformer, vae, clip, t5, tokenizer, tokenizer_2), temporary)
