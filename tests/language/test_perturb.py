"""Perturbed prompts: exact rows, properties over thousands of them, and a check against sampled worlds."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from labelled_prompts import FIFTH, FRESH, LATER, SEVENTH, SIXTH, THIRD, TUNED

from spatial_core.language.closure import Closure, facts_of
from spatial_core.language.compare import compare_graphs
from spatial_core.language.parser import parse_prompt
from spatial_core.language.perturb import Perturbation, perturb
from spatial_core.language.rewording import Rewrite, cased_like, reword, takes_object, with_article
from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph, Span

PROMPTS = (
    "To the right of the crate, a small box sits on a wooden table, and a lamp stands behind it.",
    "An apple inside a bowl, slightly to the left of an orange; the orange is in front of a tall vase.",
    "A mug, a bowl and a bottle from left to right on a shelf.",
    "A kettle rests on the left burner and a frying pan rests on the right burner.",
    "A candle stands at the upper-left corner of the table, and a notebook lies on the board's back edge.",
    "In the foreground a stone bench, in the background a red barn. A bicycle stands next to the bench.",
    "A red lantern hangs on the left and a blue lantern hangs on the right of the picture.",
    "A cat sleeps under the coffee table in front of the sofa. A floor lamp stands to the left of the sofa.",
    "A sunlit study with an oak desk. A brass lamp stands on the desk to the left of an open laptop, and a "
    "stack of books is to the right of the laptop. Behind the desk stands a globe, and below the globe is a "
    "low cabinet.",
    "On the kitchen counter, a toaster stands between a kettle and a jar. Above the toaster hangs a clock, "
    "and a spoon lies in front of the jar. An onion is near the spoon.",
    "Two green chairs stand to the left of two red stools. A dog lies in front of the stools, facing a "
    "bicycle. Behind the bicycle is an umbrella.",
    "A large elephant stands to the left of a wagon. The elephant is larger than the wagon, and an ostrich "
    "is behind the wagon.",
)


LABELLED = (TUNED, FRESH, THIRD, LATER, FIFTH, SIXTH, SEVENTH)


def seeded(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def made(prompt: str, num_edits: int = 1, limit: int = 64) -> dict[str, list[str]]:
    """Return every perturbed prompt with the kinds of its edits."""
    return {
        p.prompt: [edit.kind for edit in p.edits]
        for p in perturb(parse_prompt(prompt), num_edits, seeded(), limit=limit)
    }


# --- rows by hand ---


@pytest.mark.parametrize(
    ("prompt", "perturbed", "kind"),
    [
        (
            "A red ball to the left of a blue cube.",
            "A red ball to the right of a blue cube.",
            "flip_relation",
        ),
        ("A red ball to the left of a blue cube.", "A blue cube to the left of a red ball.", "swap_objects"),
        ("An orange to the left of a cup.", "A cup to the left of an orange.", "swap_objects"),
        ("A cow right of a bench", "A cow left of a bench", "flip_relation"),
        ("Behind the sofa stands a lamp.", "In front of the sofa stands a lamp.", "flip_relation"),
        ("A dog sits slightly behind a bench.", "A dog sits slightly in front of a bench.", "flip_relation"),
        ("A dog sits directly next to a tree.", "A dog sits far away from a tree.", "flip_relation"),
        ("A kite above a tower.", "A kite below a tower.", "flip_relation"),
        ("On the left a cup, on the right a jar.", "On the left a jar, on the right a cup.", "swap_objects"),
        ("A cat in the foreground.", "A cat in the background.", "flip_relation"),
        ("A dog is larger than a cat.", "A dog is smaller than a cat.", "flip_relation"),
        ("A cup on a table.", "A cup under a table.", "change_support"),
        ("A cup on top of a table.", "A cup next to a table.", "change_support"),
        ("An egg in a bowl.", "An egg next to a bowl.", "change_containment"),
        ("A boy hidden by a horse", "A boy in front of a horse", "flip_relation"),
        ("A cat between a dog and a hen.", "A dog between a cat and a hen.", "swap_objects"),
        (
            "A cup, a jar and a pan from left to right.",
            "A jar, a cup and a pan from left to right.",
            "reorder_sequence",
        ),
        (
            "A cup, a jar and a pan from left to right.",
            "A cup, a jar and a pan from right to left.",
            "flip_relation",
        ),
        (
            "A cup at the upper-left corner of the desk.",
            "A cup at the upper-right corner of the desk.",
            "flip_part_anchor",
        ),
        ("A cup lies at the desk's back edge.", "A cup lies at the desk's front edge.", "flip_part_anchor"),
        (
            "A red ball to the left of a blue ball.",
            "A blue ball to the left of a red ball.",
            "swap_attributes",
        ),
        (
            "A cup is to the left of a jar, and a fork lies behind the cup.",
            "A jar is to the left of a cup, and a fork lies behind the jar.",
            "swap_objects",
        ),
        (
            "A cat is to the left of a car. A dog is to the right of a bus.",
            "A cat is to the right of a car. A dog is to the left of a bus.",
            "swap_relations",
        ),
        (
            "A kettle rests on the left burner and a pan rests on the right burner.",
            "A pan rests on the left burner and a kettle rests on the right burner.",
            "swap_objects",
        ),
    ],
)
def test_edits_by_hand(prompt, perturbed, kind):
    assert made(prompt).get(perturbed) == [kind], made(prompt)


@pytest.mark.parametrize(
    ("prompt", "impossible"),
    [
        # The same thing said otherwise is no edit.
        ("A cat between a dog and a hen.", "A cat between a hen and a dog."),
        ("A dog next to a cat.", "A cat next to a dog."),
        ("A dog near a cat.", "A cat near a dog."),
        # Not false: what is left of the cup may be behind it as well.
        ("A dog to the left of a cat.", "A dog behind a cat."),
        # Unlikely enough to be a slip of the pen.
        ("A cup on a table.", "A table on a cup."),
        ("A picture hangs on the wall.", "A picture hangs under the wall."),
        ("A man in the park.", "A man next to the park."),
    ],
)
def test_what_is_not_offered(prompt, impossible):
    assert impossible not in made(prompt)


def test_symmetric_relations_alone_cannot_be_swapped():
    assert not any(
        "swap_objects" in kinds for kinds in made("A dog is next to a cat. A cat faces a bird.").values()
    )


def test_dependants_must_stay_possible():
    # If A is left of B and B left of C, "A right of C" is possible only once another relation is changed too.
    prompt = (
        "A cat is to the left of a dog. The dog is to the left of a hen. The cat is to the left of the hen."
    )
    flipped = prompt.replace("The cat is to the left of the hen", "The cat is to the right of the hen")
    assert flipped not in made(prompt)
    assert any(p.count("right") == 2 for p in made(prompt, 2))


def test_contradictory_statements_are_left_alone():
    prompt = "A cat is to the left of a dog. The dog is to the left of the cat. A hen is behind a bus."
    for perturbed in made(prompt):
        assert perturbed.startswith("A cat is to the left of a dog. The dog is to the left of the cat.")
    assert made(prompt)


def test_shared_relation_words_change_for_all():
    graph = parse_prompt("A cup and a spoon are to the left of a plate.")
    (flip,) = [p for p in perturb(graph, 1, seeded(), limit=64) if p.edits[0].kind == "flip_relation"]
    assert [r.relation for r in graph.relations] == ["left_of", "left_of"]
    assert [r.relation for r in flip.graph.relations] == ["right_of", "right_of"]


def test_edits_say_what_they_did():
    (flip,) = [
        p for p in perturb(parse_prompt("A cat. Behind it is a dog."), 1, seeded()) if "front" in p.prompt
    ]
    (edit,) = flip.edits
    assert (edit.kind, edit.relation_index, edit.before) == ("flip_relation", 0, "Behind it is a dog")
    assert edit.after == "In front of it is a dog" == flip.prompt[slice(*edit.span)]
    assert flip.graph.relations[0].relation == "in_front_of"


def test_several_edits_touch_different_relations():
    graph = parse_prompt(PROMPTS[8])
    for num_edits in (1, 2, 3):
        found = perturb(graph, num_edits, seeded(), limit=8)
        assert found
        for perturbation in found:
            assert len({edit.relation_index for edit in perturbation.edits}) == num_edits
            assert [edit.span for edit in perturbation.edits] == sorted(
                edit.span for edit in perturbation.edits
            )


def test_the_seed_decides():
    graph = parse_prompt(PROMPTS[8])
    first = [p.prompt for p in perturb(graph, 2, seeded(3))]
    assert first == [p.prompt for p in perturb(graph, 2, seeded(3))]
    assert first != [p.prompt for p in perturb(graph, 2, seeded(4))]
    assert len(set(first)) == len(first)


def test_limit_and_bad_input():
    graph = parse_prompt(PROMPTS[8])
    assert len(perturb(graph, 1, seeded(), limit=3)) == 3
    assert perturb(SceneGraph("A cup."), 1, seeded()) == []
    assert perturb(parse_prompt("A cup left of a jar."), 2, seeded()) == []
    with pytest.raises(ValueError, match="num_edits=0"):
        perturb(graph, 0, seeded())
    with pytest.raises(ValueError, match="limit=0"):
        perturb(graph, 1, seeded(), limit=0)


def test_names_keep_their_capital():
    prompts = made("Big Ben is to the left of Tower Bridge. A dog is behind the old bridge.")
    assert any(prompt.startswith("Tower Bridge is to the left of Big Ben.") for prompt in prompts)
    assert not any(re.search(r"\\b[Aa] Big|\\bbig Ben|\\btower", prompt) for prompt in prompts)


def test_relations_without_known_words_can_still_be_exchanged():
    text = "A cup left of a jar."
    entities = (Entity(0, "cup", (0, 5)), Entity(1, "jar", (14, 19)))
    graph = SceneGraph(text, entities, (Relation("left_of", 0, (1,), (0, 19)),))
    assert [p.prompt for p in perturb(graph, 1, seeded())] == ["A jar left of a cup."]


# --- words ---


def test_reword():
    def after(phrase, relation, target, object_follows=True):
        found = reword(phrase, relation, target, object_follows=object_follows)
        return None if found is None else Rewrite(phrase, tuple(found)).after

    assert after("To the far left of", "left_of", "right_of") == "To the far right of"
    assert after("to its left", "left_of", "right_of", False) == "to its right"
    assert after("in front", "in_front_of", "behind", False) == "behind"
    assert after("behind", "behind", "in_front_of", False) == "in front"
    assert after("in the center", "picture_center", "picture_left", False) == "on the left side"
    assert after("in the distance", "background", "foreground", False) == "in the foreground"
    assert after("partially hidden behind", "hidden_by", "in_front_of") == "in front of"
    assert after("stacked on", "stacked_on", "under") == "placed underneath"
    assert after("twice as large as", "larger_than", "smaller_than") == "half as large as"
    assert after("gazing at", "facing", "left_of") is None
    assert after("on", "on", "under", object_follows=False) is None


def test_articles_and_case():
    for word in ("orange", "hour", "umbrella", "onion", "egg"):
        assert with_article("a", word) == "an"
    for word in ("cup", "unicorn", "one-eyed cat", "ewe", "ukulele"):
        assert with_article("an", word) == "a"
    assert with_article("An", "cup") == "A" and with_article("the", "orange") == "the"
    assert cased_like("in front of", "Behind") == "In front of"
    assert cased_like("Under", "on") == "under"


def test_rewrite_moves_spans():
    rewrite = Rewrite.of("one two three", [(4, 7, "twenty"), (0, 3, "1")])
    assert rewrite is not None and rewrite.after == "1 twenty three"
    assert (
        rewrite.span((8, 13)) == (9, 14)
        and rewrite.span((4, 7)) == (2, 8)
        and rewrite.span((0, 13)) == (0, 14)
    )
    assert rewrite.span((5, 7)) is None
    assert Rewrite.of("one two", [(0, 5, ""), (4, 7, "")]) is None


# --- properties ---


def words(text: str) -> Counter[str]:
    return Counter(re.findall(r"[a-z]+", text.lower()))


PLACES = re.compile(r"(left|right|ground|side|left to right|right to left)( of)?$", re.IGNORECASE)


def check(graph: SceneGraph, perturbation: Perturbation, num_edits: int) -> None:
    new = perturbation.graph
    assert new.text == perturbation.prompt != graph.text
    assert len(perturbation.edits) == num_edits
    assert len(new.relations) == len(graph.relations) and len(new.entities) == len(graph.entities)
    # Spans are exact: every mention still names its entity, every trigger still lies where it lay.
    for entity in new.entities:
        noun = entity.name.split()[-1].lower()
        assert noun in new.text[slice(*entity.span)].lower()
        for mention in entity.mentions:
            said = new.text[slice(*mention)].lower()
            assert noun in said or said in ("it", "its", "them"), (said, entity)
    for before, after in zip(graph.relations, new.relations, strict=True):
        assert new.words(after) == new.words(after).strip() != ""
        assert before.trigger is not None and after.trigger is not None
        assert (before.trigger[0] - before.span[0] >= 0) == (after.trigger[0] - after.span[0] >= 0)
        assert (before.span[1] - before.trigger[1] >= 0) == (after.span[1] - after.trigger[1] >= 0)
        phrase = new.text[slice(*after.trigger)]
        assert phrase == phrase.strip() != ""
        if not after.part and after.relation not in ("between", "facing", "larger_than", "smaller_than"):
            assert takes_object(phrase, after.relation) or PLACES.search(phrase), (phrase, after.relation)
    for edit in perturbation.edits:
        assert new.text[slice(*edit.span)] == edit.after
        assert graph.words(graph.relations[edit.relation_index]) == edit.before
    # Proven false in the original, possible by itself, and the original is false in it.
    known, then = Closure.of(graph), Closure.of(new)
    if not known.contradiction:
        assert not then.contradiction
        for edit in perturbation.edits:
            assert known.refutes(facts_of(new)[edit.relation_index])
            assert then.refutes(facts_of(graph)[edit.relation_index])
    # Nearly the same words, and still a sentence.
    changed = (words(graph.text) - words(new.text)).total() + (words(new.text) - words(graph.text)).total()
    assert changed <= 8 * num_edits
    assert not re.search(r"\b[Aa] [aeio]\w|\b[Aa]n [bcdfgjklmnpqrstvwxyz]|  |\bthe the\b|\bof of\b", new.text)
    assert new.text[0].isupper() == graph.text[0].isupper() and new.text[-1] == graph.text[-1]


NOUNS = ("apple", "ball", "cup", "owl", "egg", "lamp", "vase", "book", "onion", "clock", "chair", "umbrella")
ADJECTIVES = ("red", "old", "small", "orange", "shiny", "")
PHRASES = {
    "left_of": "to the left of",
    "right_of": "to the right of",
    "above": "above",
    "below": "below",
    "in_front_of": "in front of",
    "behind": "behind",
    "next_to": "next to",
    "far_from": "far from",
    "on": "on top of",
    "between": "between",
    "larger_than": "larger than",
    "inside": "inside",
}


@dataclass
class _Writer:
    """Writes a prompt and remembers where each thing is mentioned."""

    nouns: list[str]
    adjectives: list[str]
    text: str = ""
    spans: dict[int, list[Span]] = field(default_factory=dict)

    def say(self, words: str) -> Span:
        start = len(self.text)
        self.text += words
        return start, len(self.text)

    def mention(self, i: int) -> Span:
        """Say "a red cup" the first time and "the cup" afterwards, with a capital after a full stop."""
        known = i in self.spans
        bare = self.nouns[i] if known else f"{self.adjectives[i]} {self.nouns[i]}".strip()
        determiner = "the" if known else with_article("a", bare)
        first = not self.text or self.text.endswith(". ")
        span = self.say(f"{determiner.capitalize() if first else determiner} {bare}")
        self.spans.setdefault(i, []).append(span)
        return span


def sentence(writer: _Writer, rng: np.random.Generator, name: str) -> Relation:
    """Write "A red cup is behind an egg." or "Behind an egg is a red cup."."""
    subject, *objects = rng.permutation(5)[: 3 if name == "between" else 2].tolist()
    fronted = rng.random() < 0.3
    writer.say(" " if writer.text else "")
    start = len(writer.text)
    if not fronted:
        writer.mention(subject)
        writer.say(" is ")
    trigger = writer.say(PHRASES[name].capitalize() if fronted else PHRASES[name])
    for place, i in enumerate(objects):
        writer.say(" and " if place else " ")
        writer.mention(i)
    if fronted:
        writer.say(" is ")
        writer.mention(subject)
    end = len(writer.text)
    writer.say(".")
    return Relation(name, subject, tuple(objects), (start, end), trigger=trigger)


def generated(
    rng: np.random.Generator, *, names: tuple[str, ...] = tuple(PHRASES), most: int = 5
) -> SceneGraph:
    """Return a consistent prompt of two to `most` sentences about five things, with its graph."""
    while True:
        writer = _Writer(rng.permutation(NOUNS)[:5].tolist(), rng.choice(ADJECTIVES, size=5).tolist())
        count = int(rng.integers(2, most + 1))
        relations = [sentence(writer, rng, str(rng.choice(names))) for _ in range(count)]
        ids = {old: new for new, old in enumerate(writer.spans)}
        entities = tuple(
            Entity(ids[i], writer.nouns[i], spans[0], 1, _listed(writer.adjectives[i]), "", tuple(spans[1:]))
            for i, spans in writer.spans.items()
        )
        numbered = tuple(
            replace(r, subject=ids[r.subject], objects=tuple(ids[i] for i in r.objects)) for r in relations
        )
        graph = SceneGraph(writer.text, entities, numbered)
        if not Closure.of(graph).contradiction:
            return graph


def _listed(adjective: str) -> tuple[str, ...]:
    return (adjective,) if adjective else ()


def test_a_thousand_over_generated_graphs():
    rng, count, kinds = seeded(), 0, Counter[str]()
    while count < 1000:
        graph = generated(rng)
        num_edits = int(rng.integers(1, 4))
        for perturbation in perturb(graph, num_edits, rng, limit=3):
            check(graph, perturbation, num_edits)
            for before, after in zip(graph.relations, perturbation.graph.relations, strict=True):
                assert before.trigger is not None and after.trigger is not None
                for i in after.objects:
                    entity = perturbation.graph.entities[i]
                    named = [perturbation.prompt[slice(*s)] for s in (entity.span, *entity.mentions)]
                    assert all(words.endswith(entity.name) for words in named)
            kinds.update(edit.kind for edit in perturbation.edits)
            count += 1
    assert {"swap_objects", "flip_relation", "swap_relations", "change_support", "change_containment"} <= set(
        kinds
    )


def test_a_thousand_over_parsed_prompts():
    rng, count, agreed = seeded(), 0, 0
    prompts = list(PROMPTS)
    if "SPATIAL_EVAL_DATA" in os.environ:
        for name in ("unigenbench_layout_half", "t2icompbench_spatial", "geneval_position_counting"):
            rows = (Path(os.environ["SPATIAL_EVAL_DATA"]) / f"{name}.jsonl").read_text("utf-8").splitlines()
            prompts += [json.loads(row)["prompt"] for row in rows[:60]]
    for turn in range(100):
        for prompt in prompts:
            graph = parse_prompt(prompt)
            num_edits = 1 + turn % 3
            for perturbation in perturb(graph, num_edits, rng, limit=3):
                if prompt in PROMPTS:
                    check(graph, perturbation, num_edits)
                new = perturbation.graph
                assert all(new.text[slice(*edit.span)] == edit.after for edit in perturbation.edits)
                agreed += triples(parse_prompt(perturbation.prompt)) == triples(new)
                count += 1
        if count >= 1000:
            break
    assert count >= 1000
    # Read again, the new prompt says what its graph says.
    assert agreed >= 0.93 * count, agreed / count


def triples(graph: SceneGraph) -> Counter[tuple[object, ...]]:
    def called(i: object) -> str:
        if i == PICTURE:
            return PICTURE
        entity = graph.entities[i]
        whole = "" if entity.part_of is None else f" of {called(entity.part_of)}"
        return " ".join(sorted(entity.describe().lower().split())) + whole

    found: Counter[tuple[object, ...]] = Counter()
    turned = {"right_of": "left_of", "below": "above", "behind": "in_front_of"}
    for relation in graph.relations:
        subject, objects = called(relation.subject), [called(i) for i in relation.objects]
        name = relation.relation
        if name in turned and not relation.part:
            name, subject, objects = turned[name], objects[0], [subject]
        found[name, subject, tuple(sorted(objects)), relation.part] += 1
    return found


# --- a second opinion: worlds drawn at random ---

DIRECTIONS = ("left_of", "right_of", "above", "below", "in_front_of", "behind", "larger_than", "between")


def holds(relation: Relation, world: np.ndarray) -> np.ndarray:
    """Whether the relation holds in worlds [N, entities, 4]: x to the right, y up, z away, size."""
    a, b = world[:, relation.subject], world[:, relation.objects[0]]
    axis, sign = {
        "left_of": (0, -1),
        "right_of": (0, 1),
        "below": (1, -1),
        "above": (1, 1),
        "in_front_of": (2, -1),
        "behind": (2, 1),
        "smaller_than": (3, -1),
        "larger_than": (3, 1),
        "between": (0, 0),
    }[relation.relation]
    if relation.relation == "between":
        c = world[:, relation.objects[1]]
        low, high = np.minimum(b, c)[:, :3], np.maximum(b, c)[:, :3]
        return ((low < a[:, :3]) & (a[:, :3] < high)).all(axis=1)
    return sign * (a[:, axis] - b[:, axis]) > 0


def test_random_worlds_agree_that_edits_are_false_and_possible():
    rng = seeded(5)
    worlds = rng.random((20_000, 5, 4))
    checked = possible = 0
    while checked < 200:
        graph = generated(rng, names=DIRECTIONS, most=3)
        right = np.logical_and.reduce([holds(relation, worlds) for relation in graph.relations])
        if right.sum() < 20:
            continue
        for perturbation in perturb(graph, int(rng.integers(1, 3)), rng, limit=4):
            if any(r.relation not in (*DIRECTIONS, "smaller_than") for r in perturbation.graph.relations):
                continue
            wrong = [holds(relation, worlds) for relation in perturbation.graph.relations]
            for edit in perturbation.edits:
                assert not (right & wrong[edit.relation_index]).any(), (graph.text, perturbation.prompt)
            possible += bool(np.logical_and.reduce(wrong).any())
            checked += 1
    # A world for the perturbed prompt exists; a rare one may escape the sample.
    assert possible >= 0.97 * checked


# --- ten thousand, for patience ---


def trusted(graph: SceneGraph) -> list[int]:
    """Return relations that are consistent together, none that clashes with a dropped one."""
    kept: list[int] = []
    dropped: list[int] = []
    for i in range(len(graph.relations)):
        (dropped if Closure.of(graph, [*kept, i]).contradiction else kept).append(i)
    return [i for i in kept if not any(Closure.of(graph, [i, j]).contradiction for j in dropped)]


@pytest.mark.slow
def test_ten_thousand_edited_prompts_are_false_and_possible():
    """Real long prompts, short ones and generated graphs; proven anew on the text that came out."""
    rng, count, kinds, unread = seeded(7), 0, Counter[str](), 0
    prompts = [text for block in LABELLED for text, _ in block] + list(PROMPTS)
    graphs = [parse_prompt(text) for text in prompts]
    consistent = [trusted(graph) for graph in graphs]
    while count < 10_000:
        drawn = int(rng.integers(2 * len(graphs)))
        graph = graphs[drawn] if drawn < len(graphs) else generated(rng)
        known_from = consistent[drawn] if drawn < len(graphs) else trusted(graph)
        num_edits = int(rng.integers(1, 4))
        for perturbation in perturb(graph, num_edits, rng, limit=20):
            new = perturbation.graph
            known, then = Closure.of(graph, known_from), Closure.of(new, known_from)
            assert not known.contradiction and not then.contradiction, perturbation.prompt
            assert len({edit.relation_index for edit in perturbation.edits}) == num_edits
            for edit in perturbation.edits:
                i = edit.relation_index
                assert known.refutes(facts_of(new)[i]), (perturbation.prompt, edit)
                assert then.refutes(facts_of(graph)[i]), (perturbation.prompt, edit)
                assert new.text[slice(*edit.span)] == edit.after
            changed = (words(graph.text) - words(new.text)).total()
            changed += (words(new.text) - words(graph.text)).total()
            assert changed <= 10 * num_edits, perturbation.prompt
            assert not re.search(r"  |\b(the the|a a|of of|to to)\b", new.text, re.IGNORECASE), new.text
            if drawn < len(graphs):
                unread += not compare_graphs(parse_prompt(new.text), graph)
            kinds.update(edit.kind for edit in perturbation.edits)
            count += 1
    assert len(kinds) == 10, kinds
    # What the parser reads in the new text differs from what it read in the old one.
    assert unread <= 0.03 * count, unread
