"""Files of answers: what is read, what is refused, and scoring that goes on where it stopped."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from PIL import Image
from tiny_models import statements
from torch import Tensor

from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scorers.base import SpatialScorer, SpatialScores
from spatial_trainers.bench.answers import Answer, answered_cases, read_answers, score_cases
from spatial_trainers.pairs.data import Comparison, ImageReference, Pair, PairEdit, comparisons, derive_labels

BEFORE = statements(("ball", "left_of", "cup"))
AFTER = statements(("ball", "right_of", "cup"))


class LeftIsBright(SpatialScorer):
    """Prefers what is bright on the side that the prompt names first, and counts what it looked at."""

    needs_relations = False
    looked = 0

    def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
        self.looked += len(images)
        signs = [1.0 if "left" in graph.text else -1.0 for graph in graphs]
        mean = torch.stack(
            [s * (i[..., : i.shape[-1] // 2].mean() - i.mean()) for s, i in zip(signs, images, strict=True)]
        )
        return SpatialScores(mean, torch.full_like(mean, 0.1), torch.full_like(mean, math.nan))


@pytest.fixture
def cases(tmp_path: Path) -> list[Comparison]:
    """Three pairs with real pictures: bright on the left, and its mirror image."""
    picture = Image.new("RGB", (8, 8), "black")
    picture.paste((255, 255, 255), (0, 0, 4, 8))
    picture.save(tmp_path / "left.png")
    picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(tmp_path / "right.png")
    left, right = (ImageReference(tmp_path / f"{side}.png", None, "") for side in ("left", "right"))
    labels = derive_labels(BEFORE, AFTER, [0])
    edits = (PairEdit("flip_relation", 0, 0),)
    pairs = [Pair(str(i), BEFORE, AFTER, left, right, edits, labels) for i in range(3)]
    return comparisons(pairs, symmetric=True)


def test_scoring_goes_on_where_it_was_killed(cases: list[Comparison], tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    first = LeftIsBright()
    answers = score_cases(first, cases, whole, batch_size=2)
    assert first.looked == 12 and len(answers) == 6
    assert all(answer.margin(case) > 0.4 for case, answer in zip(cases, answers.values(), strict=True))
    assert all(answers[c.pair.id, c.other_way].probability_right(c) > 0.99 for c in cases)
    # Killed in the middle of the fourth line.
    text = whole.read_text("utf-8")
    cut.write_text("".join(text.splitlines(keepends=True)[:3]) + text.splitlines()[3][:20], encoding="utf-8")
    again = LeftIsBright()
    assert score_cases(again, cases, cut, batch_size=2) == answers
    assert again.looked == 6
    assert cut.read_text("utf-8") == text


def test_a_prompt_that_a_scorer_refuses_is_not_judged(cases: list[Comparison], tmp_path: Path) -> None:
    class Picky(LeftIsBright):
        def _score(self, images: list[Tensor], graphs: list[SceneGraph], *, explain: bool) -> SpatialScores:
            if any("right" in graph.text for graph in graphs):
                raise ValueError("I have not learnt what right is.")
            return super()._score(images, graphs, explain=explain)

    made = score_cases(Picky(), cases, tmp_path / "a.jsonl", batch_size=4)
    assert [math.isnan(made[c.pair.id, c.other_way].chosen) for c in cases] == [False, True] * 3
    read = read_answers(tmp_path / "a.jsonl")
    assert {a.reason for (_, way), a in read.items() if way} == {"I have not learnt what right is."}
    assert {a.reason for (_, way), a in read.items() if not way} == {""}


def test_a_proprietary_models_answers(tmp_path: Path, cases: list[Comparison]) -> None:
    file = tmp_path / "gpt.jsonl"
    rows = [
        {"id": "0", "answer": "chosen"},
        {"id": "1", "prompt": "prompt", "answer": "tie"},
        {"id": "2", "chosen": 3, "rejected": 4.5, "probability": 0.25},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    answers = read_answers(file)
    assert answers["0", False] == Answer(1.0, 0.0) or math.isnan(answers["0", False].probability)
    # It answered to `prompt` alone, so the other way is not asked of it.
    judged = answered_cases(answers, cases, source="gpt.jsonl")
    assert [c.pair.id for c in judged] == ["0", "1", "2"] and not any(c.other_way for c in judged)
    assert [answers[c.pair.id, False].margin(c) for c in judged] == [1.0, 0.0, -1.5]
    assert answers["2", False].probability_right(judged[2]) == 0.25


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "0", "chosen": 1', "line 1"),
        ("[1]", "is not a JSON object"),
        ('{"chosen": 1, "rejected": 0}', "lacks or misnames 'id'"),
        ('{"id": "0", "chosen": 1}', "lacks or misnames 'rejected'"),
        ('{"id": "0", "prompt": "other", "answer": "tie"}', "one of prompt, prompt_rejected"),
        ('{"id": "0", "answer": "both"}', "one of chosen, rejected, tie"),
        ('{"id": "0", "chosen": "high", "rejected": 0}', "finite numbers or null"),
        ('{"id": "0", "chosen": Infinity, "rejected": 0}', "finite numbers or null"),
        ('{"id": "0", "chosen": 1, "rejected": 0, "probability": 1.5}', r"in \[0, 1\]"),
        ('{"id": "0", "answer": "tie"}\n{"id": "0", "answer": "tie"}', "repeats the answer"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: str, message: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_answers(file)


def test_missing_answers_are_not_guessed(cases: list[Comparison]) -> None:
    answers = {("0", False): Answer(1.0, 0.0), ("0", True): Answer(0.0, 1.0)}
    with pytest.raises(ValueError, match=r"no answer to 4 of 6 comparisons, such as 1 \(prompt\)"):
        answered_cases(answers, cases, source="a.jsonl")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Cannot read the answers"):
        read_answers(tmp_path / "none.jsonl")
