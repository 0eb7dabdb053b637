"""One relation, many wordings: what each says, and the words and names it is reported with."""

from __future__ import annotations

import pytest

from spatial_core.language import RELATIONS, parse_prompt

WORDINGS = [
    # higher and lower are places, of things that grow from the ground sizes
    ("A lamp hangs lower than the clock.", [("lamp", "below", "clock")]),
    ("The shelf is slightly lower than the window.", [("shelf", "below", "window")]),
    ("The picture hangs lower down than the clock.", [("picture", "below", "clock")]),
    ("A red kite flies higher than the blue one.", [("red kite", "above", "blue kite")]),
    ("A balloon floats higher up than the tree.", [("balloon", "above", "tree")]),
    ("A shelf mounted higher up on the wall than the mirror.", [("shelf", "above", "mirror")]),
    ("The fence is higher than the hedge.", [("fence", "larger_than", "hedge")]),
    # depth and sides by comparison
    ("A cat is closer to the camera than the dog.", [("cat", "in_front_of", "dog")]),
    ("The house is further back than the barn.", [("house", "behind", "barn")]),
    ("The dog is farther away than the cat.", [("dog", "behind", "cat")]),
    ("The spoon lies further to the left than the fork.", [("spoon", "left_of", "fork")]),
    # size
    ("A mouse is less large than the cat.", [("mouse", "smaller_than", "cat")]),
    ("A red mug is bigger than the blue mug.", [("red mug", "larger_than", "blue mug")]),
    ("There is a bowl smaller than the plate.", [("bowl", "smaller_than", "plate")]),
    ("The tree is taller than the house.", [("tree", "larger_than", "house")]),
    # distance
    ("The book stands close to the orange clock.", [("book", "near", "orange clock")]),
    ("A brown bottle rests close to the cube.", [("brown bottle", "near", "cube")]),
    ("A dog sits at a distance from the fire.", [("dog", "far_from", "fire")]),
    ("A car is parked at some distance from the house.", [("car", "far_from", "house")]),
    ("A mill stands a long way from the barn.", [("mill", "far_from", "barn")]),
    ("A barn stands a short distance from the house.", [("barn", "near", "house")]),
    ("A stool stands in the corner farthest from the bed.", [("stool", "far_from", "bed")]),
    # alignment
    ("The mugs are lined up with the plates.", [("mug", "aligned_with", "plate")]),
    ("A cup is in line with the saucer.", [("cup", "aligned_with", "saucer")]),
    ("A clock is placed level with a mirror.", [("clock", "aligned_with", "mirror")]),
    ("A row of birches stands still.", [("row of birches", "aligned_with", "row of birches")]),
    ("Five camels form a line.", [("camel", "aligned_with", "camel")]),
    ("The guards are arranged in neat square formations.", [("guard", "aligned_with", "guard")]),
    # on, under, beside
    ("A cat is perched atop a fence.", [("cat", "on", "fence")]),
    ("A bird perched on a branch.", [("bird", "on", "branch")]),
    ("A compass lies flat on a map.", [("compass", "on", "map")]),
    ("The bowl is centered on the table.", [("bowl", "on", "table")]),
    ("A backpack occupies a seat.", [("backpack", "on", "seat")]),
    ("A box beneath a bench.", [("box", "under", "bench")]),
    ("A bicycle alongside a wall.", [("bicycle", "next_to", "wall")]),
    ("Two lamps stand to either side of the sofa.", [("lamp", "next_to", "sofa")]),
    ("Two people stand back to back.", [("person", "next_to", "person")]),
    ("The plates are stacked.", [("plate", "stacked_on", "plate")]),
    ("A bench leans up against a wall.", [("bench", "leaning_against", "wall")]),
    # between
    ("A bed flanked by two nightstands.", [("bed", "between", "nightstand", "nightstand")]),
    ("Flanking the bed are two nightstands.", [("bed", "between", "nightstand", "nightstand")]),
    ("A book sandwiched between two candles.", [("book", "between", "candle", "candle")]),
    ("A kitten nestled between two cushions.", [("kitten", "between", "cushion", "cushion")]),
    ("A vase in the middle of a lamp and a clock.", [("vase", "between", "lamp", "clock")]),
    (
        "A woman sits between a man with headphones and a child.",
        [("woman", "between", "man", "child")],
    ),
    # in, around
    ("A cottage nestled in the hills.", [("cottage", "inside", "hill")]),
    ("A ring lies in the space behind a jar.", [("ring", "behind", "jar")]),
    ("Six chairs form a circle around a table.", [("chair", "around", "table")]),
    ("Six chairs are arranged in a circle around a table.", [("chair", "around", "table")]),
    # facing each other
    ("A chair opposite a sofa.", [("chair", "opposite", "sofa")]),
    ("A bakery across from a church.", [("bakery", "opposite", "church")]),
    ("Two armchairs face each other.", [("armchair", "facing", "armchair")]),
    # diagonals and places of the picture
    ("A kite diagonally above a tree.", [("kite", "above", "tree")]),
    ("A tree at the far left.", [("tree", "picture_left", "picture")]),
    ("A mug is left of center.", [("mug", "picture_left", "picture")]),
    ("The desk is centered in the frame.", [("desk", "picture_center", "picture")]),
    ("In the top row there is a pear.", [("pear", "picture_top", "picture")]),
    # hanging, hands and feet
    (
        "A kettle hangs over the fire from a hook.",
        [("kettle", "above", "fire"), ("kettle", "hanging_on", "hook")],
    ),
    ("Behind the door hangs a coat on a nail.", [("coat", "behind", "door"), ("coat", "hanging_on", "nail")]),
    ("A man sits there with a dog at his feet.", [("dog", "near", "man")]),
    ("A girl with a guitar across her knees.", [("guitar", "on", "knee girl")]),
    # both
    (
        "A cup leans against a box, and a lamp rises behind both.",
        [("cup", "leaning_against", "box"), ("lamp", "behind", "cup"), ("lamp", "behind", "box")],
    ),
]


def triples(text: str) -> list[tuple[str, ...]]:
    """Return (subject, relation, objects...) by description, the whole of a part behind its name."""
    graph = parse_prompt(text)

    def name(entity: int | str) -> str:
        if isinstance(entity, str):
            return entity
        whole = graph.entities[entity].part_of
        return " ".join([graph.entities[entity].describe(), *([name(whole)] if whole is not None else [])])

    return [(name(r.subject), r.relation, *(name(o) for o in r.objects)) for r in graph.relations]


@pytest.mark.parametrize(("text", "expected"), WORDINGS, ids=[text for text, _ in WORDINGS])
def test_wordings(text: str, expected: list[tuple[str, ...]]) -> None:
    assert triples(text) == expected


@pytest.mark.parametrize("name", [name for name, kind in RELATIONS.items() if kind.arity == 2])
def test_every_canonical_wording_is_read_back(name: str) -> None:
    text = f"The red cup is {RELATIONS[name].predicate(['the blue jar'])}."
    assert triples(text) == [("red cup", name, "blue jar")]


@pytest.mark.parametrize(
    "text",
    [
        "There is no other cup on its right, and an old lamp.",
        "A man in a poncho.",
        "A cat floats in a comical and clumsy posture.",
        "A mug is as large as the bowl.",
        "The fence is higher and longer this year.",
        "The price is lower than last year.",
    ],
)
def test_words_that_place_nothing(text: str) -> None:
    assert triples(text) == []


def test_places_are_counted_from_one_end() -> None:
    graph = parse_prompt(
        "The second red mug from the left stands on a tray. A spoon lies behind the second mug."
    )
    assert [graph.clause(r) for r in graph.relations] == [
        "the second red mug from the left is on top of the tray",
        "the spoon is behind the second red mug from the left",
    ]


def test_one_pronoun_in_one_sentence_means_one_thing() -> None:
    text = "A desk stands there. A monitor stands on it, and a chair is pushed under it."
    assert triples(text) == [("monitor", "on", "desk"), ("chair", "under", "desk")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "Here a cup stands to the left of the old lamp.",
            "a cup stands to the left of the old lamp",
        ),
        ("A path runs into the distance from the bottom of the frame.", None),
        ("A sofa. Behind it, a tall lamp stands quietly.", "Behind it, a tall lamp stands quietly"),
        ("On the left is a tree.", "On the left is a tree"),
        ("To the left of the very old lamp, there is a cup.", "To the left of the very old lamp"),
        ("In the center, a cube with sharp edges stands.", None),
        ("Next to the workbench, a gown hangs on a hook.", "Next to the workbench"),
        ("On the right, put on the floor, is a radio.", "On the right, put on the floor, is a radio"),
        ("Two cars are parked side by side.", "parked side by side"),
    ],
)
def test_spans_are_statements(text: str, words: str | None) -> None:
    graph = parse_prompt(text)
    assert graph.words(graph.relations[0]) == (text.rstrip(".") if words is None else words)
