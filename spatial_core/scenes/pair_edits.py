"""Edits that lead from what is true of one world to what is true of another, and a choice among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.closure import FALSE, TRUE, Closure, Statement
from spatial_core.scenes.scene import Scene
from spatial_core.scenes.statements import fact

EditKind = Literal[
    "swap_objects",
    "swap_attributes",
    "flip_relation",
    "replace_relation",
    "swap_anchors",
    "swap_subjects",
    "reorder_sequence",
    "change_distance",
    "change_containment",
    "change_support",
]

_KIND_WEIGHTS: dict[EditKind, float] = {
    "swap_objects": 1.6,
    "swap_attributes": 1.6,
    "flip_relation": 1.6,
    "replace_relation": 0.8,
    "swap_anchors": 0.6,
    "swap_subjects": 0.6,
    "reorder_sequence": 0.8,
    "change_distance": 1.0,
    "change_containment": 1.3,
    "change_support": 1.0,
}


EDIT_WEIGHTS: dict[str, float] = {
    "left_of": 0.9,
    "right_of": 0.9,
    "above": 1.5,
    "below": 1.5,
    "on": 1.5,
    "under": 1.5,
    "in_front_of": 1.6,
    "behind": 1.6,
    "next_to": 1.6,
    "near": 0.8,
    "far_from": 1.0,
    "between": 1.3,
    "inside": 1.5,
    "stacked_on": 1.2,
    "leaning_against": 1.2,
    "hanging_on": 0.8,
    "hidden_by": 1.2,
    "larger_than": 0.3,
    "smaller_than": 0.3,
    "aligned_with": 0.8,
    "picture_left": 0.6,
    "picture_right": 0.6,
    "picture_top": 0.7,
    "picture_bottom": 0.7,
    "picture_center": 0.6,
    "foreground": 0.8,
    "background": 0.8,
}
"""How often a family is drawn for an edit among those that the two worlds allow."""


@dataclass(frozen=True)
class EditCandidate:
    """An edit that the two worlds allow.

    Attributes:
        kind: What it does to the words.
        before: Statements that are true of the first world, of which one is false of the second.
        after: What becomes of them.
    """

    kind: EditKind
    before: tuple[Statement, ...]
    after: tuple[Statement, ...]


def edit_candidates(
    rng: Random,
    scene: Scene,
    first: Closure,
    second: Closure,
    only_first: Sequence[Statement],
    only_second: Sequence[Statement],
    allowed: Callable[[Statement], bool],
) -> list[EditCandidate]:
    """Return every edit from what is true of the first world alone to what is true of the second alone.

    Args:
        rng: Draws among reordered rows, of which there are many.
        scene: The first world.
        first, second: What is true and false of each.
        only_first, only_second: Statements that are true of one and false of the other.
        allowed: Whether a prompt may state it.
    """
    found: list[EditCandidate] = []
    after_by_participants: dict[frozenset[int], list[Statement]] = {}
    after_by_slot: dict[tuple[str, str, int], list[Statement]] = {}
    for s in only_second:
        after_by_participants.setdefault(frozenset((s.subject, *s.objects)), []).append(s)
        if len(s.objects) == 1:
            after_by_slot.setdefault((s.relation, "subject", s.subject), []).append(s)
            after_by_slot.setdefault((s.relation, "object", s.objects[0]), []).append(s)
    for s in only_first:
        for t in after_by_participants.get(frozenset((s.subject, *s.objects)), []):
            if (kind := _kind_of(scene, s, t)) is not None:
                found.append(EditCandidate(kind, (s,), (t,)))
        if len(s.objects) == 1:
            for t in after_by_slot.get((s.relation, "subject", s.subject), []):
                found.append(EditCandidate("swap_anchors", (s,), (t,)))
            for t in after_by_slot.get((s.relation, "object", s.objects[0]), []):
                found.append(EditCandidate("swap_subjects", (s,), (t,)))
    found += _sequences(rng, first, second, allowed)
    return found


def _kind_of(scene: Scene, s: Statement, t: Statement) -> EditKind | None:
    """Return the edit that turns `s` into `t`, both about the same things; None if it is no fair one."""
    if s.relation == t.relation:
        if not s.objects or RELATIONS[s.relation].symmetric:
            return None
        if s.relation == "between" and s.subject == t.subject:
            return None
        objects = scene.objects
        same = len(s.objects) == 1 and all(i >= 0 for i in (s.subject, s.objects[0]))
        if same and objects[s.subject].kind == objects[s.objects[0]].kind:
            return "swap_attributes"
        return "swap_objects"
    if s.subject != t.subject or s.objects != t.objects:
        return None
    one, other = RELATIONS[s.relation], RELATIONS[t.relation]
    if one.axis == "distance" and other.axis == "distance":
        return "change_distance"
    if "containment" in (one.axis, other.axis):
        return "change_containment"
    if "support" in (one.axis, other.axis):
        return "change_support"
    if one.inverse == t.relation or t.relation in one.contrary:
        return "flip_relation"
    return "replace_relation"


def _sequences(
    rng: Random, first: Closure, second: Closure, allowed: Callable[[Statement], bool]
) -> list[EditCandidate]:
    """Return reorderings of rows of three: left to right A, B, C before, another order after."""

    def rows_of(closure: Closure) -> dict[frozenset[int], tuple[int, ...]]:
        left = [s for s in closure.statements(TRUE) if s.relation == "left_of"]
        follows: dict[int, list[int]] = {}
        for s in left:
            follows.setdefault(s.subject, []).append(s.objects[0])
        return {
            frozenset((a, b, c)): (a, b, c)
            for a, middle in follows.items()
            for b in middle
            for c in follows.get(b, [])
        }

    def chain(row: tuple[int, ...]) -> tuple[Statement, ...]:
        return tuple(Statement("left_of", a, (b,)) for a, b in zip(row, row[1:], strict=False))

    ours, theirs = rows_of(first), rows_of(second)
    found: list[EditCandidate] = []
    for things, row in ours.items():
        other = theirs.get(things)
        if other is None or other == row:
            continue
        before, after = chain(row), chain(other)
        if not all(allowed(s) for s in (*before, *after)):
            continue
        if any(second.state(s) == FALSE for s in before) and any(first.state(s) == FALSE for s in after):
            found.append(EditCandidate("reorder_sequence", before, after))
    rng.shuffle(found)
    return found[:4]


def _fondness(candidate: EditCandidate) -> float:
    """Return the weight of an edit: what moves is often left or right of something new."""
    sideways = candidate.kind not in ("flip_relation", "swap_objects", "swap_attributes", "reorder_sequence")
    named = {s.relation for s in (*candidate.before, *candidate.after)}
    return _KIND_WEIGHTS[candidate.kind] * (0.4 if sideways and named & {"left_of", "right_of"} else 1.0)


def choose_edits(
    rng: Random,
    candidates: Sequence[EditCandidate],
    *,
    num_edits: int,
    num_relations: int,
    focus: str | None,
    aims: Sequence[str],
) -> list[EditCandidate] | None:
    """Return `num_edits` edits about different facts, families balanced; None if there are not so many.

    Args:
        rng: Draws them.
        candidates: What the two worlds allow.
        num_edits: How many.
        num_relations: Of the prompt, of which they may alter no more.
        focus: A relation that the first must start from or lead to.
        aims: Relations that each of the others starts from or leads to if it can.
    """
    left = [c for c in candidates if len(c.before) <= num_relations]
    chosen: list[EditCandidate] = []
    facts: set[tuple[str, frozenset[int]]] = set()
    for number in range(num_edits):
        left = [c for c in left if not facts & {fact(s) for s in (*c.before, *c.after)}]
        room = num_relations - sum(len(c.before) for c in chosen)
        left = [c for c in left if len(c.before) <= room - (num_edits - len(chosen) - 1)]
        options = left
        if focus is not None and not chosen:
            options = [c for c in left if any(focus == s.relation for s in (*c.before, *c.after))]
        elif chosen:
            aim = aims[number - 1]
            options = [c for c in left if any(aim == s.relation for s in (*c.before, *c.after))] or left
        if not options:
            return None
        from_families: dict[str, list[EditCandidate]] = {}
        for c in options:
            from_families.setdefault(c.before[0].relation, []).append(c)
        names = list(from_families)
        family = from_families[rng.choices(names, weights=[EDIT_WEIGHTS.get(n, 1.0) for n in names])[0]]
        pick = rng.choices(family, weights=[_fondness(c) for c in family])[0]
        chosen.append(pick)
        facts |= {fact(s) for s in (*pick.before, *pick.after)}
    return chosen
