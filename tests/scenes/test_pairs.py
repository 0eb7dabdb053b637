"""Pairs: both directions hold, nothing but the edits differs, and no statistic tells the two sides apart."""

from collections import Counter

import numpy as np
import pytest
import torch

from spatial_core.scenes.closure import FALSE, TRUE, Statement
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.pairs import edit_margins, sample_pair, sample_pairs
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.splits import kinds_of, split_of, statement_split
from spatial_core.scenes.statements import SHORT_HISTOGRAM

SIZE = 64
BATCH = sample_pairs(range(32), size=SIZE)


def named(scene: Scene):
    return [o for o in scene.objects if o.named and OBJECT_KINDS[o.kind].category == "object"]


def test_every_pair_is_valid_both_ways():
    for pair in BATCH.pairs:
        one, other = pair.caption, pair.caption_rejected
        assert all(pair.closure.state(s) == TRUE for s in one.statements)
        assert all(pair.closure_rejected.state(s) == TRUE for s in other.statements)
        for edit in pair.edits:
            assert [one.statements[i] for i in edit.relations] == list(edit.before)
            assert [other.statements[i] for i in edit.relations] == list(edit.after)
            # A reordered row may keep one of its neighbours; every other edit is a single statement.
            assert FALSE in [pair.closure_rejected.state(s) for s in edit.before]
            assert FALSE in [pair.closure.state(s) for s in edit.after]
        for i, (s, t) in enumerate(zip(one.statements, other.statements, strict=True)):
            assert i in pair.edited or s == t


def test_the_two_prompts_differ_in_few_words():
    for pair in BATCH.pairs:
        words = Counter(pair.caption.text.lower().split())
        others = Counter(pair.caption_rejected.text.lower().split())
        changed = sum(((words - others) | (others - words)).values())
        assert pair.caption.text != pair.caption_rejected.text
        assert changed <= 14 * len(pair.edits)


def test_the_same_things_are_there_on_both_sides():
    for pair in BATCH.pairs:
        assert [(o.kind, o.color) for o in named(pair.scene)] == [
            (o.kind, o.color) for o in named(pair.scene_rejected)
        ]


def test_numbers_of_edits_and_relations_are_as_asked_for():
    assert {len(p.edits) for p in BATCH.pairs} == {1, 2, 3}
    assert all(3 <= len(p.graph.relations) <= 10 for p in BATCH.pairs)
    for pair in sample_pairs(range(6), num_edits=1, num_relations=SHORT_HISTOGRAM, size=SIZE).pairs:
        assert len(pair.edits) == 1 and len(pair.graph.relations) <= 2


def test_a_pair_depends_on_its_seed_alone():
    alone = sample_pair(7, size=SIZE)
    assert alone.caption == BATCH.pairs[7].caption
    assert alone.scene == BATCH.pairs[7].scene
    assert alone.scene_rejected == BATCH.pairs[7].scene_rejected
    assert np.array_equal(alone.closure.binary, BATCH.pairs[7].closure.binary)


def test_rows_of_the_rendering_belong_to_the_pairs():
    again = sample_pairs([11], size=SIZE)
    assert torch.equal(again.rendering.images[0], BATCH.rendering.images[11])
    assert torch.equal(again.rendering_rejected.images[0], BATCH.rendering_rejected.images[11])
    assert BATCH.rendering.images.shape == (32, 3, SIZE, SIZE)
    assert not torch.equal(BATCH.rendering.images, BATCH.rendering_rejected.images)


def test_without_restyling_only_what_is_edited_moves():
    for pair in sample_pairs(range(3), num_edits=1, restyle=False, size=SIZE).pairs:
        assert pair.scene.camera == pair.scene_rejected.camera
        assert pair.scene.style == pair.scene_rejected.style
        moved = sum(a != b for a, b in zip(pair.scene.objects, pair.scene_rejected.objects, strict=True))
        assert 1 <= moved < len(pair.scene.objects)


def test_with_restyling_the_look_changes():
    for pair in sample_pairs(range(2), num_edits=1, restyle=True, size=SIZE).pairs:
        assert pair.scene.camera != pair.scene_rejected.camera
        assert pair.scene.style != pair.scene_rejected.style


def test_a_focus_is_what_the_first_edit_is_about():
    for focus in ("inside", "between", "under"):
        for pair in sample_pairs(range(2), num_edits=1, num_relations=3, focus=focus, size=SIZE).pairs:
            edit = pair.edits[0]
            assert focus in {s.relation for s in (*edit.before, *edit.after)}


def test_chosen_and_rejected_are_exchangeable():
    """Which side was edited is told by a coin: directions and places are as often before as after."""
    before = Counter(s.relation for p in BATCH.pairs for e in p.edits for s in e.before)
    after = Counter(s.relation for p in BATCH.pairs for e in p.edits for s in e.after)
    total = sum(before.values()) + sum(after.values())
    for relation in before | after:
        a, b = before[relation], after[relation]
        # Four standard deviations of a fair coin.
        assert abs(a - b) <= 4 * (a + b) ** 0.5, relation
    assert total > 60
    long = sum(len(p.caption.text) > len(p.caption_rejected.text) for p in BATCH.pairs)
    short = sum(len(p.caption.text) < len(p.caption_rejected.text) for p in BATCH.pairs)
    assert abs(long - short) <= 4 * (long + short) ** 0.5


def test_excluded_relations_are_never_stated():
    for pair in sample_pairs(range(2), num_edits=1, exclude=("left_of", "right_of"), size=SIZE).pairs:
        stated = {s.relation for c in (pair.caption, pair.caption_rejected) for s in c.statements}
        assert not stated & {"left_of", "right_of"}


def test_margins_of_edits_lie_outside_the_dead_zone():
    margins = edit_margins(BATCH)
    assert len(margins) == len(BATCH.pairs)
    assert all(0.1 <= m <= 1 for m in margins)
    assert min(margins) < 0.5 < max(margins)


def test_prompts_of_a_split_state_its_combinations_alone():
    for split in ("train", "test"):
        for pair in sample_pairs(range(2), num_edits=1, num_relations=2, split=split, size=SIZE).pairs:
            kinds = kinds_of(pair.scene)
            stated = (*pair.caption.statements, *pair.caption_rejected.statements)
            assert {statement_split(kinds, s) for s in stated} == {split}


def test_one_fact_has_one_split_however_it_is_put():
    kinds = ["mug", "book", "ball", "wall", "floor"]
    for relation, inverse in (
        ("left_of", "right_of"),
        ("above", "below"),
        ("on", "under"),
        ("behind", "in_front_of"),
    ):
        a, b = Statement(relation, 0, (1,)), Statement(inverse, 1, (0,))
        assert statement_split(kinds, a) == statement_split(kinds, b)
    assert statement_split(kinds, Statement("near", 0, (1,))) == statement_split(
        kinds, Statement("next_to", 1, (0,))
    )
    one, two = Statement("between", 0, (1, 2)), Statement("between", 0, (2, 1))
    assert statement_split(kinds, one) == statement_split(kinds, two)


def test_shares_of_the_splits():
    names = sorted(OBJECT_KINDS)
    counts = Counter(split_of(a, "left_of", b) for a in names for b in names)
    total = sum(counts.values())
    assert 0.15 < counts["test"] / total < 0.25
    assert 0.06 < counts["validation"] / total < 0.14


@pytest.mark.parametrize(
    "bad",
    [
        {"num_edits": 0},
        {"num_edits": 4},
        {"num_edits": ()},
        {"num_edits": 3, "num_relations": 2},
        {"num_relations": 30},
        {"focus": "sideways"},
        {"focus": "on", "exclude": ("on",)},
    ],
)
def test_odd_requests_are_refused(bad):
    with pytest.raises(ValueError, match="must"):
        sample_pairs([0], **bad)


def test_no_seeds_no_pairs():
    assert sample_pairs([], size=SIZE).pairs == ()
