"""The held-out starter benchmark: its proportions, and that it comes out the same however it is built."""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spatial_core.language.parser import parse_prompt
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.pairs import sample_pair
from spatial_core.scenes.statements import PAPER_HISTOGRAM
from spatial_trainers.bench.pair_set import read_pairs
from spatial_trainers.bench.published import MORE_EDITS, ONE_EDIT
from spatial_trainers.bench.starter_pairs import (
    MANIFEST,
    StarterPairsRecipe,
    build_starter_pairs,
    prompts_sha256,
    relation_counts,
)
from spatial_trainers.pairs.data import read_manifest
from spatial_trainers.pairs.records import read_records
from spatial_trainers.recipe import load_recipe


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> StarterPairsRecipe:
    """Two pairs with one edit and one with more, built."""
    made = StarterPairsRecipe("tiny", str(tmp_path_factory.mktemp("bench")), one_edit=2, more_edits=1, seed=3)
    build_starter_pairs(made)
    return made


def test_the_bundled_recipe_has_the_papers_proportions() -> None:
    recipe = load_recipe("starter-benchmark", StarterPairsRecipe)
    assert (recipe.one_edit, recipe.more_edits) == (ONE_EDIT, MORE_EDITS) == (180, 185)
    counts = Counter(relation_counts(365))
    assert sum(counts.values()) == 365 and set(counts) == set(PAPER_HISTOGRAM)
    weight = sum(PAPER_HISTOGRAM.values())
    for number, count in counts.items():
        assert abs(count - 365 * PAPER_HISTOGRAM[number] / weight) < 1


def test_pairs_are_what_was_asked_for(recipe: StarterPairsRecipe) -> None:
    pairs = read_manifest(Path(recipe.output) / MANIFEST).splits["test"]
    assert [p.num_edits for p in pairs[:2]] == [1, 1] and pairs[2].num_edits in (2, 3)
    for pair in pairs:
        assert 3 <= len(pair.graph.relations) <= 10
        assert pair.chosen.read().shape == (3, 128, 128)
        # Each prompt is true of its own picture, and something of it is false in the other.
        assert set(pair.labels[0]) == set(pair.labels[2]) == {1.0}
        assert 0.0 in pair.labels[1] and 0.0 in pair.labels[3]
        assert [r.relation for r in parse_prompt(pair.graph.text).relations]
    bench = read_pairs(str(Path(recipe.output) / MANIFEST), limit=2)
    assert (
        len(bench.pairs) == 2 and len(bench.cases()) == 4 and set(bench.scenes) >= {p.id for p in bench.pairs}
    )


def test_both_pictures_hold_every_named_thing() -> None:
    """So that knowing which things are there decides nothing: a bag of objects is a coin."""
    pair = sample_pair(10**15 + 5, split="test", num_edits=1, num_relations=4)
    named = [
        Counter(
            # Prompts name no colour of furniture, which a new style may paint.
            (o.kind, *((o.color, o.pattern) if OBJECT_KINDS[o.kind].category == "object" else ()))
            for o in scene.objects
            if o.named
        )
        for scene in (pair.scene, pair.scene_rejected)
    ]
    assert named[0] == named[1]


def test_a_killed_build_goes_on_to_the_same_manifest(recipe: StarterPairsRecipe, tmp_path: Path) -> None:
    whole = Path(recipe.output)
    shutil.copytree(whole, tmp_path / "b")
    (tmp_path / "b" / MANIFEST).unlink()
    (tmp_path / "b" / "pairs" / "0001.json").unlink()
    (tmp_path / "b" / "images" / "0001-rejected.png").unlink()
    again = build_starter_pairs(replace(recipe, output=str(tmp_path / "b")))
    assert again.read_bytes() == (whole / MANIFEST).read_bytes()
    image = Path("images", "0001-rejected.png")
    assert (tmp_path / "b" / image).read_bytes() == (whole / image).read_bytes()


def test_a_benchmark_is_never_mixed_or_changed_silently(recipe: StarterPairsRecipe, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="holds a benchmark of other settings"):
        build_starter_pairs(replace(recipe, seed=4))
    found = prompts_sha256(read_records(Path(recipe.output) / MANIFEST))
    shutil.copytree(recipe.output, tmp_path / "c")
    (tmp_path / "c" / MANIFEST).unlink()
    with pytest.raises(ValueError, match=f"their sha256 is {found}, not 0123"):
        build_starter_pairs(replace(recipe, output=str(tmp_path / "c"), prompts_sha256="0123"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"one_edit": 0, "more_edits": 0}, "one of them more than 0"),
        ({"held_out_wordings": 1.5}, r"share in \[0, 1\]"),
        ({"size": 16}, "at least 32"),
    ],
)
def test_bad_numbers(changes: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(StarterPairsRecipe("a", "b", 1, 1), **changes)


def test_splits_that_are_not_there(recipe: StarterPairsRecipe) -> None:
    manifest = str(Path(recipe.output) / MANIFEST)
    with pytest.raises(ValueError, match=r"no pairs of the split 'train' \(train: 0"):
        read_pairs(manifest, split="train")
    with pytest.raises(ValueError, match="A split is one of"):
        read_pairs(manifest, split="dev")
