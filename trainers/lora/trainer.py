"""The steps of `spatial train-lora`: examples in, an update of the LoRA out.

Noise belongs to (seed, step, place in the step): neither the size of micro-batches nor the number of
processes changes what a step computes, up to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor

from spatial_core.pipeline.predict import Condition, predict, prepare
from spatial_trainers.learning_rate import learning_rate_factor
from spatial_trainers.lora.data import Latents
from spatial_trainers.lora.drawing import family_guidance
from spatial_trainers.lora.losses import dpo_accuracy, flow_dpo_loss, noisy_latents, velocity_error
from spatial_trainers.lora.recipe import TrainLoraRecipe
from spatial_trainers.pairs.data import chunks
from spatial_trainers.passes import step_indices
from spatial_trainers.rl.policy import Policy
from spatial_trainers.rl.prompt_cache import PromptCache
from spatial_trainers.rl.rollout import group_seeds

_SCHEDULE_STEPS = 100


def draw_level(rule: str, sigmas: Tensor, generator: torch.Generator) -> Tensor:
    """Return a noise level in [0, 1], float32 scalar.

    Args:
        rule: See `LoraOptimizerRecipe.noise_levels`.
        sigmas: float32 [T + 1], the sampler's schedule, descending.
        generator: Source of randomness.
    """
    if rule == "logit_normal":
        return torch.randn((), generator=generator).sigmoid()
    share = torch.rand((), generator=generator)
    if rule == "uniform":
        return share
    place = share * (len(sigmas) - 1)
    step = int(place)
    return torch.lerp(sigmas[step], sigmas[step + 1], place - step)


class LoraTrainer:
    """The LoRA, its optimizer, and where they stand.

    Attributes:
        step: Steps taken.
        policy: The generator with its LoRA.
        optimizer: AdamW on it.
    """

    def __init__(
        self,
        pipeline: Any,
        prompts: PromptCache,
        read: Callable[[int], Latents],
        count: int,
        recipe: TrainLoraRecipe,
        accelerator: Accelerator,
    ) -> None:
        """Put a LoRA into the pipeline's denoiser and get ready to train it.

        Args:
            pipeline: Of a family that `predict` knows, on the accelerator's device.
            prompts: Holds the examples' prompts.
            read: Returns an example by its number.
            count: Of examples.
            recipe: How to train; its data are the caller's to see to.
            accelerator: Of one process or several, each with the whole model.
        """
        self._pipeline, self._prompts, self._read, self._count = pipeline, prompts, read, count
        self._recipe, self._accelerator = recipe, accelerator
        o = recipe.optimizer
        if recipe.base.gradient_checkpointing:
            pipeline.transformer.enable_gradient_checkpointing()
        self.policy = Policy(pipeline, recipe.lora, seed=recipe.seed, averaged=o.ema_decay > 0)
        self.optimizer = torch.optim.AdamW(
            list(self.policy.trained.values()), lr=o.learning_rate, betas=o.betas, weight_decay=o.weight_decay
        )
        self.step = 0

    def take_step(self) -> dict[str, float]:
        """Take one optimizer step; returns what is worth a log. A gradient that is not finite is left out.

        Raises:
            ValueError: If memory does not suffice; names the knobs.
        """
        r, o, accelerator = self._recipe, self._recipe.optimizer, self._accelerator
        chosen = step_indices(self._count, step=self.step, size=o.examples_per_step, seed=r.seed)
        rate = o.learning_rate * learning_rate_factor(self.step, o)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        sums = torch.zeros(3, device=accelerator.device)
        try:
            for part in self._micro_batches(chosen)[accelerator.process_index :: accelerator.num_processes]:
                sums += self._backward(part)
        except torch.OutOfMemoryError as error:
            raise ValueError(
                f"The device has too little memory ({str(error).splitlines()[0]}). Lower "
                f"'optimizer.micro_batch_size' (now {o.micro_batch_size}; it changes nothing else) or "
                f"'resolution' (now {r.resolution}), or set 'base.gradient_checkpointing' to true or "
                "'base.storage' to \"float8\"."
            ) from error
        trained = list(self.policy.trained.values())
        for parameter in trained:
            own = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(own, "sum")  # pyright: ignore[reportAttributeAccessIssue]
        norm = float(torch.nn.utils.clip_grad_norm_(trained, o.max_grad_norm))
        if math.isfinite(norm):
            self.optimizer.step()
            self.policy.follow(o.ema_decay, self.step)
        self.optimizer.zero_grad(set_to_none=True)
        self.step += 1
        loss, error, right = accelerator.reduce(sums, "sum").tolist()  # pyright: ignore
        values = {"loss": loss, "flow_error": error, "grad_norm": norm, "learning_rate": rate}
        return values | ({"dpo_accuracy": right} if r.pairs is not None else {})

    def _micro_batches(self, chosen: Sequence[int]) -> list[list[tuple[int, Latents]]]:
        """Return (place in the step, example) in runs of one size of pictures."""
        by_size: dict[tuple[int, int], list[tuple[int, Latents]]] = {}
        for place, index in enumerate(chosen):
            example = self._read(index)
            by_size.setdefault((example.height, example.width), []).append((place, example))
        size = self._recipe.optimizer.micro_batch_size
        return [list(part) for members in by_size.values() for part in chunks(members, size)]

    def _backward(self, part: Sequence[tuple[int, Latents]]) -> Tensor:
        """Add the gradient of some examples' share of the step; returns loss, error and accuracy [3]."""
        r, device = self._recipe, self._accelerator.device
        begin, sigmas = self._condition([example for _, example in part])
        noise, levels = self._noise([place for place, _ in part], part[0][1].latents.shape[1:], sigmas.cpu())
        # [1 or 2, B, ...]: chosen first, then rejected, both with the same noise.
        both = torch.stack([example.latents for _, example in part], dim=1).to(device)
        sides = len(both)
        clean = both.flatten(0, 1)
        noise, levels = (t.to(device).expand(sides, *t.shape).flatten(0, 1) for t in (noise, levels))
        condition = begin.rows(torch.arange(len(part)).repeat(sides), self._pipeline)
        latents = noisy_latents(clean, noise, levels).to(getattr(torch, r.base.dtype))

        def errors() -> Tensor:
            velocity = predict(self._pipeline, latents, levels, condition)
            return velocity_error(velocity, clean, noise).view(sides, -1)

        error = errors()
        if r.pairs is None:
            loss, right = error[0], torch.zeros_like(error[0])
        else:
            with torch.no_grad(), self.policy.reference():
                reference = errors()
            loss = flow_dpo_loss(error, reference, beta=r.pairs.beta)
            right = dpo_accuracy(error, reference)
        (loss.sum() / r.optimizer.examples_per_step).backward()
        found = torch.stack([loss.detach(), error.detach().mean(0), right])
        return found.sum(1) / r.optimizer.examples_per_step

    def _condition(self, examples: Sequence[Latents]) -> tuple[Condition, Tensor]:
        """Return what the denoiser is told of examples of one size, and the schedule of that size."""
        # Classifier-free guidance has no place in training.
        given: dict[str, Any] = {family_guidance(self._pipeline): 1.0}
        if self._pipeline.transformer.config.get("guidance_embeds"):
            given["guidance_scale"] = self._recipe.optimizer.told_guidance
        begin = prepare(
            self._pipeline,
            **self._prompts.arguments([example.prompt for example in examples]),
            **given,
            height=examples[0].height,
            width=examples[0].width,
            num_inference_steps=_SCHEDULE_STEPS,
            generator=torch.Generator().manual_seed(0),
        )
        return begin.condition, begin.sigmas

    def _noise(self, places: Sequence[int], shape: Sequence[int], sigmas: Tensor) -> tuple[Tensor, Tensor]:
        """Return the noise `[B, ...]` and noise levels `[B]` of examples by their places in the step."""
        noise: list[Tensor] = []
        levels: list[Tensor] = []
        seeds = group_seeds(self._recipe.seed, self.step, "noise", max(places) + 1)
        for place in places:
            generator = torch.Generator().manual_seed(seeds[place])
            levels.append(draw_level(self._recipe.optimizer.noise_levels, sigmas, generator))
            noise.append(torch.randn(*shape, generator=generator))
        return torch.stack(noise), torch.stack(levels)
