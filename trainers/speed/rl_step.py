"""A step of online RL against the whole Flow-GRPO loop: what is drawn, what is trained, how long it takes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from spatial_trainers.rewards.sums import RewardPart, RewardRecipe, RewardSum
from spatial_trainers.rl.advantage import AdvantageRecipe
from spatial_trainers.rl.policy import LoraRecipe
from spatial_trainers.rl.prompts import PromptsRecipe
from spatial_trainers.rl.recipe import BaseRecipe, RlRecipe
from spatial_trainers.rl.rollout import RolloutRecipe
from spatial_trainers.rl.trainer import RlTrainer
from spatial_trainers.speed.flow import FlowSize, random_flow_pipeline, random_text
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import Spread, ratios, take_turns

GROUP = 24
_WHOLE = {"window_size": 5, "window_start": (0, 0)}
_OURS = {"window_size": 2, "window_start": (1, 1), "shared_prefix": True}


def brightness(images: Tensor, prompts: list[str]) -> Tensor:
    """Return the mean of each picture: a reward that costs nothing."""
    return images.mean((1, 2, 3))


def _trainer(
    size: FlowSize,
    rollout: RolloutRecipe,
    advantage: AdvantageRecipe,
    *,
    text_tokens: int,
    device: torch.device,
) -> RlTrainer:
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    # A decoder that costs a fraction of a forward, as that of FLUX.1-dev does; the usual one costs five.
    pipeline = random_flow_pipeline(size, device=device, dtype=dtype, decoder_width=16)
    text = random_text(pipeline, text_tokens)
    recipe = RlRecipe(
        name="speed",
        output="",
        steps=1,
        base=BaseRecipe("random", dtype="float32" if device.type == "cpu" else "bfloat16"),
        prompts=PromptsRecipe(scenes=1),
        reward=(RewardRecipe(function="spatial_trainers.speed.rl_step:brightness"),),
        groups_per_step=1,
        updates_per_rollout=1,
        rollout=rollout,
        advantage=advantage,
        lora=LoraRecipe(rank=32, alpha=64.0),
    )

    def arguments(_prompt: str) -> Callable[[int], dict[str, Tensor]]:
        return lambda count: {name: value.expand(count, *value.shape[1:]) for name, value in text.items()}

    reward = RewardSum([RewardPart("brightness", brightness)])
    return RlTrainer(pipeline, reward, arguments, recipe, Accelerator(cpu=device.type == "cpu"))


def measure_rl_step(
    size: FlowSize, *, side: int, text_tokens: int, micro_batch_size: int, turns: int, device: torch.device
) -> Row:
    """Return the costs of "ours" and "whole" for a group of 24, and the denoiser's forwards in each.

    Ours draws 6 steps of which the first is shared and two are random, and trains on 12 pictures; the whole
    loop of Flow-GRPO draws 6 steps of which five are random, and trains on all 24.

    Args:
        size: Of the generator.
        side: Of the pictures, in pixels.
        text_tokens: Of the prompt.
        micro_batch_size: Pictures in one forward.
        turns: Timed turns of each way.
        device: Where to.
    """
    common = RolloutRecipe(group_size=GROUP, height=side, width=side, micro_batch_size=micro_batch_size)
    every = AdvantageRecipe(num_best=0, num_worst=0, min_std=0.0)
    place = {"text_tokens": text_tokens, "device": device}
    runs = {
        "ours": _trainer(size, replace(common, **_OURS), AdvantageRecipe(min_std=0.0), **place),
        "whole": _trainer(size, replace(common, **_WHOLE), every, **place),
    }

    def step(run: RlTrainer) -> dict[str, float]:
        with torch.enable_grad():
            return run.take_step(["a cup"])

    ways: dict[str, Callable[[], Any]] = {name: lambda run=run: step(run) for name, run in runs.items()}
    results, costs = take_turns(ways, turns=turns, device=device)
    forwards = {name: results[name]["forwards_per_group"] for name in runs}
    faster = ratios(costs["whole"], costs["ours"])
    facts = {f"forwards a group, {name}": count for name, count in forwards.items()} | {
        "forwards, ours / whole": forwards["ours"] / forwards["whole"],
        "pictures a second, ours": GROUP / Spread.of(costs["ours"].main).median,
        "pictures a second, whole": GROUP / Spread.of(costs["whole"].main).median,
    }
    bar = Bar("whole / ours, time", faster.median, 2.0)
    if device.type == "cpu":
        bar = Bar("whole / ours, FLOPs", costs["whole"].flops / costs["ours"].flops, 2.0)
    return Row(
        f"rl-{size}-{side}",
        f"a step of RL, {size} size, group of {GROUP} at {side} px",
        costs,
        (bar,),
        facts,
    )
