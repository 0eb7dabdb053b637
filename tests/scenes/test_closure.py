"""The closure: what a person sees in scenes built by hand, and laws that hold in every scene."""

import numpy as np
import pytest

from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.closure import (
    AMBIGUOUS,
    BINARY,
    FALSE,
    FAMILIES,
    FLOOR,
    PLACES,
    TRUE,
    WALL,
    Statement,
    closures,
)
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.sampling import estimated_closures, judge_scenes, sample_scenes
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Style

STYLE = Style((0.7, 0.7, 0.7), (0.4, 0.3, 0.2), (0.4, 0.3, 0.2), (0.3, -0.5, 0.8), (1.0, 1.0, 1.0), 0.4)
CAMERA = Camera(position=(0.0, -2.2, 1.5), target=(0.0, 0.0, 0.8), fov=42.0)
TABLE = SceneObject("table", "brown", (0.0, 0.0, 0.0))
TOP = OBJECT_KINDS["table"].top


def thing(kind, color, x, y, z=TOP, support=0, manner="on", scale=1.4, **kw):
    return SceneObject(kind, color, (x, y, z), scale=scale, support=support, relation_to_support=manner, **kw)


def closure_of(*things):
    scene = Scene((TABLE, *things), CAMERA, STYLE, 0, wall_y=0.6)
    batch = judge_scenes([scene], size=96)
    assert batch.scenes, "the scene built by hand was not accepted"
    return batch.closures[0]


def test_side_by_side():
    """A red cube (1) 70 cm left of a blue ball (2) at the same depth."""
    c = closure_of(thing("cube", "red", -0.35, 0.0), thing("ball", "blue", 0.35, 0.0))
    assert c.state(Statement("left_of", 1, (2,))) == TRUE
    assert c.state(Statement("right_of", 1, (2,))) == FALSE
    assert c.state(Statement("left_of", 2, (1,))) == FALSE
    assert c.state(Statement("right_of", 2, (1,))) == TRUE
    for name in ("in_front_of", "behind", "on", "under", "inside", "above", "below", "hidden_by"):
        assert c.state(Statement(name, 1, (2,))) == FALSE, name
    assert c.state(Statement("aligned_with", 1, (2,))) == TRUE
    assert c.state(Statement("on", 1, (0,))) == TRUE
    assert c.state(Statement("on", 1, (FLOOR,))) == FALSE
    assert c.state(Statement("hanging_on", 1, (WALL,))) == FALSE
    assert c.state(Statement("picture_left", 1, ())) == TRUE
    assert c.state(Statement("picture_left", 2, ())) == FALSE


def test_in_front_and_behind():
    """The near cube hides a part of the far bottle."""
    c = closure_of(thing("cube", "red", 0.02, -0.3), thing("bottle", "blue", 0.0, 0.3))
    assert c.state(Statement("in_front_of", 1, (2,))) == TRUE
    assert c.state(Statement("behind", 2, (1,))) == TRUE
    assert c.state(Statement("behind", 1, (2,))) == FALSE
    assert c.state(Statement("left_of", 1, (2,))) != TRUE
    assert c.state(Statement("above", 2, (1,))) != TRUE  # higher in the picture, not in the world
    assert c.state(Statement("foreground", 1, ())) == TRUE
    assert c.state(Statement("background", 2, ())) == TRUE


def test_on_top():
    """A ball (2) on a cube (1)."""
    cube = thing("cube", "red", 0.0, 0.0, scale=2.0)
    top = TOP + OBJECT_KINDS["cube"].top * 2.0
    c = closure_of(cube, thing("ball", "blue", 0.0, 0.0, z=top, support=1))
    assert c.state(Statement("on", 2, (1,))) == TRUE
    assert c.state(Statement("under", 1, (2,))) == TRUE
    assert c.state(Statement("on", 1, (2,))) == FALSE
    assert c.state(Statement("above", 2, (1,))) == AMBIGUOUS
    assert c.state(Statement("on", 2, (0,))) == AMBIGUOUS
    for name in ("left_of", "next_to", "in_front_of", "inside", "leaning_against"):
        assert c.state(Statement(name, 2, (1,))) == FALSE, name


def test_stacked_is_for_blocks():
    cube = thing("cube", "red", 0.0, 0.0, scale=2.0)
    top = TOP + OBJECT_KINDS["cube"].top * 2.0
    block = closure_of(cube, thing("book", "blue", 0.0, 0.0, z=top, support=1))
    hat = closure_of(cube, thing("hat", "blue", 0.0, 0.0, z=top, support=1))
    assert block.state(Statement("stacked_on", 2, (1,))) == TRUE
    assert hat.state(Statement("stacked_on", 2, (1,))) == AMBIGUOUS


def test_inside():
    """An apple (2) in a bowl (1) sticks out of it."""
    scale = 2.0
    bowl = thing("bowl", "red", 0.0, 0.0, scale=scale)
    floor = TOP + OBJECT_KINDS["bowl"].floor_height * scale
    c = closure_of(bowl, thing("apple", "green", 0.0, 0.0, z=floor, support=1, manner="inside", scale=1.5))
    assert c.state(Statement("inside", 2, (1,))) == TRUE
    assert c.state(Statement("inside", 1, (2,))) == FALSE
    assert c.state(Statement("on", 2, (1,))) == AMBIGUOUS
    assert c.state(Statement("next_to", 2, (1,))) == FALSE


def test_under_the_table_and_on_the_floor():
    camera = Camera(position=(0.0, -3.2, 1.3), target=(0.0, 0.0, 0.5), fov=42.0)
    under = thing("cube", "red", 0.1, 0.0, z=0.0, support=None, scale=2.0)
    front = thing("ball", "blue", -0.4, -0.9, z=0.0, support=None, scale=1.6)
    scene = Scene((TABLE, under, front), camera, STYLE, 0, wall_y=0.6)
    c = judge_scenes([scene], size=96).closures[0]
    assert c.state(Statement("under", 1, (0,))) == TRUE
    assert c.state(Statement("under", 2, (0,))) == FALSE
    assert c.state(Statement("in_front_of", 2, (0,))) == TRUE
    assert c.state(Statement("on", 1, (FLOOR,))) == TRUE
    assert c.state(Statement("on", 1, (0,))) == FALSE


def test_between_and_its_sides():
    c = closure_of(
        thing("cube", "red", -0.45, 0.0), thing("ball", "blue", 0.0, 0.02), thing("cone", "green", 0.45, 0.0)
    )
    assert c.state(Statement("between", 2, (1, 3))) == TRUE
    assert c.state(Statement("between", 2, (3, 1))) == TRUE
    assert c.state(Statement("between", 1, (2, 3))) == FALSE
    assert c.state(Statement("next_to", 1, (3,))) != TRUE  # somebody stands between


def test_above_on_the_wall():
    clock = thing("clock", "red", 0.0, 0.55, z=1.25, support=None, manner="hanging_on")
    c = closure_of(thing("cube", "blue", 0.0, 0.2), clock)
    assert c.state(Statement("above", 2, (1,))) == TRUE
    assert c.state(Statement("below", 1, (2,))) == TRUE
    assert c.state(Statement("hanging_on", 2, (WALL,))) == TRUE
    assert c.state(Statement("on", 2, (0,))) == FALSE


def test_larger_needs_world_and_picture():
    c = closure_of(thing("cube", "red", -0.3, 0.0, scale=2.4), thing("cube", "blue", 0.3, 0.0, scale=1.2))
    assert c.state(Statement("larger_than", 1, (2,))) == TRUE
    assert c.state(Statement("smaller_than", 1, (2,))) == FALSE
    near_small = closure_of(
        thing("cube", "red", -0.3, -0.4, scale=1.5), thing("cube", "blue", 0.3, 0.3, scale=1.7)
    )
    assert near_small.state(Statement("larger_than", 1, (2,))) == AMBIGUOUS


def test_inverses_agree_and_contraries_exclude_each_other():
    """In every scene, for every pair; `on` and `under` are none: a table is above what is under it."""
    found = estimated_closures([sample_layout(seed) for seed in range(120)])
    exact = [n for n in BINARY if RELATIONS[n].inverse in BINARY and n not in ("on", "under", "stacked_on")]
    for c in found:
        things = c.binary.shape[1] - 2
        for name in exact:
            inverse = RELATIONS[name].inverse
            if {name, inverse} & {"in_front_of", "behind"}:
                continue  # a table is a landmark: things are behind it, it is not in front of things
            here = c.binary[BINARY.index(name), :things, :things]
            there = c.binary[BINARY.index(inverse), :things, :things]
            assert np.array_equal(here, there.T), name
        for name in BINARY:
            for other in RELATIONS[name].contrary:
                if other in BINARY:
                    both = (c.binary[BINARY.index(name)] == TRUE) & (c.binary[BINARY.index(other)] == TRUE)
                    assert not both.any(), (name, other)
        for name in PLACES:
            for other in RELATIONS[name].contrary:
                if other in PLACES:
                    both = (c.places[PLACES.index(name)] == TRUE) & (c.places[PLACES.index(other)] == TRUE)
                    assert not both.any(), (name, other)


def test_nothing_is_said_of_what_is_not_named():
    scenes = [sample_layout(seed) for seed in range(60)]
    for scene, c in zip(scenes, estimated_closures(scenes), strict=True):
        unnamed = {i for i, o in enumerate(scene.objects) if not o.named}
        for statement in (*c.statements(TRUE), *c.statements(FALSE)):
            assert not unnamed & {statement.subject, *statement.objects}


def test_statements_and_states_agree():
    c = estimated_closures([sample_layout(3)])[0]
    for state in (TRUE, FALSE):
        assert all(c.state(s) == state for s in c.statements(state))
        assert {s.relation for s in c.statements(state)} <= set(FAMILIES)


def test_every_family_occurs_and_most_layouts_are_accepted():
    batch = sample_scenes(range(70), size=96)
    assert len(batch.scenes) / batch.num_tried >= 0.6  # the bar is .3
    seen = {s.relation for c in batch.closures for s in c.statements(TRUE)}
    assert seen == set(FAMILIES)
    assert batch.rendering.images.shape == (len(batch.scenes), 3, 96, 96)


def test_acceptance_and_closure_do_not_depend_on_the_batch():
    together = sample_scenes(range(8), size=96)
    alone = [sample_scenes([seed], size=96) for seed in range(8)]
    single = [b.closures[0] for b in alone if b.scenes]
    assert [s.seed for s in together.scenes] == [b.scenes[0].seed for b in alone if b.scenes]
    for a, b in zip(together.closures, single, strict=True):
        assert np.array_equal(a.binary, b.binary)
        assert np.array_equal(a.between, b.between) and np.array_equal(a.places, b.places)


def test_boxes_must_cover_the_scenes():
    scene = sample_layout(0)
    with pytest.raises(ValueError, match="boxes must be"):
        closures([scene], np.zeros((1, 1, 4)), distances=np.zeros((1, 1)), visible=np.zeros((1, 1)), size=64)


def test_no_scenes_no_closures():
    empty = np.zeros((0, 0))
    assert closures([], np.zeros((0, 0, 4)), distances=empty, visible=empty, size=64) == []
