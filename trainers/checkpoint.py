"""Where a killed run goes on: one file with weights, averages and optimizer state, replaced by rename.

Dropout and the order of the data are functions of (seed, step), so there is no generator state to keep; a run
that goes on from step n takes the same steps, bit for bit, as one that never stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from spatial_core.atomic_files import atomic_path

FORMAT = "spatial_training_state/1"


@dataclass(frozen=True)
class TrainingState:
    """Everything a run needs to go on.

    Attributes:
        step: Steps taken.
        weights: Trained parameters by name.
        average: Their moving average by name; empty if off.
        optimizer: State of the optimizer by parameter name, then by entry ("exp_avg", "step", ...).
        facts: JSON values the run keeps: its recipe, the data's hash, the best validation so far.
    """

    step: int
    weights: Mapping[str, Tensor]
    average: Mapping[str, Tensor]
    optimizer: Mapping[str, Mapping[str, Tensor]]
    facts: Mapping[str, Any]


def save_state(path: str | Path, state: TrainingState) -> None:
    """Write a state; a kill or a full disk leaves the older file.

    Raises:
        OSError: If the disk is full.
    """
    tensors = {f"weights/{name}": value for name, value in state.weights.items()}
    tensors |= {f"average/{name}": value for name, value in state.average.items()}
    for name, entries in state.optimizer.items():
        tensors |= {f"optimizer/{name}/{key}": value for key, value in entries.items()}
    # safetensors refuses tensors that share memory, and 0-d step counters may.
    tensors = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    metadata = {"format": FORMAT, "step": str(state.step), "facts": json.dumps(state.facts, sort_keys=True)}
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_state(path: str | Path) -> TrainingState:
    """Return what `save_state` wrote.

    Raises:
        ValueError: If the file is corrupt or something else.
    """
    try:
        with safe_open(path, framework="pt") as reader:
            metadata = reader.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise ValueError(
                    f"A training state says format '{FORMAT}'; {path} says "
                    f"'{metadata.get('format', 'nothing')}'. Choose another output folder, or delete the "
                    "file to start again."
                )
            groups: dict[str, dict[str, Tensor]] = {"weights": {}, "average": {}}
            optimizer: dict[str, dict[str, Tensor]] = {}
            for key in reader.keys():
                group, name = key.split("/", 1)
                if group == "optimizer":
                    name, entry = name.rsplit("/", 1)
                    optimizer.setdefault(name, {})[entry] = reader.get_tensor(key)
                else:
                    groups[group][name] = reader.get_tensor(key)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is not a readable training state ({error}). Delete it to start again."
        ) from error
    return TrainingState(
        int(metadata["step"]), groups["weights"], groups["average"], optimizer, json.loads(metadata["facts"])
    )


def check_state(state: TrainingState, path: Path, facts: Mapping[str, Any]) -> None:
    """Check that a state belongs to this run.

    Args:
        state: From `path`.
        path: To name it.
        facts: Of this run: its "recipe", and hashes of what the recipe names, such as "base".

    Raises:
        ValueError: If it was made with another recipe, or something that it names is another.
    """
    old, new = _flat(state.facts["recipe"]), _flat(facts["recipe"])
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            raise ValueError(
                f"{path} was made with '{key}' = {old.get(key)!r}, and the recipe now says "
                f"{new.get(key)!r}. Set it back to go on, or choose another 'output' to start again."
            )
    for key in sorted(facts.keys() - {"recipe"}):
        if state.facts[key] != facts[key]:
            raise ValueError(
                f"{path} was made with another content of '{key}', though the recipe names the same. Restore "
                "it to go on, or choose another 'output' to start again."
            )


def optimizer_entries(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str]
) -> dict[str, dict[str, Tensor]]:
    """Return an optimizer's state by parameter name.

    Args:
        optimizer: AdamW or alike, with tensors as entries.
        names: Name of each of its parameters.
    """
    return {names[parameter]: dict(entries) for parameter, entries in optimizer.state.items()}


def restore_optimizer(
    optimizer: torch.optim.Optimizer, names: Mapping[Tensor, str], entries: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Put `optimizer_entries` back; parameters without entries start afresh."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state = {i: dict(entries[names[p]]) for i, p in enumerate(parameters) if names[p] in entries}
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


class Resumable:
    """What a killed run goes on from: parameters, their moving average and their optimizers."""

    def __init__(
        self,
        names: Mapping[Tensor, str],
        average: Mapping[str, Tensor],
        optimizers: Sequence[torch.optim.Optimizer],
        settings: Mapping[str, Any],
    ) -> None:
        """Hold them.

        Args:
            names: Name of each trained parameter.
            average: By name; of some or all parameters.
            optimizers: Each parameter is in one of them.
            settings: JSON values that a resumed run must share.
        """
        self.names, self.average, self.optimizers, self.settings = names, average, optimizers, settings

    def save(self, path: Path, step: int) -> None:
        """Write everything that a resumed run needs.

        Raises:
            OSError: If the disk is full; the older file is left.
        """
        weights = {name: parameter.detach() for parameter, name in self.names.items()}
        entries: dict[str, dict[str, Tensor]] = {}
        for optimizer in self.optimizers:
            entries |= optimizer_entries(optimizer, self.names)
        facts = {"settings": self.settings}
        save_state(path, TrainingState(step, weights, self.average, entries, facts))

    def load(self, path: Path) -> int:
        """Go on from `save`; returns the number of steps taken.

        Raises:
            ValueError: If the state is corrupt or was made with other settings.
        """
        state = load_state(path)
        there: dict[str, Any] = state.facts["settings"]
        here: dict[str, Any] = json.loads(json.dumps(self.settings))
        other = {key: there.get(key) for key in here if there.get(key) != here[key]}
        if other:
            raise ValueError(
                f"{path} was made with other settings ({other}). Use those, or another output folder."
            )
        with torch.no_grad():
            for parameter, name in self.names.items():
                parameter.copy_(state.weights[name])
            for name, value in self.average.items():
                value.copy_(state.average[name])
        for optimizer in self.optimizers:
            restore_optimizer(optimizer, self.names, state.optimizer)
        return state.step


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {prefix + key: value}
    return flat
