"""Spatial Diffusion: say, see, judge and choose spatially.

Public names load on first use (PEP 562): importing this package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_core.language.parser import parse_prompt as parse_prompt
    from spatial_core.language.perturb import Edit as Edit
    from spatial_core.language.perturb import Perturbation as Perturbation
    from spatial_core.language.perturb import perturb as perturb
    from spatial_core.language.relations import RELATIONS as RELATIONS
    from spatial_core.language.scene_graph import Entity as Entity
    from spatial_core.language.scene_graph import Relation as Relation
    from spatial_core.language.scene_graph import SceneGraph as SceneGraph
    from spatial_core.pipeline import SpatialDiffusionPipeline as SpatialDiffusionPipeline
    from spatial_core.reward_model import SpatialRewardModel as SpatialRewardModel
    from spatial_core.scorers.base import RelationReport as RelationReport
    from spatial_core.scorers.base import SpatialScorer as SpatialScorer
    from spatial_core.scorers.base import SpatialScores as SpatialScores
    from spatial_core.selection import Ranking as Ranking
    from spatial_core.selection import best_of_n as best_of_n
    from spatial_core.selection import p_best as p_best
    from spatial_core.selection import rank as rank
    from spatial_core.selection import select_extremes as select_extremes

__version__ = "0.1.0"

_HOME = {
    "parse_prompt": "language.parser",
    "Edit": "language.perturb",
    "Perturbation": "language.perturb",
    "perturb": "language.perturb",
    "RELATIONS": "language.relations",
    "Entity": "language.scene_graph",
    "Relation": "language.scene_graph",
    "SceneGraph": "language.scene_graph",
    "SpatialDiffusionPipeline": "pipeline",
    "SpatialRewardModel": "reward_model",
    "RelationReport": "scorers.base",
    "SpatialScorer": "scorers.base",
    "SpatialScores": "scorers.base",
    "Ranking": "selection",
    "best_of_n": "selection",
    "p_best": "selection",
    "rank": "selection",
    "select_extremes": "selection",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted([*_HOME, "__version__"])
