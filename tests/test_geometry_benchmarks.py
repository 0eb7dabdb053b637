"""The rules of other benchmarks, row by row against numbers worked by hand, their oddities included."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import pytest
import torch
from torch import Tensor

from spatial_core.geometry_benchmarks import (
    GENEVAL_RELATIONS,
    geneval_counting,
    geneval_kept,
    geneval_position,
    geneval_relations,
    t2i_compbench_2d,
    t2i_compbench_3d,
    t2i_compbench_phrase,
    t2i_compbench_score,
    visor,
    visor_image,
    visor_relations,
)


def boxes(*rows: tuple[float, float, float, float]) -> Tensor:
    return torch.tensor(rows).view(-1, 4)


def square(x: float, y: float, half: float = 50) -> tuple[float, float, float, float]:
    return (x - half, y - half, x + half, y + half)


def holding(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> set[str]:
    return {name for name, holds in geneval_relations(boxes(a), boxes(b)).items() if bool(holds)}


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        # Offset -100, reduced by .1 * 200 = 20: -80 / 100 = -.8.
        (square(100, 100), square(200, 100), {"left_of"}),
        # Offset 39: reduced 19 / 39 = .487, not beyond .5; offset 41: 21 / 41 = .512.
        (square(139, 100), square(100, 100), set[str]()),
        (square(141, 100), square(100, 100), {"right_of"}),
        # Diagonal of 100: (100 - 20) / 141.4 = .566 on both axes.
        (square(0, 0), square(100, 100), {"left_of", "above"}),
        # (200, 100): reduced (180, 80) / 223.6 = (.805, .358).
        (square(200, 100), square(0, 0), {"right_of"}),
        (square(0, 200), square(0, 0), {"below"}),
        # In one place, and within the reduction.
        (square(0, 0), square(0, 0), set[str]()),
        (square(20, 0), square(0, 0), set[str]()),
    ],
)
def test_geneval_relations_by_hand(
    a: tuple[float, float, float, float], b: tuple[float, float, float, float], expected: set[str]
) -> None:
    assert holding(a, b) == expected


def test_geneval_keeps_sixteen_above_its_threshold() -> None:
    assert geneval_kept(torch.tensor([0.3, 0.9, 0.31, 0.95])).tolist() == [3, 1, 2]
    assert geneval_kept(torch.tensor([0.3, 0.9, 0.91]), counting=True).tolist() == [2]
    assert len(geneval_kept(torch.full((40,), 0.5))) == 16


def test_geneval_position_takes_the_most_confident_pair_only() -> None:
    left, right = square(0, 0), square(300, 0)
    sure = torch.tensor([0.9])
    assert geneval_position("left_of", boxes(left), sure, boxes(right), sure)
    assert not geneval_position("right_of", boxes(left), sure, boxes(right), sure)
    assert not geneval_position("left_of", boxes(left), torch.tensor([0.2]), boxes(right), sure)
    # A second, less confident a on the right side is not considered ...
    two = boxes(square(600, 0), left)
    assert not geneval_position("left_of", two, torch.tensor([0.9, 0.8]), boxes(right), sure)
    assert geneval_position("left_of", two, torch.tensor([0.8, 0.9]), boxes(right), sure)
    # ... unless two are asked for, and then every pair must hold.
    assert not geneval_position("left_of", two, torch.tensor([0.8, 0.9]), boxes(right), sure, count_a=2)
    pair = boxes(left, square(50, 0))
    assert geneval_position("left_of", pair, torch.tensor([0.8, 0.9]), boxes(right), sure, count_a=2)
    assert not geneval_position("left_of", boxes(left), sure, boxes(right), sure, count_a=2)
    assert not geneval_position("left_of", boxes(), torch.zeros(0), boxes(right), sure)
    with pytest.raises(ValueError, match="GenEval judges left_of"):
        geneval_position("on", boxes(left), sure, boxes(right), sure)


def test_geneval_counting_is_exact() -> None:
    scores = torch.tensor([0.95, 0.92, 0.89])
    assert geneval_counting(scores, 2)
    assert not geneval_counting(scores, 3)
    assert not geneval_counting(scores, 1)


@pytest.mark.parametrize(
    ("phrase", "a", "b", "expected"),
    [
        ("on the left of", square(100, 100), square(300, 200), 1),
        ("on the right of", square(100, 100), square(300, 200), 0),
        ("on the right of", square(300, 200), square(100, 100), 1),
        ("on the top of", square(100, 100), square(200, 300), 1),
        ("on the bottom of", square(200, 300), square(100, 100), 1),
        # The exact diagonal is nothing.
        ("on the left of", square(100, 100), square(300, 300), 0),
        ("on the top of", square(100, 100), square(300, 300), 0),
        # Offset 50 of width 100: overlap 5000, union 15000, IoU 1/3, score .1 / (1/3) = .3.
        ("on the left of", square(100, 100), square(150, 100), 0.3),
        # Offset 90: overlap 1000, union 19000, IoU .053 < .1.
        ("on the left of", square(100, 100), square(190, 100), 1),
        # Near: fewer than 150 pixels on one axis are enough, 10,000 on the other notwithstanding.
        ("next to", square(0, 0), square(10000, 100), 1),
        ("near", square(0, 0), square(149, 149), 1),
        ("on side of", square(0, 0), square(300, 200), 0.5),
        # Known to the vocabulary, unknown to the rule.
        ("on top of", square(100, 100), square(100, 300), 0),
        ("under", square(100, 300), square(100, 100), 0),
    ],
)
def test_t2i_compbench_2d_by_hand(
    phrase: str, a: tuple[float, float, float, float], b: tuple[float, float, float, float], expected: float
) -> None:
    assert float(t2i_compbench_2d(phrase, boxes(a), boxes(b))) == pytest.approx(expected)


def test_t2i_compbench_3d_by_hand() -> None:
    # Nearer on the left: inverse depth 2 for x < 50, else 1 (stored [y, x]).
    depth = torch.ones(1, 100, 100)
    depth[:, :, :50] = 2
    a, b = boxes((0, 20, 60, 60)), boxes((20, 20, 80, 60))
    # Overlap 40 x 40 = 1600, union 2 * 2400 - 1600 = 3200, IoU .5 exactly: scores 0 whatever the depth.
    assert float(t2i_compbench_3d("in front of", a, b, depth, swap_axes=False)) == 0
    # b from 30 on: overlap 30 x 40 = 1200, union 3200 (b is 50 wide: 2400 + 2000 - 1200), IoU .375 -> .75.
    b = boxes((30, 20, 80, 60))
    assert float(t2i_compbench_3d("in front of", a, b, depth, swap_axes=False)) == pytest.approx(0.75)
    assert float(t2i_compbench_3d("behind", a, b, depth, swap_axes=False)) == 0
    assert float(t2i_compbench_3d("behind", b, a, depth, swap_axes=False)) == pytest.approx(0.75)
    assert float(t2i_compbench_3d("hidden", b, a, depth, swap_axes=False)) == pytest.approx(0.75)
    # IoU above .5 scores 1: b from 10 on, 60 wide: overlap 50 x 40 = 2000, union 2800, IoU .714.
    near = boxes((10, 20, 70, 60))
    assert float(t2i_compbench_3d("in front of", a, near, depth, swap_axes=False)) == 1
    # As run, the axes are swapped: both boxes span the rows 20 to 60, so the means are equal and it scores 0.
    assert float(t2i_compbench_3d("in front of", a, b, depth)) == 0
    # In a map that is nearer at the top instead, the swapped axes read it as nearer on the left.
    assert float(t2i_compbench_3d("in front of", a, b, depth.transpose(1, 2))) == pytest.approx(0.75)
    # No overlap, no score, however near.
    assert float(t2i_compbench_3d("in front of", boxes((0, 0, 20, 20)), b, depth, swap_axes=False)) == 0
    assert float(t2i_compbench_3d("left", a, b, depth, swap_axes=False)) == 0
    # A wide map: swapped, a box at x > height has no pixels and no mean.
    wide = torch.rand(1, 50, 200)
    assert (
        float(t2i_compbench_3d("in front of", boxes((100, 0, 140, 40)), boxes((110, 0, 150, 40)), wide)) == 0
    )
    assert t2i_compbench_3d("behind", boxes(), boxes(), torch.zeros(0, 8, 8)).shape == (0,)


def test_t2i_compbench_score_by_hand() -> None:
    position = torch.tensor([1.0, 0.0, 0.5, 0.0])
    a, b = torch.tensor([0.8, 0.9, 0.6, 1.0]), torch.tensor([0.4, 0.9, 0.4, 1.0])
    # .2 + .1 + .5; .45 is cut to 0; .15 + .1 + .25 = .5 stays; a sure wrong position stays at .5.
    torch.testing.assert_close(t2i_compbench_score(position, a, b), torch.tensor([0.8, 0.0, 0.5, 0.5]))
    torch.testing.assert_close(
        t2i_compbench_score(position, a, b, three_d=True), torch.tensor([0.8, 0.45, 0.5, 0.5])
    )


def test_t2i_compbench_phrases() -> None:
    assert t2i_compbench_phrase("a cat on the top of a box") == "on the top of"
    assert t2i_compbench_phrase("a cat on top of a box") == "on top of"
    assert t2i_compbench_phrase("a cat nearly on the left of a box") == "near"
    assert t2i_compbench_phrase("a cat hidden by a box", three_d=True) == "hidden"
    assert t2i_compbench_phrase("a cat hidden by a box") is None


def test_t2i_compbench_phrases_cover_its_prompts() -> None:
    folder = os.environ.get("SPATIAL_EVAL_DATA")
    if not folder:
        pytest.skip("SPATIAL_EVAL_DATA names no folder with the third-party prompt files")
    for name, three_d in (("t2icompbench_spatial", False), ("t2icompbench_3d_spatial", True)):
        lines = (Path(folder) / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        phrases = [t2i_compbench_phrase(row["prompt"], three_d=three_d) for row in rows]
        agree = sum(
            phrase is not None and row["relation"].startswith(phrase)
            for row, phrase in zip(rows, phrases, strict=True)
        )
        assert agree / len(rows) >= 0.99


def test_visor_goes_by_the_sign_alone() -> None:
    holds = visor_relations(boxes(square(100, 100)), boxes(square(101, 300)))
    assert {name for name in holds if bool(holds[name])} == {"left_of", "above"}
    same = visor_relations(boxes(square(0, 0)), boxes(square(0, 0)))
    assert not any(bool(value) for value in same.values())
    assert set(holds) == set(GENEVAL_RELATIONS)


def test_visor_image_needs_one_pair() -> None:
    left, right, sure = boxes(square(0, 0)), boxes(square(100, 0)), torch.tensor([0.5])
    assert visor_image("left_of", left, sure, right, sure) == (True, True)
    assert visor_image("right_of", left, sure, right, sure) == (True, False)
    assert visor_image("left_of", left, torch.tensor([0.1]), right, sure) == (False, False)
    either = boxes(square(0, 0), square(200, 0))
    for relation in ("left_of", "right_of"):
        assert visor_image(relation, either, torch.tensor([0.2, 0.3]), right, sure) == (True, True)
    with pytest.raises(ValueError, match="VISOR judges"):
        visor_image("near", left, sure, right, sure)


def test_visor_scores_by_hand() -> None:
    detected = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [0, 0, 0, 0]]).bool()
    right = torch.tensor([[1, 1, 1, 0], [1, 0, 1, 0], [1, 0, 0, 0]]).bool()
    scores = visor(detected, right)
    # 6 of 12 detected; 3 + 1 of them right (what is right without detection does not count).
    assert scores.object_accuracy == pytest.approx(6 / 12)
    assert scores.conditional == pytest.approx(4 / 6)
    assert scores.unconditional == pytest.approx(4 / 12)
    assert scores.unconditional == pytest.approx(scores.object_accuracy * scores.conditional)
    assert scores.at_least == pytest.approx((2 / 3, 1 / 3, 1 / 3, 0))
    nothing = visor(torch.zeros(2, 4, dtype=torch.bool), torch.ones(2, 4, dtype=torch.bool))
    assert nothing.unconditional == 0 and math.isnan(nothing.conditional)
    for wrong in ((torch.zeros(2, 4).bool(), torch.zeros(2, 3).bool()), (torch.zeros(0, 4).bool(),) * 2):
        with pytest.raises(ValueError, match="images a prompt"):
            visor(*wrong)
