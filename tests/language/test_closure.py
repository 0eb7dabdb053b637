"""What stated relations imply and rule out, row by row."""

import pytest

from spatial_core.language.closure import Closure, Fact, facts_of, part_sides, parts_conflict
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import Entity, Relation, SceneGraph

IDS = {name: i for i, name in enumerate("A B C D E".split())}


def fact(text: str) -> Fact:
    """Read "A left_of B", "A between B C", "A picture_left", "A on B:back edge", "A left_of B (own)"."""
    own = text.endswith(" (own)")
    subject, relation, *objects = text.removesuffix(" (own)").split(" ", 2)
    words = objects[0].split(":") if objects else [""]
    nodes = [(IDS[name], "") for name in words[0].split()]
    if len(words) > 1:
        nodes[0] = (nodes[0][0], words[1])
    return Fact(relation, (IDS[subject], ""), tuple(nodes), own)


def closure(*texts: str, **options) -> Closure:
    return Closure([fact(text) for text in texts], **options)


@pytest.mark.parametrize(
    ("known", "follows"),
    [
        (["A left_of B"], "B right_of A"),
        (["A left_of B", "B left_of C"], "A left_of C"),
        (["A left_of B", "C right_of B"], "C right_of A"),
        (["A above B", "C below B", "D below C"], "A above D"),
        (["A in_front_of B", "C behind B"], "C behind A"),
        (["A hidden_by B"], "A behind B"),
        (["A larger_than B", "B larger_than C"], "C smaller_than A"),
        (["A inside B", "B inside C"], "A inside C"),
        (["A next_to B"], "B next_to A"),
        (["A aligned_with B"], "B aligned_with A"),
        (["A between B C"], "A between C B"),
        (["A on B", "B left_of C"], "A left_of C"),
        (["A inside B", "C behind B"], "C behind A"),
        (["A picture_left"], "A picture_left"),
        (["A left_of B (own)"], "A left_of B (own)"),
    ],
)
def test_implied(known, follows):
    assert closure(*known).implies(fact(follows))
    assert not closure(*known).refutes(fact(follows))


@pytest.mark.parametrize(
    ("known", "ruled_out"),
    [
        (["A left_of B"], "A right_of B"),
        (["A left_of B"], "B left_of A"),
        (["A left_of B", "B left_of C"], "C left_of A"),
        (["A on B"], "A under B"),
        (["A on B"], "B on A"),
        (["A on B"], "A below B"),
        (["A on B"], "A left_of B"),
        (["A on B"], "B next_to A"),
        (["A inside B"], "B inside A"),
        (["A inside B"], "A next_to B"),
        (["A inside B"], "A in_front_of B"),
        (["A inside B"], "A larger_than B"),
        (["A inside B", "B left_of C"], "A right_of C"),
        (["A near B"], "A far_from B"),
        (["A far_from B"], "B next_to A"),
        (["A hidden_by B"], "A in_front_of B"),
        (["A picture_left"], "A picture_right"),
        (["A picture_left", "B picture_right"], "A right_of B"),
        (["A picture_left", "B picture_center"], "B left_of A"),
        (["A foreground", "B background"], "B in_front_of A"),
        (["A between B C"], "B between A C"),
        (["A between B C", "B left_of C"], "A left_of B"),
        (["A between B C", "A left_of B"], "A left_of C"),
        (["A left_of B", "A left_of C"], "A between B C"),
        (["A on B:back edge"], "A on B:front edge"),
        (["A at_corner B:upper-left corner"], "A at_corner B:upper-right corner"),
        (["A on B:left side"], "A at_edge B:right edge"),
        (["A left_of B (own)"], "A right_of B (own)"),
        (["A on B", "B left_of C"], "A on C"),
        (["A left_of B"], "A left_of A"),
        (["A left_of B"], "C between A A"),
    ],
)
def test_ruled_out(known, ruled_out):
    assert not closure(*known).contradiction
    assert closure(*known).refutes(fact(ruled_out))
    assert not closure(*known).implies(fact(ruled_out))


@pytest.mark.parametrize(
    ("known", "undecided"),
    [
        (["A left_of B"], "A in_front_of B"),
        (["A left_of B"], "A above B"),
        (["A left_of B", "C left_of B"], "A left_of C"),
        (["A next_to B", "B next_to C"], "A next_to C"),
        (["A between B C"], "B left_of C"),
        (["A between B C"], "A near B"),
        (["A under B"], "B on A"),  # a ball under a table does not carry it
        (["A on B"], "A near B"),
        (["A on B"], "A in_front_of B"),  # a picture on a wall is in front of it
        (["A left_of B (own)"], "A right_of B"),  # its own left may be the viewer's right
        (["A left_of B:left edge"], "A left_of B:right edge"),
        (["A on B"], "A on C"),  # C may be a tray on B
        (["A picture_left", "B picture_left"], "A left_of B"),
        (["A picture_left", "B picture_center"], "A on B"),  # a wide table in the middle
        (["A facing B"], "B facing A"),
        (["A picture_top"], "A picture_left"),
    ],
)
def test_undecided(known, undecided):
    assert not closure(*known).refutes(fact(undecided))
    assert not closure(*known).implies(fact(undecided))


@pytest.mark.parametrize(
    "known",
    [
        ["A left_of B", "B left_of C", "C left_of A"],
        ["A on B", "B on A"],
        ["A inside B", "B inside A"],
        ["A above B", "A under B"],
        ["A picture_top", "A picture_bottom"],
        ["A on B", "A under B"],
        ["A on B", "A left_of C", "C left_of B"],
    ],
)
def test_contradictions_are_found_in_any_order(known):
    for turn in range(len(known)):
        found = closure(*known[turn:], *known[:turn])
        assert found.contradiction
        # From a contradiction nothing follows here, where logic would let everything follow.
        assert not found.implies(fact(known[0])) and not found.refutes(fact("A left_of B"))


def test_siblings_do_not_share_what_they_carry():
    assert closure("A on B", siblings=[((IDS["B"], ""), (IDS["C"], ""))]).refutes(fact("A on C"))


def test_every_inverse_and_contrary_of_the_taxonomy_is_honoured():
    for kind in RELATIONS.values():
        if kind.arity == 2 and kind.name not in ("at_corner", "at_edge"):
            known = closure(f"A {kind.name} B")
            for contrary in kind.contrary:
                assert known.refutes(fact(f"A {contrary} B")), (kind.name, contrary)
            if kind.inverse and kind.name not in ("on", "under", "stacked_on"):
                assert known.implies(fact(f"B {kind.inverse} A")), kind.name
        if kind.arity == 1:
            for contrary in kind.contrary:
                assert closure(f"A {kind.name}").refutes(fact(f"A {contrary}"))
        if kind.symmetric:
            assert not closure(f"A {kind.name} B").refutes(fact(f"B {kind.name} A"))


def test_parts():
    assert part_sides("upper-left corner") == {"y": 1, "x": -1}
    assert part_sides("back edge") == {"depth": 1}
    assert part_sides("handle") == {}
    assert parts_conflict("back edge", "front edge")
    assert parts_conflict("center", "left side")
    assert not parts_conflict("center", "middle")
    assert not parts_conflict("left side", "left side, near the center")
    assert not parts_conflict("upper corner", "left corner")
    assert not parts_conflict("", "left edge")


def test_parts_and_labels_of_a_graph_are_read():
    text = "The left lantern, the right lantern; a cat on the chair's left armrest."
    lanterns = (
        Entity(0, "lantern", (0, 16), label="left"),
        Entity(1, "lantern", (18, 35), attributes=("right",)),
    )
    chair = (
        Entity(2, "cat", (37, 42)),
        Entity(3, "chair", (46, 55)),
        Entity(4, "left armrest", (46, 70), part_of=3),
        Entity(5, "right armrest", (46, 70), part_of=3),
    )
    graph = SceneGraph(text, (*lanterns, *chair), (Relation("on", 2, (4,), (37, 70)),))
    known = Closure.of(graph)
    assert known.implies(Fact("left_of", (0, ""), ((1, ""),)))
    assert facts_of(graph) == [Fact("on", (2, ""), ((3, "left armrest"),))]
    assert known.refutes(Fact("on", (2, ""), ((3, "right armrest"),)))
    assert Closure.of(graph, []).facts == known.facts[1:]


def test_picture_parts():
    entity = Entity(0, "cat", (0, 5))
    graph = SceneGraph(
        "a cat", (entity,), (Relation("at_corner", 0, ("picture",), (0, 5), part="upper-left corner"),)
    )
    assert facts_of(graph) == [Fact("at_corner", (0, ""), ((-1, "upper-left corner"),))]
    assert Closure.of(graph).refutes(Fact("at_corner", (0, ""), ((-1, "lower-left corner"),)))
