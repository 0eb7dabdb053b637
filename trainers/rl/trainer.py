"""The loop of online RL: draw groups, have them judged meanwhile, choose, and update the LoRA.

Processes share the groups of a step; gradients are summed over them, so that neither their number nor the
size of a micro-batch changes what a step computes. Only the LoRA is trained, and every process holds all of
it, so that one sum of its gradients is all that they exchange; beside a frozen base in shares (`sharding`).
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from spatial_core.pipeline.request import takes
from spatial_trainers.adapter import lora_weights
from spatial_trainers.rewards.sums import BackgroundReward, PendingReward, RewardSum
from spatial_trainers.rl.advantage import Chosen, choose
from spatial_trainers.rl.forward_counts import ForwardCounter
from spatial_trainers.rl.grpo import Grpo
from spatial_trainers.rl.nft import Nft
from spatial_trainers.rl.policy import Policy
from spatial_trainers.rl.recipe import GuardsRecipe, RlRecipe
from spatial_trainers.rl.rollout import Arguments, Rollout, group_seeds, sample_group, window_start

_REMEMBERED = 50
_FIRST_NORMS = 10
"""Updates before a spike can be told."""


@dataclass
class Guards:
    """Refuses updates that would wreck the policy.

    Attributes:
        recipe: When.
        norms: Of the last accepted gradients.
        skipped: Updates refused so far.
        in_a_row: Of those, since the last accepted one.
        alarms: Updates whose KL was too large.
    """

    recipe: GuardsRecipe
    norms: list[float] = field(default_factory=list[float])
    skipped: int = 0
    in_a_row: int = 0
    alarms: int = 0

    def admit(self, norm: float) -> bool:
        """Return whether an update with this gradient norm may be made.

        Raises:
            RuntimeError: If too many in a row were refused.
        """
        spike = len(self.norms) >= _FIRST_NORMS and norm > self.recipe.spike * statistics.median(self.norms)
        if np.isfinite(norm) and not spike:
            self.norms = [*self.norms[1 - _REMEMBERED :], norm]
            self.in_a_row = 0
            return True
        self.skipped += 1
        self.in_a_row += 1
        if self.in_a_row >= self.recipe.max_skipped:
            raise RuntimeError(
                f"{self.in_a_row} updates in a row were skipped, the last for a gradient norm of {norm:g}: "
                "the policy has collapsed. Go back to an earlier checkpoint with a smaller "
                "'optimizer.learning_rate', 'optimizer.max_grad_norm' or 'rollout.noise_level', or with a "
                "'kl_weight'."
            )
        return False

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        return {k: getattr(self, k) for k in ("norms", "skipped", "in_a_row", "alarms")}


@dataclass(frozen=True, eq=False)
class Collected:
    """The rollouts of a step.

    Attributes:
        rollouts: Of this process's groups, by the group's number.
        rewards: float64 [G, B] of each part, for all groups.
    """

    rollouts: dict[int, Rollout]
    rewards: dict[str, np.ndarray]


class RlTrainer:
    """A run: the policy, its optimizer, and where they stand."""

    def __init__(
        self,
        pipeline: Any,
        reward: RewardSum,
        arguments: Callable[[str], Arguments],
        recipe: RlRecipe,
        accelerator: Accelerator,
    ) -> None:
        """Put a LoRA into the pipeline's denoiser and get ready to train it.

        Args:
            pipeline: Of a family that `predict` knows, on the accelerator's device.
            reward: Judges pictures.
            arguments: Of the base's call for a prompt, as `PromptCache` has them.
            recipe: What to do; `base`, `prompts`, `reward` and `evaluation` are the caller's to see to.
            accelerator: Of one process or several.
        """
        self.pipeline, self.arguments = pipeline, arguments
        self.recipe, self.accelerator = recipe, accelerator
        pipeline.set_progress_bar_config(disable=True)
        # Seams between tiles would be judged, and learnt.
        for off in ("disable_tiling", "disable_slicing"):
            getattr(pipeline.vae, off, lambda: None)()
        base_call = getattr(pipeline, "base_class", type(pipeline)).__call__
        self.call = recipe.rollout.call(lambda name: takes(base_call, name))
        o = recipe.optimizer
        self.policy = Policy(pipeline, recipe.lora, seed=recipe.seed, averaged=o.ema_decay > 0)
        if recipe.base.gradient_checkpointing:
            pipeline.transformer.enable_gradient_checkpointing()
        self.optimizer = torch.optim.AdamW(
            self.policy.trained.values(), lr=o.learning_rate, betas=o.betas, weight_decay=o.weight_decay
        )
        size = recipe.rollout.micro_batch_size
        self.grpo = Grpo(self.policy, recipe.grpo, micro_batch_size=size)
        self.nft: Nft | None = None
        if recipe.algorithm == "nft":
            clip = recipe.advantage.clip
            self.nft = Nft(self.policy, recipe.nft, micro_batch_size=size, advantage_clip=clip)
        self.guards = Guards(recipe.guards)
        self.reward, self.background = reward, BackgroundReward(reward)
        self.counter = ForwardCounter(pipeline.transformer)
        self.sharded = recipe.base.shard and accelerator.num_processes > 1
        self.step = 0

    @property
    def updates(self) -> int:
        """Updates tried so far."""
        return self.step * self.recipe.updates_per_rollout

    def collect(self, prompts: list[str]) -> Collected:
        """Draw and judge the groups of the present step, one for each prompt."""
        r, rank, world = self.recipe, self.accelerator.process_index, self.accelerator.num_processes
        size = r.rollout.group_size
        rollouts: dict[int, Rollout] = {}
        pending: dict[int, PendingReward] = {}
        with lora_weights(self.policy.trained, self.nft.old if self.nft else {}):
            for number in range(rank, len(prompts), world):
                prompt = prompts[number]
                rollouts[number], images = sample_group(
                    self.pipeline,
                    self.arguments(prompt),
                    r.rollout,
                    seeds=group_seeds(
                        r.seed, self.step, prompt, size, first=size * prompts[:number].count(prompt)
                    ),
                    start=window_start(r.rollout, r.seed, self.step, prompt),
                    call=self.call,
                    random=r.algorithm == "grpo",
                )
                pending[number] = self.background.submit(images, [prompt] * size)
        found = [
            (number, {name: part.tolist() for name, part in waiting.result().parts.items()})
            for number, waiting in pending.items()
        ]
        by_group = dict(gather_object(found))
        rewards = {
            name: np.array([by_group[number][name] for number in range(len(prompts))], dtype=np.float64)
            for name in self.reward.weights
        }
        return Collected(rollouts, rewards)

    def take_step(self, prompts: list[str]) -> dict[str, float]:
        """Take one step on `groups_per_step` prompts; returns what is worth a log.

        Raises:
            RewardError: If the reward fails.
            RuntimeError: If the policy has collapsed, or memory does not suffice (names the knob).
        """
        began = time.monotonic()
        self.counter.reset()
        try:
            collected = self.collect(prompts)
            chosen = choose(collected.rewards, self.reward.weights, self.recipe.advantage)
            logs = [
                self._update(part, collected.rollouts, chosen)
                for part in range(self.recipe.updates_per_rollout)
            ]
        except torch.OutOfMemoryError as error:
            raise RuntimeError(
                f"The device has too little memory ({error}). Lower 'rollout.micro_batch_size' (now "
                f"{self.recipe.rollout.micro_batch_size}; it changes nothing else), set "
                "'base.gradient_checkpointing' to true or 'base.storage' to \"float8\", or let another "
                "machine judge (spatial serve-reward)."
            ) from error
        self.step += 1
        values = {key: sum(log[key] for log in logs) / len(logs) for key in logs[0]}
        values |= self._reward_log(collected.rewards, chosen)
        values |= {"skipped_updates": self.guards.skipped, "kl_alarms": self.guards.alarms}
        values |= self.counter.summary(
            groups=len(collected.rollouts),
            seconds=time.monotonic() - began,
            device_tflops=self.recipe.device_tflops,
        )
        return values

    def _update(
        self, part: int, rollouts: Mapping[int, Rollout], chosen: Sequence[Chosen | None]
    ) -> dict[str, float]:
        """Make update number `part` of the step from its share of the groups."""
        o = self.recipe.optimizer
        count = len(chosen) // self.recipe.updates_per_rollout
        sums: dict[str, float] = {}
        for number in range(part * count, (part + 1) * count):
            if number not in rollouts:
                continue
            group = chosen[number]
            if group is None:
                if self.sharded:
                    # Others may need this process to gather the base with them: go through it for nothing.
                    kept = self.recipe.advantage.kept(self.recipe.rollout.group_size)
                    nothing = Chosen(torch.zeros(kept, dtype=torch.long), torch.zeros(kept))
                    self._backward(rollouts[number], nothing, part, number, 0.0)
                continue
            for name, value in self._backward(rollouts[number], group, part, number, 1.0 / count).items():
                sums[name] = sums.get(name, 0.0) + value / count
        names = ("loss", "kl", "rest") if self.nft else ("loss", "kl", "clipped", "log_ratio", "drift")
        found = torch.tensor([sums.get(name, 0.0) for name in names], device=self.accelerator.device)
        log = dict(zip(names, self.accelerator.reduce(found, "sum").tolist(), strict=True))
        norm = self._gradient_norm()
        update = self.updates + part
        rate = o.rate(update)
        if self.recipe.guards.kl_alarm and log["kl"] > self.recipe.guards.kl_alarm:
            self.guards.alarms += 1
        if norm > 0.0 or not np.isfinite(norm):
            if self.guards.admit(norm):
                for group in self.optimizer.param_groups:
                    group["lr"] = rate
                self.optimizer.step()
                self.policy.follow(o.ema_decay, update)
                if self.nft:
                    self.nft.follow(update + 1)
        self.optimizer.zero_grad(set_to_none=True)
        return log | {"grad_norm": norm, "learning_rate": rate}

    def _backward(
        self, rollout: Rollout, chosen: Chosen, part: int, number: int, share: float
    ) -> dict[str, float]:
        if self.nft is None:
            return self.grpo.backward(rollout, chosen, share=share, fresh=part == 0)
        seed = int.from_bytes(f"{self.recipe.seed}|{self.step}|{number}".encode()[-7:], "big")
        return self.nft.backward(rollout, chosen, share=share, generator=torch.Generator().manual_seed(seed))

    def _gradient_norm(self) -> float:
        """Sum gradients over the processes, scale them down to the limit, and return their norm before."""
        parameters = list(self.policy.trained.values())
        for parameter in parameters:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [p.grad for p in parameters if p.grad is not None]
        if self.accelerator.num_processes > 1:
            flat = torch.cat([gradient.flatten() for gradient in gradients])
            flat = self.accelerator.reduce(flat, "sum")
            for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
                gradient.copy_(summed.view_as(gradient))
        return float(torch.nn.utils.clip_grad_norm_(parameters, self.recipe.optimizer.max_grad_norm))

    def _reward_log(
        self, rewards: Mapping[str, np.ndarray], chosen: Sequence[Chosen | None]
    ) -> dict[str, float]:
        total = sum(weight * rewards[name] for name, weight in self.reward.weights.items())
        values = {"reward": float(np.mean(total)), "reward_std": float(np.std(total, axis=1).mean())}
        if len(rewards) > 1:
            values |= {f"reward/{name}": float(part.mean()) for name, part in rewards.items()}
        return values | {"left_out_groups": float(sum(group is None for group in chosen))}
