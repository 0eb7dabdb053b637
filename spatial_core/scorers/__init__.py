"""Things that answer "how well does this image match what this prompt says about space"."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_core.scorers.base import RelationReport as RelationReport
    from spatial_core.scorers.base import SpatialScorer as SpatialScorer
    from spatial_core.scorers.base import SpatialScores as SpatialScores
    from spatial_core.scorers.geometric import GeometricScorer as GeometricScorer
    from spatial_core.scorers.reward import RewardScorer as RewardScorer
    from spatial_core.scorers.vqa import VQAScorer as VQAScorer

_HOME = {
    "RelationReport": "base",
    "SpatialScorer": "base",
    "SpatialScores": "base",
    "RewardScorer": "reward",
    "VQAScorer": "vqa",
    "GeometricScorer": "geometric",
}


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562), so that a scorer costs nothing until it is asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(_HOME)
