"""Pairs from procedural scenes: pictures, prompts and every label are exact by construction."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spatial_core.images import to_pil
from spatial_core.scenes.pair_records import pair_record
from spatial_core.scenes.pairs import PairBatch, ScenePair, edit_margins, sample_pairs
from spatial_core.scenes.scene import Scene
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.drafts import Draft, Failure, pair_id
from spatial_trainers.pairs.records import Record

_BATCH = 64
_SEEDS_PER_PAIR = 4
_WIDE_VIEW = 2.1
"""Metres across the middle of the picture: table tops take up to 1.9, rooms with a table 2.3 or more."""


@dataclass(frozen=True)
class _Drawn:
    batch: PairBatch
    row: int
    margin: float

    @property
    def pair(self) -> ScenePair:
        return self.batch.pairs[self.row]


class SceneSource:
    """Renders pairs of scenes; see `spatial_core.scenes.pairs`."""

    def __init__(self, recipe: BuildRecipe):
        """Draw what `recipe` says."""
        self._recipe = recipe

    def draw(self, split: str, numbers: range) -> list[Draft | Failure]:
        """Return the pair of every number, rendered."""
        results: list[Draft | Failure] = []
        for start in range(0, len(numbers), _BATCH):
            results += self._draw(split, numbers[start : start + _BATCH])
        return results

    def write(self, split: str, numbers: range) -> list[Record | Failure]:
        """Return the prompts alone, for another generator to draw."""
        return [
            _without_truth(result.record) if isinstance(result, Draft) else result
            for result in self.draw(split, numbers)
        ]

    def _draw(self, split: str, numbers: Sequence[int]) -> list[Draft | Failure]:
        found: dict[int, _Drawn] = {}
        for attempt in range(_SEEDS_PER_PAIR):
            left = [n for n in numbers if n not in found]
            seeds = [(self._recipe.seed * 10**7 + n) * _SEEDS_PER_PAIR + attempt for n in left]
            drawn = self._sample(split, seeds)
            found |= {n: d for n, d in zip(left, drawn, strict=True) if d is not None}
            if len(found) == len(numbers):
                break
        return [
            _draft(found[n], split, n, self._recipe.licence)
            if n in found
            else Failure(pair_id(split, n), "image", f"no pair in {_SEEDS_PER_PAIR} scenes and their twins")
            for n in numbers
        ]

    def _sample(self, split: str, seeds: Sequence[int]) -> list[_Drawn | None]:
        prompts = self._recipe.prompts
        arguments: dict[str, Any] = {
            "num_edits": prompts.num_edits,
            "num_relations": prompts.relations(),
            "split": split,
            # Where another generator draws, the scene only has to be clear enough to be described.
            "size": self._recipe.images.size[0] if self._recipe.images.generator == "renderer" else 128,
        }
        try:
            batch = sample_pairs(seeds, **arguments)
        except RuntimeError:
            # One seed without a pair spoils its batch: find out which.
            return [None] if len(seeds) == 1 else [self._sample(split, [seed])[0] for seed in seeds]
        return [_Drawn(batch, row, margin) for row, margin in enumerate(edit_margins(batch))]


def _draft(drawn: _Drawn, split: str, number: int, licence: str) -> Draft:
    return Draft(
        _record(drawn, split, number, licence),
        to_pil(drawn.batch.rendering.images[drawn.row]),
        to_pil(drawn.batch.rendering_rejected.images[drawn.row]),
    )


def _record(drawn: _Drawn, split: str, number: int, licence: str) -> Record:
    pair = drawn.pair
    return pair_record(pair) | {
        "id": pair_id(split, number),
        "split": split,
        "scene": _kind_of_place(pair.scene),
        "margin": round(drawn.margin, 4),
        "licence": licence,
    }


def _kind_of_place(scene: Scene) -> str:
    if scene.side_wall_x is not None:
        return "corner of a room"
    camera = scene.camera
    width = 2 * math.dist(camera.position, camera.target) * math.tan(math.radians(camera.fov) / 2)
    return "room with a table" if width > _WIDE_VIEW else "table top"


def _without_truth(record: Record) -> Record:
    return {k: v for k, v in record.items() if k not in ("labels", "margin", "generator", "seed")}
