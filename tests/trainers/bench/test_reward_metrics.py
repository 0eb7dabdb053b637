"""The numbers of the reward benchmark: worked by hand, and against an independent implementation."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binomtest
from tiny_models import statements

from spatial_core.statistics import mcnemar, wilson_interval
from spatial_trainers.bench.answers import Answer, Key
from spatial_trainers.bench.published import MORE_EDITS, ONE_EDIT, TABLE_1
from spatial_trainers.bench.reward_metrics import compare_scorers, measure_answers
from spatial_trainers.bench.reward_report import report, table_1
from spatial_trainers.pairs.data import (
    FOCUSED,
    Comparison,
    ImageReference,
    Pair,
    PairEdit,
    comparisons,
    derive_labels,
)

BEFORE = statements(("ball", "left_of", "cup"), ("lamp", "on", "box"))
AFTER = statements(("ball", "right_of", "cup"), ("lamp", "on", "box"))
NOWHERE = ImageReference(Path("x.png"), None, "")


def pair(name: str, edits: int = 1, kind: str = "flip_relation", tags: tuple[str, ...] = ()) -> Pair:
    made = tuple(PairEdit(kind, 0, number) for number in range(edits))
    return Pair(name, BEFORE, AFTER, NOWHERE, NOWHERE, made, derive_labels(BEFORE, AFTER, [0]), tags)


def paper_pairs() -> list[Pair]:
    """365 pairs in the paper's proportions."""
    return [pair(f"{i:03d}", 1 if i < ONE_EDIT else 2) for i in range(ONE_EDIT + MORE_EDITS)]


def answers_right(cases: list[Comparison], wrong: set[str]) -> dict[Key, Answer]:
    """Answers of a scorer that is wrong about the pairs named."""
    return {
        (c.pair.id, c.other_way): Answer(*((0.0, 1.0) if (c.pair.id in wrong) != c.other_way else (1.0, 0.0)))
        for c in cases
    }


def test_350_of_365_is_the_papers_interval() -> None:
    cases = comparisons(paper_pairs(), symmetric=False)
    # 11 of the 180 with one edit and 4 of the 185 others wrong: .939, .978 and .9589, as published.
    wrong = {f"{i:03d}" for i in [*range(11), *range(180, 184)]}
    metrics = measure_answers(cases, answers_right(cases, wrong))
    assert metrics["one_way"]["all"] == {"accuracy": 0.958904, "low": 0.93331, "high": 0.97494, "n": 365}
    assert metrics["one_way"]["1"]["accuracy"] == pytest.approx(0.939, abs=5e-4)
    assert metrics["one_way"]["2-3"]["accuracy"] == pytest.approx(0.978, abs=5e-4)
    assert [round(x, 3) for x in wilson_interval(350, 365)] == [0.933, 0.975]
    text = table_1({"ours": metrics})
    assert "| ours | 0.939 | 0.978 | 0.959 | [0.933, 0.975] | 365 |" in text
    assert "| SpatialScore 7B (*published*) | 0.939 | 0.978 | 0.958 | [0.933, 0.975] | 365 |" in text


def test_published_rows_are_in_order() -> None:
    """The overall accuracy lies between those of the two kinds of pairs; several edits are easier."""
    for row in TABLE_1:
        assert row.one < row.overall < row.more, row.name


@pytest.mark.parametrize(
    ("only_first", "only_second"), [(0, 5), (3, 3), (1, 0), (12, 4), (40, 25), (0, 0), (150, 90)]
)
def test_mcnemar_is_scipys_sign_test(only_first: int, only_second: int) -> None:
    total = only_first + only_second
    expected = binomtest(only_first, total, 0.5).pvalue if total else 1.0
    assert mcnemar(only_first, only_second) == pytest.approx(expected, rel=1e-9)


def test_mcnemar_is_that_of_statsmodels() -> None:
    tables = pytest.importorskip("statsmodels.stats.contingency_tables")
    found = tables.mcnemar(np.array([[300, 12], [4, 49]]), exact=True)
    assert mcnemar(12, 4) == pytest.approx(found.pvalue, rel=1e-9)


def test_two_scorers_are_compared_on_one_comparison_a_pair() -> None:
    cases = comparisons([pair(str(i)) for i in range(20)], symmetric=True)
    first = answers_right(cases, {"0", "1"})
    second = answers_right(cases, {"1", "2", "3", "4", "5", "6", "7"})
    (row,) = compare_scorers(cases, {"a": first, "b": second})
    assert row == {"first": "a", "second": "b", "only_first": 6, "only_second": 1, "p": mcnemar(6, 1)}


def test_ties_count_half_and_are_listed() -> None:
    cases = comparisons([pair("a"), pair("b", 2, "swap_objects")], symmetric=True)
    nan = math.nan
    answers = {
        ("a", False): Answer(2.0, 1.0, 0.9),
        ("a", True): Answer(1.0, 1.0, 0.5),
        ("b", False): Answer(1.0, 2.0, 0.2),
        ("b", True): Answer(nan, nan),
    }
    metrics = measure_answers(cases, answers, scenes={"a": "kitchen", "b": "garage"})
    # 1 + 1/2 + 0 + 1/2 of 4; the interval is that of 1 of 2 pairs.
    assert metrics["accuracy"] == {"accuracy": 0.5, "low": 0.094531, "high": 0.905469, "n": 4}
    assert metrics["one_way"]["all"]["accuracy"] == 0.5 and metrics["one_way"]["all"]["n"] == 2
    assert metrics["both_ways"]["accuracy"] == 0.0
    assert metrics["ties"] == ["a (prompt_rejected)"] and metrics["not_judged"] == ["b (prompt_rejected)"]
    assert metrics["by_edit_type"]["flip_relation"]["accuracy"] == 0.75
    assert metrics["by_edit_type"]["swap_objects"]["accuracy"] == 0.25
    assert {name: row["accuracy"] for name, row in metrics["by_scene"].items()} == {
        "garage": 0.25,
        "kitchen": 0.75,
    }
    # The judged prompt's own word for the edited relation.
    assert metrics["by_family_one_edit"]["left_of"]["accuracy"] == 1.0
    assert metrics["by_family_one_edit"]["right_of"]["accuracy"] == 0.5
    assert metrics["calibration"]["n"] == 3
    # The better pictures were given .9, .5 and .2: in both orders .9 and .1, .5 twice, .2 and .8.
    squares = (0.1**2 + 0.5**2 + 0.8**2) / 3
    assert metrics["calibration"]["brier_skill"] == pytest.approx(1 - squares / 0.25, abs=1e-4)


def test_pairs_chosen_for_one_relation_enter_only_the_tables_by_relation() -> None:
    cases = comparisons([pair("a"), pair("b", tags=(FOCUSED,))], symmetric=False)
    answers = answers_right(cases, {"b"})
    metrics = measure_answers(cases, answers)
    assert metrics["pairs"] == 1 and metrics["accuracy"]["accuracy"] == 1.0
    assert metrics["by_family_one_edit"]["left_of"] == metrics["by_family"]["left_of"]
    assert metrics["by_family"]["left_of"]["accuracy"] == 0.5
    (row,) = compare_scorers(cases, {"one": answers, "two": answers_right(cases, set())})
    assert row["only_first"] == row["only_second"] == 0


def test_scorers_without_probabilities_have_no_calibration() -> None:
    cases = comparisons([pair("a")], symmetric=False)
    metrics = measure_answers(cases, {("a", False): Answer(1.0, 0.0)})
    assert metrics["calibration"] is None and metrics["both_ways"]["n"] == 0


def test_the_report_has_every_table() -> None:
    cases = comparisons([pair("a"), pair("b", 2)], symmetric=True)
    answers = {"one": answers_right(cases, set()), "two": answers_right(cases, {"a"})}
    run = {
        "pairs": {"name": "mine", "split": "test", "number": 2, "sha256": "0"},
        "scorers": {"one": "x", "two": "y"},
        "results": {name: measure_answers(cases, given) for name, given in answers.items()},
        "mcnemar": compare_scorers(cases, answers),
        "probes": [{"probe": "text", "accuracy": 0.5, "low": 0.4, "high": 0.6, "total": 2}],
    }
    text = report(run)
    for wanted in (
        "| one | 1.000 | 1.000 | 1.000 |",
        "| text only (trained probe) | - | - | 0.500 | [0.400, 0.600] | 2 |",
        "GPT-5 (*published*)",
        "| one | two | 1 | 0 | 1.0000 |",
        "## By edited relation",
        "one: 0 ties; 0 not judged.",
    ):
        assert wanted in text
