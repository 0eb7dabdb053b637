"""The generator that RL trains: refused early if it cannot be, loaded, and freed of its text encoders."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import DiffusionPipeline

from spatial_core.backbones import find_file
from spatial_core.pipeline.predict import FAMILIES
from spatial_core.pipeline.quiet import quiet_loading
from spatial_core.starter import starter_path
from spatial_trainers.rl.prompt_cache import PromptCache
from spatial_trainers.rl.recipe import BaseRecipe
from spatial_trainers.rl.rollout import RolloutRecipe
from spatial_trainers.rl.sharding import shard_base

# diffusers renamed the argument.
_DTYPE = "dtype" if tuple(map(int, diffusers.__version__.split(".")[:2])) >= (0, 40) else "torch_dtype"
_DISTILLED = re.compile(r"schnell|turbo|lightning|hyper-?sd|hyper-?flux|\blcm\b|\d+-?steps?\b", re.IGNORECASE)


def base_folder(recipe: BaseRecipe, *, random: Path) -> str:
    """Return folder or hub id of the recipe's base; `random` is where the untrained one lies.

    Raises:
        FileNotFoundError: If it is "starter", and this installation has none.
    """
    if recipe.model == "starter":
        return str(starter_path("flow"))
    return str(random) if recipe.model == "random" else recipe.model


def check_base(folder: str, *, revision: str = "") -> str:
    """Look at the base's configuration before anything is loaded, and return its class's name.

    Raises:
        FileNotFoundError: If it is neither a diffusers folder nor a hub id that can be reached.
        ValueError: If its family cannot be trained, or it was distilled to a few steps.
    """
    index = _json(folder, "model_index.json", revision)
    name = str(index.get("_class_name"))
    if name not in FAMILIES:
        raise ValueError(
            f"'base.model' must be one of {', '.join(FAMILIES)}; {folder} is a {name}. For another family "
            "add it in spatial_core/pipeline/predict.py and spatial_trainers/prompt_cache.py."
        )
    names = (folder, str(index.get("_name_or_path", "")))
    distilled = any(_DISTILLED.search(Path(text).name) for text in names)
    if name == "FluxPipeline" and not distilled:
        # FLUX.1-schnell has neither guidance nor a schedule that depends on the size.
        guided = _json(folder, "transformer/config.json", revision).get("guidance_embeds", False)
        shifted = _json(folder, "scheduler/scheduler_config.json", revision)
        distilled = not guided and not shifted.get("use_dynamic_shifting", False)
    if distilled:
        raise ValueError(
            f"'base.model' = '{folder}' is distilled to a few steps: it follows no velocity field, and "
            "training with random steps blurs it. Train the base that it was made from (FLUX.1-dev for "
            "schnell); the LoRA can then be tried on the distilled one."
        )
    return name


def check_guidance(name: str, rollout: RolloutRecipe) -> None:
    """Check that what a base of class `name` guides away from is known while text encoders are there.

    Raises:
        ValueError: If there is guidance without a negative prompt.
    """
    if rollout.negative_prompt is not None:
        return
    scale = rollout.true_cfg_scale or 1.0
    key = "true_cfg_scale"
    if name == "StableDiffusion3Pipeline":
        # Its default is to guide.
        scale = math.inf if rollout.guidance_scale is None else rollout.guidance_scale
        key = "guidance_scale"
    if scale > 1.0:
        raise ValueError(
            f"A {name} with 'rollout.{key}' above 1 leads away from a negative prompt: set "
            f"'rollout.negative_prompt', if only to \"\", or 'rollout.{key}' to 1."
        )


def _json(folder: str, name: str, revision: str) -> dict[str, Any]:
    path = find_file(folder, name, revision=revision)
    try:
        return dict(json.loads(path.read_text("utf-8")))
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path} is not readable JSON ({error}). Download it again.") from error


def load_base(recipe: BaseRecipe, folder: str) -> Any:
    """Return the pipeline on the CPU, its denoiser's weights in 8 bits if the recipe says so."""
    dtype = getattr(torch, recipe.dtype)
    with quiet_loading():
        pipeline = DiffusionPipeline.from_pretrained(
            folder, revision=recipe.revision or None, **{_DTYPE: dtype}
        )
    pipeline.set_progress_bar_config(disable=True)
    # The pictures of a group are many, and on a CPU they are decoded a fifth faster so.
    for module in pipeline.vae.modules():
        if isinstance(module, torch.nn.Conv2d):
            module.to(memory_format=torch.channels_last)
    if recipe.storage == "float8":
        pipeline.transformer.enable_layerwise_casting(storage_dtype=torch.float8_e4m3fn, compute_dtype=dtype)
    return pipeline


def encode_prompts(
    pipeline: Any,
    prompts: Sequence[str],
    folder: Path,
    *,
    max_sequence_length: int | None,
    device: torch.device,
) -> PromptCache:
    """Return the cache that holds all `prompts`; the pipeline is left without text encoders.

    The denoiser stays behind on the CPU, so that both need never fit on the device: `place` moves it.
    """
    denoiser = pipeline.transformer
    pipeline.register_modules(transformer=None)
    pipeline.to(device)
    cache = PromptCache(pipeline, folder, max_sequence_length=max_sequence_length)
    cache.encode(prompts, progress=True)
    cache.release()
    pipeline.register_modules(transformer=denoiser)
    return cache


def place(pipeline: Any, device: torch.device, *, shard: bool = False) -> None:
    """Put the denoiser on the device beside the rest, whole or in shares (see `sharding`)."""
    if shard:
        shard_base(pipeline.transformer, device)
    pipeline.to(device)
