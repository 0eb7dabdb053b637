"""Every number of the reward benchmark, from answers to comparisons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import combinations
from typing import Any

from spatial_core.statistics import mcnemar, reliability_bins
from spatial_trainers.bench.answers import WAYS, Answer, Key, key_of
from spatial_trainers.pairs.accuracy import (
    both_ways,
    by_edits,
    by_family,
    by_label,
    by_relations,
    calibration,
    hit,
    in_both_orders,
    share,
)
from spatial_trainers.pairs.data import FOCUSED, Comparison


def measure_answers(
    cases: Sequence[Comparison], answers: Mapping[Key, Answer], *, scenes: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return the numbers of one scorer.

    `one_way` is the paper's protocol, one comparison a pair with the prompt that was not edited; the other
    tables count both ways where both were judged. Ties count half and are listed, as are comparisons that
    the scorer could not judge, which are ties. Pairs tagged `FOCUSED` enter the tables by relation alone.

    Args:
        cases: The comparisons that were judged.
        answers: An answer to each.
        scenes: Scene of a pair by its id.
    """
    families = _families(cases, [hit(answers[key_of(case)].margin(case)) for case in cases])
    cases = [case for case in cases if FOCUSED not in case.pair.tags]
    given = [answers[key_of(case)] for case in cases]
    margins = [answer.margin(case) for case, answer in zip(cases, given, strict=True)]
    hits = [hit(margin) for margin in margins]
    paper = [i for i, case in enumerate(cases) if not case.other_way]
    plain, plain_hits = [cases[i] for i in paper], [hits[i] for i in paper]
    known = [a.probability_right(c) for c, a in zip(cases, given, strict=True)]
    known = [p for p in known if not math.isnan(p)]
    return {
        "pairs": len(plain),
        "comparisons": len(cases),
        "one_way": {"all": share(plain_hits), **by_edits(plain, plain_hits)},
        "accuracy": share(hits, independent=len({case.pair.id for case in cases})),
        "both_ways": both_ways(cases, hits),
        "by_edits": by_edits(cases, hits),
        "by_relations": by_relations(cases, hits),
        **families,
        "by_edit_type": by_label(cases, hits, [sorted({e.kind for e in c.pair.edits}) for c in cases]),
        "by_scene": by_label(cases, hits, [_scene(c, scenes or {}) for c in cases]),
        "by_tag": by_label(cases, hits, [c.pair.tags for c in cases]),
        "ties": [_name(c) for c, m in zip(cases, margins, strict=True) if m == 0],
        "not_judged": [_name(c) for c, m in zip(cases, margins, strict=True) if math.isnan(m)],
        "reasons": {_name(c): a.reason for c, a in zip(cases, given, strict=True) if a.reason},
        "calibration": _calibration(known),
    }


def compare_scorers(
    cases: Sequence[Comparison], answers: Mapping[str, Mapping[Key, Answer]]
) -> list[dict[str, Any]]:
    """Return McNemar's exact test of every two scorers on the comparisons of `prompt`, one a pair.

    The two ways of a pair share their pictures, so only one of them enters. A tie is not right.

    Args:
        cases: The comparisons.
        answers: By scorer.
    """
    plain = [case for case in cases if not case.other_way and FOCUSED not in case.pair.tags]
    right = {
        name: [answered[key_of(case)].margin(case) > 0 for case in plain]
        for name, answered in answers.items()
    }
    table: list[dict[str, Any]] = []
    for first, second in combinations(right, 2):
        sides = list(zip(right[first], right[second], strict=True))
        only_first, only_second = sides.count((True, False)), sides.count((False, True))
        table.append(
            {
                "first": first,
                "second": second,
                "only_first": only_first,
                "only_second": only_second,
                "p": mcnemar(only_first, only_second),
            }
        )
    return table


def _families(cases: Sequence[Comparison], hits: Sequence[float]) -> dict[str, Any]:
    return {
        "by_family": by_family(cases, hits),
        "by_family_one_edit": by_family(cases, hits, most_edits=1),
    }


def _calibration(probabilities: Sequence[float]) -> dict[str, Any] | None:
    if not probabilities:
        return None
    curve = [asdict(one) for one in reliability_bins(*in_both_orders(probabilities))]
    return {**calibration(probabilities), "n": len(probabilities), "curve": curve}


def _scene(case: Comparison, scenes: Mapping[str, str]) -> tuple[str, ...]:
    return (scenes[case.pair.id],) if case.pair.id in scenes else ()


def _name(case: Comparison) -> str:
    return f"{case.pair.id} ({WAYS[case.other_way]})"
