"""Spatial accuracy: every relation must hold, and chance is what the inverse prompts get."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from spatial_core.language.parser import parse_prompt
from spatial_core.language.relations import RELATIONS
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.geometric import GeometricScorer
from spatial_core.spatial_accuracy import inverse_graph, spatial_accuracy
from spatial_core.statistics import wilson_interval

CUP_LEFT_OF_PLATE = "a cup to the left of a plate"


class ByBrightness:
    """Finds a cup on the left in dark pictures and on the right in bright ones, and a plate in the middle."""

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        found: list[list[Detection]] = []
        for image in images:
            left = 20.0 if float(image.mean()) < 0.5 else 80.0
            boxes = {"cup": (left, 40.0, left + 10, 50.0), "plate": (50.0, 40.0, 60.0, 50.0)}
            found.append([Detection(name, boxes[name], 1.0, 1.0) for name in names if name in boxes])
        return found


JUDGE = GeometricScorer(ByBrightness())
DARK, BRIGHT = torch.zeros(3, 100, 100), torch.ones(3, 100, 100)


def test_every_relation_counts_and_chance_is_the_inverse() -> None:
    measured = spatial_accuracy([DARK, DARK, BRIGHT], [CUP_LEFT_OF_PLATE] * 3, JUDGE)
    assert (measured.accuracy, measured.interval) == (2 / 3, wilson_interval(2, 3))
    assert (measured.chance, measured.chance_interval) == (1 / 3, wilson_interval(1, 3))
    assert measured.correct == (True, True, False) and measured.correct_by_chance == (False, False, True)
    assert "spatial accuracy 0.667 [0.208, 0.939], chance 0.333" in str(measured)


def test_one_false_relation_makes_a_picture_wrong() -> None:
    prompt = f"{CUP_LEFT_OF_PLATE}. The plate is to the left of the cup."
    measured = spatial_accuracy([DARK], [prompt], JUDGE)
    assert (measured.accuracy, measured.relations) == (0.0, 0.5)


def test_what_is_not_there_is_not_true() -> None:
    assert spatial_accuracy([DARK], ["a cup to the left of a dog"], JUDGE).accuracy == 0.0


@pytest.mark.parametrize(
    ("prompt", "relation", "subject"),
    [
        (CUP_LEFT_OF_PLATE, "left_of", "plate"),
        ("a cup on a plate", "on", "plate"),
        ("a cup next to a plate", "far_from", "cup"),
        ("a cup between a plate and a fork", "between", "plate"),
        ("a cup on the left side of the picture", "picture_right", "cup"),
    ],
)
def test_the_inverse_says_the_opposite(prompt: str, relation: str, subject: str) -> None:
    (inverted,) = (inverse := inverse_graph(parse_prompt(prompt))).relations
    assert (inverted.relation, inverse.entities[inverted.subject].name) == (relation, subject)
    assert len(inverted.objects) == RELATIONS[relation].arity - 1 or inverted.objects == ("picture",)


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        spatial_accuracy([], [], JUDGE)
    with pytest.raises(ValueError, match="Prompt 1 states no spatial relation: 'a cup'"):
        spatial_accuracy([DARK, DARK], [CUP_LEFT_OF_PLATE, "a cup"], JUDGE)
    with pytest.raises(ValueError, match="one prompt for each image"):
        spatial_accuracy([DARK, DARK], [CUP_LEFT_OF_PLATE], JUDGE)
    with pytest.raises(ValueError, match="3"):
        spatial_accuracy([DARK], [CUP_LEFT_OF_PLATE] * 3, JUDGE)
