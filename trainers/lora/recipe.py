"""Recipes of `spatial train-lora`: a LoRA from pictures, from pairs, or from one's own best drawings."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from spatial_trainers.recipe import ScenesRecipe
from spatial_trainers.rewards.sums import RewardRecipe
from spatial_trainers.rl.policy import LoraRecipe
from spatial_trainers.rl.prompts import PromptsRecipe
from spatial_trainers.rl.recipe import BaseRecipe


@dataclass(frozen=True)
class PictureScenesRecipe:
    """Pictures rendered from scenes of the bundled flow model's things, with prompts that are true of them.

    Attributes:
        cache: Folder; what lies there for the same settings is used again.
        count: How many; the first ones do not depend on it.
        relations: How many relations the prompts state, each number as often as the others.
        held_out_family: Relation that they never state; "" for none.
        seed: Another seed, other pictures.
    """

    cache: str
    count: int
    relations: tuple[int, ...] = (1, 2, 3, 4)
    held_out_family: str = ""
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a number is out of range.
        """
        if self.count < 1 or not self.relations or not all(1 <= n <= 10 for n in self.relations):
            raise ValueError(
                "'pictures.scenes' needs count >= 1 and relations from 1 to 10; got "
                f"{self.count} and {list(self.relations)}."
            )


@dataclass(frozen=True)
class PicturesRecipe:
    """Supervised fine-tuning on pictures with captions.

    Attributes:
        folder: Image files, each with its caption in a text file of the same name ("cat.png", "cat.txt").
        manifest: Or a JSONL file of objects with "image" (or "file_name"), relative to it, and "prompt" (or
            "text"), as `spatial scenes render` writes it.
        scenes: Or pictures rendered from scenes.
        caption: For pictures of the folder without a text file; "" makes a missing one an error.
    """

    folder: str = ""
    manifest: str = ""
    scenes: PictureScenesRecipe | None = None
    caption: str = ""

    def __post_init__(self) -> None:
        """Check that there is one source.

        Raises:
            ValueError: If there is none, or there are several.
        """
        if bool(self.folder) + bool(self.manifest) + (self.scenes is not None) != 1:
            raise ValueError(
                "'pictures' needs exactly one of 'folder', 'manifest' and the table [pictures.scenes]."
            )


@dataclass(frozen=True)
class PairsRecipe:
    """Diffusion-DPO on pairs of pictures.

    Attributes:
        manifest: JSONL file of pair records; those of the split "train" are used.
        scenes: Or pairs rendered from scenes.
        symmetric: Also use (prompt_rejected, image_rejected, image_chosen).
        beta: How far the LoRA may move from the base, in mean squared errors of the velocity; larger is
            less far.
    """

    manifest: str = ""
    scenes: ScenesRecipe | None = None
    symmetric: bool = True
    beta: float = 2000.0

    def __post_init__(self) -> None:
        """Check that there is one source.

        Raises:
            ValueError: If there is none or there are two, or `beta` is not positive.
        """
        if bool(self.manifest) == (self.scenes is not None):
            raise ValueError("'pairs' needs exactly one of 'manifest' and the table [pairs.scenes].")
        if self.beta <= 0:
            raise ValueError(f"'pairs.beta' must be greater than 0; got {self.beta}.")


@dataclass(frozen=True)
class BestOfNRecipe:
    """Reward-ranked fine-tuning: the base draws, a reward judges, the best are trained on.

    Attributes:
        prompts: To draw.
        reward: Parts of the reward, summed by weight.
        num_candidates: N, pictures of each prompt.
        keep: Best ones of each prompt that are trained on.
    """

    prompts: PromptsRecipe
    reward: tuple[RewardRecipe, ...]
    num_candidates: int = 8
    keep: int = 1

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If there is no reward, or not more candidates than are kept.
        """
        if not self.reward:
            raise ValueError("'best_of_n' needs a reward: write a table [[best_of_n.reward]].")
        if not 1 <= self.keep < self.num_candidates:
            raise ValueError(
                "'best_of_n.keep' must be at least 1 and below 'num_candidates'; got "
                f"{self.keep} and {self.num_candidates}."
            )


@dataclass(frozen=True)
class SamplesRecipe:
    """How pictures are drawn: the candidates of best-of-N, and the sheet of before and after.

    Attributes:
        prompts: Of the sheet; the first four of the training's if empty.
        per_prompt: Pictures of each; picture i has seed `seed` + i.
        every: Steps between sheets; one more follows the last step. 0 makes only that one.
        num_inference_steps: Of the sampler.
        guidance_scale, true_cfg_scale, negative_prompt: As in the base's call, where it has them; its
            defaults if left out.
        seed: Of the first picture.
        batch_size: Pictures drawn at a time.
    """

    prompts: tuple[str, ...] = ()
    per_prompt: int = 2
    every: int = 0
    num_inference_steps: int = 28
    guidance_scale: float | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str | None = None
    seed: int = 0
    batch_size: int = 4


@dataclass(frozen=True)
class LoraOptimizerRecipe:
    """AdamW on the LoRA.

    Attributes:
        steps: Optimizer steps in all.
        examples_per_step: Pictures, or pairs, over all processes.
        micro_batch_size: Of these in one forward; changes memory and speed alone.
        learning_rate: Peak.
        schedule: After the warm-up.
        warmup_steps: Of linear growth from 0.
        weight_decay, betas: Of AdamW.
        max_grad_norm: Gradients are scaled down to this norm.
        ema_decay: Weights are averaged with this decay, and the average is drawn with and saved; 0 is off.
        noise_levels: How the noise of an example is drawn: "schedule", as often as the sampler visits it at
            this size; "logit_normal", most often midway (arXiv 2403.03206, section 3.1); "uniform".
        told_guidance: What a base that was distilled with guidance (FLUX.1-dev, the starter) is told while it
            learns, whatever it is told when it draws. Pictures are examples of what it draws at 1, without
            guidance; learnt at a larger number, they take its guidance away.
    """

    steps: int
    examples_per_step: int = 4
    micro_batch_size: int = 1
    learning_rate: float = 1e-4
    schedule: Literal["cosine", "constant"] = "constant"
    warmup_steps: int = 0
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    max_grad_norm: float = 1.0
    ema_decay: float = 0.0
    noise_levels: Literal["schedule", "logit_normal", "uniform"] = "schedule"
    told_guidance: float = 1.0


@dataclass(frozen=True)
class TrainLoraRecipe:
    """Everything `spatial train-lora` does; exactly one of `pictures`, `pairs` and `best_of_n` is given.

    Attributes:
        name: Of the LoRA, in its card.
        output: Folder of checkpoints, metrics, sheets and the LoRA.
        base: The generator.
        optimizer: How it is trained.
        pictures, pairs, best_of_n: On what.
        resolution: Pictures are shrunk to the area of a square of this side, in pixels, and keep their shape;
            smaller ones are not enlarged. Candidates of best-of-N are such squares.
        max_sequence_length: Text tokens; the base's default if left out.
        lora: Of the adapter.
        samples: How pictures are drawn.
        cache: Folder of prompt embeddings and latents; "" for one in `output`.
        seed: Of the first weights, the order of examples and all noise.
        checkpoint_every: Steps between checkpoints, from which a killed run goes on exactly.
        log_every: Steps between lines of metrics, each the mean since the last.
        licence: Of the LoRA, for its card.
    """

    name: str
    output: str
    base: BaseRecipe
    optimizer: LoraOptimizerRecipe
    pictures: PicturesRecipe | None = None
    pairs: PairsRecipe | None = None
    best_of_n: BestOfNRecipe | None = None
    resolution: int = 512
    max_sequence_length: int | None = None
    lora: LoraRecipe = field(default_factory=LoraRecipe)
    samples: SamplesRecipe = field(default_factory=SamplesRecipe)
    cache: str = ""
    seed: int = 0
    checkpoint_every: int = 100
    log_every: int = 10
    licence: str = ""

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If there is not one kind of data, or a number is out of range.
        """
        kinds = [kind for kind in (self.pictures, self.pairs, self.best_of_n) if kind is not None]
        if len(kinds) != 1:
            raise ValueError(
                "A recipe needs exactly one of the tables [pictures], [pairs] and [best_of_n], which say "
                f"what is trained on; got {len(kinds)}."
            )
        if self.base.shard:
            raise ValueError(
                "'base.shard' is for train-rl; here every process holds the whole base. Where it does not "
                "fit, set 'base.storage' to \"float8\"."
            )
        o, s = self.optimizer, self.samples
        positive = {
            "optimizer.steps": o.steps,
            "optimizer.examples_per_step": o.examples_per_step,
            "optimizer.micro_batch_size": o.micro_batch_size,
            "optimizer.learning_rate": o.learning_rate,
            "optimizer.max_grad_norm": o.max_grad_norm,
            "samples.per_prompt": s.per_prompt,
            "samples.num_inference_steps": s.num_inference_steps,
            "samples.batch_size": s.batch_size,
            "resolution": self.resolution,
            "checkpoint_every": self.checkpoint_every,
            "log_every": self.log_every,
        }
        for key, value in positive.items():
            if not value > 0:
                raise ValueError(f"'{key}' must be greater than 0; got {value}.")
        if not 0.0 <= o.ema_decay < 1.0:
            raise ValueError(f"'optimizer.ema_decay' must be in [0, 1); got {o.ema_decay}.")
