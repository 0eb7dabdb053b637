"""What comes after a base's loop, for those who run the loop themselves: latents to pictures, as it would."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor


@torch.no_grad()
def decode(pipeline: Any, latents: Tensor, **kwargs: Any) -> Tensor:
    """Return the pictures of clean latents, float32 [B, 3, H, W] in [0, 1], made by the base's own code.

    Unpacking, scaling and whatever else the family does is left to its call, whose loop here neither
    denoises nor steps.

    Args:
        pipeline: Plain or spatial; whether its decoder tiles is for the caller to say.
        latents: [B, ...] in the base's own layout, as the loop ends with them.
        **kwargs: Of its base's call, for B pictures: prompts or embeddings, `height` and `width`.
    """
    base_call = getattr(pipeline, "base_class", type(pipeline)).__call__
    # Two steps: the schedules that end at a given noise level cannot be made of one.
    given = {**kwargs, "num_inference_steps": 2, "output_type": "pt"}
    with _silent(pipeline, latents):
        return base_call(pipeline, **given).images.float()


@contextmanager
def _silent(pipeline: Any, latents: Tensor) -> Generator[None]:
    """Let the denoiser answer nothing and every step give `latents`."""

    def nothing(**arguments: Any) -> tuple[Tensor]:
        return (torch.zeros_like(arguments["hidden_states"]),)

    def stepped(*_: Any, **__: Any) -> tuple[Tensor]:
        return (latents,)

    placed = ((pipeline.transformer, "forward", nothing), (pipeline.scheduler, "step", stepped))
    own = [vars(owner).get(name) for owner, name, _ in placed]
    for owner, name, function in placed:
        setattr(owner, name, function)
    try:
        yield
    finally:
        for (owner, name, _), before in zip(placed, own, strict=True):
            if before is None:
                delattr(owner, name)
            else:
                setattr(owner, name, before)
