"""A tiny RL run: a FLUX of random weights whose pictures are to become bright."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from accelerate import Accelerator
from tiny_pipelines import FAMILIES
from torch import Tensor

from spatial_trainers.rewards.sums import Reward, RewardPart, RewardRecipe, RewardSum
from spatial_trainers.rl.advantage import AdvantageRecipe
from spatial_trainers.rl.policy import LoraRecipe
from spatial_trainers.rl.prompts import PromptsRecipe
from spatial_trainers.rl.recipe import BaseRecipe, RlOptimizerRecipe, RlRecipe
from spatial_trainers.rl.rollout import Arguments, RolloutRecipe
from spatial_trainers.rl.trainer import RlTrainer

PROMPTS = ["a red ball to the left of a blue cup", "a cup"]


def bright(images: Tensor, _prompts: list[str]) -> Tensor:
    return images.mean((1, 2, 3))


def tiny_rollout(**more: Any) -> RolloutRecipe:
    given: dict[str, Any] = {
        "group_size": 12,
        "num_inference_steps": 6,
        "height": 16,
        "width": 16,
        "max_sequence_length": 32,
        "micro_batch_size": 12,
    }
    return RolloutRecipe(**given | more)


def tiny_recipe(rollout: Mapping[str, Any] | None = None, **more: Any) -> RlRecipe:
    given: dict[str, Any] = {
        "name": "tiny",
        "output": "unused",
        "steps": 4,
        "base": BaseRecipe("random", dtype="float32"),
        "prompts": PromptsRecipe(scenes=2),
        "reward": (RewardRecipe(function="tiny_rl:bright"),),
        "groups_per_step": 2,
        "rollout": tiny_rollout(**rollout or {}),
        "advantage": AdvantageRecipe(num_best=3, num_worst=3),
        "lora": LoraRecipe(rank=4, alpha=8.0),
        "optimizer": RlOptimizerRecipe(learning_rate=0.02),
    }
    return RlRecipe(**given | more)


def embedded(pipeline: Any, family: str = "flux") -> Callable[[str], Arguments]:
    """Return what stands for a prompt, encoded alone, as the cache would have it."""
    made: dict[str, dict[str, Tensor]] = {}

    def arguments(prompt: str) -> Arguments:
        if prompt not in made:
            if family == "flux":
                text, pooled, _ = pipeline.encode_prompt(prompt=prompt, prompt_2=None, max_sequence_length=32)
                made[prompt] = {"prompt_embeds": text, "pooled_prompt_embeds": pooled}
            elif family == "sd3":
                found = pipeline.encode_prompt(prompt, prompt, prompt, max_sequence_length=32)
                names = ("prompt_embeds", "negative_prompt_embeds", "pooled_prompt_embeds")
                names = (*names, "negative_pooled_prompt_embeds")
                made[prompt] = dict(zip(names, found, strict=True))
            else:
                text, _ = pipeline.encode_prompt(prompt, max_sequence_length=32)
                mask = torch.ones(text.shape[:2], dtype=torch.long)
                made[prompt] = {"prompt_embeds": text, "prompt_embeds_mask": mask}
        return lambda count: {
            name: value.repeat_interleave(count, dim=0) for name, value in made[prompt].items()
        }

    return arguments


def tiny_trainer(recipe: RlRecipe | None = None, reward: Reward = bright) -> RlTrainer:
    pipeline = FAMILIES["flux"].pipeline()
    rewards = RewardSum([RewardPart("bright", reward)])
    return RlTrainer(pipeline, rewards, embedded(pipeline), recipe or tiny_recipe(), Accelerator(cpu=True))
