"""The kinds of wire that our nodes add, and what travels along `SPATIAL_SCORES`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from comfy_api.latest import io

if TYPE_CHECKING:
    from spatial_core.scorers.base import SpatialScores

CATEGORY = "spatial diffusion"

Scorer = io.Custom("SPATIAL_SCORER")
Scores = io.Custom("SPATIAL_SCORES")
Relations = io.Custom("SPATIAL_RELATIONS")


@dataclass(frozen=True, eq=False)
class ScoredPictures:
    """Scores that know whose they are, so that they find their picture in a batch of any order.

    Attributes:
        scores: Of B pictures, on the CPU, with their relations.
        prompts: What each was judged against.
        fingerprints: One for each picture (`pictures.fingerprint`).
        judge: Name of the model that scored.
    """

    scores: SpatialScores
    prompts: tuple[str, ...]
    fingerprints: tuple[str, ...]
    judge: str

    @classmethod
    def joined(cls, parts: Sequence[ScoredPictures]) -> ScoredPictures:
        """Return scores of one judge as one."""
        scores = [part.scores for part in parts]
        return cls(
            scores=replace(
                scores[0],
                mean=torch.cat([part.mean for part in scores]),
                std=torch.cat([part.std for part in scores]),
                satisfied=torch.cat([part.satisfied for part in scores]),
                relations=[reports for part in scores for reports in part.relations or []],
                notes=tuple(note for part in scores for note in part.notes),
            ),
            prompts=tuple(prompt for part in parts for prompt in part.prompts),
            fingerprints=tuple(mark for part in parts for mark in part.fingerprints),
            judge=parts[0].judge,
        )
