"""One denoising step of a base, for those who train: the velocity that its own loop would give the scheduler.

`prepare` lets the base do all that comes before its loop (checks, text encoders, noise, schedule, ids, masks)
and notes the arguments with which it first calls its denoiser. `predict` calls the denoiser again with those,
other latents and another noise level. What is left to each family is how it writes the time and how it
combines the answers to the prompt and to the negative prompt; with equal inputs the latents of a loop over
`predict` are those of the base, bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from spatial_core.pipeline.request import base_arguments, default

Velocity = Callable[[Any, Tensor, Tensor, "Condition"], Tensor]


@dataclass(frozen=True, eq=False)
class Condition:
    """What the denoiser sees beside latents and time, for B images.

    Attributes:
        calls: Arguments of each call of the denoiser in one step: the prompt's, and where the base asks about
            the negative prompt separately, that one's.
        guidance_scale: Weight of the difference between the two.
        guided: Whether there is a negative prompt.
        num_images: B.
    """

    calls: tuple[dict[str, Any], ...]
    guidance_scale: float
    guided: bool
    num_images: int

    def rows(self, index: Tensor, pipeline: Any) -> Condition:
        """Return the condition of the images `index` (int64 [M], repeats allowed), in that order."""
        names = _family(pipeline).batched
        chosen = tuple(
            {k: _rows(v, index, self.num_images) if k in names else v for k, v in call.items()}
            for call in self.calls
        )
        return replace(self, calls=chosen, num_images=len(index))


@dataclass(frozen=True, eq=False)
class Prepared:
    """Where the base's loop begins.

    Attributes:
        latents: [B, ...], the noise, in the base's own layout.
        sigmas: float32 [T + 1], the noise levels of the T steps, and the last one's end.
        condition: For `predict`.
    """

    latents: Tensor
    sigmas: Tensor
    condition: Condition


class _Begun(Exception):  # noqa: N818  (no error: it leaves the base's call)
    def __init__(self, latents: Tensor) -> None:
        super().__init__()
        self.latents = latents


@torch.no_grad()
def prepare(pipeline: Any, *args: Any, **kwargs: Any) -> Prepared:
    """Return what the base's loop would begin with, without a single evaluation of the denoiser.

    Args:
        pipeline: A pipeline of a family in `FAMILIES`, plain or spatial.
        *args: Of its base's call.
        **kwargs: Of its base's call.

    Raises:
        ValueError: If the family is not known, or the base refuses the arguments.
    """
    base_call = getattr(pipeline, "base_class", type(pipeline)).__call__
    scale = default(base_call, _family(pipeline).guidance, base_arguments(base_call, args, kwargs))
    denoiser, scheduler = pipeline.transformer, pipeline.scheduler
    calls: list[dict[str, Any]] = []

    def noted(**arguments: Any) -> tuple[Tensor]:
        calls.append({k: v for k, v in arguments.items() if k not in ("hidden_states", "timestep")})
        return (torch.zeros_like(arguments["hidden_states"]),)

    def begun(_output: Tensor, _timestep: Any, sample: Tensor, **_: Any) -> None:
        raise _Begun(sample)

    forward, step = vars(denoiser).get("forward"), vars(scheduler).get("step")
    denoiser.forward, scheduler.step = noted, begun
    try:
        base_call(pipeline, *args, **kwargs)
    except _Begun as start:
        latents = start.latents
    else:
        raise ValueError("prepare() needs at least one denoising step; got `num_inference_steps=0`.")
    finally:
        for owner, name, own in ((denoiser, "forward", forward), (scheduler, "step", step)):
            if own is None:
                delattr(owner, name)
            else:
                setattr(owner, name, own)
    guided = len(calls) > 1 or calls[0]["encoder_hidden_states"].shape[0] > latents.shape[0]
    condition = Condition(tuple(calls), float(scale), guided, latents.shape[0])
    return Prepared(latents, scheduler.sigmas.to(torch.float32), condition)


def predict(pipeline: Any, latents: Tensor, sigma: Tensor | float, cond: Condition) -> Tensor:
    """Return the velocity, noise minus image, that the base predicts; with gradients where they are enabled.

    Args:
        pipeline: The one that `cond` was prepared with.
        latents: [B, ...] in the base's own layout and type.
        sigma: Noise level in [0, 1], float32: one for all, or [B].
        cond: Of as many images.

    Raises:
        ValueError: If the family is not known.
    """
    level = torch.as_tensor(sigma, dtype=torch.float32, device=latents.device)
    time = level * pipeline.scheduler.config.num_train_timesteps
    return _family(pipeline).velocity(pipeline.transformer, latents, time.expand(latents.shape[0]), cond)


@dataclass(frozen=True)
class Family:
    """How a family calls its denoiser.

    Attributes:
        velocity: (denoiser, latents, time in [0, 1000] of shape [B], condition) -> velocity.
        guidance: The argument of the call that weighs the prompt against the negative prompt.
        batched: Arguments of the denoiser that have a row for each image.
    """

    velocity: Velocity
    guidance: str
    batched: tuple[str, ...]


def _call(denoiser: Any, latents: Tensor, timestep: Tensor, arguments: dict[str, Any]) -> Tensor:
    return denoiser(hidden_states=latents, timestep=timestep, **arguments)[0]


def _flux(denoiser: Any, latents: Tensor, time: Tensor, cond: Condition) -> Tensor:
    # The base rounds the time to the type of the latents before it divides.
    timestep = time.to(latents.dtype) / 1000
    velocity = _call(denoiser, latents, timestep, cond.calls[0])
    if not cond.guided:
        return velocity
    negative = _call(denoiser, latents, timestep, cond.calls[1])
    return negative + cond.guidance_scale * (velocity - negative)


def _qwen_image(denoiser: Any, latents: Tensor, time: Tensor, cond: Condition) -> Tensor:
    timestep = time.to(latents.dtype) / 1000
    velocity = _call(denoiser, latents, timestep, cond.calls[0])
    if not cond.guided:
        return velocity
    negative = _call(denoiser, latents, timestep, cond.calls[1])
    combined = negative + cond.guidance_scale * (velocity - negative)
    return combined * (
        torch.norm(velocity, dim=-1, keepdim=True) / torch.norm(combined, dim=-1, keepdim=True)
    )


def _sd3(denoiser: Any, latents: Tensor, time: Tensor, cond: Condition) -> Tensor:
    if not cond.guided:
        return _call(denoiser, latents, time, cond.calls[0])
    both = _call(denoiser, torch.cat([latents] * 2), torch.cat([time] * 2), cond.calls[0])
    negative, velocity = both.chunk(2)
    return negative + cond.guidance_scale * (velocity - negative)


FAMILIES: dict[str, Family] = {
    "FluxPipeline": Family(
        _flux, "true_cfg_scale", ("encoder_hidden_states", "pooled_projections", "guidance")
    ),
    "StableDiffusion3Pipeline": Family(
        _sd3, "guidance_scale", ("encoder_hidden_states", "pooled_projections")
    ),
    "QwenImagePipeline": Family(
        _qwen_image,
        "true_cfg_scale",
        ("encoder_hidden_states", "encoder_hidden_states_mask", "guidance", "img_shapes"),
    ),
}
"""By the name of the base's class; a pipeline of a subclass is of the family too."""


def _family(pipeline: Any) -> Family:
    found = next(
        (FAMILIES[kind.__name__] for kind in type(pipeline).__mro__ if kind.__name__ in FAMILIES), None
    )
    if found is None:
        raise ValueError(
            f"predict() knows {', '.join(FAMILIES)}; got a {type(pipeline).__name__}. Add a Family for it in "
            "spatial_core/pipeline/predict.py."
        )
    return found


def _rows(value: Any, index: Tensor, num_images: int) -> Any:
    """Return the rows `index` of an argument; one with twice the rows holds negative prompts first."""
    if not isinstance(value, (list, Tensor)):
        return value
    if len(value) == 1:
        # One row stands for all images.
        index = torch.zeros_like(index)
    elif len(value) == 2 * num_images:
        index = torch.cat([index, index + num_images])
    return [value[i] for i in index.tolist()] if isinstance(value, list) else value[index.to(value.device)]
