"""What the stated relations of a prompt imply, and what they rule out. Pure logic, no picture.

The rules are sound for the taxonomy's reading of the words, and deliberately not complete: what cannot be
proven is neither implied nor refuted. Three assumptions carry them:

- The directions (left, above, in front, larger, inside) are strict orders of centers, so they chain and
  never run in a circle.
- "Left of", "behind" and their like place one thing beside another. What rests on, hangs on or lies in a
  thing is therefore not beside it, and lies on that thing's side of everything that the thing is beside.
- What stands between two things has one of them on each side, whichever of the two is named first.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph

Node = tuple[int, str]
"""An entity's id (`PICTURE_ID` for the picture) and the part of it that is meant, "" for the whole."""

PICTURE_ID = -1


@dataclass(frozen=True)
class Fact:
    """One relation between things or their parts.

    Attributes:
        relation: A name of `RELATIONS`.
        subject: What is placed.
        objects: What it is placed by.
        own_frame: Whether the object's own left, right, front and back are meant instead of the viewer's.
    """

    relation: str
    subject: Node
    objects: tuple[Node, ...]
    own_frame: bool = False


def facts_of(graph: SceneGraph) -> list[Fact]:
    """Return one fact for each relation of `graph`, in its order."""
    return [_fact(graph, relation) for relation in graph.relations]


class Closure:
    """What follows from facts.

    Attributes:
        facts: The facts it was built from.
        contradiction: A sentence that names the first contradiction among them; empty if they are consistent.
    """

    def __init__(self, facts: Iterable[Fact], *, siblings: Iterable[Iterable[Node]] = ()) -> None:
        """Derive everything.

        Args:
            facts: What is stated.
            siblings: Pairs that are two things of one kind, such as two shelves: nothing rests
                on or lies in both.
        """
        self.facts = tuple(facts)
        self._siblings = frozenset(frozenset(pair) for pair in siblings)
        self._orders = _Orders(self.facts)
        self.contradiction = self._find_contradiction()

    @classmethod
    def of(cls, graph: SceneGraph, relations: Sequence[int] | None = None) -> Closure:
        """Return the closure of `graph`, or of those of its relations whose indices are given.

        Entities of one name that say where they stand ("the left lantern", "the right lantern") are ordered
        by that, too.
        """
        stated = facts_of(graph)
        chosen = stated if relations is None else [stated[i] for i in relations]
        return cls(
            [*chosen, *_facts_of_labels(graph)],
            siblings=[(_node(graph, a), _node(graph, b)) for a, b in _siblings(graph)],
        )

    def implies(self, fact: Fact) -> bool:
        """Return whether `fact` is stated or follows: by chaining, by the inverse, by symmetry.

        An inconsistent closure implies nothing.
        """
        if self.contradiction:
            return False
        order = _order_of(fact)
        if order is not None and fact.relation in _CHAINING:
            return self._orders.reaches(*order, strong=True)
        return any(_same(fact, known) for known in self.facts)

    def refutes(self, fact: Fact) -> bool:
        """Return whether `fact` cannot hold beside the facts. An inconsistent closure refutes nothing."""
        if self.contradiction:
            return False
        return bool(self.contradiction_with(fact))

    def contradiction_with(self, *facts: Fact) -> str:
        """Return the first contradiction that appears when `facts` are added; empty if all can hold."""
        return Closure((*self.facts, *facts), siblings=self._siblings).contradiction

    def _find_contradiction(self) -> str:
        return (
            self._orders.circle()
            or _self_relations(self.facts)
            or _pairs_excluded(self.facts, self._orders)
            or _places_excluded(self.facts)
            or _parts_excluded(self.facts)
            or _between_excluded(self.facts, self._orders)
            or _two_supports(self.facts, self._orders, self._siblings)
        )


def part_sides(part: str) -> dict[str, int]:
    """Return on which side of its thing a part lies: x, y, depth -> -1 or 1, and {"center": 0} for a middle.

    "upper-left corner" gives {"y": 1, "x": -1}; left, lower and front are -1.
    """
    words = re.findall(r"[a-z]+", part.lower())
    return {_SIDES[word][0]: _SIDES[word][1] for word in words if word in _SIDES}


def parts_conflict(a: str, b: str) -> bool:
    """Return whether one small thing cannot be at both parts: "back edge" and "front edge"."""
    sides_a, sides_b = part_sides(a), part_sides(b)
    middle = {"center": 0}
    if middle in (sides_a, sides_b):
        other = sides_b if sides_a == middle else sides_a
        return bool(other) and "center" not in other
    return any(sides_b.get(axis, side) != side for axis, side in sides_a.items())


_SIDES = {
    "left": ("x", -1),
    "right": ("x", 1),
    "leftmost": ("x", -1),
    "rightmost": ("x", 1),
    "bottom": ("y", -1),
    "lower": ("y", -1),
    "top": ("y", 1),
    "upper": ("y", 1),
    "front": ("depth", -1),
    "near": ("depth", -1),
    "back": ("depth", 1),
    "rear": ("depth", 1),
    "far": ("depth", 1),
    "center": ("center", 0),
    "centre": ("center", 0),
    "middle": ("center", 0),
}

# (axis, whether the subject is the lower end): lower is farther left, lower down, nearer, smaller, inner.
_ORDERED = {
    "left_of": ("x", True),
    "right_of": ("x", False),
    "below": ("y", True),
    "above": ("y", False),
    "under": ("y", True),
    "on": ("y", False),
    "stacked_on": ("y", False),
    "in_front_of": ("depth", True),
    "behind": ("depth", False),
    "hidden_by": ("depth", False),
    "smaller_than": ("size", True),
    "larger_than": ("size", False),
    "inside": ("containment", True),
}
_DIRECTIONS = (
    "left_of",
    "right_of",
    "above",
    "below",
    "in_front_of",
    "behind",
    "larger_than",
    "smaller_than",
)
"""Relations that are nothing but a direction: the order of the ends is all they say."""

_CHAINING = (*_DIRECTIONS, "inside")
_CENTERS_ONLY = ("on", "stacked_on", "under")
"""Relations that order two things without placing them apart."""

_HOLDING = ("on", "stacked_on", "inside", "hanging_on")
_PLACES = {
    "picture_left": ("x", -1),
    "picture_right": ("x", 1),
    "picture_bottom": ("y", -1),
    "picture_top": ("y", 1),
    "foreground": ("depth", -1),
    "background": ("depth", 1),
}
_SIDEWAYS = ("left_of", "right_of")

# What cannot hold of one ordered pair (subject, object) beside what the orders and `contrary` say.
_EXCLUDES: dict[str, tuple[str, ...]] = {
    # A thing on a wall is in front of that wall, so `on` leaves `in_front_of` open.
    "on": (*_SIDEWAYS, "behind", "next_to", "far_from", "around", "opposite"),
    "stacked_on": (*_SIDEWAYS, "behind", "in_front_of", "next_to", "far_from", "around", "opposite"),
    "inside": (*_SIDEWAYS, "behind", "in_front_of", "next_to", "far_from", "around", "opposite", "hidden_by"),
    "hanging_on": (*_SIDEWAYS, "behind", "next_to", "far_from", "around", "inside", "opposite"),
    "under": (*_SIDEWAYS, "far_from", "inside", "around"),
    "leaning_against": ("far_from", "inside", "around"),
    "at_edge": ("far_from",),
    "at_corner": ("far_from",),
    "around": ("far_from",),
}
_SYMMETRIC_EXCLUSIONS = ("far_from", "next_to", "near", "opposite", *_SIDEWAYS, "behind", "in_front_of")
"""Of these, the exclusion holds of (object, subject) as well: a table is not beside the cup on it."""

_LOCATING = ("on", "at_corner", "at_edge", "next_to", "near", "inside", "leaning_against", "hanging_on")


def _fact(graph: SceneGraph, relation: Relation) -> Fact:
    objects = [(PICTURE_ID, "") if i == PICTURE else _node(graph, i) for i in relation.objects]
    if relation.part and objects:
        whole, part = objects[0]
        objects[0] = (whole, f"{part} {relation.part}".strip())
    return Fact(relation.relation, _node(graph, relation.subject), tuple(objects), relation.frame == "object")


def _node(graph: SceneGraph, entity: int) -> Node:
    """Return the entity, or the part of the whole that it is ("its left armrest")."""
    part = ""
    seen: set[int] = set()
    while (whole := graph.entities[entity].part_of) is not None and entity not in seen:
        seen.add(entity)
        part = f"{graph.entities[entity].describe()} {part}".strip()
        entity = whole
    return entity, part


def _siblings(graph: SceneGraph) -> list[tuple[int, int]]:
    return [(a.id, b.id) for a, b in combinations(graph.entities, 2) if a.name == b.name]


def _facts_of_labels(graph: SceneGraph) -> list[Fact]:
    """Return the order of twins that are told apart by where they stand."""
    found: list[Fact] = []
    relation = {"x": "left_of", "y": "below", "depth": "in_front_of"}
    for a, b in _siblings(graph):
        sides = [
            part_sides(" ".join([*graph.entities[i].attributes, graph.entities[i].label])) for i in (a, b)
        ]
        for axis, name in relation.items():
            low, high = sides[0].get(axis, 0), sides[1].get(axis, 0)
            if low * high == -1:
                first, second = (a, b) if low < high else (b, a)
                found.append(Fact(name, _node(graph, first), (_node(graph, second),)))
    return found


def _order_of(fact: Fact) -> tuple[str, Node, Node] | None:
    """Return the axis with the lower and the higher end, None for a relation that is no order."""
    if fact.relation not in _ORDERED or not fact.objects:
        return None
    axis, subject_is_low = _ORDERED[fact.relation]
    # An object's own left has nothing to do with another's, nor with the viewer's.
    axis = f"{axis} of {fact.objects[0]}" if fact.own_frame and axis in ("x", "depth") else axis
    anchor = fact.objects[0]
    return (axis, fact.subject, anchor) if subject_is_low else (axis, anchor, fact.subject)


def _same(a: Fact, b: Fact) -> bool:
    """Whether two facts say the same in two ways."""
    if a.own_frame != b.own_frame:
        return False
    if a.relation == b.relation == "between":
        return a.subject == b.subject and set(a.objects) == set(b.objects)
    kind = RELATIONS[a.relation]
    straight = a.relation == b.relation and a.subject == b.subject and a.objects == b.objects
    # "Under" is the taxonomy's inverse of "on", but a ball under a table does not carry it.
    invertible = kind.symmetric or a.relation in _DIRECTIONS
    turned = kind.inverse == b.relation and (a.subject,) == b.objects and a.objects == (b.subject,)
    return straight or (invertible and turned)


class _Orders:
    """The strict orders, closed under chaining. Strong edges say "beside", weak ones compare centers only."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._weak: dict[str, dict[Node, set[Node]]] = {}
        self._strong: dict[str, dict[Node, set[Node]]] = {}
        for fact in facts:
            order = _order_of(fact)
            if order is not None:
                self._add(*order, strong=fact.relation not in _CENTERS_ONLY)
            if fact.relation == "inside" and fact.objects:
                self._add("size", fact.subject, fact.objects[0], strong=False)
        self._add_places(facts)
        self._add_parts(facts)
        holding = [(f.subject, f.objects[0]) for f in facts if f.relation in _HOLDING[:3] and f.objects]
        between = [f for f in facts if f.relation == "between" and len(f.objects) == 2]
        while True:
            self._chain()
            if not (self._inherit(holding) | self._spread(between)):
                break

    def reaches(self, axis: str, low: Node, high: Node, *, strong: bool) -> bool:
        edges = self._strong if strong else self._weak
        return high in edges.get(axis, {}).get(low, ())

    def circle(self) -> str:
        for axis, edges in self._weak.items():
            for node, higher in edges.items():
                if node in higher:
                    return f"the order along {axis} runs in a circle through {node}"
        return ""

    def _add(self, axis: str, low: Node, high: Node, *, strong: bool) -> bool:
        """Add an edge and return whether it is new."""
        added = False
        for edges in (self._weak, self._strong) if strong else (self._weak,):
            higher = edges.setdefault(axis, {}).setdefault(low, set())
            added |= high not in higher
            higher.add(high)
        return added

    def _add_places(self, facts: Sequence[Fact]) -> None:
        center = [f.subject for f in facts if f.relation == "picture_center"]
        for axis in ("x", "y", "depth"):
            sides = [
                (f.subject, _PLACES[f.relation][1])
                for f in facts
                if _PLACES.get(f.relation, "")[:1] == (axis,)
            ]
            ranked = sides if axis == "depth" else [*sides, *((node, 0) for node in center)]
            for a, rank_a in ranked:
                for b, rank_b in ranked:
                    if rank_a < rank_b and a != b:
                        self._add(axis, a, b, strong=False)

    def _add_parts(self, facts: Sequence[Fact]) -> None:
        parts = {node for fact in facts for node in (fact.subject, *fact.objects) if node[1]}
        for a, b in combinations(sorted(parts), 2):
            if a[0] != b[0]:
                continue
            sides_a, sides_b = part_sides(a[1]), part_sides(b[1])
            for axis in ("x", "y", "depth"):
                if sides_a.get(axis, 0) * sides_b.get(axis, 0) == -1:
                    low, high = (a, b) if sides_a[axis] < sides_b[axis] else (b, a)
                    self._add(axis, low, high, strong=False)

    def _chain(self) -> None:
        for orders in (self._weak, self._strong):
            for edges in orders.values():
                changed = True
                while changed:
                    changed = False
                    for higher in edges.values():
                        further = set[Node]().union(*(edges[n] for n in higher if n in edges)) - higher
                        if further:
                            higher |= further
                            changed = True

    def _inherit(self, holding: Sequence[tuple[Node, Node]]) -> bool:
        """What a thing carries or contains lies on that thing's side of everything the thing is beside."""
        added = False
        for held, holder in holding:
            near = {held} | {other for other, by in holding if by == holder}
            for axis in ("x", "depth"):
                edges = self._strong.get(axis, {})
                for high in [n for n in edges.get(holder, ()) if n not in near]:
                    added |= self._add(axis, held, high, strong=True)
                for low in [n for n, higher in edges.items() if holder in higher and n not in near]:
                    added |= self._add(axis, low, held, strong=True)
        return added

    def _spread(self, between: Sequence[Fact]) -> bool:
        """The middle one of three lies on a line: one side is known from the other."""
        added = False
        for fact in between:
            middle = fact.subject
            for a, b in (fact.objects, fact.objects[::-1]):
                for axis in ("x", "y", "depth"):
                    if self.reaches(axis, a, middle, strong=False):
                        added |= self._add(axis, middle, b, strong=False)
                    if self.reaches(axis, middle, a, strong=False):
                        added |= self._add(axis, b, middle, strong=False)
        return added


def _self_relations(facts: Sequence[Fact]) -> str:
    for fact in facts:
        if fact.subject in fact.objects or len(set(fact.objects)) < len(fact.objects):
            return f"{fact.relation} relates {fact.subject} to itself"
    return ""


def _pairs_excluded(facts: Sequence[Fact], orders: _Orders) -> str:
    stated: dict[tuple[Node, Node], set[str]] = {}
    for fact in facts:
        if len(fact.objects) != 1 or fact.own_frame:
            continue
        pair, kind = (fact.subject, fact.objects[0]), RELATIONS[fact.relation]
        stated.setdefault(pair, set()).add(fact.relation)
        if kind.symmetric:
            stated.setdefault((pair[1], pair[0]), set()).add(fact.relation)
    for (subject, anchor), names in stated.items():
        derived = {
            name
            for name in ("left_of", "right_of", "in_front_of", "behind")
            if (order := _order_of(Fact(name, subject, (anchor,)))) and orders.reaches(*order, strong=True)
        }
        turned = stated.get((anchor, subject), set[str]())
        for name in names:
            others = (names | derived).intersection((*_EXCLUDES.get(name, ()), *RELATIONS[name].contrary))
            others |= turned.intersection(_EXCLUDES.get(name, ())).intersection(_SYMMETRIC_EXCLUSIONS)
            if others:
                return f"{name} and {min(others)} cannot both hold of {subject} and {anchor}"
    own = [f for f in facts if f.own_frame and len(f.objects) == 1]
    for a, b in combinations(own, 2):
        if (a.subject, a.objects) == (b.subject, b.objects) and b.relation in RELATIONS[a.relation].contrary:
            return f"{a.relation} and {b.relation} cannot both hold of {a.subject} and {a.objects[0]}"
    return ""


def _places_excluded(facts: Sequence[Fact]) -> str:
    places: dict[Node, set[str]] = {}
    for fact in facts:
        if RELATIONS[fact.relation].arity == 1:
            places.setdefault(fact.subject, set()).add(fact.relation)
    for subject, names in places.items():
        for name in names:
            others = names.intersection(RELATIONS[name].contrary)
            if others:
                return f"{subject} is at {name} and at {min(others)}"
    return ""


def _parts_excluded(facts: Sequence[Fact]) -> str:
    located = [f for f in facts if f.relation in _LOCATING and f.objects and f.objects[0][1]]
    for a, b in combinations(located, 2):
        (whole_a, part_a), (whole_b, part_b) = a.objects[0], b.objects[0]
        if a.subject == b.subject and whole_a == whole_b and parts_conflict(part_a, part_b):
            return f"{a.subject} is at two parts of {whole_a}: {part_a} and {part_b}"
    return ""


def _between_excluded(facts: Sequence[Fact], orders: _Orders) -> str:
    middles: dict[frozenset[Node], Node] = {}
    for fact in facts:
        if fact.relation != "between" or len(fact.objects) != 2:
            continue
        three = frozenset((fact.subject, *fact.objects))
        if middles.setdefault(three, fact.subject) != fact.subject:
            return f"two of {sorted(three)} are between the others"
        for axis in ("x", "y", "depth"):
            below = [orders.reaches(axis, fact.subject, node, strong=False) for node in fact.objects]
            above = [orders.reaches(axis, node, fact.subject, strong=False) for node in fact.objects]
            if all(below) or all(above):
                return f"{fact.subject} lies on one side of both that it is between"
    return ""


def _two_supports(facts: Sequence[Fact], orders: _Orders, siblings: frozenset[frozenset[Node]]) -> str:
    holders: dict[Node, list[Node]] = {}
    for fact in facts:
        if fact.relation in _HOLDING and fact.objects:
            holders.setdefault(fact.subject, []).append(fact.objects[0])
    for held, by in holders.items():
        for a, b in combinations(by, 2):
            apart = a[0] != b[0] and any(
                orders.reaches(axis, *pair, strong=True)
                for axis in ("x", "depth")
                for pair in ((a, b), (b, a))
            )
            if apart or frozenset((a, b)) in siblings:
                return f"{held} rests on or in both {a} and {b}, which are apart"
    return ""
