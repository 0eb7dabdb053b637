"""Which detection is which entity: names, counts, physical objects, and the choice against brute force."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from spatial_core.language.scene_graph import Entity
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.matching import (
    CONFIDENCE_WEIGHT,
    Option,
    Table,
    candidates,
    choose,
    fit,
    options_of,
    phrase,
)

APART = [(40.0 * k, 0.0, 40.0 * k + 30, 30.0) for k in range(12)]


def entity(name: str, *attributes: str, count: int = 1, label: str = "") -> Entity:
    return Entity(0, name, (0, len(name)), count=count, attributes=attributes, label=label)


@pytest.mark.parametrize(
    ("wanted", "name", "expected"),
    [
        (entity("mug"), "mug", 1.0),
        (entity("mug"), "mugs", 1.0),
        (entity("mugs"), "mug", 1.0),
        (entity("mug"), "Red Mug", 1.0),
        (entity("mug", "red"), "red mug", 1.0),
        (entity("mug", "red"), "mug", 0.75),
        (entity("mug", "red"), "blue mug", 0.0),
        (entity("mug", "red"), "large mug", 0.75),
        (entity("baseball bat"), "bat", 0.75),
        (entity("cat"), "dog", 0.0),
        (entity("bottle of wine"), "bottle", 1 - 0.5 * 2 / 3),
        (entity("bottle of wine"), "glass of wine", 0.0),
        (entity("chair"), "", 0.0),
    ],
)
def test_fit_by_kind_and_attributes(wanted: Entity, name: str, expected: float) -> None:
    assert fit(wanted, name) == pytest.approx(expected)


def test_phrase_leaves_out_what_cannot_be_seen() -> None:
    assert phrase(entity("seat", "blue", label="B")) == "blue seat"


def test_one_object_under_two_names_is_one_candidate() -> None:
    box = (0.0, 0.0, 30.0, 30.0)
    found = [
        Detection("red mug", box, 0.6),
        Detection("mug", (1, 0, 30, 30), 0.9),
        Detection("cat", box, 0.9),
    ]
    assert [place for _, place in candidates(entity("mug"), found)] == [1]
    assert [place for _, place in candidates(entity("mug", "red"), found)] == [1]


def test_a_detector_that_saw_no_red_mug_saw_none() -> None:
    found = [Detection("mug", APART[0], 0.9)]
    asked = ("mug", "red mug")
    assert candidates(entity("mug", "red"), found, asked=asked) == []
    assert len(candidates(entity("mug", "red"), found)) == 1
    assert len(candidates(entity("mug"), found, asked=asked)) == 1


def test_options_are_single_boxes_or_groups_of_the_count() -> None:
    found = [(0.9, 3), (0.8, 1), (0.5, 0), (0.3, 2)]
    # .3 is less than half as sure as .9, so it is no alternative.
    assert options_of(entity("mug"), found) == [Option((3,), 0.9), Option((1,), 0.8), Option((0,), 0.5)]
    pairs = options_of(entity("mug", count=2), found)
    assert pairs[0] == Option((3, 1), 0.8)
    assert {option.places for option in pairs} == {(3, 1), (3, 0), (1, 0)}
    assert options_of(entity("mug", count=5), found) == []
    assert options_of(entity("mug"), []) == []
    assert len(options_of(entity("mug"), [(0.9, k) for k in range(100)])) == 8


def test_two_entities_are_never_one_object() -> None:
    found = [Detection("mug", APART[0], 0.9), Detection("mug", APART[1], 0.8)]
    options = [[Option((0,), 0.9), Option((1,), 0.8)]] * 2
    prefers_second = Table((0, 1), {(a, b): float(a == 1) for a in range(2) for b in range(2)})
    assert choose(options, [prefers_second], found) == [1, 0]
    # Two names of one physical object do not make two.
    same = [Detection("red mug", APART[0], 0.9), Detection("blue mug", (1.0, 0.0, 31.0, 30.0), 0.8)]
    chosen = choose([[Option((0,), 0.9)], [Option((1,), 0.8)]], [], same)
    assert chosen == [0, None]
    other_kind = [Detection("mug", APART[0], 0.9), Detection("picture", APART[0], 0.8)]
    assert choose([[Option((0,), 0.9)], [Option((1,), 0.8)]], [], other_kind) == [0, 0]


def test_an_entity_steps_back_for_one_with_a_relation() -> None:
    found = [Detection("mug", APART[0], 0.9)]
    options = [[Option((0,), 0.9)], [Option((0,), 0.9)]]
    assert choose(options, [Table((1,), {(0,): 1.0})], found) == [None, 0]


def test_choice_agrees_with_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(60):
        found = [Detection("mug", box, 0.5) for box in APART[:6]]
        options = [
            [Option((int(place),), float(rng.uniform(0.3, 1))) for place in rng.permutation(6)[:4]]
            for _ in range(3)
        ]
        tables = [
            Table(pair, {key: float(rng.uniform()) for key in product(range(4), range(4))})
            for pair in ((0, 1), (2, 1), (0, 2))
        ]

        def worth(
            picks: tuple[int, ...], options: list[list[Option]] = options, tables: list[Table] = tables
        ) -> float:
            sure = sum(options[e][pick].confidence for e, pick in enumerate(picks))
            holds = sum(table.score[tuple(picks[e] for e in table.entities)] for table in tables)
            return CONFIDENCE_WEIGHT * sure + holds

        legal = [
            picks
            for picks in product(range(4), repeat=3)
            if len({options[e][pick].places for e, pick in enumerate(picks)}) == 3
        ]
        chosen = choose(options, tables, found)
        assert None not in chosen
        assert worth(tuple(pick for pick in chosen if pick is not None)) == pytest.approx(
            max(map(worth, legal))
        )


def test_many_entities_stay_quick_and_legal() -> None:
    found = [Detection("mug", box, 0.5) for box in APART]
    options = [[Option((k,), 0.5) for k in range(12)][:8]] * 10
    tables = [
        Table((e, e + 1), {key: float(key[0] < key[1]) for key in product(range(8), range(8))})
        for e in range(9)
    ]
    chosen = choose(options, tables, found)
    picked = [pick for pick in chosen if pick is not None]
    assert len(chosen) == 10 and len(picked) == len(set(picked)) == 8
