"""The geometric scorer: find the named things, then judge every stated relation by where they are.

It needs no training: an open-vocabulary detector (and, for relations in depth, a depth model) of
transformers, any detector of the same shape, or boxes handed in. What it says is as good as the boxes, and it
says of every relation what was missing or could not be decided.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.geometry import DEAD_ZONE, SOFTNESS
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import (
    NO_RELATIONS_NOTE,
    PromptLike,
    ScorerKind,
    SpatialScorer,
    SpatialScores,
    share_satisfied,
)
from spatial_core.scorers.detection import (
    DepthEstimator,
    Detection,
    Detector,
    MonocularDepth,
    ZeroShotDetector,
    distances_in_boxes,
)
from spatial_core.scorers.graph_judging import Judgement, Picture, judge_graph, names_of

LEAST_SCORE = 1e-3
"""Scores are floored here before their logarithm: what a relation counts whose thing was not found, and less
than any relation that was judged false (sigmoid(-1 / SOFTNESS) = .0067)."""

CLEARNESS_WEIGHT = 0.05
"""What a factor e in the detector's confidence is worth in the mean: enough to order pictures that are
equally right by how plainly they show it, never enough to outweigh a relation."""


class GeometricScorer(SpatialScorer):
    """Judges relations by the boxes and distances of the things they name.

    `mean` is the mean over relations of the log score (at most about 0), plus a little for plain sight; `std`
    is what an error of a tenth of an object's size in each margin makes of it.
    """

    def __init__(
        self,
        detector: Detector | None = None,
        depth: DepthEstimator | None = None,
        *,
        parser: Callable[[str], SceneGraph] | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            detector: Finds named things; None if only `score_detections` will be called.
            depth: Estimates distances where the detector gives none; without either, relations in depth are
                ambiguous.
            parser: Reads a prompt into its graph; `spatial_core.language.parser.parse_prompt` if None.

        Raises:
            ValueError: If a part has not the method it is needed for.
        """
        super().__init__(parser=parser)
        # Callers without type checking pass models themselves here.
        if detector is not None and not isinstance(detector, Detector):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"detector must have detect(images, names), got {type(detector).__name__}; wrap a model of "
                "transformers in ZeroShotDetector(model, tokenizer)"
            )
        if depth is not None and not isinstance(depth, DepthEstimator):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"depth must have estimate(images), got {type(depth).__name__}; wrap a model of transformers "
                "in MonocularDepth(model)"
            )
        self.detector = detector
        self.depth = depth

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | Path,
        *,
        scorer: ScorerKind = "geometric",
        revision: str | None = None,
        device: str | torch.device | None = None,
        dtype: torch.dtype | None = None,
        depth: str | Path | None = None,
        threshold: float | None = None,
        parser: Callable[[str], SceneGraph] | None = None,
        **options: Any,
    ) -> GeometricScorer:
        """Load a detector, and a depth model with it.

        Args:
            id_or_path: Folder or hub id of an OWL-ViT, OWLv2 or Grounding DINO checkpoint, or a folder
                written by `save_pretrained`.
            scorer: "geometric" (or "auto").
            revision: Hub revision of the detector.
            device: Where to put the models.
            dtype: Floating point type of the weights.
            depth: Folder or hub id of a Depth Anything checkpoint; the folder `depth` beside the detector's
                files if None and there is one.
            threshold: Least confidence of a detection; the detector's usual one if None.
            parser: As for the constructor.
            **options: None are known.

        Raises:
            FileNotFoundError: If a file is missing; the message says which and how to fetch it.
            ValueError: If a checkpoint is of another kind or an option is unknown.
        """
        if scorer not in ("auto", "geometric") or options:
            raise ValueError(
                "GeometricScorer.from_pretrained() takes scorer='geometric', revision, device, dtype, depth, "
                f"threshold and parser; got scorer={scorer!r} and {sorted(options)}"
            )
        beside = Path(id_or_path) / "depth"
        source = depth if depth is not None else beside if beside.is_dir() else None
        detector = ZeroShotDetector.from_pretrained(
            id_or_path, revision=revision, device=device, dtype=dtype, threshold=threshold
        )
        distances = (
            None if source is None else MonocularDepth.from_pretrained(source, device=device, dtype=dtype)
        )
        return cls(detector, distances, parser=parser)

    def save_pretrained(self, save_directory: str | Path) -> None:
        """Write the detector's files, and the depth model's in the folder `depth` beside them.

        Raises:
            ValueError: If a part is not a model of transformers.
        """
        root = Path(save_directory)
        for part, folder in ((self.detector, root), (self.depth, root / "depth")):
            if part is None and folder != root:
                continue
            if not isinstance(part, (ZeroShotDetector, MonocularDepth)):
                raise ValueError(
                    f"save_pretrained() writes models of transformers; got a {type(part).__name__}. Save a "
                    "detector of your own yourself."
                )
            folder.mkdir(parents=True, exist_ok=True)
            part.save_pretrained(folder)

    def score_detections(
        self,
        prompts: PromptLike | Sequence[PromptLike],
        detections: Sequence[Sequence[Detection]],
        image_size: tuple[int, int] | Sequence[tuple[int, int]],
        *,
        explain: bool = True,
    ) -> SpatialScores:
        """Score images by boxes that are already there.

        Args:
            prompts: One prompt for all images, or B prompts.
            detections: What each of B images shows. Names are matched by kind and attributes: "mugs" is found
                as "mug", a "blue mug" is no "red mug".
            image_size: (height, width) in pixels, one for all or one each.
            explain: Whether to report on every relation.

        Returns:
            Scores for B images, as `score` does.

        Raises:
            ValueError: If the numbers of prompts, images and sizes do not fit.
        """
        sizes = _sizes(image_size, len(detections))
        graphs = self._graphs(prompts, len(detections))
        pictures = [
            Picture(_checked(found), size, _range_of(found), ())
            for found, size in zip(detections, sizes, strict=True)
        ]
        return _scores(pictures, graphs, self.device, explain=explain)

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        if self.detector is None:
            raise ValueError(
                "This GeometricScorer has no detector, so it cannot look at images. Give it one, or call "
                "score_detections() with boxes."
            )
        names = [names_of(graph) for graph in graphs]
        found: list[list[Detection]] = [[] for _ in images]
        # Images with the same names go to the detector together.
        for asked in dict.fromkeys(names):
            rows = [row for row, own in enumerate(names) if own == asked]
            for row, detections in zip(
                rows, self.detector.detect([images[r] for r in rows], asked), strict=True
            ):
                found[row] = list(detections)
        ranges = [_range_of(detections) for detections in found]
        if self.depth is not None:
            for row, depth_map in enumerate(self.depth.estimate(images)):
                found[row] = _placed(found[row], depth_map)
                ranges[row] = _extent(depth_map)
        pictures = [
            Picture(detections, (image.shape[-2], image.shape[-1]), span, asked)
            for detections, image, span, asked in zip(found, images, ranges, names, strict=True)
        ]
        return _scores(pictures, graphs, self.device, explain=explain)


def _scores(
    pictures: Sequence[Picture], graphs: Sequence[SceneGraph], device: torch.device, *, explain: bool
) -> SpatialScores:
    judgements = [judge_graph(graph, picture) for picture, graph in zip(pictures, graphs, strict=True)]
    summaries = [_summary(judgement) for judgement in judgements]
    shares = [share_satisfied(judgement.reports) for judgement in judgements]
    return SpatialScores(
        mean=torch.tensor([mean for mean, _ in summaries], dtype=torch.float32, device=device),
        std=torch.tensor([std for _, std in summaries], dtype=torch.float32, device=device),
        satisfied=torch.tensor(shares, dtype=torch.float32, device=device),
        relations=[judgement.reports for judgement in judgements] if explain else None,
        notes=tuple(
            _note(judgement) if graph.relations else NO_RELATIONS_NOTE
            for judgement, graph in zip(judgements, graphs, strict=True)
        ),
    )


def _summary(judgement: Judgement) -> tuple[float, float]:
    """Return mean and std of one image; NaN without relations."""
    scores = [report.score for report in judgement.reports]
    if not scores:
        return math.nan, math.nan
    logs = [math.log(max(score, LEAST_SCORE)) for score in scores]
    sight = [math.log(max(confidence, LEAST_SCORE)) for confidence in judgement.confidences]
    clearness = sum(sight) / len(sight) if sight else math.log(LEAST_SCORE)
    # d log sigmoid(m / s) / dm = (1 - score) / s, for a margin that is off by the dead zone.
    spread = math.hypot(*((1 - score) * DEAD_ZONE / SOFTNESS for score in scores)) / len(scores)
    # Certain verdicts still rest on a detector: never surer than what a doubling of its confidence is worth.
    floor = CLEARNESS_WEIGHT * math.log(2)
    return sum(logs) / len(logs) + CLEARNESS_WEIGHT * clearness, math.hypot(spread, floor)


def _note(judgement: Judgement) -> str:
    absent = "; ".join(judgement.absent)
    return f"{absent[0].upper()}{absent[1:]}." if absent else ""


def _range_of(detections: Sequence[Detection]) -> tuple[float, float] | None:
    known = [d.distance for d in detections if d.distance is not None and math.isfinite(d.distance)]
    return (min(known), max(known)) if len(known) > 1 else None


def _placed(detections: Sequence[Detection], depth_map: Tensor) -> list[Detection]:
    """Return the detections with distances; those that the detector knew are kept."""
    distances = distances_in_boxes(depth_map, [d.box for d in detections])
    return [
        d if d.distance is not None else replace(d, distance=distance)
        for d, distance in zip(detections, distances, strict=True)
    ]


def _extent(depth_map: Tensor) -> tuple[float, float]:
    """Return the 2nd and 98th percentile of a distance map; beyond them are noise and sky."""
    values = depth_map.flatten().float()
    # quantile() takes 16 million values at most, and a tenth of a million is plenty.
    values = values[:: max(1, len(values) // 100_000)].sort().values
    last = len(values) - 1
    return float(values[round(0.02 * last)]), float(values[round(0.98 * last)])


def _sizes(image_size: tuple[int, int] | Sequence[tuple[int, int]], count: int) -> list[tuple[int, int]]:
    given = list(image_size)
    if len(given) == 2 and all(isinstance(side, int) for side in given):
        return [(given[0], given[1])] * count  # type: ignore[list-item]
    if len(given) != count or any(isinstance(size, int) or len(size) != 2 for size in given):
        raise ValueError(
            f"image_size must be (height, width), or one such pair for each of {count} images, got "
            f"{image_size}"
        )
    return given  # type: ignore[return-value]


def _checked(detections: Sequence[Detection]) -> list[Detection]:
    for detection in detections:
        if len(detection.box) != 4 or not 0 <= detection.score <= 1:
            raise ValueError(
                f"A detection needs a box of 4 numbers (xyxy pixels) and a score in [0, 1], got {detection}"
            )
    return list(detections)
