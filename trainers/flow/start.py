"""Training that goes on from a flow model that is trained already, in a world of its own.

What has been learned stays true there: the words (tokenizers, text encoders), what latents mean (their code
is that of the first model's scenes) and the autoencoder that draws them. Only the transformer is trained.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from diffusers import FluxPipeline

from spatial_trainers.flow.latents import FITTED, PatchBasis, fit_basis
from spatial_trainers.flow.scenes import FlowScenes, SceneSettings, build_scenes
from spatial_trainers.flow.world import world_of


@dataclass(frozen=True)
class Start:
    """What training goes on from.

    Attributes:
        pipeline: The model, float32.
        basis: Its latents' code of pixels.
        facts: Its training.json.
    """

    pipeline: Any
    basis: PatchBasis
    facts: dict[str, Any]


def read_start(folder: str | Path, scenes: SceneSettings, *, processes: int = 1) -> Start:
    """Return what `spatial train-starter` made in `folder`.

    Args:
        folder: Of the pipeline, with its training.json.
        scenes: Where scenes are cached; the first of those that its latents' code was fitted to are rendered
            there if they are missing.
        processes: That render.

    Raises:
        FileNotFoundError: If `folder` is no such model.
    """
    path = Path(folder, "training.json")
    if not path.is_file():
        raise FileNotFoundError(
            f"'start' must be the folder of a flow model made by 'spatial train-starter', which has a "
            f"training.json; {folder} has none. Train one first: spatial train-starter starter-flow"
        )
    facts = first = json.loads(path.read_text("utf-8"))
    while first.get("went_on_from"):
        first = first["went_on_from"]
    made = first["recipe"]["scenes"]
    settings = replace(
        scenes,
        shards=min(made["shards"], -(-FITTED // made["shard_size"])),
        validation_shards=0,
        shard_size=made["shard_size"],
        seed=made["seed"],
        world=world_of(first),
    )
    build_scenes(settings, processes=processes)
    basis = fit_basis(FlowScenes(settings, "train").images)
    return Start(FluxPipeline.from_pretrained(folder), basis, facts)
