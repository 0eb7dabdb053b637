"""Accuracy on preference pairs with its uncertainty: what the validation of a judge and the benchmark share.

A comparison is right if the better picture gets the higher score; a tie is half right. The two ways of a pair
share their pictures, so an interval counts them as one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from spatial_core.statistics import brier_skill, expected_calibration_error, wilson_interval
from spatial_trainers.pairs.data import Comparison

BY_EDITS = (("1", 1, 1), ("2-3", 2, 3))
BY_RELATIONS = (("1-2", 1, 2), ("3-10", 3, 10), ("11 or more", 11, 10**9))


def hit(margin: float) -> float:
    """Return 1 for a positive margin, .5 for a tie, 0 for a negative one; NaN, not judged, is a tie."""
    return 0.5 if margin == 0 or math.isnan(margin) else float(margin > 0)


def probability(logit: float) -> float:
    """Return the logistic function, safe for any finite `logit`."""
    return 1.0 / (1.0 + math.exp(-max(-60.0, min(60.0, logit))))


def share(hits: Sequence[float], *, independent: int | None = None) -> dict[str, Any]:
    """Return the mean of `hits` in [0, 1] with its Wilson interval.

    Args:
        hits: One number a judgement, a tie being half.
        independent: How many of them are independent: the two ways of a pair share their pictures.
    """
    total = len(hits) if independent is None else independent
    # Rounded down: half a success is none.
    low, high = wilson_interval(math.floor(sum(hits) * total / len(hits) + 1e-9) if hits else 0, total)
    return {
        # More digits than are shown: 340 of 365 is .932, and .931 if it is rounded to four digits first.
        "accuracy": round(sum(hits) / len(hits), 6) if hits else None,
        "low": round(low, 6),
        "high": round(high, 6),
        "n": len(hits),
    }


def share_where(
    cases: Sequence[Comparison], hits: Sequence[float], test: Callable[[Comparison], bool]
) -> dict[str, Any]:
    """Return the `share` of the comparisons that pass `test`, the two ways of a pair counted as one."""
    chosen = [(c, h) for c, h in zip(cases, hits, strict=True) if test(c)]
    return share([h for _, h in chosen], independent=len({c.pair.id for c, _ in chosen}))


def both_ways(cases: Sequence[Comparison], hits: Sequence[float]) -> dict[str, Any]:
    """Return the share of pairs judged both ways of which both are right; a tie is not."""
    by_pair: dict[str, list[float]] = {}
    for case, value in zip(cases, hits, strict=True):
        by_pair.setdefault(case.pair.id, []).append(value)
    return share([float(min(group) == 1.0) for group in by_pair.values() if len(group) == 2])


def by_edits(cases: Sequence[Comparison], hits: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Return the share by the number of edits between the prompts."""
    return {
        label: share_where(cases, hits, lambda c, low=low, high=high: low <= c.pair.num_edits <= high)
        for label, low, high in BY_EDITS
    }


def by_relations(cases: Sequence[Comparison], hits: Sequence[float]) -> dict[str, dict[str, Any]]:
    """Return the share by the number of relations that the judged prompt states."""
    return {
        label: share_where(cases, hits, lambda c, low=low, high=high: low <= len(c.graph.relations) <= high)
        for label, low, high in BY_RELATIONS
    }


def by_family(
    cases: Sequence[Comparison], hits: Sequence[float], *, most_edits: int = 3
) -> dict[str, dict[str, Any]]:
    """Return the share by edited relation, as the judged prompt states it, of pairs with few enough edits."""
    named = [c.pair.families(other_way=c.other_way) for c in cases]
    few = [c.pair.num_edits <= most_edits for c in cases]
    return by_label(cases, hits, [names if some else () for names, some in zip(named, few, strict=True)])


def by_label(
    cases: Sequence[Comparison], hits: Sequence[float], labels: Sequence[Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Return the share by label, sorted; a comparison counts under each of its labels."""
    table: dict[str, dict[str, Any]] = {}
    for label in sorted({name for names in labels for name in names}):
        rows = [i for i, names in enumerate(labels) if label in names]
        pairs = {cases[i].pair.id for i in rows}
        table[label] = share([hits[i] for i in rows], independent=len(pairs))
    return table


def calibration(probabilities: Sequence[float]) -> dict[str, float]:
    """Return Brier skill over 1/2 and calibration error of the probabilities given to the better pictures.

    Each comparison is counted in both orders, so that outcomes differ and 1/2 is the constant to beat.
    """
    mirrored, outcomes = in_both_orders(probabilities)
    return {
        "brier_skill": round(brier_skill(mirrored, outcomes), 4),
        "calibration_error": round(expected_calibration_error(mirrored, outcomes), 4),
    }


def in_both_orders(probabilities: Sequence[float]) -> tuple[list[float], list[float]]:
    """Return probabilities and outcomes of every comparison as (better, worse) and as (worse, better)."""
    count = len(probabilities)
    return [*probabilities, *(1.0 - p for p in probabilities)], [1.0] * count + [0.0] * count


def table_line(label: str, row: Mapping[str, Any]) -> str:
    """Return one row of a Markdown table: label, accuracy, interval, n."""
    if not row["n"]:
        return f"| {label} | - | - | 0 |"
    return f"| {label} | {number(row['accuracy'])} | [{row['low']:.3f}, {row['high']:.3f}] | {row['n']} |"


def number(value: float | None) -> str:
    """Return a share with three decimals, "-" where there is none."""
    return "-" if value is None else f"{value:.3f}"
