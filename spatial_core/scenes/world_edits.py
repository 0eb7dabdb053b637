"""Changes to a scene's world: two things change places, or one goes elsewhere. Everything else stays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from random import Random

from spatial_core.scenes.layout import CONTAINERS, HOLDERS, LEANERS, WALL_KINDS
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.scene import Scene, SceneObject
from spatial_core.scenes.stage import Item, Stage, make_item

_NOWHERE = (99.0, 99.0, -50.0)
_SIDES = ("left", "right", "front", "back")


_WAYS_OF: dict[str, tuple[str, ...]] = {
    "left_of": ("left", "right", "far"),
    "right_of": ("left", "right", "far"),
    "above": ("surface", "wall"),
    "below": ("surface", "under"),
    "on": ("top", "surface"),
    "under": ("under", "top"),
    "in_front_of": ("front", "back"),
    "behind": ("front", "back"),
    "next_to": ("left", "right"),
    "near": ("left", "right", "front"),
    "far_from": ("far",),
    "between": ("between",),
    "inside": ("inside",),
    "stacked_on": ("top",),
    "leaning_against": ("lean",),
    "hanging_on": ("wall",),
    "hidden_by": ("hide",),
    "aligned_with": ("left", "right"),
}
"""Ways of putting after which a relation may hold that did not."""

_MANNER_OF: dict[str, str] = {
    "inside": "inside",
    "leaning_against": "leaning_against",
    "hanging_on": "hanging_on",
}


def edit_world(
    scene: Scene, rng: Random, *, num_changes: int, focus: Sequence[str | None] = ()
) -> Scene | None:
    """Return the scene after `num_changes` changes to different named things, or None if that does not work.

    Args:
        scene: The world before.
        rng: Source of randomness.
        num_changes: How many.
        focus: The relation that each change should make or break, where given.
    """
    moved: set[int] = set()
    for number in range(num_changes):
        aim = focus[number] if number < len(focus) else None
        stage = Stage.of(scene, rng)
        for _ in range(6):
            swap = rng.random() < (0.3 if aim in _WAYS_OF else 0.45)
            trial = stage.copy()
            changed = _swap(scene, trial, moved) if swap else _relocate(scene, trial, moved, aim)
            if changed is not None:
                scene, touched = changed
                moved |= touched
                break
        else:
            return None
    return scene


def _movable(scene: Scene, moved: set[int]) -> list[int]:
    return [
        i
        for i, o in enumerate(scene.objects)
        if o.named and OBJECT_KINDS[o.kind].category == "object" and i not in moved
    ]


def _carried(scene: Scene, index: int) -> list[int]:
    """Return everything that rests on, in or against a thing, directly or not."""
    found: list[int] = []
    for i, o in enumerate(scene.objects):
        if o.support == index:
            found += [i, *_carried(scene, i)]
    return found


def _swap(scene: Scene, stage: Stage, moved: set[int]) -> tuple[Scene, set[int]] | None:
    """Let two things change places, each taking along what it carries."""
    free = [i for i in _movable(scene, moved) if scene.objects[i].tilt == 0.0]
    if len(free) < 2:
        return None
    a, b = stage.rng.sample(free, 2)
    if b in _carried(scene, a):
        a, b = b, a
    if a in _carried(scene, b):
        return _turn_over(scene, stage, a, b)
    first, second = scene.objects[a], scene.objects[b]
    for goes, place in ((first, second), (second, first)):
        if place.relation_to_support == "hanging_on" and goes.kind not in WALL_KINDS:
            return None
    family = [a, b, *_carried(scene, a), *_carried(scene, b)]
    for index in family:
        _lift(stage, index)
    for index, here, place, other in ((a, first, second, stage.items[b]), (b, second, first, stage.items[a])):
        state = _in_place_of(here, place)
        if place.relation_to_support == "inside" or (
            place.support is not None and place.support >= stage.num_furniture
        ):
            # It must fit where the other stood in or on something.
            item = make_item(state.but(position=(0.0, 0.0, 0.0)))
            most = 1.15 * max(other.half[0], other.half[1]) / max(item.half[0], item.half[1])
            if most < 0.6:
                return None
            state = state.but(scale=state.scale * min(1.0, most))
        x0, y0, z0 = here.position
        x1, y1, z1 = state.position
        if not _set(stage, index, state):
            return None
        for child in _carried(scene, index):
            old = scene.objects[child]
            x, y, z = old.position
            shifted = old.but(position=(x + x1 - x0, y + y1 - y0, z + z1 - z0))
            if state.scale != here.scale or not _set(stage, child, shifted):
                return None
    return _scene(stage, scene), set(family)


def _in_place_of(state: SceneObject, place: SceneObject) -> SceneObject:
    x, y, z = place.position
    yaw = state.yaw
    if place.relation_to_support == "hanging_on":
        half = OBJECT_KINDS[state.kind].half_extents[1] * state.scale
        was = OBJECT_KINDS[place.kind].half_extents[1] * place.scale
        y, yaw = y + was - half, 0.0
    return state.but(
        position=(x, y, z),
        yaw=yaw,
        support=place.support,
        relation_to_support=place.relation_to_support,
    )


def _turn_over(scene: Scene, stage: Stage, upper: int, lower: int) -> tuple[Scene, set[int]] | None:
    """Put what is below on top of what lies on it."""
    above, below = scene.objects[upper], scene.objects[lower]
    alone = _carried(scene, lower) == [upper] and above.relation_to_support == "on"
    if not alone or above.support != lower or above.kind not in HOLDERS:
        return None
    _lift(stage, upper)
    _lift(stage, lower)
    if not _set(stage, upper, _in_place_of(above, below)):
        return None
    if not _put(stage, lower, below, lambda s: stage.put_on_top(s, upper)):
        return None
    return _scene(stage, scene), {upper, lower}


def _relocate(scene: Scene, stage: Stage, moved: set[int], aim: str | None) -> tuple[Scene, set[int]] | None:
    """Take one thing that carries nothing and put it elsewhere."""
    rng = stage.rng
    free = [i for i in _movable(scene, moved) if not _carried(scene, i)]
    if not free:
        return None
    index = rng.choice(free)
    ways = _WAYS_OF.get(aim, ()) if aim else ()
    there = [i for i in free if scene.objects[i].relation_to_support == _MANNER_OF.get(aim or "")]
    if there and rng.random() < 0.5:
        index, ways = rng.choice(there), ()
    state = scene.objects[index].but(tilt=0.0)
    if state.relation_to_support == "leaning_against":
        state = state.but(yaw=rng.uniform(-0.4, 0.4))
    anchors = [i for i in _movable(scene, set()) if i != index]
    _lift(stage, index)
    near = scene.objects[index].support
    # What it was on or in is a good anchor: inside becomes beside, on becomes behind.
    if near is not None and near in anchors and rng.random() < 0.6:
        anchor = near
    else:
        anchor = rng.choice(anchors) if anchors else None
    if not _put(stage, index, state, lambda s: _somewhere(stage, s, rng, anchor, ways)):
        return None
    return _scene(stage, scene), {index}


def _somewhere(
    stage: Stage, state: SceneObject, rng: Random, anchor: int | None, aimed: tuple[str, ...]
) -> int | None:
    ways: list[str] = ["surface", "surface"]
    hosts = stage.furniture("table", "stool")
    if hosts:
        ways += ["under", "under"]
    if state.kind in WALL_KINDS:
        ways += ["wall", "wall"]
    if anchor is not None:
        kind = stage.items[anchor].state.kind
        ways += [*_SIDES, *_SIDES, "far", "hide", "between"]
        if kind in HOLDERS:
            ways += ["top"] * 4
        if kind in CONTAINERS:
            ways += ["inside"] * 4
        if state.kind in LEANERS:
            ways += ["lean"] * 3
    fitting = [way for way in aimed if way in ways]
    way = rng.choice(fitting) if fitting and rng.random() < 0.8 else rng.choice(ways)
    if way == "surface":
        return stage.put_on_surface(state, rng.choice(stage.surfaces()))
    if way == "under":
        return stage.put_under(state, rng.choice(hosts))
    if way == "wall":
        return stage.put_on_wall(state)
    assert anchor is not None
    if way == "top":
        return stage.put_on_top(state, anchor)
    if way == "inside":
        return stage.put_inside(state, anchor)
    if way == "lean":
        return stage.put_leaning(state, anchor)
    if way == "hide":
        return stage.put_half_behind(state, anchor)
    if way == "between":
        ends = [i for i in range(stage.num_furniture, len(stage.items)) if stage.items[i].depth < 1e8]
        return stage.put_between(state, anchor, rng.choice(ends))
    if way == "far":
        return stage.put_beside(state, anchor, rng.choice(("left", "right")), gap=(2.2, 3.5))
    gap = (0.05, 0.5) if way in ("left", "right") else (0.15, 0.9)
    return stage.put_beside(state, anchor, way, gap=gap)


def _lift(stage: Stage, index: int) -> None:
    """Take an item out of play; its index stays."""
    item = stage.items[index]
    stage.items[index] = Item(
        item.state.but(position=_NOWHERE, support=None, relation_to_support="on"),
        item.half,
        item.shift,
        item.radius,
        box=(-9.0, -9.0, -9.0, -9.0),
        depth=1e9,
    )


def _set(stage: Stage, index: int, state: SceneObject) -> bool:
    """Put a lifted item to a given place if it fits there."""
    item = make_item(state)
    ignore = (index,) if state.support is None else (index, state.support)
    if not stage.fits(item, ignore=ignore, hide=0.55):
        return False
    stage.items[index] = item
    return True


def _put(stage: Stage, index: int, state: SceneObject, way: Callable[[SceneObject], int | None]) -> bool:
    """Put a lifted item by one of the stage's ways, keeping its index."""
    if way(state) is None:
        return False
    stage.items[index] = stage.items.pop()
    return True


def _scene(stage: Stage, scene: Scene) -> Scene:
    return replace(scene, objects=tuple(item.state for item in stage.items))
