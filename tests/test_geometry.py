"""Our own verdicts: what people would say, exact inverses, contraries, invariance, monotonicity, errors."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spatial_core.geometry import (
    DEAD_ZONE,
    SOFTNESS,
    UNDECIDABLE,
    count_matches,
    judge,
    nearest,
    verdicts,
)
from spatial_core.language.relations import RELATIONS

TRUE, FALSE, AMBIGUOUS = 1, 0, -1
TABLE = (20.0, 60.0, 100.0, 110.0)


def state(
    relation: str, *boxes: tuple[float, ...], distances: list[float] | None = None, **options: object
) -> int:
    given_distances = None if distances is None else torch.tensor([distances])
    return int(judge(relation, torch.tensor([boxes]), distances=given_distances, **options).state)  # type: ignore[arg-type]


def random_boxes(batch: int, count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(batch, count, 2, generator=generator) * 100
    size = torch.rand(batch, count, 2, generator=generator) * 60 + 4
    return torch.cat([corner, corner + size], dim=-1)


def random_distances(batch: int, count: int, seed: int = 1) -> Tensor:
    return 1 + 3 * torch.rand(batch, count, generator=torch.Generator().manual_seed(seed))


# What a person would say of a drawn situation: (relation, boxes, expected).
SITUATIONS = [
    # Two cups side by side, and the same cup much higher.
    ("left_of", [(10, 50, 30, 70), (50, 50, 70, 70)], TRUE),
    ("right_of", [(10, 50, 30, 70), (50, 50, 70, 70)], FALSE),
    ("above", [(10, 50, 30, 70), (50, 50, 70, 70)], FALSE),
    ("left_of", [(40, 10, 60, 30), (50, 90, 70, 110)], FALSE),
    ("above", [(40, 10, 60, 30), (50, 90, 70, 110)], TRUE),
    # On the exact diagonal both directions hold.
    ("left_of", [(0, 0, 20, 20), (40, 40, 60, 60)], TRUE),
    ("above", [(0, 0, 20, 20), (40, 40, 60, 60)], TRUE),
    # A cup at the foot of a tall lamp is beside it, not below it.
    ("left_of", [(20, 90, 40, 110), (50, 10, 70, 110)], TRUE),
    ("below", [(20, 90, 40, 110), (50, 10, 70, 110)], FALSE),
    # A cup on the left part of a table is not left of the table; one beyond its end is.
    ("left_of", [(25, 45, 35, 65), TABLE], FALSE),
    ("left_of", [(0, 60, 12, 80), TABLE], TRUE),
    # A lamp hangs above the table and is not on it.
    ("above", [(50, 5, 70, 25), TABLE], TRUE),
    ("on", [(50, 5, 70, 25), TABLE], FALSE),
    # A cup stands on the table, at its back edge or in the middle of its top.
    ("on", [(50, 42, 60, 61), TABLE], TRUE),
    ("on", [(50, 60, 60, 80), TABLE], TRUE),
    ("stacked_on", [(50, 42, 60, 61), TABLE], TRUE),
    ("under", [(50, 42, 60, 61), TABLE], FALSE),
    ("on", [(110, 42, 120, 61), TABLE], FALSE),
    # A cat lies under the table; a book lies under a cup.
    ("under", [(40, 88, 70, 110), TABLE], TRUE),
    ("on", [(40, 88, 70, 110), TABLE], FALSE),
    ("under", [(30, 60, 70, 70), (40, 40, 55, 62)], TRUE),
    # An apple in a bowl looks over the rim; one beside it does not.
    ("inside", [(45, 45, 60, 60), (35, 50, 75, 75)], TRUE),
    ("inside", [(90, 45, 105, 60), (35, 50, 75, 75)], FALSE),
    ("inside", [(35, 50, 75, 75), (45, 45, 60, 60)], FALSE),
    # A ring lies around a candle.
    ("around", [(20, 60, 90, 90), (45, 55, 60, 85)], TRUE),
    ("around", [(45, 55, 60, 85), (20, 60, 90, 90)], FALSE),
    # Distances in sizes of the things.
    ("next_to", [(10, 50, 30, 70), (34, 50, 54, 70)], TRUE),
    ("near", [(10, 50, 30, 70), (40, 50, 60, 70)], TRUE),
    ("next_to", [(10, 50, 30, 70), (90, 50, 110, 70)], FALSE),
    ("far_from", [(10, 50, 30, 70), (90, 50, 110, 70)], TRUE),
    ("far_from", [(10, 50, 30, 70), (34, 50, 54, 70)], FALSE),
    ("next_to", [(50, 42, 60, 61), TABLE], FALSE),
    # Between.
    ("between", [(50, 50, 60, 60), (10, 50, 20, 60), (90, 50, 100, 60)], TRUE),
    ("between", [(10, 50, 20, 60), (50, 50, 60, 60), (90, 50, 100, 60)], FALSE),
    ("between", [(50, 110, 60, 120), (10, 50, 20, 60), (90, 50, 100, 60)], FALSE),
    ("between", [(50, 50, 60, 60), (50, 5, 60, 15), (50, 90, 60, 100)], TRUE),
    # Parts of a thing, lines, sizes.
    ("at_corner", [(22, 62, 30, 70), TABLE], TRUE),
    ("at_corner", [(55, 80, 65, 90), TABLE], FALSE),
    ("at_edge", [(55, 60, 65, 70), TABLE], TRUE),
    ("at_edge", [(55, 82, 65, 92), TABLE], FALSE),
    ("at_edge", [(150, 82, 160, 92), TABLE], FALSE),
    ("aligned_with", [(10, 40, 30, 70), (60, 50, 80, 70)], TRUE),
    ("aligned_with", [(10, 20, 30, 40), (60, 70, 80, 90)], FALSE),
    ("larger_than", [(0, 0, 40, 40), (60, 0, 80, 20)], TRUE),
    ("larger_than", [(0, 0, 20, 20), (60, 0, 100, 40)], FALSE),
    ("larger_than", [(0, 0, 22, 22), (60, 0, 80, 20)], AMBIGUOUS),
]


@pytest.mark.parametrize(("relation", "boxes", "expected"), SITUATIONS)
def test_says_what_people_say(relation: str, boxes: list[tuple[float, ...]], expected: int) -> None:
    assert state(relation, *boxes) == expected


@pytest.mark.parametrize(
    ("relation", "box", "expected"),
    [
        ("picture_left", (0, 40, 40, 60), TRUE),
        ("picture_left", (160, 40, 200, 60), FALSE),
        ("picture_right", (160, 40, 200, 60), TRUE),
        ("picture_top", (90, 0, 110, 20), TRUE),
        ("picture_bottom", (90, 80, 110, 100), TRUE),
        ("picture_bottom", (90, 0, 110, 20), FALSE),
        ("picture_center", (90, 40, 110, 60), TRUE),
        ("picture_center", (0, 40, 20, 60), FALSE),
    ],
)
def test_places_in_the_picture_need_its_size(relation: str, box: tuple[float, ...], expected: int) -> None:
    assert state(relation, box, image_size=(100, 200)) == expected
    assert state(relation, box) == AMBIGUOUS


def test_depth_decides_in_front_and_boxes_alone_do_not() -> None:
    boxes = (40, 50, 60, 70), (45, 40, 75, 70)
    assert state("in_front_of", *boxes, distances=[2.0, 3.0]) == TRUE
    assert state("behind", *boxes, distances=[2.0, 3.0]) == FALSE
    assert state("in_front_of", *boxes, distances=[3.0, 2.0]) == FALSE
    assert state("behind", *boxes, distances=[3.0, 2.0]) == TRUE
    assert state("hidden_by", *boxes, distances=[3.0, 2.0]) == TRUE
    assert state("in_front_of", *boxes, distances=[2.0, 2.06]) == AMBIGUOUS
    assert state("in_front_of", *boxes) == AMBIGUOUS
    assert state("in_front_of", *boxes, distances=[math.nan, 2.0]) == AMBIGUOUS
    assert state("in_front_of", *boxes, distances=[-1.0, 2.0]) == AMBIGUOUS


def test_nearer_but_far_to_the_side_is_not_called_in_front() -> None:
    assert state("in_front_of", (0, 50, 20, 70), (120, 50, 140, 70), distances=[2.0, 4.0]) == AMBIGUOUS
    assert state("in_front_of", (0, 50, 20, 70), (120, 50, 140, 70), distances=[4.0, 2.0]) == FALSE


def test_hidden_by_needs_an_overlap() -> None:
    assert state("hidden_by", (0, 50, 20, 70), (25, 50, 45, 70), distances=[4.0, 2.0]) == FALSE


def masks_of(*boxes: tuple[int, int, int, int], size: int = 128) -> Tensor:
    """Visible pixels of full rectangles, the first one in front."""
    masks = torch.zeros(1, len(boxes), size, size, dtype=torch.bool)
    taken = torch.zeros(size, size, dtype=torch.bool)
    for k, (left, top, right, bottom) in enumerate(boxes):
        masks[0, k, top:bottom, left:right] = True
        masks[0, k] &= ~taken
        taken |= masks[0, k]
    return masks


def test_masks_tell_who_covers_whom() -> None:
    front, rear = (40, 50, 60, 70), (50, 40, 75, 70)
    masks = masks_of(front, rear)
    assert state("in_front_of", front, rear, masks=masks) == TRUE
    assert state("behind", front, rear, masks=masks) == FALSE
    assert state("hidden_by", rear, front, masks=masks.flip(1)) == TRUE
    apart = (0, 40, 20, 70)
    assert state("in_front_of", apart, rear, masks=masks_of(apart, rear)) == AMBIGUOUS


def test_masks_tell_resting_from_standing_beneath() -> None:
    # One pair of boxes, two pictures: on a table top that fills its box, or on the floor between the legs.
    thing, table = (50, 70, 70, 100), (20, 40, 110, 106)
    assert state("on", thing, table, masks=masks_of(thing, table)) == TRUE
    legs = masks_of(thing, table)
    legs[0, 1, 60:, 30:100] = False
    assert state("on", thing, table, masks=legs) == FALSE
    assert state("under", thing, table, masks=legs) == TRUE


def test_contact_is_ruled_out_by_distance() -> None:
    person, box = (40, 10, 60, 70), (35, 60, 75, 90)
    assert state("on", person, box) == TRUE
    assert state("on", person, box, distances=[6.0, 2.0]) == FALSE
    apple, bowl = (45, 45, 60, 60), (35, 50, 75, 75)
    assert state("inside", apple, bowl, distances=[2.0, 2.1]) == TRUE
    assert state("inside", apple, bowl, distances=[6.0, 2.0]) == FALSE


def test_estimated_distances_may_be_further_off_before_they_rule_contact_out() -> None:
    boxes = torch.tensor([[[40.0, 20.0, 60.0, 50.0], [35.0, 45.0, 65.0, 90.0]]], dtype=torch.float64)
    behind = torch.tensor([[2.15, 2.0]], dtype=torch.float64)
    known = {"distances": behind, "image_size": (128, 128)}
    exact, estimated = (judge("on", boxes, **known, distance_error=e) for e in (0.02, 0.06))  # type: ignore[arg-type]
    assert int(exact.state) == FALSE and int(estimated.state) == TRUE
    # What scenes are told by: another default would change every pair and prompt that was published.
    assert torch.equal(judge("on", boxes, **known).margin, exact.margin)  # type: ignore[arg-type]


def test_what_is_behind_does_not_rest_on_what_hides_its_foot() -> None:
    # One pair of boxes: a bottle on a cube, or farther back and partly behind it.
    bottle, cube = (50, 20, 60, 52), (40, 48, 70, 78)
    for distances, expected in (([1.98, 2.0], TRUE), ([2.4, 2.0], FALSE)):
        assert state("on", bottle, cube, distances=distances, image_size=(128, 128)) == expected
    assert state("behind", bottle, cube, distances=[2.4, 2.0], image_size=(128, 128)) == TRUE
    assert state("in_front_of", bottle, cube, distances=[1.9, 2.0], image_size=(128, 128)) == FALSE


def test_depth_counts_as_distance_in_sizes() -> None:
    # Side by side in the picture, each a fifth of it wide: twice as far is five sizes behind.
    pair = (10, 50, 35, 75), (40, 50, 65, 75)
    picture = (128, 128)
    assert state("next_to", *pair, distances=[2.0, 2.1], image_size=picture) == TRUE
    assert state("next_to", *pair, distances=[2.0, 4.0], image_size=picture) == FALSE
    assert state("far_from", *pair, distances=[2.0, 4.0], image_size=picture) == TRUE
    assert state("near", *pair, distances=[2.0, 4.0], image_size=picture) == FALSE


def test_a_thing_on_a_plate_seen_from_above() -> None:
    plate = (32, 70, 67, 87)
    assert state("on", (36, 60, 62, 84), plate) == TRUE
    # Before the plate, it ends below it.
    assert state("on", (36, 66, 62, 90), plate) == FALSE


def test_agrees_with_exact_scenes_on_who_holds_whom() -> None:
    """Boxes and distances against the scene's own record, on layouts whose support is known exactly."""
    from spatial_core.scenes.closure import BINARY
    from spatial_core.scenes.layout import sample_layout
    from spatial_core.scenes.sampling import estimated_closures
    from spatial_core.scenes.stage import View, make_item

    scenes = [sample_layout(seed) for seed in range(40)]
    rows: dict[str, list[tuple[list[tuple[float, ...]], list[float], int]]] = {"on": [], "inside": []}
    for scene, closure in zip(scenes, estimated_closures(scenes), strict=True):
        view = View(scene.camera)
        seen = [view.box(make_item(thing)) for thing in scene.objects]
        for relation, found in rows.items():
            states = closure.binary[BINARY.index(relation)]
            found += [
                ([tuple(seen[i][0]), tuple(seen[j][0])], [seen[i][1], seen[j][1]], int(states[i, j]))
                for i in range(len(seen))
                for j in range(len(seen))
                if i != j and states[i, j] != AMBIGUOUS and min(seen[i][1], seen[j][1]) > 0
            ]
    for relation, found in rows.items():
        boxes, distances, known = (torch.tensor(column) for column in zip(*found, strict=True))
        judged = judge(relation, boxes, distances=distances, image_size=(1, 1)).state
        right = (judged[known == TRUE] == TRUE).float().mean()
        wrong = (judged[known == FALSE] == TRUE).float().mean()
        assert (known == TRUE).sum() >= 5
        assert right >= 0.9 and wrong <= 0.03, (relation, right, wrong)


def test_foreground_is_relative_to_the_scene() -> None:
    box = (10, 10, 20, 20)
    scene = torch.tensor([[1.0, 5.0]])
    assert state("foreground", box, distances=[1.5], distance_range=scene) == TRUE
    assert state("background", box, distances=[1.5], distance_range=scene) == FALSE
    assert state("background", box, distances=[4.8], distance_range=scene) == TRUE
    assert state("foreground", box, distances=[1.5]) == AMBIGUOUS
    assert state("foreground", box, distance_range=scene) == AMBIGUOUS
    assert state("foreground", box, (30, 30, 50, 50), (60, 60, 70, 70), distances=[1.0, 2.0, 4.0]) == TRUE


@pytest.mark.parametrize(
    ("relation", "box", "part", "expected"),
    [
        ("at_corner", (22, 62, 30, 70), "upper-left corner", TRUE),
        ("at_corner", (22, 62, 30, 70), "upper-right corner", FALSE),
        ("at_corner", (22, 62, 30, 70), "lower left corner", FALSE),
        ("at_edge", (55, 60, 65, 70), "back edge", TRUE),
        ("at_edge", (55, 60, 65, 70), "front edge", FALSE),
        ("at_edge", (55, 60, 65, 70), "left edge", FALSE),
        ("at_edge", (22, 80, 30, 90), "left edge", TRUE),
        # Anchored to a part, other relations look at that part only.
        ("on", (85, 42, 95, 62), "right side", TRUE),
        ("on", (25, 42, 35, 62), "right side", FALSE),
        ("left_of", (45, 80, 55, 90), "right end", TRUE),
        ("left_of", (45, 80, 55, 90), "", FALSE),
        ("left_of", (45, 80, 55, 90), "handle", FALSE),
    ],
)
def test_part_anchors(relation: str, box: tuple[float, ...], part: str, expected: int) -> None:
    assert state(relation, box, TABLE, part=part) == expected


def test_corner_of_the_middle_third() -> None:
    assert state("above", (55, 5, 65, 20), TABLE, part="center") == TRUE
    assert state("left_of", (30, 75, 40, 90), TABLE, part="center") == TRUE


def test_every_relation_has_a_rule_and_the_undecidable_say_so() -> None:
    boxes, distances = random_boxes(64, 3), random_distances(64, 3)
    for name in RELATIONS:
        verdict = judge(name, boxes, distances=distances, image_size=(160, 160))
        assert verdict.score.shape == verdict.margin.shape == verdict.state.shape == (64,)
        assert verdict.state.dtype == torch.int8
        if name in UNDECIDABLE:
            assert (
                (verdict.state == -1).all() and (verdict.score == 0.5).all() and (verdict.margin == 0).all()
            )
        else:
            assert (verdict.state != -1).any(), name
    assert {"facing", "leaning_against"} <= UNDECIDABLE <= RELATIONS.keys()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("relation", [r for r, t in RELATIONS.items() if t.inverse])
def test_inverse_is_exact(relation: str, dtype: torch.dtype) -> None:
    boxes, distances = random_boxes(5000, 2).to(dtype), random_distances(5000, 2)
    inverse = RELATIONS[relation].inverse
    assert inverse is not None
    here = judge(relation, boxes, distances=distances)
    there = judge(inverse, boxes.flip(1), distances=distances.flip(1))
    assert torch.equal(here.margin, there.margin)
    assert torch.equal(here.score, there.score) and torch.equal(here.state, there.state)


def test_inverse_is_exact_with_masks() -> None:
    generator = torch.Generator().manual_seed(3)
    boxes = random_boxes(50, 2)
    masks = torch.rand(50, 2, 32, 32, generator=generator) > 0.6
    for relation in ("on", "in_front_of"):
        inverse = RELATIONS[relation].inverse
        assert inverse is not None
        here, there = judge(relation, boxes, masks=masks), judge(inverse, boxes.flip(1), masks=masks.flip(1))
        assert torch.equal(here.margin, there.margin)


def test_between_is_the_same_with_its_ends_exchanged() -> None:
    boxes = random_boxes(5000, 3)
    here, there = judge("between", boxes), judge("between", boxes[:, [0, 2, 1]])
    assert torch.equal(here.state, there.state)
    torch.testing.assert_close(here.margin, there.margin, atol=1e-5, rtol=0)


@pytest.mark.parametrize("with_distances", [False, True])
def test_contraries_share_one_certainty(with_distances: bool) -> None:
    boxes = random_boxes(20000, 3)
    distances = random_distances(20000, 3) if with_distances else None
    for name, kind in RELATIONS.items():
        first = judge(name, boxes, distances=distances, image_size=(160, 160))
        for contrary in kind.contrary:
            second = judge(contrary, boxes, distances=distances, image_size=(160, 160))
            # On and below have different units of length, so their tails add up to a little more than 1.
            assert (first.score + second.score).max() <= 1.02, (name, contrary)
            assert not ((first.state == 1) & (second.state == 1)).any(), (name, contrary)


@pytest.mark.parametrize("relation", sorted(RELATIONS))
def test_scale_and_shift_change_nothing(relation: str) -> None:
    boxes, distances = random_boxes(2000, 3).double(), random_distances(2000, 3).double()
    here = judge(relation, boxes, distances=distances, image_size=(160, 160))
    # Distances carry no unit either.
    bigger = judge(relation, boxes * 4, distances=distances * 7, image_size=(640, 640))
    torch.testing.assert_close(here.margin, bigger.margin, atol=1e-9, rtol=0)
    if RELATIONS[relation].frame != "picture":
        shift = torch.tensor([37.0, -12.0, 37.0, -12.0])
        moved = judge(relation, boxes + shift, distances=distances, image_size=(160, 160))
        torch.testing.assert_close(here.margin, moved.margin, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    ("relation", "direction"),
    [
        ("left_of", (-1, 0)),
        ("right_of", (1, 0)),
        ("above", (0, -1)),
        ("below", (0, 1)),
        ("picture_left", (-1, 0)),
        ("picture_bottom", (0, 1)),
    ],
)
def test_monotone_in_the_displacement(relation: str, direction: tuple[int, int]) -> None:
    boxes = random_boxes(300, 2).double()
    steps = torch.linspace(-150, 150, 61).double()
    moved = boxes[:, None].repeat(1, 61, 1, 1)
    moved[:, :, 0] += steps[None, :, None] * torch.tensor([*direction, *direction])
    margin = judge(relation, moved.flatten(0, 1), image_size=(160, 160)).margin.view(300, 61)
    assert (margin.diff(dim=1) >= -1e-12).all()
    assert (margin[:, -1] > margin[:, 0]).all()


def test_monotone_in_depth_and_in_the_gap() -> None:
    box = torch.tensor([[[40.0, 50, 60, 70], [45, 40, 75, 70]]]).repeat(50, 1, 1)
    distances = torch.stack([torch.linspace(1, 5, 50), torch.full((50,), 3.0)], dim=1)
    assert (judge("behind", box, distances=distances).margin.diff() >= 0).all()
    assert (judge("in_front_of", box, distances=distances).margin.diff() <= 0).all()
    away = box.clone()
    away[:, 0, 0::2] += torch.linspace(40, 300, 50)[:, None]
    assert (judge("far_from", away).margin.diff() >= 0).all()
    for relation in ("near", "next_to"):
        assert (judge(relation, away).margin.diff() <= 1e-6).all()


def test_a_diagonal_is_true_of_both_and_strong_of_neither() -> None:
    boxes = torch.tensor([[[0.0, 0, 20, 20], [80, 80, 100, 100]]])
    for relation in ("left_of", "above"):
        verdict = judge(relation, boxes)
        assert verdict.state == TRUE
        assert 0.7 < float(verdict.score) < 0.9
    beside = judge("left_of", torch.tensor([[[0.0, 80, 20, 100], [80, 80, 100, 100]]]))
    assert float(beside.score) > 0.98


def test_score_and_state_follow_the_margin() -> None:
    margin = torch.tensor([-0.5, -DEAD_ZONE / 2, 0.0, DEAD_ZONE / 2, 0.5, math.nan, math.inf])
    verdict = verdicts(margin)
    assert verdict.state.tolist() == [0, -1, -1, -1, 1, -1, 1]
    assert float(verdict.score[4]) == pytest.approx(1 / (1 + math.exp(-0.5 / SOFTNESS)))
    assert verdict.score[[2, 5]].tolist() == [0.5, 0.5]
    assert verdict.margin.abs().max() <= 1


@pytest.mark.parametrize(
    "bad",
    [
        (10.0, 10.0, 10.0, 20.0),
        (20.0, 10.0, 10.0, 20.0),
        (10.0, 20.0, 20.0, 10.0),
        (math.nan, 10.0, 20.0, 20.0),
        (10.0, 10.0, math.inf, 20.0),
    ],
)
def test_a_degenerate_box_is_ambiguous(bad: tuple[float, ...]) -> None:
    good = (40.0, 50.0, 60.0, 70.0)
    for name, kind in RELATIONS.items():
        for place in range(kind.arity):
            boxes = [good, (70.0, 50.0, 90.0, 70.0), (10.0, 50.0, 30.0, 70.0)][: kind.arity]
            boxes[place] = bad
            verdict = judge(
                name,
                torch.tensor([boxes]),
                distances=torch.linspace(1, 2, kind.arity)[None],
                distance_range=torch.tensor([[1.0, 3.0]]),
                image_size=(100, 100),
            )
            assert (float(verdict.score), float(verdict.margin), int(verdict.state)) == (0.5, 0.0, -1), name


def test_one_bad_item_does_not_disturb_its_neighbours() -> None:
    boxes = random_boxes(8, 2)
    clean = judge("left_of", boxes)
    broken = boxes.clone()
    broken[3] = math.nan
    verdict = judge("left_of", broken)
    keep = [0, 1, 2, 4, 5, 6, 7]
    assert torch.equal(verdict.margin[keep], clean.margin[keep])


def test_participants_beyond_the_arity_are_ignored() -> None:
    boxes = random_boxes(16, 3)
    assert torch.equal(judge("left_of", boxes).margin, judge("left_of", boxes[:, :2]).margin)


def test_integer_and_half_boxes_are_judged_in_float32() -> None:
    boxes = torch.tensor([[[10, 50, 30, 70], [50, 50, 70, 70]]])
    for given_boxes in (boxes, boxes.half(), boxes.bfloat16()):
        verdict = judge("left_of", given_boxes)
        assert verdict.margin.dtype == torch.float32 and verdict.state == TRUE


def test_an_empty_batch_is_an_empty_verdict() -> None:
    for name in RELATIONS:
        verdict = judge(name, torch.zeros(0, 3, 4), distances=torch.ones(0, 3), image_size=(10, 10))
        assert verdict.score.shape == verdict.state.shape == (0,)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(sorted(RELATIONS)),
    st.lists(st.floats(width=32), min_size=12, max_size=12),
    st.lists(st.floats(width=32), min_size=3, max_size=3),
)
def test_any_numbers_give_a_finite_verdict(
    relation: str, numbers: list[float], distances: list[float]
) -> None:
    verdict = judge(
        relation,
        torch.tensor(numbers).view(1, 3, 4),
        distances=torch.tensor([distances]),
        image_size=(100, 100),
    )
    assert 0 <= float(verdict.score) <= 1
    assert -1 <= float(verdict.margin) <= 1
    assert int(verdict.state) in (-1, 0, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"relation": "left"}, "relation must be one of left_of"),
        ({"boxes": torch.zeros(2, 4)}, r"\[B, K, 4\]"),
        ({"boxes": torch.zeros(1, 1, 4)}, "2 participants"),
        ({"relation": "between"}, "3 participants"),
        ({"distances": torch.ones(1, 3)}, "distances must have shape"),
        ({"masks": torch.ones(1, 2, 8, 8)}, "masks must be bool"),
        ({"masks": torch.ones(1, 3, 8, 8, dtype=torch.bool)}, "masks must be bool"),
        ({"distance_range": torch.ones(2)}, "distance_range must have shape"),
        ({"image_size": (0, 10)}, "above 0"),
    ],
)
def test_bad_input_is_named(change: dict[str, object], message: str) -> None:
    arguments: dict[str, object] = {"relation": "left_of", "boxes": random_boxes(1, 2), **change}
    with pytest.raises(ValueError, match=message):
        judge(arguments.pop("relation"), arguments.pop("boxes"), **arguments)  # type: ignore[arg-type]


# --- counting and the nearest ---


def test_counting_certain_candidates() -> None:
    confidences = torch.tensor([[1.0, 1, 0], [1, 1, 1], [0, 0, 0]])
    verdict = count_matches(confidences, 2)
    assert verdict.state.tolist() == [1, 0, 0]
    assert verdict.score.tolist() == [1, 0, 0]
    assert count_matches(confidences, torch.tensor([2, 3, 0])).state.tolist() == [1, 1, 1]
    assert count_matches(confidences, 9).state.tolist() == [0, 0, 0]


def test_counting_uncertain_candidates_by_hand() -> None:
    # P(exactly one of .5 and .8) = .5 * .2 + .5 * .8 = .5; P(both) = .4; P(none) = .1.
    confidences = torch.tensor([[0.5, 0.8]])
    assert float(count_matches(confidences, 1).score) == pytest.approx(0.5)
    assert int(count_matches(confidences, 1).state) == AMBIGUOUS
    assert float(count_matches(confidences, 2).score) == pytest.approx(0.4)
    assert float(count_matches(confidences, 0).score) == pytest.approx(0.1)
    assert count_matches(torch.tensor([[0.5, math.nan]]), 1).score.tolist() == [0.5]
    assert count_matches(torch.zeros(0, 3), 1).score.shape == (0,)
    with pytest.raises(ValueError, match=r"\[B, N\]"):
        count_matches(torch.zeros(3), 1)


def test_nearest_by_outline_then_by_center() -> None:
    anchor = torch.tensor([[50.0, 50, 60, 60]])
    # A wall whose outline is 5 px away beats a ball 20 px away, though its center is farther.
    wall, ball = [65.0, 0, 265, 110], [20.0, 50, 30, 60]
    found = nearest(anchor, torch.tensor([[ball, wall]]))
    assert found.index.tolist() == [1] and float(found.margin) > 0
    # Both overlap the anchor: the center decides.
    assert nearest(anchor, torch.tensor([[[40.0, 50, 55, 60], [51, 50, 61, 60]]])).index.tolist() == [1]
    assert nearest(anchor, torch.tensor([[[math.nan] * 4, ball]])).index.tolist() == [1]
    assert nearest(anchor, torch.tensor([[[math.nan] * 4, ball]])).margin.tolist() == [1]
    assert nearest(anchor, torch.tensor([[[5.0, 5, 5, 5]]])).index.tolist() == [-1]
    assert nearest(anchor, torch.zeros(1, 0, 4)).index.tolist() == [-1]
    with pytest.raises(ValueError, match=r"\[B, N, 4\]"):
        nearest(anchor, torch.zeros(4))
