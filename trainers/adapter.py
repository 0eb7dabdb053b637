"""The LoRA that a trainer trains: put into a denoiser, switched off for the reference, written as a file."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spatial_core.lora import Lora, LoraCard, parse_lora, save_lora

LoraTargets = Literal["attention", "blocks"]

_INFIX = ".default.weight"


def lora_modules(transformer: nn.Module, targets: LoraTargets) -> list[str]:
    """Return the paths of the layers that get an update: projections in blocks, modulation left out.

    Args:
        transformer: Of any family with lists of blocks.
        targets: "attention", its projections; "blocks", the feed-forward layers too.
    """
    found = [
        name
        for name, module in transformer.named_modules()
        if isinstance(module, nn.Linear)
        and "blocks." in name
        and not any(word in name for word in ("norm", "_mod."))
        and (targets == "blocks" or ".attn" in name)
    ]
    if not found:
        raise ValueError(
            f"A {type(transformer).__name__} has no layers that a LoRA of targets '{targets}' would change."
        )
    return found


def add_lora(
    transformer: Any, *, rank: int, alpha: float, targets: LoraTargets = "blocks", seed: int = 0
) -> dict[str, nn.Parameter]:
    """Put a LoRA into a denoiser and return its weights by name; they alone require gradients, in float32.

    The base keeps its type and takes no part in training.

    Args:
        transformer: Of a diffusers pipeline.
        rank: Of the updates.
        alpha: The update counts alpha / rank times.
        targets: See `lora_modules`.
        seed: Of the first weights; the update begins as 0.
    """
    from peft import LoraConfig

    transformer.requires_grad_(False)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # pyright: ignore[reportArgumentType]  (peft divides; floats work)
        target_modules=lora_modules(transformer, targets),
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        transformer.add_adapter(config)
    trained = {name: p for name, p in transformer.named_parameters() if p.requires_grad}
    for parameter in trained.values():
        parameter.data = parameter.data.float()
    return trained


@torch.no_grad()
def go_on_from(trained: Mapping[str, nn.Parameter], lora: Lora, *, rank: int, alpha: float) -> None:
    """Give a LoRA that `add_lora` put in the updates of another.

    Args:
        trained: As `add_lora` returned it.
        lora: Of the same rank, on the same layers.
        rank, alpha: As given to `add_lora`.

    Raises:
        ValueError: If it has another rank, or changes other layers.
    """
    layers = lora.component(lora.denoiser)
    wanted = {name.split(".lora_")[0] for name in trained}
    if set(layers) != wanted or lora.ranks != (rank,):
        other = sorted(set(layers) ^ wanted)
        apart = f", and {other[0]} is on one side alone" if other else ""
        raise ValueError(
            f"'lora.start' must be a LoRA of rank {rank} on the {len(wanted)} layers that 'lora.targets' "
            f"names; it has rank {', '.join(map(str, lora.ranks))} on {len(layers)}{apart}. Give 'lora' the "
            "rank and targets that it was trained with."
        )
    for path, layer in layers.items():
        trained[f"{path}.lora_A{_INFIX}"].copy_(layer.down)
        trained[f"{path}.lora_B{_INFIX}"].copy_(layer.up.float() * (layer.scale * rank / alpha))


@contextmanager
def lora_off(transformer: Any) -> Generator[None, None, None]:
    """Let the denoiser be the base while inside."""
    transformer.disable_adapters()
    try:
        yield
    finally:
        transformer.enable_adapters()


@contextmanager
def lora_weights(
    trained: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]
) -> Generator[None, None, None]:
    """Let the LoRA have other weights while inside, such as their moving average."""
    live = {name: trained[name].detach().clone() for name in weights}
    _copy(trained, weights)
    try:
        yield
    finally:
        _copy(trained, live)


@torch.no_grad()
def _copy(trained: Mapping[str, nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    for name, value in weights.items():
        trained[name].copy_(value)


def export_lora(
    path: str | Path,
    weights: Mapping[str, Tensor],
    *,
    rank: int,
    alpha: float,
    card: LoraCard,
    title: str = "",
    dtype: torch.dtype | None = None,
) -> Path:
    """Write a trained LoRA folded, with its card, in the form that acts alike everywhere; return the file.

    Args:
        path: A file ending in .safetensors, or a folder.
        weights: By the names that `add_lora` gave.
        rank, alpha: As given there.
        card: How it was trained; `base_class` names the architecture.
        title: Name shown to people.
        dtype: Of the stored weights; float32 if None.

    Raises:
        OSError: If the disk is full; an older file stays.
    """
    tensors = {
        "base_model.model." + name.removesuffix(_INFIX) + ".weight": value.detach().float().cpu()
        for name, value in weights.items()
    }
    lora = parse_lora(tensors, config={"peft_type": "LORA", "r": rank, "lora_alpha": alpha})
    return save_lora(lora, path, card=card, title=title, dtype=dtype)
