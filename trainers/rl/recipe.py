"""Recipes of `spatial train-rl`: everything that an RL run depends on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from spatial_trainers.rewards.sums import RewardRecipe
from spatial_trainers.rl.advantage import AdvantageRecipe
from spatial_trainers.rl.grpo import GrpoRecipe
from spatial_trainers.rl.nft import NftRecipe
from spatial_trainers.rl.policy import LoraRecipe
from spatial_trainers.rl.prompts import PromptsRecipe
from spatial_trainers.rl.rollout import RolloutRecipe


@dataclass(frozen=True)
class BaseRecipe:
    """The generator that is trained.

    Attributes:
        model: "starter" is the bundled flow model, "random" a tiny untrained one to try the machinery with;
            otherwise folder or hub id of a FLUX, Stable Diffusion 3 or Qwen-Image pipeline.
        revision: Hub revision; "" for the default one.
        dtype: Of the frozen weights; the LoRA is float32.
        storage: "float8" holds the denoiser's frozen weights in 8 bits and computes in `dtype`.
        shard: Each of several processes holds its share of the denoiser's weights (FSDP2) instead of all.
        gradient_checkpointing: Trades about half more time in training for far less memory.
    """

    model: str
    revision: str = ""
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    storage: Literal["", "float8"] = ""
    shard: bool = False
    gradient_checkpointing: bool = False


@dataclass(frozen=True)
class RlOptimizerRecipe:
    """AdamW on the LoRA.

    Attributes:
        learning_rate: After the warm-up.
        warmup_updates: Of linear growth from 0.
        cooldown: First and last of the updates in which the rate falls linearly to 0, where it then stays;
            (0, 0) is off. What the noise of small batches did to the policy is averaged away in them.
        weight_decay, betas: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        ema_decay: Of the averaged weights, which are evaluated and saved; 0 is off.
    """

    learning_rate: float = 3e-4
    warmup_updates: int = 0
    cooldown: tuple[int, int] = (0, 0)
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    ema_decay: float = 0.9

    def rate(self, update: int) -> float:
        """Return the learning rate of an update, from 0."""
        begin, end = self.cooldown
        left = (end - update) / (end - begin) if end else 1.0
        return self.learning_rate * min(1.0, (update + 1) / max(1, self.warmup_updates), max(0.0, left))


@dataclass(frozen=True)
class GuardsRecipe:
    """What keeps a run from collapsing unseen.

    Attributes:
        spike: An update whose gradient norm is so many times the median of the last 50 is skipped.
        kl_alarm: A KL above this is reported and counted; needs a `kl_weight`. 0 is off.
        max_skipped: So many updates skipped one after the other end the run.
    """

    spike: float = 20.0
    kl_alarm: float = 0.0
    max_skipped: int = 10


@dataclass(frozen=True)
class EvaluationRecipe:
    """What is drawn before, during and after training, always from the same prompts and seeds.

    Attributes:
        prompts: How many.
        file: Of prompts; "" writes held-out ones where training's come from scenes, and otherwise takes the
            first of training's own.
        every: Steps between evaluations; one comes before the first step, one after the last.
        num_inference_steps: Of the sampler, as the model will be used.
        judge: Who judges beside the reward, and never the reward itself: "starter" for the bundled localizer
            with exact geometry, the folder of another localizer, folder or hub id of a scorer, or "" for
            nobody.
        grid: Prompts of which the grid shows the picture before and after.
        seed: Of the first picture; the next has the next.
    """

    prompts: int = 32
    file: str = ""
    every: int = 50
    num_inference_steps: int = 28
    judge: str = ""
    grid: int = 8
    seed: int = 0


@dataclass(frozen=True)
class RlRecipe:
    """Everything `spatial train-rl` does.

    Attributes:
        name: Of the LoRA, in its card.
        output: Folder of checkpoints, metrics, evaluations and the LoRA.
        steps: Of training; each draws `groups_per_step` groups and makes `updates_per_rollout` updates.
        base: The generator.
        prompts: To train on.
        reward: Parts of the reward, summed by weight.
        algorithm: "grpo" or "nft", with the table of that name.
        groups_per_step: Prompts of a step, over all processes.
        updates_per_rollout: The groups of a step are shared among so many updates. From the second on the
            policy is no longer the one that drew, and clipping acts.
        cache: Folder of prompt embeddings; "" for one in `output`.
        seed: Of the LoRA's first weights, the order of prompts and all noise.
        checkpoint_every: Steps between checkpoints, from which a killed run goes on exactly.
        log_every: Steps between lines of metrics, each the mean since the last.
        trackers: Where metrics go beside `metrics.jsonl`, where it is installed.
        device_tflops: What the device does at its best in `base.dtype`, to log the share that is used (MFU).
        licence: Of the LoRA, for its card.
    """

    name: str
    output: str
    steps: int
    base: BaseRecipe
    prompts: PromptsRecipe
    reward: tuple[RewardRecipe, ...]
    algorithm: Literal["grpo", "nft"] = "grpo"
    groups_per_step: int = 8
    updates_per_rollout: int = 2
    rollout: RolloutRecipe = field(default_factory=RolloutRecipe)
    advantage: AdvantageRecipe = field(default_factory=AdvantageRecipe)
    grpo: GrpoRecipe = field(default_factory=GrpoRecipe)
    nft: NftRecipe = field(default_factory=NftRecipe)
    lora: LoraRecipe = field(default_factory=LoraRecipe)
    optimizer: RlOptimizerRecipe = field(default_factory=RlOptimizerRecipe)
    guards: GuardsRecipe = field(default_factory=GuardsRecipe)
    evaluation: EvaluationRecipe = field(default_factory=EvaluationRecipe)
    cache: str = ""
    seed: int = 0
    checkpoint_every: int = 10
    log_every: int = 1
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ("tensorboard",)
    device_tflops: float = 0.0
    licence: str = ""

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If two values do not fit together or one is out of range.
        """
        o, r, a, e = self.optimizer, self.rollout, self.advantage, self.evaluation
        positive = {
            "steps": self.steps,
            "groups_per_step": self.groups_per_step,
            "updates_per_rollout": self.updates_per_rollout,
            "checkpoint_every": self.checkpoint_every,
            "log_every": self.log_every,
            "optimizer.learning_rate": o.learning_rate,
            "optimizer.max_grad_norm": o.max_grad_norm,
            "guards.max_skipped": self.guards.max_skipped,
            "evaluation.prompts": e.prompts,
            "evaluation.every": e.every,
            "evaluation.num_inference_steps": e.num_inference_steps,
            "evaluation.grid": e.grid,
        }
        for key, value in positive.items():
            if not value > 0:
                raise ValueError(f"'{key}' must be greater than 0; got {value}.")
        if not self.reward:
            raise ValueError("A recipe needs a reward: write a table [[reward]].")
        if a.kept(r.group_size) > r.group_size:
            raise ValueError(
                f"'rollout.group_size' must be at least advantage.num_best + num_worst = {a.num_best} + "
                f"{a.num_worst}; got {r.group_size}. Draw larger groups or keep fewer pictures."
            )
        if self.groups_per_step % self.updates_per_rollout:
            raise ValueError(
                "'groups_per_step' must be a multiple of 'updates_per_rollout', which share the groups; got "
                f"{self.groups_per_step} and {self.updates_per_rollout}."
            )
        if not 0.0 <= o.ema_decay < 1.0:
            raise ValueError(f"'optimizer.ema_decay' must be in [0, 1); got {o.ema_decay}.")
        if o.cooldown != (0, 0) and not 0 <= o.cooldown[0] < o.cooldown[1]:
            raise ValueError(
                f"'optimizer.cooldown' must be two updates, the first below the second; got {o.cooldown}."
            )
        if self.guards.spike <= 1.0:
            raise ValueError(f"'guards.spike' must be greater than 1; got {self.guards.spike}.")
        if self.guards.kl_alarm and self.algorithm == "grpo" and not self.grpo.kl_weight:
            raise ValueError("'guards.kl_alarm' needs 'grpo.kl_weight' > 0; without it no KL is computed.")
        if self.base.shard:
            self._check_shard()
        if self.algorithm == "grpo" and not (r.window_size and r.noise_level and r.noise != "ode"):
            raise ValueError(
                "GRPO trains on random steps: 'rollout.window_size' and 'rollout.noise_level' must be "
                f"greater than 0 and 'rollout.noise' not 'ode'; got {r.window_size}, {r.noise_level} and "
                f"'{r.noise}'."
            )
        if self.algorithm == "nft":
            if r.shared_prefix:
                raise ValueError(
                    "DiffusionNFT draws without noise, and with 'rollout.shared_prefix' all pictures of a "
                    "group would be the same. Set it to false."
                )
            for name, value in (("levels", self.nft.levels), ("among", self.nft.among)):
                if value > r.num_inference_steps:
                    raise ValueError(
                        f"'nft.{name}' must be at most 'rollout.num_inference_steps' = "
                        f"{r.num_inference_steps}; got {value}."
                    )
            if self.nft.rest_weight and self.nft.among == r.num_inference_steps:
                raise ValueError(
                    "'nft.rest_weight' needs 'nft.among' below 'rollout.num_inference_steps' = "
                    f"{r.num_inference_steps}: there are no other levels."
                )

    def _check_shard(self) -> None:
        """Check that all processes will ask the denoiser equally often, whatever prompts and rewards are."""
        r = self.rollout
        if self.base.storage:
            raise ValueError(
                "'base.shard' and 'base.storage' = \"float8\" exclude each other. With several processes "
                "'base.shard' alone saves more."
            )
        if not self.advantage.num_best + self.advantage.num_worst:
            raise ValueError(
                "'base.shard' needs 'advantage.num_best' and 'advantage.num_worst': how many pictures of a "
                "group have a reward may differ from process to process."
            )
        if r.shared_prefix and r.window_start[0] != r.window_start[1]:
            raise ValueError(
                "'base.shard' with 'rollout.shared_prefix' needs one 'rollout.window_start' for all groups; "
                f"got {list(r.window_start)}. Set it to [{r.window_start[0]}, {r.window_start[0]}]."
            )
