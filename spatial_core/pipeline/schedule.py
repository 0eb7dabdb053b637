"""A base's own denoising loop, cut at a step: the scheduler makes its full schedule and hands out a part.

The base is never told. It runs its loop over the timesteps it gets; the last step of an early part returns
the predicted clean latents, which the base decodes as if it had finished, while the noisy latents are kept to
go on from. Shifted, stretched and resolution-dependent schedules stay exact because the scheduler made them.
"""

from __future__ import annotations

import functools
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

SLICEABLE = ("FlowMatchEulerDiscreteScheduler", "EulerDiscreteScheduler", "DDIMScheduler")
"""Schedulers whose next step depends on nothing but the sample and the place in the schedule.

Resuming with them is exact up to rounding. Multistep solvers (DPM++ 2M, UniPC, LMS) lose their history at a
cut, second-order ones (Heun) half a step, ancestral ones and LCM draw fresh noise.
"""

PACKING = ("Flux2Pipeline", "Flux2KleinPipeline")
"""Bases that pack the latents that they are given, so that they cannot be handed their own to go on from."""

# Arguments of bases that act by the number of the step inside the loop or add noise; their neutral values.
_STEP_DEPENDENT: dict[str, Any] = {
    "skip_guidance_layers": None,
    "cfg_trunc_ratio": 1.0,
    "denoising_end": None,
    "eta": 0.0,
}


@dataclass(frozen=True)
class Part:
    """Which part of the schedule to run, as fractions of its steps: all of it by default."""

    start: float = 0.0
    stop: float = 1.0

    def steps(self, total: int) -> tuple[int, int]:
        """Return the first step and the one after the last, of `total`."""
        return round(self.start * total), round(self.stop * total)


@dataclass
class Steps:
    """What the scheduler did while it was watched.

    Attributes:
        latents: What the last step really gave, noisy after an early part; None before the first step.
        resume_scale: By what a base will multiply latents that it is given to go on from here.
        evaluations: Denoised samples: steps times the batch.
        total: Steps of the full schedule.
    """

    latents: Tensor | None = None
    resume_scale: float = 1.0
    evaluations: int = 0
    total: int = 0


def check_sliceable(base: type[Any], scheduler: Any, arguments: dict[str, Any]) -> None:
    """Check that a run of `base` can be cut at any step and go on exactly.

    Raises:
        ValueError: If the base, the scheduler, or an argument of the base makes it impossible.
    """
    if base.__name__ in PACKING:
        raise ValueError(
            f'`search="halving"` cannot go on with a {base.__name__}: it packs the latents that it is given. '
            'Use `search="best_of_n"`.'
        )
    name, config = type(scheduler).__name__, scheduler.config
    stochastic = config.get("stochastic_sampling") or config.get("invert_sigmas")
    if name not in SLICEABLE or stochastic:
        kind = f"{name}{' with stochastic_sampling' if stochastic else ''}"
        raise ValueError(
            f'`search="halving"` needs a scheduler that can stop and go on exactly: {", ".join(SLICEABLE)}; '
            f"this pipeline has {kind}. Use one of them, e.g. pipeline.scheduler = "
            'DDIMScheduler.from_config(pipeline.scheduler.config), or `search="best_of_n"`.'
        )
    for argument, neutral in _STEP_DEPENDENT.items():
        if arguments.get(argument, neutral) != neutral:
            raise ValueError(
                f'`search="halving"` cannot be exact with `{argument}={arguments[argument]}`, which acts by '
                'the number of the step or adds noise. Leave it out, or use `search="best_of_n"`.'
            )


@contextmanager
def watched(scheduler: Any, part: Part, *, resumed: Tensor | None = None) -> Generator[Steps]:
    """Let `scheduler` run `part` of its schedule, and record what it does; restored on leaving.

    Args:
        scheduler: Of `SLICEABLE` unless the part is the whole.
        part: Which steps.
        resumed: The latents that the run goes on from, to check that the base left them as they are.

    Raises:
        ValueError: From inside, if the part has no step, or the base changes the latents it is given.
    """
    set_timesteps, step = scheduler.set_timesteps, scheduler.step
    steps = Steps()
    taken = length = 0
    cut = False

    @functools.wraps(set_timesteps)
    def part_of_timesteps(*args: Any, **kwargs: Any) -> None:
        nonlocal taken, length, cut
        set_timesteps(*args, **kwargs)
        timesteps, sigmas = scheduler.timesteps, getattr(scheduler, "sigmas", None)
        steps.total = len(timesteps)
        first, last = part.steps(steps.total)
        taken, length, cut = 0, last - first, last < steps.total
        if length < 1:
            raise ValueError(
                f"each of `stages` must run at least one step; from {part.start:g} to {part.stop:g} of "
                f"{steps.total} steps there is none. Use more `num_inference_steps` or other stages."
            )

        def cut_at(begin: int, end: int) -> None:
            scheduler.timesteps = timesteps[begin:end]
            if sigmas is not None:
                scheduler.sigmas = sigmas[begin:]

        if cut:
            # Some schedulers derive it from the noise level at which the schedule begins.
            cut_at(last, steps.total)
            steps.resume_scale = float(getattr(scheduler, "init_noise_sigma", 1.0))
        cut_at(first, last)

    @functools.wraps(step)
    def recorded_step(model_output: Tensor, timestep: Any, sample: Tensor, *args: Any, **kwargs: Any) -> Any:
        nonlocal taken
        if taken == 0 and resumed is not None:
            _check_resumed(sample, resumed)
        taken += 1
        steps.evaluations += sample.shape[0]
        if not (cut and taken == length):
            result = step(model_output, timestep, sample, *args, **kwargs)
            steps.latents = result[0] if isinstance(result, tuple) else result.prev_sample
            return result
        as_object = kwargs.pop("return_dict", True)
        result = step(model_output, timestep, sample, *args, return_dict=True, **kwargs)
        steps.latents = result.prev_sample
        clean = getattr(result, "pred_original_sample", None)
        if clean is None:
            # Flow matching: x_t = (1 - sigma) x_0 + sigma noise, and the model predicts noise - x_0.
            sigma = scheduler.sigmas[scheduler.step_index - 1]
            clean = sample.float() - sigma * model_output.float()
        clean = clean.to(result.prev_sample.dtype)
        return type(result)(prev_sample=clean) if as_object else (clean,)

    kept = {name: vars(scheduler).get(name) for name in ("set_timesteps", "step")}
    scheduler.set_timesteps, scheduler.step = part_of_timesteps, recorded_step
    try:
        yield steps
    finally:
        for name, own in kept.items():
            if own is None:
                delattr(scheduler, name)
            else:
                setattr(scheduler, name, own)


def _check_resumed(sample: Tensor, expected: Tensor) -> None:
    same_shape = sample.shape == expected.shape
    scale = float(expected.abs().max())
    if not same_shape or not torch.allclose(sample.float(), expected.float(), rtol=1e-2, atol=1e-3 * scale):
        raise ValueError(
            '`search="halving"` cannot go on with this base: it changes the latents that it is given. '
            'Use `search="best_of_n"`.'
        )
