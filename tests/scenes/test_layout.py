"""The layout sampler: what stands where, and that nothing about a thing tells where it stands."""

import math
from random import Random

import numpy as np
import pytest

from spatial_core.scenes.layout import ROOMS, restyle, sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.stage import Stage, make_item

SCENES = [sample_layout(seed) for seed in range(300)]


def things(scene):
    return [o for o in scene.objects if OBJECT_KINDS[o.kind].category == "object"]


def test_a_seed_gives_one_scene():
    assert sample_layout(5) == sample_layout(5)
    assert sample_layout(5) != sample_layout(6)


def test_furniture_comes_first_and_supports_exist():
    for scene in SCENES:
        categories = [OBJECT_KINDS[o.kind].category for o in scene.objects]
        assert categories == sorted(categories)  # "furniture" < "object"
        for index, o in enumerate(scene.objects):
            assert o.support is None or (0 <= o.support < len(scene.objects) and o.support != index)


def test_no_two_things_share_kind_and_color():
    for scene in SCENES:
        names = [(o.kind, o.color) for o in things(scene)]
        assert len(set(names)) == len(names)


def test_clutter_is_of_a_kind_that_nothing_named_has():
    for scene in SCENES:
        named = {o.kind for o in things(scene) if o.named}
        assert not named & {o.kind for o in things(scene) if not o.named}


def test_things_stand_at_the_height_of_what_holds_them():
    for scene in SCENES:
        for o in things(scene):
            z = o.position[2]
            if o.relation_to_support == "on" and o.support is None:
                assert z == 0.0
            elif o.relation_to_support in ("on", "inside") and o.support is not None:
                holder = scene.objects[o.support]
                kind = OBJECT_KINDS[holder.kind]
                height = kind.top if o.relation_to_support == "on" else kind.floor_height
                assert z == pytest.approx(holder.position[2] + height * holder.scale)
            elif o.relation_to_support == "hanging_on":
                assert OBJECT_KINDS[o.kind].wall
                back = o.position[1] + OBJECT_KINDS[o.kind].half_extents[1] * o.scale
                assert back == pytest.approx(scene.wall_y)


def test_the_interesting_ways_of_standing_all_occur():
    manners = [(o.relation_to_support, o.support is None) for s in SCENES for o in things(s)]
    for manner in ("inside", "leaning_against", "hanging_on"):
        assert sum(m == manner for m, _ in manners) > 15, manner
    on_things = [
        o
        for s in SCENES
        for o in things(s)
        if o.relation_to_support == "on"
        and o.support is not None
        and OBJECT_KINDS[s.objects[o.support].kind].category == "object"
    ]
    assert len(on_things) > 60


def test_same_kind_in_two_colors_and_same_color_on_two_kinds_are_common():
    twins = sum(len({o.kind for o in things(s)}) < len(things(s)) for s in SCENES)
    shared = sum(len({o.color for o in things(s)}) < len(things(s)) for s in SCENES)
    assert twins > 0.25 * len(SCENES)
    assert shared > 0.5 * len(SCENES)


def test_size_does_not_tell_distance():
    """Things on tables: metres against how far back. Shrinking to fit on or into others is left out."""
    size, depth = [], []
    for scene in SCENES:
        table = [o for o in scene.objects if o.kind == "table"]
        for o in things(scene):
            if o.relation_to_support == "on" and o.support is not None and scene.objects[o.support] in table:
                size.append(math.log(max(make_item(o).half)))
                depth.append(o.position[1])
    assert len(size) > 200
    # Two standard errors of a zero correlation, and a little.
    assert abs(np.corrcoef(size, depth)[0, 1]) < 0.15


def test_color_does_not_tell_place():
    places = {}
    for scene in SCENES:
        for o in things(scene):
            places.setdefault(o.color, []).append(o.position[0])
    everything = np.concatenate([np.array(v) for v in places.values()])
    for color, xs in places.items():
        error = everything.std() / math.sqrt(len(xs))
        assert abs(np.mean(xs) - everything.mean()) < 4 * error, color


def test_number_of_named_things_and_rooms_can_be_asked_for():
    for room in ROOMS:
        scene = sample_layout(3, num_named=4, num_clutter=0, room=room)
        assert 1 <= len(things(scene)) <= 4
        assert all(o.named for o in things(scene))
        assert (scene.side_wall_x is not None) == (room == "corner")


@pytest.mark.parametrize("bad", [{"num_named": 0}, {"num_named": 9}, {"num_clutter": -1}])
def test_counts_out_of_range_are_refused(bad):
    with pytest.raises(ValueError, match="must be between"):
        sample_layout(0, **bad)


def test_emphasis_makes_a_relation_common():
    def rate(**kw):
        scenes = [sample_layout(seed, **kw) for seed in range(60)]
        return sum(o.relation_to_support == "inside" for s in scenes for o in s.objects)

    assert rate(emphasis="inside") > 1.5 * rate()


def test_restyle_leaves_named_things_alone():
    scene = next(s for s in SCENES if len(s.objects) > 5)
    other = restyle(scene, Random(0))
    named = [o for o in things(scene) if o.named]
    assert [o for o in things(other) if o.named] == named
    assert other.style != scene.style and other.camera != scene.camera


def test_a_stage_refuses_what_does_not_fit():
    scene = sample_layout(1, num_named=3, num_clutter=0, room="tabletop")
    stage = Stage.of(scene, Random(0))
    item = make_item(next(o for o in scene.objects if OBJECT_KINDS[o.kind].category == "object"))
    assert not stage.fits(item)  # the place is taken, by itself
