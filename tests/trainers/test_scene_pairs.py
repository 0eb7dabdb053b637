"""Pairs rendered from scenes: a manifest like any other, the same whoever renders it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from spatial_trainers.pairs.data import FOCUSED, read_manifest
from spatial_trainers.pairs.scene_pairs import render_pairs
from spatial_trainers.recipe import ScenesRecipe


@pytest.fixture(autouse=True)
def _one_thread() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> ScenesRecipe:
    """A few short pairs of each split."""
    cache = tmp_path_factory.mktemp("cache")
    return ScenesRecipe(
        cache=str(cache),
        train=3,
        validation=1,
        test=2,
        short=0.4,
        max_relations=4,
        held_out_family="near",
        focus=("under",),
        focus_pairs=1,
    )


def test_rendered_pairs_are_read_like_any_manifest(recipe: ScenesRecipe) -> None:
    manifest = render_pairs(recipe)
    pairs = read_manifest(manifest)
    assert [len(pairs.splits[s]) for s in ("train", "validation", "test")] == [3, 1, 3]
    for pair in (p for split in pairs.splits.values() for p in split):
        chosen, rejected = pair.chosen.read(), pair.rejected.read()
        assert chosen.shape == rejected.shape == (3, 128, 128)
        assert not torch.equal(chosen, rejected)
        assert 1 <= len(pair.graph.relations) <= 4
        assert 1 <= pair.num_edits <= 3
        # The prompt is true of its picture, and each edited relation false in the other one.
        assert set(pair.labels[0]) == set(pair.labels[2]) == {1.0}
        for edit in pair.edits:
            assert pair.labels[1][edit.relation_index] == 0.0 or len(pair.edits) > pair.num_edits
        assert 0.0 in pair.labels[1] and 0.0 in pair.labels[3]
    focused = [pair for pair in pairs.splits["test"] if FOCUSED in pair.tags]
    assert [pair.num_edits for pair in focused] == [1]
    assert "under" in (*focused[0].families(other_way=False), *focused[0].families(other_way=True))
    assert not [
        relation
        for split in ("train", "validation")
        for pair in pairs.splits[split]
        for relation in (*pair.graph.relations, *pair.graph_rejected.relations)
        if relation.relation == "near"
    ]


def test_a_rendered_cache_is_used_again(recipe: ScenesRecipe, monkeypatch: pytest.MonkeyPatch) -> None:
    manifest = render_pairs(recipe)
    before = {path: path.stat().st_mtime_ns for path in manifest.parent.iterdir()}
    assert render_pairs(replace(recipe, processes=4)) == manifest
    assert {path: path.stat().st_mtime_ns for path in manifest.parent.iterdir()} == before
    other = Path(recipe.cache) / "other"
    monkeypatch.setattr(
        "spatial_trainers.pairs.scene_pairs._render_shard", lambda *_: (_ for _ in ()).throw(RuntimeError)
    )
    with pytest.raises(RuntimeError):
        render_pairs(replace(recipe, cache=str(other), seed=1))


def test_a_killed_rendering_goes_on_where_it_stopped(recipe: ScenesRecipe) -> None:
    manifest = render_pairs(recipe)
    whole = manifest.read_bytes()
    kept = manifest.parent / "train-00000.npy"
    before = kept.stat().st_mtime_ns
    manifest.unlink()
    (manifest.parent / "validation-00000.jsonl").unlink()
    assert render_pairs(recipe).read_bytes() == whole
    assert kept.stat().st_mtime_ns == before


@pytest.mark.slow
def test_processes_render_the_same_pairs(recipe: ScenesRecipe, tmp_path: Path) -> None:
    again = render_pairs(replace(recipe, cache=str(tmp_path), processes=2))
    assert again.read_bytes() == render_pairs(recipe).read_bytes()
    assert (
        again.with_name("train-00000.npy").read_bytes()
        == render_pairs(recipe).with_name("train-00000.npy").read_bytes()
    )


def test_a_family_that_scenes_do_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="held_out_family.*'nearby'"):
        render_pairs(ScenesRecipe(cache=str(tmp_path), train=1, validation=1, held_out_family="nearby"))
    with pytest.raises(ValueError, match="focus.*'nearby'"):
        render_pairs(ScenesRecipe(cache=str(tmp_path), train=1, validation=1, focus=("nearby",)))
