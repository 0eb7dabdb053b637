"""Agreement figures: textbook cases, independent implementations, and people's votes on real pictures."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from spatial_trainers.review.agreement import (
    cohen_kappa,
    count_answers,
    fleiss_kappa,
    krippendorff_alpha,
    pairwise_agreement,
)

# Fleiss 1971: 14 raters, 10 subjects, 5 categories, as in Wikipedia's "Fleiss' kappa".
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]
# Krippendorff 2011, section C: four observers, twelve units, answers missing.
KRIPPENDORFF = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
    [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None],
]


def by_question(raters: list[list[int | None]]) -> list[list[int]]:
    return [[answer for answer in row if answer is not None] for row in zip(*raters, strict=True)]


def test_fleiss_own_example() -> None:
    assert pairwise_agreement(FLEISS) == pytest.approx(0.378, abs=5e-4)
    assert fleiss_kappa(FLEISS) == pytest.approx(0.210, abs=5e-4)


def test_krippendorffs_own_examples() -> None:
    assert krippendorff_alpha(count_answers(by_question(KRIPPENDORFF))) == pytest.approx(0.743, abs=5e-4)
    # Section A: two observers, binary.
    first, second = "0100000010", "1110010000"
    table = count_answers(list(zip(first, second, strict=True)))
    assert krippendorff_alpha(table) == pytest.approx(0.095, abs=5e-4)
    # Section B: two observers, five categories.
    table = count_answers(list(zip("aabbdcccedda", "babbbccceddd", strict=True)))
    assert krippendorff_alpha(table) == pytest.approx(0.692, abs=5e-4)


def test_cohens_kappa_by_hand() -> None:
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed .7, by chance .5 x .6 + .5 x .4 = .5.
    first = ["yes"] * 25 + ["no"] * 25
    second = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen_kappa(first, second) == pytest.approx(0.4)


def test_two_answers_by_hand() -> None:
    # Two questions, two people: once equal, once not. Shares 3/4 and 1/4; by chance 10/16.
    table = [[2, 0], [1, 1]]
    assert pairwise_agreement(table) == 0.5
    assert fleiss_kappa(table) == pytest.approx((0.5 - 0.625) / 0.375)
    assert krippendorff_alpha(table) == pytest.approx(1 - (2 * 3) / (16 - 10))


def test_full_agreement_and_none() -> None:
    assert fleiss_kappa([[3, 0], [0, 3]]) == pytest.approx(1.0)
    assert krippendorff_alpha([[3, 0], [0, 3]]) == 1.0
    # Two people who never agree although both use both answers: as far below chance as it goes.
    assert fleiss_kappa([[1, 1], [1, 1]]) == pytest.approx(-1.0)


@pytest.mark.parametrize("table", [np.zeros((0, 0), int), [[1, 0], [0, 1]], [[2, 0], [3, 0]]])
def test_undefined_is_not_a_number(table: list[list[int]]) -> None:
    assert math.isnan(fleiss_kappa(table)) and math.isnan(krippendorff_alpha(table))
    assert math.isnan(cohen_kappa([], []))


def test_single_answers_say_nothing() -> None:
    assert krippendorff_alpha([[2, 1], [0, 3], [1, 0]]) == krippendorff_alpha([[2, 1], [0, 3]])
    assert fleiss_kappa([[2, 1], [0, 3], [1, 0]]) == fleiss_kappa([[2, 1], [0, 3]])


@pytest.mark.parametrize("table", [[[1.5, 0.5]], [[-1, 3]], [1, 2]])
def test_what_is_no_table_of_counts(table: list[list[int]]) -> None:
    with pytest.raises(ValueError, match="counts must be whole numbers"):
        fleiss_kappa(table)


def test_cohen_wants_the_same_questions() -> None:
    with pytest.raises(ValueError, match="got 1 and 2"):
        cohen_kappa("a", "ab")


shapes = st.tuples(st.integers(2, 5), st.integers(2, 12))


@settings(max_examples=25, deadline=None)
@given(arrays(np.int64, shapes, elements=st.integers(0, 3)), st.randoms(use_true_random=False))
def test_against_independent_implementations(answers: np.ndarray, random: Random) -> None:
    statsmodels = pytest.importorskip("statsmodels.stats.inter_rater")
    krippendorff = pytest.importorskip("krippendorff")
    sklearn = pytest.importorskip("sklearn.metrics")
    table = count_answers(answers.T.tolist())
    if np.unique(answers).size > 1:
        assert fleiss_kappa(table) == pytest.approx(statsmodels.fleiss_kappa(table), abs=1e-12)
        theirs = krippendorff.alpha(answers, level_of_measurement="nominal")
        assert krippendorff_alpha(table) == pytest.approx(theirs, abs=1e-12)
    if np.unique(answers[:2]).size > 1:
        ours = cohen_kappa(answers[0].tolist(), answers[1].tolist())
        assert ours == pytest.approx(sklearn.cohen_kappa_score(answers[0], answers[1]), abs=1e-12)
    # With answers missing only Krippendorff's figure has another implementation here.
    holes = np.array([[random.random() < 0.25 for _ in row] for row in answers])
    some = np.where(holes, np.nan, answers)
    table = count_answers([[value for value in column if not math.isnan(value)] for column in some.T])
    if (table.sum(axis=1) >= 2).any() and (table[table.sum(axis=1) >= 2].sum(axis=0) > 0).sum() > 1:
        theirs = krippendorff.alpha(some, level_of_measurement="nominal")
        assert krippendorff_alpha(table) == pytest.approx(theirs, abs=1e-12)


def human_votes() -> list[list[list[str | None]]]:
    folder = os.environ.get("SPATIAL_EVAL_DATA")
    if not folder:
        pytest.skip("SPATIAL_EVAL_DATA does not name the folder of third-party prompt files")
    path = Path(folder) / "geneval_human_position_votes.jsonl"
    return [json.loads(line)["votes"] for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("question", [0, 1], ids=["x", "y"])
def test_peoples_votes_on_real_pictures(question: int) -> None:
    """Where are the objects, left or right of each other, above or below: five people a picture."""
    statsmodels = pytest.importorskip("statsmodels.stats.inter_rater")
    krippendorff = pytest.importorskip("krippendorff")
    votes = [[vote[question] for vote in picture] for picture in human_votes()]
    assert len(votes) == 612
    # Some people were not asked, or said nothing.
    answers = [[answer for answer in row if answer is not None] for row in votes]
    table = count_answers(answers)
    names = {answer: float(i) for i, answer in enumerate({a for row in answers for a in row})}
    raters = np.array([[names.get(answer, math.nan) for answer in row] for row in votes]).T
    theirs = krippendorff.alpha(raters, level_of_measurement="nominal")
    assert krippendorff_alpha(table) == pytest.approx(theirs, abs=1e-12)
    complete = table[table.sum(axis=1) == 5]
    assert fleiss_kappa(complete) == pytest.approx(statsmodels.fleiss_kappa(complete), abs=1e-12)
    pairs = [row[i] == row[j] for row in answers for i in range(len(row)) for j in range(i)]
    assert pairwise_agreement(table) == pytest.approx(sum(pairs) / len(pairs))
