"""How far people who answered the same questions agree, beyond what chance would give.

NumPy only. Array letters: Q questions, C possible answers. A table of counts [Q, C] says how many people
gave each answer; people may differ from question to question. Questions with fewer than two answers say
nothing about agreement and are left out. A figure is NaN where it is undefined: no question with two
answers, or, for those corrected for chance, one and the same answer everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def count_answers(answers: Sequence[Sequence[Hashable]]) -> NDArray[np.int64]:
    """Return the table of counts [Q, C] of each question's answers, C in order of first appearance."""
    place: dict[Hashable, int] = {}
    for given in answers:
        for answer in given:
            place.setdefault(answer, len(place))
    table = np.zeros((len(answers), len(place)), dtype=np.int64)
    for row, given in zip(table, answers, strict=True):
        for answer in given:
            row[place[answer]] += 1
    return table


def pairwise_agreement(counts: ArrayLike) -> float:
    """Return the share of all pairs of answers to one question that are equal.

    Args:
        counts: [Q, C], how many people gave each answer.

    Raises:
        ValueError: If `counts` is not a table of counts.
    """
    table = _paired(counts)
    given = table.sum(axis=1)
    return _ratio(float((table * (table - 1)).sum()), float((given * (given - 1)).sum()))


def fleiss_kappa(counts: ArrayLike) -> float:
    """Return Fleiss' kappa (Fleiss 1971, Psychological Bulletin 76).

    The mean over questions of the share of agreeing pairs, against what the mean shares of the answers would
    give by chance. Where questions have different numbers of answers each question weighs the same, which
    is Fleiss' own figure where they have the same number.

    Args:
        counts: [Q, C], how many people gave each answer.

    Raises:
        ValueError: If `counts` is not a table of counts.
    """
    table = _paired(counts)
    if not table.size:
        return math.nan
    given = table.sum(axis=1)
    observed = float(((table * (table - 1)).sum(axis=1) / (given * (given - 1))).mean())
    chance = float(((table / given[:, None]).mean(axis=0) ** 2).sum())
    return _ratio(observed - chance, 1.0 - chance)


def krippendorff_alpha(counts: ArrayLike) -> float:
    """Return Krippendorff's alpha for nominal data (Krippendorff 2011, Computing Krippendorff's
    Alpha-Reliability).

    One less the disagreement seen within questions over the disagreement among all answers, whoever gave
    them to whatever question.

    Args:
        counts: [Q, C], how many people gave each answer.

    Raises:
        ValueError: If `counts` is not a table of counts.
    """
    table = _paired(counts)
    given, totals = table.sum(axis=1), table.sum(axis=0)
    number = float(totals.sum())
    within = float(((given**2 - (table**2).sum(axis=1)) / (given - 1)).sum())
    among = number**2 - float((totals**2).sum())
    return 1.0 - _ratio(within * (number - 1.0), among)


def cohen_kappa(first: Sequence[Hashable], second: Sequence[Hashable]) -> float:
    """Return Cohen's kappa of two people who answered the same questions (Cohen 1960).

    Args:
        first: One person's answers.
        second: The other's, in the same order.

    Raises:
        ValueError: If the numbers of answers differ.
    """
    if len(first) != len(second):
        raise ValueError(f"Both must answer the same questions; got {len(first)} and {len(second)} answers.")
    if not first:
        return math.nan
    total = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / total
    chance = sum(first.count(answer) * second.count(answer) for answer in set(first)) / total**2
    return _ratio(observed - chance, 1.0 - chance)


def _paired(counts: ArrayLike) -> NDArray[np.int64]:
    table = np.asarray(counts)
    if table.ndim != 2 or table.dtype.kind not in "iu" or (table < 0).any():
        raise ValueError(
            "counts must be whole numbers >= 0 of shape [questions, answers]; "
            f"got {table.dtype} of shape {list(table.shape)}."
        )
    table = table.astype(np.int64)
    return table[table.sum(axis=1) >= 2]


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0.0 else math.nan
