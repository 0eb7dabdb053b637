"""The validation table, from judgements made by hand."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from tiny_models import statements

from spatial_trainers.pairs.data import FOCUSED, Comparison, ImageReference, Pair, PairEdit, derive_labels
from spatial_trainers.reward_model.validation import (
    Judgement,
    Temperatures,
    fit_temperatures,
    markdown,
    measure,
)

BEFORE = statements(("ball", "left_of", "cup"), ("lamp", "on", "box"))
AFTER = statements(("ball", "right_of", "cup"), ("lamp", "on", "box"))
NOWHERE = ImageReference(Path("x.png"), None, "")


def _pair(name: str, edits: int = 1, tags: tuple[str, ...] = ()) -> Pair:
    made = tuple(PairEdit("flip_relation", 0, number) for number in range(edits))
    return Pair(name, BEFORE, AFTER, NOWHERE, NOWHERE, made, derive_labels(BEFORE, AFTER, [0]), tags)


def _judgement(margin: float, *, better: tuple[float, float], worse: tuple[float, float]) -> Judgement:
    return Judgement(margin, margin, (better, worse))


def _cases() -> tuple[list[Comparison], list[Judgement]]:
    easy, hard = _pair("easy", edits=2, tags=("far",)), _pair("hard")
    cases = [Comparison(easy, False), Comparison(easy, True), Comparison(hard, False), Comparison(hard, True)]
    judged = [
        _judgement(2.0, better=(3.0, 3.0), worse=(-3.0, 3.0)),
        _judgement(2.0, better=(3.0, 3.0), worse=(-3.0, 3.0)),
        _judgement(2.0, better=(3.0, 3.0), worse=(3.0, 3.0)),
        _judgement(-2.0, better=(-3.0, 3.0), worse=(3.0, -3.0)),
    ]
    return cases, judged


def test_the_table_by_hand() -> None:
    metrics = measure(*_cases())
    assert metrics["pairs"] == 2 and metrics["comparisons"] == 4
    # 3 of 4; as the two ways of a pair share their pictures, the interval is that of 1 of 2 pairs.
    assert metrics["accuracy"] == {"accuracy": 0.75, "low": 0.094531, "high": 0.905469, "n": 4}
    assert metrics["both_ways"]["accuracy"] == 0.5
    assert metrics["by_edits"]["1"]["accuracy"] == 0.5
    assert metrics["by_edits"]["2-3"]["accuracy"] == 1.0
    assert metrics["by_relations"]["1-2"]["n"] == 4
    assert metrics["by_relations"]["3-10"] == {"accuracy": None, "low": 0.0, "high": 1.0, "n": 0}
    assert metrics["by_tag"]["far"]["accuracy"] == 1.0
    # The edited relation as the judged prompt states it; pairs with one edit alone.
    assert {name: row["accuracy"] for name, row in metrics["by_family_one_edit"].items()} == {
        "left_of": 1.0,
        "right_of": 0.0,
    }
    assert {name: row["accuracy"] for name, row in metrics["by_family"].items()} == {
        "left_of": 1.0,
        "right_of": 0.5,
    }
    verdicts = metrics["verdicts"]
    # True: 4 edited in the better pictures, 8 of the lamp; false: 4 edited in the worse pictures.
    assert verdicts["true"]["n"] == 12 and verdicts["false"]["n"] == 4
    assert verdicts["true"]["accuracy"] == pytest.approx(10 / 12, abs=1e-4)
    assert verdicts["false"]["accuracy"] == 0.5
    assert verdicts["balanced"] == pytest.approx((10 / 12 + 0.5) / 2, abs=1e-3)
    assert metrics["verdicts_by_family"]["on"]["false"]["accuracy"] is None
    right = 1 / (1 + math.exp(-2.0))
    assert metrics["nll"] == pytest.approx(-(3 * math.log(right) + math.log(1 - right)) / 4, abs=1e-4)


def test_a_tie_is_half_right() -> None:
    cases, judged = _cases()
    tied = [_judgement(0.0, better=(0.0, 0.0), worse=(0.0, 0.0)) for _ in judged]
    metrics = measure(cases, tied)
    assert metrics["accuracy"]["accuracy"] == 0.5
    assert metrics["both_ways"]["accuracy"] == 0.0
    assert metrics["brier_skill"] == 0.0


def test_temperatures_make_the_probabilities_true() -> None:
    pairs = [_pair(str(i)) for i in range(40)]
    cases = [Comparison(pair, False) for pair in pairs]
    # 30 of 40 right at a margin of 5: the probability should be .75, so T = 5 / log 3.
    judged = [
        _judgement(5.0 if i % 4 else -5.0, better=(4.0, 4.0), worse=(-4.0 if i % 4 else 4.0, 4.0))
        for i in range(40)
    ]
    found = fit_temperatures(cases, judged)
    assert found.pair == pytest.approx(5.0 / math.log(3.0), rel=1e-3)
    metrics = measure(cases, judged, temperatures=found)
    assert metrics["calibration_error"] == pytest.approx(0.0, abs=1e-3)
    assert measure(cases, judged)["calibration_error"] > 0.2
    # 40 false relations, 30 judged right, against 40 of the true ones, all right: 70 of 80 at a logit of 4.
    assert found.clause == pytest.approx(4.0 / math.log(7.0), rel=1e-3)


def test_without_false_relations_there_is_no_clause_temperature() -> None:
    nothing = float("nan")
    pair = Pair("a", BEFORE, AFTER, NOWHERE, NOWHERE, (), ((1.0, 1.0), (nothing, nothing)) * 2)
    judged = [_judgement(1.0, better=(1.0, 1.0), worse=(1.0, 1.0))]
    assert fit_temperatures([Comparison(pair, False)], judged).clause == 1.0


def test_the_markdown_says_what_was_measured() -> None:
    text = markdown(measure(*_cases(), temperatures=Temperatures(2.0, 1.0)))
    assert "4 comparisons from 2 pairs" in text
    assert "| all | 0.750 | [0.095, 0.905] | 4 |" in text
    assert "| 3-10 relations | - | - | 0 |" in text
    assert "| left_of | 1.000 |" in text
    assert "| on | 1.000 (7) | - (0) | - |" not in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    tables = {line.count("|") for line in rows}
    assert tables == {5}


def test_pairs_chosen_for_one_relation_enter_only_the_tables_by_relation() -> None:
    cases, judged = _cases()
    chosen = _pair("chosen", tags=(FOCUSED,))
    wrong = _judgement(-1.0, better=(-3.0, 3.0), worse=(3.0, 3.0))
    plain, with_it = measure(cases, judged), measure([*cases, Comparison(chosen, False)], [*judged, wrong])
    changed = {key for key in plain if plain[key] != with_it[key]}
    assert changed == {"by_family_one_edit", "by_family", "verdicts", "verdicts_by_family"}
    assert with_it["by_family_one_edit"]["left_of"]["n"] == plain["by_family_one_edit"]["left_of"]["n"] + 1
