"""A tiny untrained backbone with its tokenizer, so that a recipe can be tried without a download."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import AutoModelForImageTextToText

from spatial_trainers.backbone.model import save_backbone, starter_config, train_tokenizer


def random_backbone(
    folder: str | Path,
    prompts: Iterable[str],
    *,
    seed: int,
    num_hidden_layers: int,
    intermediate_size: int,
    vocab_size: int,
) -> None:
    """Write a Hugging Face folder with random weights: the starter's architecture with fewer layers.

    Args:
        folder: Made if missing.
        prompts: The tokenizer learns its words here.
        seed: Of the weights.
        num_hidden_layers: Of the language model.
        intermediate_size: Of its feed-forward layers.
        vocab_size: Of the tokenizer, at most.
    """
    tokenizer = train_tokenizer(prompts, vocab_size=vocab_size)
    config = starter_config(
        tokenizer, num_hidden_layers=num_hidden_layers, intermediate_size=intermediate_size
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = AutoModelForImageTextToText.from_config(config)
    save_backbone(model, tokenizer, folder)
