"""`SpatialDiffusionPipeline`: a text-to-image pipeline of diffusers that returns the image that matches.

`spatial_class` makes the class and its life cycle, `run` is one call, `search` the ways to choose, `draw` and
`schedule` the base's own loop, `predict` one step of it for those who train.
"""

from __future__ import annotations

from spatial_core.pipeline.output import ScoringError, SpatialPipelineOutput
from spatial_core.pipeline.predict import Condition, Prepared, predict, prepare
from spatial_core.pipeline.rerank_step import SpatialRerankStep
from spatial_core.pipeline.spatial_class import SpatialDiffusionPipeline

__all__ = [
    "Condition",
    "Prepared",
    "ScoringError",
    "SpatialDiffusionPipeline",
    "SpatialPipelineOutput",
    "SpatialRerankStep",
    "predict",
    "prepare",
]
