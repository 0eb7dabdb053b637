"""Pairs within the dead zone: which picture fits better is known, but hardly to be seen."""

from __future__ import annotations

import pytest

from spatial_core.language.parser import parse_prompt
from spatial_core.scenes import close_pairs
from spatial_core.scenes.close_pairs import sample_close_pairs
from spatial_core.scenes.closure import FALSE, TRUE
from spatial_core.scenes.pairs import rendered_margin


def test_margins_are_small_and_of_opposite_signs() -> None:
    batch = sample_close_pairs(range(3), size=64)
    for row, pair in enumerate(batch.pairs):
        (edit,) = pair.edits
        (before,), (after,) = edit.before, edit.after
        assert 0 < rendered_margin(before, batch.rendering, row, pair.scene) <= 0.1
        assert 0 > rendered_margin(before, batch.rendering_rejected, row, pair.scene_rejected) >= -0.1
        # Neither is a fact: captions of scenes never say such a thing.
        assert pair.closure.state(before) not in (TRUE, FALSE)
        said = [parse_prompt(c.text).relations[0].relation for c in (pair.caption, pair.caption_rejected)]
        assert said == [before.relation, after.relation]
        moved = [a != b for a, b in zip(pair.scene.objects, pair.scene_rejected.objects, strict=True)]
        assert moved == [i == before.subject for i in range(len(moved))]


def test_a_pair_depends_on_its_seed_alone() -> None:
    together, alone = sample_close_pairs([5, 6], size=64), sample_close_pairs([6], size=64)
    first, second = together.pairs[1], alone.pairs[0]
    assert (first.scene, first.scene_rejected) == (second.scene, second.scene_rejected)
    assert (first.caption.text, first.edits) == (second.caption.text, second.edits)


def test_impossible_margins_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(close_pairs, "_MAX_ATTEMPTS", 1)
    monkeypatch.setattr(close_pairs, "_LAYOUTS", 1)
    with pytest.raises(RuntimeError, match="ask for wider margins"):
        sample_close_pairs([1], margins=(50.0, 51.0), size=64)
