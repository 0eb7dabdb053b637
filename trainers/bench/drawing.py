"""A generator to measure: any text-to-image pipeline of diffusers, with or without a LoRA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from PIL import Image

from spatial_trainers.bench.generation_run import Draw


def load_drawer(
    model: str,
    call: Mapping[str, Any],
    *,
    lora: str | None = None,
    lora_strength: float = 1.0,
    device: torch.device | str = "cpu",
    dtype: torch.dtype | None = None,
) -> Draw:
    """Return a function that draws pictures of prompts with a pipeline.

    Args:
        model: "starter", a diffusers folder, or a hub id.
        call: Arguments of every call, such as `num_inference_steps`; the pipeline's own where absent.
        lora: A LoRA file or folder in any form that `spatial_core.lora` reads.
        lora_strength: By what its update is multiplied.
        device: Where to draw.
        dtype: Of the weights; float32 on a CPU and bfloat16 elsewhere if None.

    Raises:
        ValueError: If the model is no text-to-image pipeline or the LoRA does not fit.
        OSError: If a model cannot be had.
    """
    from spatial_core.pipeline import SpatialDiffusionPipeline
    from spatial_core.pipeline.quiet import quiet_loading

    device = torch.device(device)
    dtype = dtype or (torch.float32 if device.type == "cpu" else torch.bfloat16)
    with quiet_loading():
        pipeline: Any = SpatialDiffusionPipeline.from_pretrained(model, scorer=None, dtype=dtype)
    if lora:
        pipeline.load_lora(lora, strength=lora_strength)
    pipeline.to(device)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline_drawer(pipeline, call)


def pipeline_drawer(pipeline: Any, call: Mapping[str, Any]) -> Draw:
    """Return a function that draws with a loaded pipeline; picture i depends on prompt i and seed i."""

    @torch.no_grad()
    def draw(prompts: Sequence[str], seeds: Sequence[int]) -> Sequence[Image.Image]:
        # Generators of the CPU draw the same noise on every device.
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        return pipeline(prompt=list(prompts), generator=generators, output_type="pil", **call).images

    return draw
