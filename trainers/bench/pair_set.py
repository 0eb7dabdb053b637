"""The pairs of a benchmark run: of a manifest, of the starter benchmark's recipe, or of a recipe's scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_trainers.bench.starter_pairs import StarterPairsRecipe, build_starter_pairs
from spatial_trainers.pairs.data import SPLITS, Comparison, Pair, PairSet, comparisons, read_manifest
from spatial_trainers.pairs.records import read_records
from spatial_trainers.pairs.scene_pairs import render_pairs
from spatial_trainers.recipe import RewardRecipe, load_recipe, recipe_path


@dataclass(frozen=True)
class BenchPairs:
    """Pairs to compare scorers on.

    Attributes:
        name: Of the set, in reports.
        split: Which split of the manifest.
        pairs: The pairs.
        scenes: Scene of a pair by its id, where the manifest names one.
        sha256: Of the manifest.
    """

    name: str
    split: str
    pairs: tuple[Pair, ...]
    scenes: Mapping[str, str]
    sha256: str

    def cases(self, *, symmetric: bool = True) -> list[Comparison]:
        """Return the comparisons, both ways of a pair beside each other."""
        return comparisons(self.pairs, symmetric=symmetric)


def manifest_of(what: str, *, overrides: Sequence[str] = ()) -> Path:
    """Return the manifest of `what`: one itself, or a recipe's, rendered where it is not there yet.

    Raises:
        ValueError: If a recipe has mistakes, or no pairs.
    """
    if what.endswith(".jsonl"):
        return Path(what)
    if "one_edit" in recipe_path(what).read_text("utf-8"):
        return build_starter_pairs(load_recipe(what, StarterPairsRecipe, overrides=overrides))
    data = load_recipe(what, RewardRecipe, overrides=overrides).data
    if data.scenes is not None:
        return render_pairs(data.scenes)
    return Path(data.manifest)


def read_pairs(
    what: str, *, split: str = "test", limit: int | None = None, overrides: Sequence[str] = ()
) -> BenchPairs:
    """Return the pairs of one split of `what`, see `manifest_of`.

    Raises:
        ValueError: If the manifest is unusable, there is no such split, or it holds no pair.
    """
    if split not in SPLITS:
        raise ValueError(f"A split is one of {', '.join(SPLITS)}; got '{split}'.")
    manifest = manifest_of(what, overrides=overrides)
    data = read_manifest(manifest)
    pairs = data.splits[split][:limit]
    if not pairs:
        held = ", ".join(f"{name}: {len(data.splits[name])}" for name in SPLITS)
        raise ValueError(f"{manifest} holds no pairs of the split '{split}' ({held}). Name another --split.")
    return BenchPairs(Path(what).stem, split, pairs, _scenes(manifest), data.sha256)


def training_pairs(what: str, *, overrides: Sequence[str] = ()) -> tuple[Pair, ...]:
    """Return the pairs of the split "train" of `what`, for what has to be trained before it is compared.

    Raises:
        ValueError: If there are none.
    """
    manifest = manifest_of(what, overrides=overrides)
    pairs = read_manifest(manifest).splits["train"]
    if not pairs:
        raise ValueError(f"{manifest} holds no pairs of the split 'train'.")
    return pairs


def with_training(train: Sequence[Pair], bench: BenchPairs) -> PairSet:
    """Return `train` and the benchmark's pairs as one set, of which the benchmark is the test split."""
    return PairSet({"train": tuple(train), "validation": (), "test": bench.pairs}, bench.sha256)


def _scenes(manifest: Path) -> dict[str, str]:
    return {r["id"]: r["scene"] for r in read_records(manifest) if r.get("scene")}
