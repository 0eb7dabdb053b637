"""Prompts say what they are told to say, their spans are exact, and held-out wordings stay held out."""

import re
from random import Random

import pytest

from spatial_core.language.parser import parse_prompt
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE
from spatial_core.scenes.captions import MODES, caption_scene, plan_caption, write
from spatial_core.scenes.closure import FAMILIES, FLOOR, TRUE, WALL, Statement
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.sampling import estimated_closures
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Style
from spatial_core.scenes.statements import PAPER_HISTOGRAM, arrange, choose, draw_count, fact
from spatial_core.scenes.wordings import PHRASES

STYLE = Style((0.7, 0.7, 0.7), (0.4, 0.3, 0.2), (0.4, 0.3, 0.2), (0.3, -0.5, 0.8), (1.0, 1.0, 1.0), 0.4)
SCENE = Scene(
    (
        SceneObject("table", "brown", (0.0, 0.0, 0.0)),
        SceneObject("mug", "red", (0.0, 0.0, 0.72), support=0),
        SceneObject("mug", "blue", (0.3, 0.0, 0.72), support=0),
        SceneObject("apple", "green", (0.5, 0.0, 0.72), support=0, pattern="striped"),
        SceneObject("clock", "orange", (0.5, 0.6, 1.2), relation_to_support="hanging_on"),
    ),
    Camera((0.0, -2.0, 1.5), (0.0, 0.0, 0.8), 40.0),
    STYLE,
    0,
)
LAYOUTS = [sample_layout(seed) for seed in range(80)]
CLOSURES = estimated_closures(LAYOUTS)


def captions(**kw):
    for k, (scene, closure) in enumerate(zip(LAYOUTS, CLOSURES, strict=True)):
        rng = Random(k)
        said = choose(rng, closure.statements(TRUE), draw_count(rng, PAPER_HISTOGRAM))
        if said:
            said = [said[i] for i in arrange(rng, said)]
            yield scene, said, caption_scene(scene, said, seed=k, **kw)


def test_one_statement_word_for_word():
    caption = caption_scene(SCENE, [Statement("left_of", 1, (2,))], seed=0, mode="short")
    found = re.fullmatch(
        r"(a|the) red mug (to the left of|left of|on the left side of|on the left of) \1 blue mug",
        caption.text,
    )
    assert found
    relation = caption.graph.relations[0]
    assert caption.graph.words(relation) == caption.text
    assert caption.text[slice(*relation.trigger)] == found[2]
    assert caption.graph.clause(relation) == "the red mug is to the left of the blue mug"
    assert caption.objects == (1, 2)


def test_things_are_told_apart():
    """Two mugs need their colours; the one apple may do without."""
    said = [Statement("next_to", 1, (3,)), Statement("right_of", 3, (2,))]
    for seed in range(30):
        caption = caption_scene(SCENE, said, seed=seed)
        names = {e.describe() for e in caption.graph.entities}
        assert {"red mug", "blue mug"} <= names
        assert names - {"red mug", "blue mug"} <= {"apple", "striped green apple"}


def test_walls_floors_and_the_picture():
    said = [
        Statement("hanging_on", 4, (WALL,)),
        Statement("on", 3, (FLOOR,)),
        Statement("picture_left", 1, ()),
    ]
    caption = caption_scene(SCENE, said, seed=3, mode="mixed")
    assert "the wall" in caption.text.lower() and "the floor" in caption.text.lower()
    assert caption.graph.relations[2].objects == (PICTURE,)
    assert caption.graph.relations[2].frame == "picture"


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("wordings", ["train", "held_out"])
def test_spans_are_exact(mode, wordings):
    for _, said, caption in captions(mode=mode, wordings=wordings):
        graph = caption.graph
        assert len(graph.relations) == len(said)
        for entity in graph.entities:
            words = graph.text[slice(*entity.span)].lower()
            assert re.fullmatch(rf"(a|an|the) {re.escape(entity.describe())}", words)
            for span in entity.mentions:
                mention = graph.text[slice(*span)].lower()
                assert mention == "it" or mention.endswith(entity.name)
        for relation, statement in zip(graph.relations, caption.statements, strict=True):
            start, end = relation.span
            trigger = graph.text[slice(*relation.trigger)].lower()
            assert statement.relation == relation.relation
            assert 0 <= start < end <= len(graph.text)
            if relation.order is None:
                assert start <= relation.trigger[0] <= relation.trigger[1] <= end
                heads = [p.text.split(" {0}")[0] for p in PHRASES[relation.relation][wordings]]
                assert trigger in heads
            else:
                assert trigger == "from left to right"
            assert caption.objects[relation.subject] == statement.subject
            if statement.objects:
                assert tuple(caption.objects[i] for i in relation.objects) == statement.objects


def test_ordered_lists_are_chains():
    chain = [Statement("left_of", 1, (2,)), Statement("left_of", 2, (3,))]
    caption = caption_scene(SCENE, chain, seed=1, mode="list")
    assert "from left to right" in caption.text.lower()
    assert [r.order for r in caption.graph.relations] == [0, 1]


def test_modes_differ():
    texts = {mode: [c.text for _, _, c in captions(mode=mode)] for mode in MODES}
    long = [len(t.split()) for t in texts["long"]]
    assert 35 <= sorted(long)[len(long) // 2] <= 90
    fronted = sum(
        t.split()[0] in ("To", "Left", "Right", "On", "In", "Under", "Behind") for t in texts["fronted"]
    )
    plain = sum(
        t.split()[0] in ("To", "Left", "Right", "On", "In", "Under", "Behind") for t in texts["mixed"]
    )
    assert fronted > plain


def test_wording_varies_and_the_seed_decides_it():
    said = [Statement("on", 1, (0,)), Statement("left_of", 1, (2,))]
    assert len({caption_scene(SCENE, said, seed=s).text for s in range(40)}) > 30
    assert caption_scene(SCENE, said, seed=7) == caption_scene(SCENE, said, seed=7)


def test_held_out_wordings_share_no_phrase_with_training():
    assert set(PHRASES) == set(FAMILIES)
    for name, table in PHRASES.items():
        assert not {p.text for p in table["train"]} & {p.text for p in table["held_out"]}, name
        for phrases in table.values():
            assert phrases
            arity = RELATIONS[name].arity
            assert all(
                ("{0}" in p.text) == (arity > 1) and ("{1}" in p.text) == (arity == 3) for p in phrases
            )


def test_a_relation_and_its_inverse_have_as_many_wordings():
    for name, table in PHRASES.items():
        inverse = RELATIONS[name].inverse
        if inverse in PHRASES and name != "stacked_on":
            for wordings in ("train", "held_out"):
                assert len(table[wordings]) == len(PHRASES[inverse][wordings]), name


def test_a_plan_words_other_statements_alike():
    said = [Statement("left_of", 1, (2,)), Statement("on", 3, (0,))]
    other = [Statement("right_of", 1, (2,)), Statement("on", 3, (0,))]
    for seed in range(20):
        plan = plan_caption(SCENE, said, seed=seed)
        one, two = write(plan, SCENE, said).text, write(plan, SCENE, other).text
        assert one != two
        swap = {"left": "right", "Left": "Right"}
        assert " ".join(swap.get(w, w) for w in one.split()) == two


def test_nothing_to_say_is_refused():
    with pytest.raises(ValueError, match="at least one statement"):
        caption_scene(SCENE, [], seed=0)
    plan = plan_caption(SCENE, [Statement("on", 1, (0,))], seed=0)
    with pytest.raises(ValueError, match="words 1 statements"):
        write(plan, SCENE, [])


def test_choice_repeats_no_fact_and_spreads_over_families():
    counts = {}
    for k, closure in enumerate(CLOSURES):
        said = choose(Random(k), closure.statements(TRUE), 8)
        assert len({fact(s) for s in said}) == len(said)
        for s in said:
            counts[s.relation] = counts.get(s.relation, 0) + 1
    assert max(counts.values()) < 0.25 * sum(counts.values())
    assert len(counts) > 20


def test_the_parser_reads_what_the_writer_wrote():
    """Two programs that never saw each other: one writes, one reads."""

    def facts(graph):
        def name(i):
            return PICTURE if i == PICTURE else graph.entities[i].describe().lower()

        return {
            (r.relation, name(r.subject), tuple(sorted(name(o) for o in r.objects))) for r in graph.relations
        }

    stated = read = false = 0
    for _, _, caption in captions():
        want, got = facts(caption.graph), facts(parse_prompt(caption.text))
        stated, read, false = stated + len(want), read + len(want & got), false + len(got - want)
    assert read / stated >= 0.85
    assert false / stated <= 0.05
