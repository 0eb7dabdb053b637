"""Which true things a prompt says: how many, of which families, in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from random import Random

from spatial_core.scenes.closure import FLOOR, WALL, Statement

PAPER_HISTOGRAM: dict[int, int] = {
    3: 503,
    4: 3338,
    5: 10572,
    6: 15572,
    7: 19054,
    8: 13829,
    9: 11056,
    10: 3430,
}
"""Prompts of the SpatialReward dataset by their number of relations (arXiv 2602.24233, data figure); 11 and
12 relations are left out."""

SHORT_HISTOGRAM: dict[int, int] = {1: 1, 2: 1}
"""Prompts of one or two relations."""

FAMILY_WEIGHTS: dict[str, float] = {
    "left_of": 1.3,
    "right_of": 1.3,
    "above": 1.3,
    "below": 1.3,
    "on": 1.4,
    "under": 1.5,
    "in_front_of": 1.6,
    "behind": 1.6,
    "next_to": 1.5,
    "near": 0.7,
    "far_from": 1.0,
    "between": 1.3,
    "inside": 1.5,
    "stacked_on": 1.4,
    "leaning_against": 1.4,
    "hanging_on": 0.8,
    "hidden_by": 1.2,
    "larger_than": 0.6,
    "smaller_than": 0.6,
    "aligned_with": 0.8,
    "picture_left": 0.6,
    "picture_right": 0.6,
    "picture_top": 0.7,
    "picture_bottom": 0.7,
    "picture_center": 0.7,
    "foreground": 0.7,
    "background": 0.7,
}
"""How often a family is drawn among those that are available; rare ones weigh more."""

_SAME_FACT: dict[str, str] = {
    "right_of": "left_of",
    "below": "above",
    "under": "on",
    "stacked_on": "on",
    "behind": "in_front_of",
    "hidden_by": "in_front_of",
    "smaller_than": "larger_than",
    "near": "next_to",
    "far_from": "next_to",
}


def draw_count(rng: Random, histogram: dict[int, int]) -> int:
    """Return a number of relations."""
    return rng.choices(list(histogram), weights=list(histogram.values()))[0]


def fact(statement: Statement) -> tuple[str, frozenset[int]]:
    """Return what a statement is about: two of one fact say the same or contradict each other."""
    relation = _SAME_FACT.get(statement.relation, statement.relation)
    return relation, frozenset((statement.subject, *statement.objects))


def choose(
    rng: Random,
    pool: Iterable[Statement],
    count: int,
    *,
    taken: Sequence[Statement] = (),
    prefer: Callable[[Statement], float] | None = None,
) -> list[Statement]:
    """Return up to `count` statements of `pool`: families by weight, each fact at most once.

    Args:
        rng: Source of randomness.
        pool: Statements to choose from.
        count: How many are wanted.
        taken: Statements that will be made anyway; their facts are not repeated.
        prefer: Weight of a statement within its family.
    """
    families: dict[str, list[Statement]] = {}
    for statement in pool:
        families.setdefault(statement.relation, []).append(statement)
    facts = {fact(s) for s in taken}
    subjects: dict[int, int] = {}
    chosen: list[Statement] = []
    while len(chosen) < count and families:
        names = list(families)
        name = rng.choices(names, weights=[FAMILY_WEIGHTS[n] for n in names])[0]
        members = families[name]
        # Everything is on something: do not say so of each, and spread what is said over the things.
        weights = [_weight(s, subjects) * (prefer(s) if prefer else 1.0) for s in members]
        statement = rng.choices(members, weights=weights)[0]
        members.remove(statement)
        if not members:
            del families[name]
        if fact(statement) in facts:
            continue
        facts.add(fact(statement))
        for index in (statement.subject, *statement.objects):
            subjects[index] = subjects.get(index, 0) + 1
        chosen.append(statement)
    return chosen


def _weight(statement: Statement, said: dict[int, int]) -> float:
    weight = 1.0
    for index in (statement.subject, *statement.objects):
        weight *= 0.6 ** said.get(index, 0)
    if statement.objects and statement.objects[0] in (WALL, FLOOR):
        weight *= 0.5
    return weight


def arrange(rng: Random, statements: Sequence[Statement]) -> list[int]:
    """Return an order in which each statement, where possible, takes up something of the one before."""
    left = list(range(len(statements)))
    rng.shuffle(left)
    order = [left.pop()]
    while left:
        last = statements[order[-1]]
        here = {last.subject, *last.objects}
        follow = [i for i in left if here & {statements[i].subject, *statements[i].objects}]
        following = rng.choice(follow) if follow and rng.random() < 0.7 else rng.choice(left)
        left.remove(following)
        order.append(following)
    return order
