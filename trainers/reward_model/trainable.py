"""Which weights of a reward model are trained, how they start, and the form in which they are saved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from spatial_core.backbones import find_file
from spatial_core.lora import fold_adapter
from spatial_core.reward_model import (
    JUDGE_FILE,
    SpatialRewardModel,
    SpatialScoreConfig,
    read_judge,
)
from spatial_trainers.recipe import ModelRecipe

LORA_TARGETS = r"language_model\.layers\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
_LIMITS = ("min_pixels", "max_pixels", "max_prompt_tokens", "max_clauses", "head_width")
_PEFT_INFIX = ".default.weight"


@dataclass(frozen=True)
class Start:
    """What `init_from` brings.

    Attributes:
        config: Template and limits it was trained with.
        tensors: As in the judge file.
    """

    config: SpatialScoreConfig
    tensors: Mapping[str, Tensor]


def backbone_folder(recipe: ModelRecipe) -> str:
    """Return the folder or hub id of the recipe's backbone.

    Raises:
        ValueError: If it is "starter", and none comes with this installation.
    """
    if recipe.backbone != "starter":
        return recipe.backbone
    folder = Path(str(files("spatial_core.starter"))) / "backbone"
    if not (folder / "config.json").is_file():
        raise ValueError(
            f"The bundled backbone is not in {folder}. Make it with 'spatial pretrain-starter', or name "
            "another one with --set model.backbone=FOLDER."
        )
    return str(folder)


def check_files(recipe: ModelRecipe) -> Start | None:
    """Return what `init_from` brings, None without it, having looked for every file the model needs.

    Raises:
        ValueError: If a file is corrupt, or the recipe contradicts `init_from`.
        FileNotFoundError: If a file is missing.
    """
    if recipe.backbone != "random":
        find_file(backbone_folder(recipe), "config.json", revision=recipe.revision)
    if not recipe.init_from:
        return None
    metadata, tensors = read_judge(find_file(recipe.init_from, JUDGE_FILE))
    config = SpatialScoreConfig(**metadata)
    for key in _LIMITS:
        wanted = getattr(recipe, key)
        if wanted is not None and wanted != getattr(config, key):
            raise ValueError(
                f"'model.{key}' is {wanted}, but {recipe.init_from} was trained with {getattr(config, key)}. "
                "Leave the key out, or train from the backbone."
            )
    ranks = {value.shape[0] for key, value in tensors.items() if key.endswith(".lora_A.weight")}
    if ranks and ranks != {recipe.lora_rank}:
        raise ValueError(
            f"'model.lora_rank' is {recipe.lora_rank}, but {recipe.init_from} holds an adapter of rank "
            f"{', '.join(map(str, sorted(ranks)))}. Set 'model.lora_rank' to it."
        )
    if not ranks and recipe.lora_rank and any(key.startswith("weights.language_model") for key in tensors):
        raise ValueError(
            f"{recipe.init_from} was trained in full and holds no adapter. Set 'model.lora_rank' to 0."
        )
    if not recipe.tune_vision and any(key.startswith("weights.visual") for key in tensors):
        raise ValueError(
            f"{recipe.init_from} was trained with its vision tower. Set 'model.tune_vision' to true to go on."
        )
    return Start(config, tensors)


def build_model(recipe: ModelRecipe, backbone: str, start: Start | None) -> SpatialRewardModel:
    """Return the reward model with only the trained weights requiring gradients, those in float32.

    Takes its initial head and adapter from torch's global generator: seed it before.

    Args:
        recipe: What to train.
        backbone: Folder or hub id.
        start: From `check_files`.

    Raises:
        ValueError: If the backbone is not the one `init_from` was trained on.
    """
    if start is None:
        limits = {key: getattr(recipe, key) for key in _LIMITS if getattr(recipe, key) is not None}
        config = SpatialScoreConfig(backbone=backbone, revision=recipe.revision, **limits)
    else:
        # Its hash stays, and tells whether this is the backbone it was trained on.
        config = replace(start.config, backbone=backbone, revision=recipe.revision)
    dtype = {"float32": torch.float32, "bfloat16": torch.bfloat16}[recipe.dtype]
    model = SpatialRewardModel.from_backbone(backbone, config=config, revision=recipe.revision, dtype=dtype)
    _make_trainable(model, recipe)
    if start is not None:
        _load_start(model, recipe, start)
    return model


def _make_trainable(model: SpatialRewardModel, recipe: ModelRecipe) -> None:
    backbone = model.backbone
    backbone.requires_grad_(False)
    if recipe.lora_rank:
        from peft import LoraConfig, inject_adapter_in_model

        lora = LoraConfig(
            r=recipe.lora_rank,
            lora_alpha=recipe.lora_alpha,  # pyright: ignore[reportArgumentType]  (peft divides; floats work)
            lora_dropout=recipe.lora_dropout,
            target_modules=LORA_TARGETS,
        )
        inject_adapter_in_model(lora, backbone)
    else:
        # Embeddings stay: their optimizer state is large and a judge learns no new words.
        backbone.language_model.layers.requires_grad_(True)
        backbone.language_model.norm.requires_grad_(True)
    if recipe.tune_vision:
        backbone.visual.requires_grad_(True)
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()
    if recipe.gradient_checkpointing:
        backbone.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})


def _load_start(model: SpatialRewardModel, recipe: ModelRecipe, start: Start) -> None:
    scale = recipe.lora_alpha / recipe.lora_rank if recipe.lora_rank else 1.0
    weights = dict(model.named_parameters())
    for key, value in start.tensors.items():
        group, name = key.split(".", 1)
        if group == "head":
            name = key
        else:
            # Folded: alpha / rank lies in lora_B, and peft will multiply by it again.
            value = value / scale if name.endswith(".lora_B.weight") else value
            name = "backbone." + re.sub(r"\.(lora_[AB])\.weight$", rf".\1{_PEFT_INFIX}", name)
        if name not in weights or weights[name].shape != value.shape:
            raise ValueError(
                f"{recipe.init_from} changes '{name}', which this backbone does not have in that shape. "
                "Name the backbone it was trained on as 'model.backbone'."
            )
        with torch.no_grad():
            weights[name].copy_(value)


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Return the parameters that are trained, by name, in the model's order."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def judge_parts(trained: Mapping[str, Tensor], recipe: ModelRecipe) -> dict[str, dict[str, Tensor]]:
    """Return the arguments `adapter` and `weights` of `SpatialRewardModel.save_pretrained`."""
    adapter: dict[str, Tensor] = {}
    weights: dict[str, Tensor] = {}
    for name, value in trained.items():
        if not name.startswith("backbone."):
            continue
        name = name.removeprefix("backbone.")
        if name.endswith(_PEFT_INFIX):
            adapter[name.removesuffix(_PEFT_INFIX) + ".weight"] = value
        else:
            weights[name] = value
    scale = recipe.lora_alpha / recipe.lora_rank if recipe.lora_rank else 1.0
    return {"adapter": fold_adapter(adapter, scale=scale), "weights": weights}


def parameter_groups(trained: Mapping[str, nn.Parameter], recipe: Any) -> list[dict[str, Any]]:
    """Return AdamW's groups: head, vision tower and the rest, each with and without weight decay.

    Args:
        trained: From `trained_parameters`.
        recipe: `OptimizerRecipe`.
    """
    rates = {
        "head": recipe.learning_rate if recipe.head_learning_rate is None else recipe.head_learning_rate,
        "vision": recipe.learning_rate
        if recipe.vision_learning_rate is None
        else recipe.vision_learning_rate,
        "language": recipe.learning_rate,
    }
    groups: dict[tuple[str, bool], list[nn.Parameter]] = {}
    for name, parameter in trained.items():
        part = "head" if name.startswith("head.") else "vision" if ".visual." in name else "language"
        groups.setdefault((part, parameter.ndim >= 2), []).append(parameter)
    return [
        {
            "params": parameters,
            "lr": rates[part],
            "peak_lr": rates[part],
            "weight_decay": recipe.weight_decay if decays else 0.0,
        }
        for (part, decays), parameters in groups.items()
    ]
