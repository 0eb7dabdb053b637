"""Single scenes with a prompt that is true of them, for whoever needs pictures but no twins."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import torch

from spatial_core.scenes.captions import Caption, Mode, plan_caption, write
from spatial_core.scenes.closure import TRUE, Closure
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.renderer import Rendering, render
from spatial_core.scenes.sampling import acceptable, closures_of, rows
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.splits import Split, kinds_of, statement_split
from spatial_core.scenes.statements import PAPER_HISTOGRAM, arrange, choose, draw_count
from spatial_core.scenes.wordings import Wordings

_MAX_ATTEMPTS = 100
_EASE_AFTER = 6


@dataclass(frozen=True)
class PromptedScene:
    """A scene with its prompt and its picture.

    Attributes:
        scene: What stands where.
        rendering: One row.
        caption: True of the scene in every relation.
        closure: Everything true or false in it.
        seed: Where it came from.
    """

    scene: Scene
    rendering: Rendering
    caption: Caption
    closure: Closure
    seed: int


@dataclass(frozen=True)
class PromptedBatch:
    """Scenes.

    Attributes:
        scenes: K scenes, one per seed in order.
        num_tried: How many were rendered; K / num_tried is the acceptance rate.
    """

    scenes: tuple[PromptedScene, ...]
    num_tried: int


def sample_prompted(
    seeds: Sequence[int],
    *,
    num_relations: int | dict[int, int] | None = None,
    split: Split | None = "train",
    wordings: Wordings = "train",
    mode: Mode | None = None,
    size: int = 128,
    device: torch.device | str = "cpu",
    supersample: int = 2,
) -> PromptedBatch:
    """Return one scene for every seed. It depends on its seed and the arguments, not on the other seeds.

    Args:
        seeds: Any integers; one seed gives unrelated scenes in different splits.
        num_relations: Relations per prompt: a number, or weights by number; the paper's histogram where None.
            Where scenes do not have so much to say, fewer, but never less than the smallest number.
        split: Which combinations prompts may state; None for all.
        wordings: Which paraphrases prompts use.
        mode: Which kind of prompt; drawn where None.
        size: Side of the pictures in pixels.
        device: Where to render.
        supersample: Samples per pixel side.

    Raises:
        ValueError: If a number of relations is below 1 or above 12.
        RuntimeError: If a seed gave no scene within the allowed attempts, which only odd requests run into.
    """
    histogram = {num_relations: 1} if isinstance(num_relations, int) else (num_relations or PAPER_HISTOGRAM)
    if min(histogram) < 1 or max(histogram) > 12:
        raise ValueError(f"num_relations must lie between 1 and 12; got {sorted(histogram)}.")
    found: dict[int, PromptedScene] = {}
    tried = 0
    for attempt in range(_MAX_ATTEMPTS):
        open_ = [k for k in range(len(seeds)) if k not in found]
        if not open_:
            break
        rngs = [Random(f"scene|{split}|{seeds[k]}|{attempt}") for k in open_]
        # What is wished for is the seed's own, whatever it takes to get it.
        wished = [draw_count(Random(f"wish|{split}|{seeds[k]}"), histogram) for k in open_]
        scenes = [_layout(rng, count, split) for rng, count in zip(rngs, wished, strict=True)]
        rendering = render(scenes, size=size, device=device, supersample=supersample)
        tried += len(scenes)
        closures = closures_of(scenes, rendering)
        for row, (k, rng, count) in enumerate(zip(open_, rngs, wished, strict=True)):
            if not acceptable(scenes[row], closures[row], rendering, row):
                continue
            least = count if attempt < _EASE_AFTER else min(histogram)
            caption = _caption(rng, scenes[row], closures[row], (least, count), split, wordings, mode)
            if caption is not None:
                alone = rows(rendering, [row])
                found[k] = PromptedScene(scenes[row], alone, caption, closures[row], seeds[k])
    missing = [seeds[k] for k in range(len(seeds)) if k not in found]
    if missing:
        raise RuntimeError(
            f"no scene within {_MAX_ATTEMPTS} attempts for seeds {missing[:5]}; ask for fewer relations"
        )
    return PromptedBatch(tuple(found[k] for k in range(len(seeds))), tried)


def _layout(rng: Random, num_relations: int, split: Split | None) -> Scene:
    # Long prompts need things to talk about, and a split of few combinations needs even more.
    least = min(6, 2 + num_relations // 2 + (split not in (None, "train")))
    return sample_layout(rng.getrandbits(62), num_named=rng.randint(least, 7))


def _caption(
    rng: Random,
    scene: Scene,
    closure: Closure,
    count: tuple[int, int],
    split: Split | None,
    wordings: Wordings,
    mode: Mode | None,
) -> Caption | None:
    """Return a prompt of as many relations as `count` (least, most) allows, or None if there are too few."""
    kinds = kinds_of(scene)
    pool = [s for s in closure.statements(TRUE) if split is None or statement_split(kinds, s) == split]
    chosen = choose(rng, pool, count[1])
    if len(chosen) < count[0]:
        return None
    statements = [chosen[i] for i in arrange(rng, chosen)]
    plan = plan_caption(scene, statements, seed=rng.getrandbits(62), mode=mode, wordings=wordings)
    return write(plan, scene, statements)
