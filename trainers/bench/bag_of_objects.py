"""A baseline that must fail: it sees which of the named things are in a picture, and not where."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import SpatialScorer, SpatialScores
from spatial_core.scorers.detection import Detector
from spatial_core.scorers.graph_judging import names_of


class BagOfObjectsScorer(SpatialScorer):
    """Scores a picture by the share of the things in a prompt's relations that are found anywhere in it.

    Both pictures of a good pair show all of them, so its accuracy says how much a benchmark can be solved
    without looking at space: .5 is nothing.
    """

    def __init__(self, detector: Detector) -> None:
        """Take the detector that finds the things by name."""
        super().__init__()
        self.detector = detector

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        shares: list[float] = []
        for image, graph in zip(images, graphs, strict=True):
            names = names_of(graph)
            found = {detection.name for detection in self.detector.detect([image], names)[0]}
            shares.append(sum(name in found for name in names) / len(names))
        mean = torch.tensor(shares, device=self.device)
        return SpatialScores(mean, torch.zeros_like(mean), torch.full_like(mean, float("nan")))

    @classmethod
    def from_pretrained(cls, id_or_path: str | Path, **options: Any) -> BagOfObjectsScorer:
        """Load the baseline with the localizer in a folder, or "starter" for the bundled one.

        Raises:
            FileNotFoundError: If the localizer's files are missing.
        """
        from spatial_core.localizer import SpatialLocalizer

        return cls(SpatialLocalizer.from_pretrained(id_or_path, **options))

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Refuse: there is nothing of its own to save.

        Raises:
            ValueError: Always.
        """
        raise ValueError("The bag-of-objects baseline has no weights of its own; save its detector instead.")
