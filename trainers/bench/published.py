"""What the paper of SpatialScore published (arXiv 2602.24233), to stand beside what is measured here.

The authors' pairs, pictures and weights are not public, so these rows show the form and the scale; they are
no contest with numbers from other pairs.
"""

from __future__ import annotations

from dataclasses import dataclass

ONE_EDIT, MORE_EDITS = 180, 185
"""Pairs of the paper's benchmark; reconstructed from the fractions in its Table 1."""


@dataclass(frozen=True)
class PublishedReward:
    """A row of Table 1: pairwise accuracy.

    Attributes:
        name: The model.
        one: On pairs with one perturbation.
        more: On pairs with two or three.
        overall: On all.
    """

    name: str
    one: float
    more: float
    overall: float


TABLE_1: tuple[PublishedReward, ...] = (
    PublishedReward("ImageReward", 0.439, 0.513, 0.479),
    PublishedReward("PickScore", 0.461, 0.551, 0.509),
    PublishedReward("HPSv2.1", 0.433, 0.491, 0.463),
    PublishedReward("VQAScore", 0.567, 0.638, 0.603),
    PublishedReward("UnifiedReward", 0.583, 0.627, 0.605),
    PublishedReward("HPSv3", 0.606, 0.697, 0.652),
    PublishedReward("Qwen2.5-VL 7B", 0.572, 0.632, 0.602),
    PublishedReward("Qwen2.5-VL 32B", 0.644, 0.724, 0.685),
    PublishedReward("Qwen2.5-VL 72B", 0.711, 0.816, 0.764),
    PublishedReward("GPT-5", 0.855, 0.924, 0.890),
    PublishedReward("Gemini 2.5 Pro", 0.933, 0.968, 0.951),
    PublishedReward("SpatialScore 7B", 0.939, 0.978, 0.958),
)

TABLE_2_COLUMNS: tuple[str, ...] = (
    "SpatialScore",
    "DPG relation-spatial",
    "TIIF short BR",
    "TIIF short AR",
    "TIIF short RR",
    "TIIF long BR",
    "TIIF long AR",
    "TIIF long RR",
    "UniGenBench S 2D",
    "UniGenBench S 3D",
    "UniGenBench L 2D",
    "UniGenBench L 3D",
)

TABLE_2: tuple[tuple[str, tuple[float, ...]], ...] = (
    (
        "FLUX.1-dev",
        (2.18, 0.871, 0.769, 0.608, 0.584, 0.758, 0.677, 0.645, 0.766, 0.667, 0.819, 0.742),
    ),
    (
        "Flow-GRPO (GenEval reward)",
        (3.01, 0.742, 0.851, 0.652, 0.621, 0.577, 0.510, 0.482, 0.726, 0.635, 0.445, 0.405),
    ),
    (
        "FLUX.1-dev with SpatialScore",
        (7.81, 0.932, 0.875, 0.700, 0.647, 0.845, 0.715, 0.675, 0.875, 0.773, 0.891, 0.801),
    ),
)
