"""Drawing the pictures that a policy is trained on: a group for each prompt, part of its steps at random.

The steps before and after the window are those of diffusers' own sampler. Inside it each step adds noise, and
what a trainer needs to know of it is kept: latents and noise in float32, since rounding them would move a
ratio by as much as it is clipped at, and the velocity that was predicted. Where every group starts from one
noise, the steps before the window are taken once for the whole group.

Noise belongs to (seed, step of training, prompt, index in the group): no batch size, device or number of
processes changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import torch
from torch import Tensor

from spatial_core.flow_sde import NoiseRule, Steps, coefficients, transition
from spatial_core.pipeline.predict import Condition, predict, prepare
from spatial_trainers.latents import decode_latents

Arguments = Callable[[int], Mapping[str, Any]]
"""The arguments of the base's call that stand for one prompt, for so many pictures of it."""


@dataclass(frozen=True)
class RolloutRecipe:
    """How groups are drawn.

    Attributes:
        group_size: Pictures of a prompt.
        num_inference_steps: T, of the sampler.
        height, width: Of the pictures, in pixels.
        guidance_scale: Of the base's call, where it has that argument: what FLUX.1-dev was distilled for,
            classifier-free guidance of SD3; None for the base's default.
        true_cfg_scale: Of the base's call, where it has it: classifier-free guidance of FLUX and Qwen-Image;
            None for the base's default.
        negative_prompt: What classifier-free guidance leads away from; None for none.
        max_sequence_length: Text tokens; None for the base's default.
        noise: Rule of the window's steps, see `spatial_core.flow_sde`.
        noise_level: Its a.
        window_size: Steps that add noise, and are trained.
        window_start: First and last step, from 0, at which the window may begin; drawn for each group. The
            last step of the sampler never adds noise: it would stay in the picture.
        shared_prefix: All pictures of a group start from one noise, and share the steps before the window.
        micro_batch_size: Pictures in one forward, here and in training; changes memory and speed alone.
    """

    group_size: int = 24
    num_inference_steps: int = 6
    height: int = 512
    width: int = 512
    guidance_scale: float | None = None
    true_cfg_scale: float | None = None
    negative_prompt: str | None = None
    max_sequence_length: int | None = None
    noise: NoiseRule = "cps"
    noise_level: float = 0.8
    window_size: int = 2
    window_start: tuple[int, int] = (0, 1)
    shared_prefix: bool = False
    micro_batch_size: int = 4

    def __post_init__(self) -> None:
        """Check what one value alone cannot show.

        Raises:
            ValueError: If a number is out of range, or the window does not fit before the last step.
        """
        sizes = ("group_size", "num_inference_steps", "height", "width", "micro_batch_size")
        for key in sizes:
            if getattr(self, key) < 1:
                raise ValueError(f"'rollout.{key}' must be at least 1; got {getattr(self, key)}.")
        low, high = self.window_start
        last = high + self.window_size
        if not (0 <= low <= high and self.window_size >= 0 and last <= self.num_inference_steps - 1):
            raise ValueError(
                f"The window of {self.window_size} steps that begins at step {low} to {high} must end before "
                f"the last of 'rollout.num_inference_steps' = {self.num_inference_steps}, which adds no "
                "noise. Make the window smaller, or let it begin earlier."
            )
        if not 0.0 <= self.noise_level <= (1.0 if self.noise == "cps" else 10.0):
            raise ValueError(
                f"'rollout.noise_level' must be in [0, 1] for 'cps' and in [0, 10] otherwise; got "
                f"{self.noise_level}."
            )

    def call(self, takes: Callable[[str], bool]) -> dict[str, Any]:
        """Return the arguments of the base's call that do not depend on the prompt."""
        given = {
            "guidance_scale": self.guidance_scale,
            "true_cfg_scale": self.true_cfg_scale,
            "max_sequence_length": self.max_sequence_length,
        }
        return {"height": self.height, "width": self.width} | {
            name: value for name, value in given.items() if value is not None and takes(name)
        }


@dataclass(frozen=True, eq=False)
class Rollout:
    """What is kept of a group of B pictures. W steps were random; latents are in the base's layout.

    Attributes:
        condition: Of one picture; `condition.rows` repeats it.
        steps: The T steps of the schedule; those outside the window were taken without noise.
        start: First step of the window.
        latents: float32 [W, B, ...], before each of its steps.
        noise: float32 [W, B, ...], z of each.
        velocity: [W, B, ...], as predicted, in the denoiser's type.
        clean: [B, ...], what was decoded.
    """

    condition: Condition
    steps: Steps
    start: int
    latents: Tensor
    noise: Tensor
    velocity: Tensor
    clean: Tensor


def group_seeds(seed: int, step: int, prompt: str, size: int, *, first: int = 0) -> list[int]:
    """Return the seed of each picture of a group, whoever draws it and with whatever else.

    Args:
        seed: Of the run.
        step: Of training.
        prompt: Of the group.
        size: Pictures of the group.
        first: Index of its first picture, where a step has several groups of one prompt.
    """
    indices = range(first, first + size)
    digests = (hashlib.sha256(f"{seed}|{step}|{index}|{prompt}".encode()).digest() for index in indices)
    return [int.from_bytes(digest[:7], "big") for digest in digests]


def window_start(recipe: RolloutRecipe, seed: int, step: int, prompt: str) -> int:
    """Return the step at which the window of a group begins."""
    return Random(f"window|{seed}|{step}|{prompt}").randint(*recipe.window_start)


@torch.no_grad()
def sample_group(
    pipeline: Any,
    arguments: Arguments,
    recipe: RolloutRecipe,
    *,
    seeds: Sequence[int],
    start: int,
    call: Mapping[str, Any],
    random: bool = True,
) -> tuple[Rollout, Tensor]:
    """Return what is kept of a group, and its pictures, float32 [B, 3, H, W] in [0, 1].

    Args:
        pipeline: Of a family that `predict` knows, its denoiser with the policy's weights.
        arguments: Of the base's call, for the prompt.
        recipe: How to draw.
        seeds: Of the B pictures; with a shared prefix the first one's noise starts all of them.
        start: First step of the window.
        call: The other arguments of the base's call.
        random: Whether the window's steps add noise; without, they are the base's own.
    """
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    starters = generators[:1] if recipe.shared_prefix else generators
    begin = prepare(
        pipeline,
        **arguments(len(starters)),
        **call,
        num_inference_steps=recipe.num_inference_steps,
        generator=starters,
    )
    rule = recipe.noise if random and recipe.window_size and recipe.noise_level else "ode"
    steps = coefficients(begin.sigmas, rule, recipe.noise_level)
    condition = begin.condition.rows(torch.tensor([0]), pipeline)
    draw = _Sampler(pipeline, condition, coefficients(begin.sigmas, "ode", 0.0))
    latents, done = begin.latents, 0
    if recipe.shared_prefix:
        latents, done = draw.plain(latents, 0, start).expand(len(seeds), *latents.shape[1:]), start
    kept: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []
    images: list[Tensor] = []
    for first in range(0, len(seeds), recipe.micro_batch_size):
        rows = slice(first, first + recipe.micro_batch_size)
        x = draw.plain(latents[rows], done, start)
        window = range(start, start + recipe.window_size) if rule != "ode" else range(0)
        x, seen, noise, velocity = draw.noisy(x, steps, window, generators[rows])
        clean = draw.plain(x, start + len(window), recipe.num_inference_steps)
        kept.append((seen, noise, velocity, clean))
        images.append(decode_latents(pipeline, clean, height=recipe.height, width=recipe.width))
    seen, noise, velocity = (torch.cat([part[k] for part in kept], dim=1) for k in range(3))
    clean = torch.cat([part[3] for part in kept])
    return Rollout(condition, steps, start, seen, noise, velocity, clean), torch.cat(images)


class _Sampler:
    """Steps of one prompt's pictures."""

    def __init__(self, pipeline: Any, condition: Condition, ode: Steps):
        self.pipeline, self.condition, self.ode = pipeline, condition, ode

    def velocity(self, latents: Tensor, sigma: Tensor) -> Tensor:
        rows = self.condition.rows(torch.zeros(len(latents), dtype=torch.long), self.pipeline)
        return predict(self.pipeline, latents, sigma, rows)

    def plain(self, latents: Tensor, first: int, last: int) -> Tensor:
        """Take the steps first to last - 1 as the base does, rounding to its type after each."""
        for step in range(first, last):
            velocity = self.velocity(latents, self.ode.sigma[step])
            latents = transition(latents, velocity, self.ode[step]).to(latents.dtype)
        return latents

    def noisy(
        self, latents: Tensor, steps: Steps, window: range, generators: Sequence[torch.Generator]
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Take the window's steps; returns the latents after it, and latents, noise and velocity in it."""
        dtype, shape = latents.dtype, latents.shape
        x = latents.float()
        seen, noises = (torch.empty(len(window), *shape, device=x.device) for _ in range(2))
        velocities = torch.empty(len(window), *shape, device=x.device, dtype=dtype)
        for k, step in enumerate(window):
            # Drawn on the CPU, so that all devices draw the same.
            noise = torch.stack([torch.randn(shape[1:], generator=g) for g in generators]).to(x.device)
            velocity = self.velocity(x.to(dtype), steps.sigma[step])
            seen[k], noises[k], velocities[k] = x, noise, velocity
            x = transition(x, velocity, steps[step], noise)
        return x.to(dtype), seen, noises, velocities
