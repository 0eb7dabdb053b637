"""The generator as a policy: its frozen denoiser with a LoRA, which alone is trained, in float32."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.lora import Lora, LoraCard, read_lora
from spatial_core.starter import starter_path
from spatial_trainers.adapter import (
    LoraTargets,
    add_lora,
    export_lora,
    go_on_from,
    lora_off,
    lora_weights,
)


@dataclass(frozen=True)
class LoraRecipe:
    """The adapter.

    Attributes:
        rank: Of every update.
        alpha: The update counts alpha / rank times; the file that is written has that folded in.
        targets: Layers that get one: the projections of "attention", or those of whole "blocks".
        start: LoRA of the same rank and layers that training goes on from, a file or a folder, or "starter"
            for the bundled one; "" to begin as no change at all.
    """

    rank: int = 32
    alpha: float = 64.0
    targets: LoraTargets = "attention"
    start: str = ""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            ValueError: If a number is not positive.
        """
        if self.rank < 1 or self.alpha <= 0:
            raise ValueError(f"'lora' needs rank >= 1 and alpha > 0; got {self.rank} and {self.alpha}.")

    def read_start(self) -> Lora | None:
        """Return the LoRA that training goes on from, if it does.

        Raises:
            FileNotFoundError: If there is no such file.
            ValueError: If it is no LoRA.
        """
        if not self.start:
            return None
        return read_lora(starter_path("lora") if self.start == "starter" else self.start)


class Policy:
    """A pipeline whose denoiser has a LoRA.

    Attributes:
        pipeline: Plain or spatial.
        trained: Parameters of the LoRA by name.
        average: Their moving average by name; empty if off.
    """

    def __init__(self, pipeline: Any, recipe: LoraRecipe, *, seed: int, averaged: bool) -> None:
        """Freeze the denoiser and put the LoRA into it.

        Args:
            pipeline: Of a family that `predict` knows.
            recipe: Of the LoRA.
            seed: Of its first weights.
            averaged: Whether a moving average is kept.

        Raises:
            ValueError: If the LoRA to go on from has another rank, or changes other layers.
        """
        self.pipeline, self.recipe = pipeline, recipe
        pipeline.transformer.eval()
        self.trained = add_lora(
            pipeline.transformer, rank=recipe.rank, alpha=recipe.alpha, targets=recipe.targets, seed=seed
        )
        if start := recipe.read_start():
            go_on_from(self.trained, start, rank=recipe.rank, alpha=recipe.alpha)
        self.average = {n: p.detach().clone() for n, p in self.trained.items()} if averaged else {}

    def reference(self) -> AbstractContextManager[None]:
        """Within this context the LoRA is off: the base itself, without a second copy of it."""
        return lora_off(self.pipeline.transformer)

    def averaged(self) -> AbstractContextManager[None]:
        """Within this context the LoRA has its averaged weights, if an average is kept."""
        return lora_weights(self.trained, self.average)

    @torch.no_grad()
    def follow(self, decay: float, update: int) -> None:
        """Move the average; early on it follows quickly, or it would remember the first weights."""
        decay = min(decay, (1 + update) / (10 + update))
        for name, value in self.average.items():
            value.lerp_(self.trained[name], 1.0 - decay)

    def export(self, folder: Path, *, card: LoraCard, title: str) -> Path:
        """Write the averaged LoRA folded, with its card, and return the file.

        Raises:
            OSError: If the disk is full; an older file is left as it was.
        """
        weights: dict[str, Tensor] = {n: p.detach() for n, p in self.trained.items()} | self.average
        rank, alpha = self.recipe.rank, self.recipe.alpha
        return export_lora(folder, weights, rank=rank, alpha=alpha, card=card, title=title)
