"""Pairs from procedural scenes, rendered once into a cache folder: a manifest and stacks of raw pictures.

A pair depends on the recipe's seed, its split and its number alone, so any number of processes may render,
and a killed rendering goes on with the shards that are missing.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from spatial_core.atomic_files import atomic_path, write_text
from spatial_core.scenes.close_pairs import sample_close_pairs
from spatial_core.scenes.closure import FAMILIES
from spatial_core.scenes.pair_records import pair_record
from spatial_core.scenes.pairs import PairBatch, ScenePair, edit_margins, sample_pairs
from spatial_core.scenes.renderer import RENDERER_VERSION
from spatial_core.scenes.statements import PAPER_HISTOGRAM, SHORT_HISTOGRAM
from spatial_trainers.pairs.data import FOCUSED, NEAR_DEAD_ZONE
from spatial_trainers.recipe import ScenesRecipe, build

SHARD = 128
CLOSE = 0.2
"""Edits of a smaller margin are close to call; the dead zone of `spatial_core.geometry` ends halfway."""
_BATCH = 64
_SEEDS_PER_PAIR = 4


def render_pairs(recipe: ScenesRecipe) -> Path:
    """Return the manifest of the recipe's pairs, rendering what the cache lacks.

    Raises:
        ValueError: If a held-out or focused family is not one that scenes know.
    """
    if not set(recipe.focus) <= set(FAMILIES):
        raise ValueError(
            f"'data.scenes.focus' must name relations of {', '.join(FAMILIES)}; got {list(recipe.focus)}."
        )
    if recipe.held_out_family and recipe.held_out_family not in FAMILIES:
        raise ValueError(
            f"'data.scenes.held_out_family' must be one of {', '.join(FAMILIES)}; "
            f"got '{recipe.held_out_family}'."
        )
    settings = asdict(recipe)
    for key in ("cache", "processes"):
        del settings[key]
    facts = {"settings": settings, "renderer": RENDERER_VERSION, "shard": SHARD}
    key = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()
    folder = Path(recipe.cache) / f"pairs-{key[:16]}"
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        return manifest
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / "settings.json", json.dumps(facts, indent=2) + "\n")
    shards = [
        (split, number, min(SHARD, count - number * SHARD))
        for split, count in (
            ("train", recipe.train),
            ("validation", recipe.validation),
            ("test", recipe.test + _focused(recipe) + recipe.close),
        )
        for number in range(-(-count // SHARD))
    ]
    missing = [shard for shard in shards if not (folder / f"{_name(shard)}.jsonl").is_file()]
    bar = tqdm(
        total=len(shards) * SHARD, initial=(len(shards) - len(missing)) * SHARD, desc="rendering pairs"
    )
    if recipe.processes > 1 and len(missing) > 1:
        # A forked process would inherit torch's thread pool in an unusable state.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(recipe.processes, mp_context=context) as pool:
            for future in [pool.submit(_render_shard, asdict(recipe), shard, folder) for shard in missing]:
                future.result()
                bar.update(SHARD)
    else:
        for shard in missing:
            _render_shard(asdict(recipe), shard, folder)
            bar.update(SHARD)
    bar.close()
    write_text(manifest, "".join((folder / f"{_name(s)}.jsonl").read_text("utf-8") for s in shards))
    return manifest


def _name(shard: tuple[str, int, int]) -> str:
    return f"{shard[0]}-{shard[1]:05d}"


def _render_shard(settings: dict[str, Any], shard: tuple[str, int, int], folder: Path) -> None:
    recipe = build(ScenesRecipe, {k: list(v) if isinstance(v, tuple) else v for k, v in settings.items()})
    if multiprocessing.parent_process() is not None:
        torch.set_num_threads(1)
    split, number, count = shard
    first = number * SHARD
    wanted: dict[tuple[tuple[str, Any], ...], list[int]] = {}
    for index in range(first, first + count):
        wish = _wish(recipe, split, index)
        wanted.setdefault(tuple(wish.items()), []).append(index)
    records: dict[int, dict[str, Any]] = {}
    stack = np.zeros((2 * count, recipe.size, recipe.size, 3), dtype=np.uint8)
    for items, indices in wanted.items():
        for start in range(0, len(indices), _BATCH):
            some = indices[start : start + _BATCH]
            for index, drawn in zip(some, _sample(recipe, split, some, dict(items)), strict=True):
                records[index] = _record(recipe, drawn, split, index, dict(items))
                for place, side, rendering in (
                    (2 * (index - first), "chosen", drawn.batch.rendering),
                    (2 * (index - first) + 1, "rejected", drawn.batch.rendering_rejected),
                ):
                    levels = (rendering.images[drawn.row].clamp(0, 1) * 255).round().to(torch.uint8)
                    stack[place] = levels.permute(1, 2, 0).numpy()
                    records[index] |= {
                        f"image_{side}": f"{_name(shard)}.npy#{place}",
                        f"sha256_{side}": hashlib.sha256(stack[place].tobytes()).hexdigest(),
                    }
    with atomic_path(folder / f"{_name(shard)}.npy") as temporary:
        np.save(temporary, stack, allow_pickle=False)
    # Last: its presence says that the shard is whole.
    write_text(
        folder / f"{_name(shard)}.jsonl",
        "".join(json.dumps(records[index]) + "\n" for index in sorted(records)),
    )


@dataclass(frozen=True)
class _Drawn:
    """A pair: a row of a batch, and how far its edits are from being close to call."""

    batch: PairBatch
    row: int
    margin: float

    @property
    def pair(self) -> ScenePair:
        return self.batch.pairs[self.row]


def _focused(recipe: ScenesRecipe) -> int:
    return len(recipe.focus) * recipe.focus_pairs


def _wish(recipe: ScenesRecipe, split: str, index: int) -> dict[str, Any]:
    """Return what `sample_pairs` is told differently from pair to pair."""
    rng = Random(f"{recipe.seed}|{split}|{index}")
    if split == "test" and index >= recipe.test + _focused(recipe):
        return {"close": True, "short": True, "held_out": False, "focus": ""}
    if split == "test" and index >= recipe.test:
        focus = recipe.focus[(index - recipe.test) // recipe.focus_pairs]
        return {"close": False, "short": rng.random() < 0.5, "held_out": False, "focus": focus}
    short = rng.random() < recipe.short
    held_out = split == "test" and rng.random() < recipe.held_out_wordings
    return {"close": False, "short": short, "held_out": held_out, "focus": ""}


def _sample(recipe: ScenesRecipe, split: str, indices: Sequence[int], wish: dict[str, Any]) -> list[_Drawn]:
    if wish["close"]:
        close = sample_close_pairs([recipe.seed * 10**7 + i for i in indices], size=recipe.size)
        return [_Drawn(close, row, margin) for row, margin in enumerate(edit_margins(close))]
    long = {n: w for n, w in PAPER_HISTOGRAM.items() if n <= recipe.max_relations}
    # A prompt of one relation cannot differ in two.
    most = 1 if wish["short"] or wish["focus"] else recipe.max_edits
    excluded = recipe.held_out_family if split != "test" else ""
    arguments: dict[str, Any] = {
        "num_edits": tuple(range(1, most + 1)),
        "num_relations": SHORT_HISTOGRAM if wish["short"] else long,
        "split": split,
        "size": recipe.size,
        "wordings": "held_out" if wish["held_out"] else "train",
        "exclude": (excluded,) if excluded else (),
        "focus": wish["focus"] or None,
    }

    def drawn(seeds: Sequence[int]) -> list[_Drawn | None]:
        try:
            batch = sample_pairs(seeds, **arguments)
        except RuntimeError:
            # One seed without a pair spoils its batch: find out which.
            return [None] if len(seeds) == 1 else [drawn([seed])[0] for seed in seeds]
        return [_Drawn(batch, row, margin) for row, margin in enumerate(edit_margins(batch))]

    found: dict[int, _Drawn] = {}
    for attempt in range(_SEEDS_PER_PAIR):
        left = [i for i in indices if i not in found]
        if not left:
            break
        seeds = [(recipe.seed * 10**7 + i) * _SEEDS_PER_PAIR + attempt for i in left]
        found |= {i: result for i, result in zip(left, drawn(seeds), strict=True) if result is not None}
    missing = [i for i in indices if i not in found]
    if missing:
        raise ValueError(
            f"No pair was found for {split} pairs {missing[:4]} with {wish}. Ask for fewer relations."
        )
    return [found[i] for i in indices]


def _record(
    recipe: ScenesRecipe, drawn: _Drawn, split: str, index: int, wish: dict[str, Any]
) -> dict[str, Any]:
    """Return the pair record without its pictures, with exact labels and tags for the tables."""
    pair = drawn.pair
    named = sum(thing.named for thing in pair.scene.objects)
    stated = {r.relation for graph in (pair.graph, pair.graph_rejected) for r in graph.relations}
    tags = {
        FOCUSED: bool(wish["focus"]),
        "held-out wordings": wish["held_out"],
        "held-out family": recipe.held_out_family in stated,
        "five or more objects": named >= 5,
        "fewer than five objects": named < 5,
        "close to call": drawn.margin < CLOSE and not wish["close"],
        NEAR_DEAD_ZONE: wish["close"],
    }
    return pair_record(pair) | {
        "id": f"{split}-{index:07d}",
        "tags": [tag for tag, holds in tags.items() if holds],
        "margin": round(drawn.margin, 4),
        "split": split,
    }
