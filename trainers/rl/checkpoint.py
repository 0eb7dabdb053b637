"""State of an RL run: saved by rename and taken up exactly.

Noise and the order of prompts are functions of (seed, step), so that no generator has a state to keep.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_trainers.checkpoint import (
    TrainingState,
    optimizer_entries,
    restore_optimizer,
    save_state,
)
from spatial_trainers.recipe import as_table
from spatial_trainers.rl.policy import Policy

STATE_FILE = "checkpoint.safetensors"
# What a resumed run may have otherwise: where things lie, and how work is cut up.
_FREE = (
    "output",
    "cache",
    "steps",
    "checkpoint_every",
    "log_every",
    "trackers",
    "device_tflops",
    "licence",
    "evaluation",
)


def fixed_recipe(recipe: Any) -> dict[str, Any]:
    """Return the part of an `RlRecipe` that a resumed run must share."""
    table = as_table(recipe)
    for key in _FREE:
        del table[key]
    del table["rollout"]["micro_batch_size"], table["base"]["gradient_checkpointing"], table["base"]["shard"]
    for part in table["reward"]:
        for key in ("timeout", "retries", "batch_size", "device", "token_variable"):
            del part[key]
    return table


def save(
    path: Path,
    *,
    step: int,
    policy: Policy,
    optimizer: torch.optim.Optimizer,
    old: Mapping[str, Tensor],
    facts: Mapping[str, Any],
) -> None:
    """Write the state; a kill or a full disk leaves the older file.

    Raises:
        OSError: If the disk is full.
    """
    names = {parameter: name for name, parameter in policy.trained.items()}
    weights: dict[str, Tensor] = {f"policy/{name}": p for name, p in policy.trained.items()}
    weights |= {f"old/{name}": value for name, value in old.items()}
    save_state(path, TrainingState(step, weights, policy.average, optimizer_entries(optimizer, names), facts))


def restore(
    state: TrainingState, *, policy: Policy, optimizer: torch.optim.Optimizer, old: Mapping[str, Tensor]
) -> None:
    """Put a state back into the policy, its average, the optimizer and the old policy."""
    with torch.no_grad():
        for name, parameter in policy.trained.items():
            parameter.copy_(state.weights[f"policy/{name}"])
        for name, value in policy.average.items():
            value.copy_(state.average[name])
        for name, value in old.items():
            value.copy_(state.weights[f"old/{name}"])
    names = {parameter: name for name, parameter in policy.trained.items()}
    restore_optimizer(optimizer, names, state.optimizer)
