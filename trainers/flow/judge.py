"""What a localizer's verdicts are worth: on all rendered scenes, and on those of a starter's world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from spatial_core.localizer import SpatialLocalizer
from spatial_trainers.flow.scenes import sample_flow_scenes
from spatial_trainers.flow.world import FlowWorld, bundled_world
from spatial_trainers.localizer.evaluation import evaluate, judge_rendered
from spatial_trainers.scene_cache import build_cache, pack_scenes

_FIRST_SEED = 9_000_000_000
"""Beyond the seeds of all scenes that anything is trained or asked with."""


def measure_judge(
    localizer: SpatialLocalizer, cache: str | Path, shards: int, *, processes: int = 1
) -> dict[str, Any]:
    """Return the figures of `evaluate`, and under "starter" those of `judge_starter_scenes` of as many.

    Args:
        localizer: What is measured.
        cache: Folder of rendered scenes; what it lacks is rendered first.
        shards: Of its validation split.
        processes: That render.
    """
    build_cache(cache, {"validation": shards}, processes=processes)
    table = evaluate(localizer, cache, shards)
    return table | {"starter": judge_starter_scenes(localizer, table["scenes"])}


def judge_starter_scenes(
    localizer: SpatialLocalizer, count: int, world: FlowWorld | None = None
) -> dict[str, Any]:
    """Return what verdicts on scenes of a starter's world are worth; see `judge_rendered`.

    Args:
        localizer: What judges.
        count: Of layouts; nearly all of them can be used.
        world: What the scenes are made of; what the bundled flow model draws if None.
    """
    found = sample_flow_scenes(range(_FIRST_SEED, _FIRST_SEED + count), world or bundled_world())
    return judge_rendered(localizer, pack_scenes(found.scenes, found.rendering, found.closures))
