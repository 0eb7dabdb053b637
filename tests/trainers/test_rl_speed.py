"""CPU time of a step against the whole Flow-GRPO loop, interleaved in one run on one small FLUX."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch
from accelerate import Accelerator
from diffusers import AutoencoderTiny
from tiny_rl import bright, tiny_recipe
from torch import nn

from spatial_trainers.flow.model import (
    FlowModelSettings,
    make_pipeline,
    new_text_encoders,
    new_transformer,
)
from spatial_trainers.flow.tokenizers import clip_tokenizer, t5_tokenizer
from spatial_trainers.rewards.sums import RewardPart, RewardSum
from spatial_trainers.rl.advantage import AdvantageRecipe
from spatial_trainers.rl.trainer import RlTrainer

TOKENS = 64


def trainer(rollout: dict[str, Any], advantage: AdvantageRecipe) -> RlTrainer:
    torch.manual_seed(0)
    settings = FlowModelSettings()
    tokenizers = clip_tokenizer(["a cup"]), t5_tokenizer(["a cup"])
    transformer = new_transformer(settings)
    for module in transformer.modules():
        if isinstance(module, nn.Linear) and not module.weight.any():
            nn.init.normal_(module.weight, std=0.05)
    # A decoder that costs a fraction of a forward, as that of FLUX.1-dev does; the usual one costs five here.
    widths = (16, 16, 16, 16)
    vae = AutoencoderTiny(
        latent_channels=16, encoder_block_out_channels=widths, decoder_block_out_channels=widths
    )
    pipeline = make_pipeline(transformer, vae, *new_text_encoders(settings, *tokenizers), *tokenizers)
    text = torch.randn(1, TOKENS, settings.text_width)
    pooled = torch.randn(1, settings.clip_width)

    def arguments(_prompt: str) -> Any:
        return lambda count: {
            "prompt_embeds": text.expand(count, -1, -1),
            "pooled_prompt_embeds": pooled.expand(count, -1),
        }

    size = {"group_size": 24, "height": 64, "width": 64, "micro_batch_size": 12}
    recipe = tiny_recipe({**size, **rollout}, groups_per_step=1, updates_per_rollout=1, advantage=advantage)
    return RlTrainer(
        pipeline, RewardSum([RewardPart("bright", bright)]), arguments, recipe, Accelerator(cpu=True)
    )


@pytest.mark.benchmarks
def test_a_step_takes_half_the_time_of_the_whole_loop() -> None:
    """Flow-GRPO: 6 steps, 5 of them trained, all 24 pictures. Ours: 2, 12, and the first step shared."""
    every = AdvantageRecipe(num_best=0, num_worst=0, min_std=0.0)
    runs = {
        "whole": trainer({"window_size": 5, "window_start": (0, 0)}, every),
        "ours": trainer({"window_start": (1, 1), "shared_prefix": True}, AdvantageRecipe(min_std=0.0)),
    }
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    # Warms up.
    runs["ours"].take_step(["a cup"])
    for _ in range(2):
        for name, run in runs.items():
            began = time.process_time()
            run.take_step(["a cup"])
            seconds[name].append(time.process_time() - began)
    ratios = [a / b for a, b in zip(seconds["whole"], seconds["ours"], strict=True)]
    assert min(ratios) >= 2.0, seconds
