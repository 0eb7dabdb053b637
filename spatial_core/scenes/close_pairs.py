"""Pairs around the dead zone: a relation is hardly true of one picture and hardly false of the other.

What captions state keeps clear of the dead zone of `spatial_core.geometry`; here nothing does. The sign of
the margin still says which of two pictures fits better, but hardly: a judge that knows what it does not know
gives such pairs probabilities near one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import torch

from spatial_core.geometry import judge
from spatial_core.language.relations import RELATIONS
from spatial_core.scenes.captions import plan_caption, write
from spatial_core.scenes.closure import Statement
from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.pairs import PairBatch, SceneEdit, ScenePair, rendered_margin
from spatial_core.scenes.renderer import Rendering, render
from spatial_core.scenes.sampling import acceptable, closures_of, rows
from spatial_core.scenes.scene import Scene, SceneObject
from spatial_core.scenes.splits import Split, kinds_of, statement_split
from spatial_core.scenes.stage import View, make_item

_AXIS = {"left_of": 0, "right_of": 0, "behind": 1, "in_front_of": 1}
_MAX_ATTEMPTS = 80
_LAYOUTS = 12
"""Scenes looked at per attempt and seed."""
_REACH = 1.5
"""Metres to either side of the other thing within which the place of no margin is looked for."""


def sample_close_pairs(
    seeds: Sequence[int],
    *,
    margins: tuple[float, float] = (0.0, 0.1),
    split: Split | None = "test",
    size: int = 128,
) -> PairBatch:
    """Return one pair for every seed, of one relation: left_of, right_of, behind or in_front_of.

    The altered prompt states the inverse, of which both pictures fall short, the second by less.

    Args:
        seeds: Any integers; a pair depends on its seed and the arguments alone.
        margins: Least and greatest absolute margin of `geometry.judge` in either picture.
        split: Which combinations prompts may state; None for all.
        size: Side of the pictures in pixels.

    Raises:
        RuntimeError: If a seed gave no pair within the allowed attempts.
    """
    found: dict[int, tuple[ScenePair, Rendering, Rendering]] = {}
    tried = 0
    for attempt in range(_MAX_ATTEMPTS):
        drafts: list[tuple[int, Random, Statement, Scene, Scene]] = []
        for k in (k for k in range(len(seeds)) if k not in found):
            rng = Random(f"close|{split}|{seeds[k]}|{attempt}")
            if (draft := _draft(rng, margins, split)) is not None:
                drafts.append((k, rng, *draft))
        if not drafts:
            continue
        tried += len(drafts)
        scenes = [scene for draft in drafts for scene in draft[3:]]
        rendering = render(scenes, size=size)
        closures = closures_of(scenes, rendering)
        for n, (k, rng, statement, first, second) in enumerate(drafts):
            a, b = 2 * n, 2 * n + 1
            sound = acceptable(first, closures[a], rendering, a)
            sound = sound and acceptable(second, closures[b], rendering, b)
            low, high = margins
            near, far = (rendered_margin(statement, rendering, row, scenes[row]) for row in (a, b))
            if not (sound and low < near <= high and -high <= far < -low):
                continue
            inverse = RELATIONS[statement.relation].inverse
            opposite = replace(statement, relation=inverse)
            plan = plan_caption(first, [statement], seed=rng.randrange(2**31), mode="short")
            pair = ScenePair(
                scene=first,
                scene_rejected=second,
                caption=write(plan, first, [statement]),
                caption_rejected=write(plan, second, [opposite]),
                edits=(SceneEdit("flip_relation", (0,), (statement,), (opposite,)),),
                closure=closures[a],
                closure_rejected=closures[b],
                seed=seeds[k],
            )
            found[k] = (pair, rows(rendering, [a]), rows(rendering, [b]))
        if len(found) == len(seeds):
            break
    if len(found) < len(seeds):
        missing = [seeds[k] for k in range(len(seeds)) if k not in found]
        raise RuntimeError(
            f"no close pair within {_MAX_ATTEMPTS} attempts for seeds {missing[:5]}; ask for wider margins"
        )
    results = [found[k] for k in range(len(seeds))]
    return PairBatch(
        pairs=tuple(r[0] for r in results),
        rendering=Rendering.joined([r[1] for r in results]),
        rendering_rejected=Rendering.joined([r[2] for r in results]),
        num_tried=tried,
    )


def _draft(
    rng: Random, margins: tuple[float, float], split: Split | None
) -> tuple[Statement, Scene, Scene] | None:
    """Return a statement with a scene it is hardly true of and one it is hardly false of, by projection."""
    for _ in range(_LAYOUTS):
        scene = sample_layout(rng.getrandbits(62), num_named=rng.choice((3, 4, 5)))
        supports = {o.support for o in scene.objects}
        free = [i for i, o in enumerate(scene.objects) if _stands(o) and i not in supports]
        kinds = kinds_of(scene)
        possible = [
            statement
            for relation in _AXIS
            for i in free
            for j in free
            if i != j and scene.objects[i].support == scene.objects[j].support
            for statement in (Statement(relation, i, (j,)),)
            if split is None or statement_split(kinds, statement) == split
            if _apart(scene, i, j, relation)
        ]
        if not possible:
            continue
        statement = rng.choice(possible)
        places = [_solve(scene, statement, sign * rng.uniform(*margins)) for sign in (1, -1)]
        if places[0] is not None and places[1] is not None:
            return statement, _moved(scene, statement, places[0]), _moved(scene, statement, places[1])
    return None


def _stands(state: SceneObject) -> bool:
    thing = OBJECT_KINDS[state.kind].category == "object"
    return state.named and thing and state.relation_to_support == "on" and not state.tilt


def _apart(scene: Scene, i: int, j: int, relation: str) -> bool:
    """Return whether two things stay clear of each other while one slides along the relation's axis."""
    across = 1 - _AXIS[relation]
    a, b = make_item(scene.objects[i]), make_item(scene.objects[j])
    return abs(a.center[across] - b.center[across]) > 1.1 * (a.half[across] + b.half[across])


def _moved(scene: Scene, statement: Statement, place: float) -> Scene:
    """Return the scene with the statement's subject moved to a coordinate of its axis."""
    state = scene.objects[statement.subject]
    position = list(state.position)
    position[_AXIS[statement.relation]] = place
    there = replace(state, position=(position[0], position[1], position[2]))
    objects = (*scene.objects[: statement.subject], there, *scene.objects[statement.subject + 1 :])
    return replace(scene, objects=objects)


def _solve(scene: Scene, statement: Statement, target: float) -> float | None:
    """Return where the subject must stand for a margin of `target`, or None if it is not within reach."""
    middle = scene.objects[statement.objects[0]].position[_AXIS[statement.relation]]
    low, high = middle - _REACH, middle + _REACH
    rising = _projected_margin(_moved(scene, statement, high), statement) > 0
    for _ in range(16):
        half = (low + high) / 2
        if (_projected_margin(_moved(scene, statement, half), statement) < target) == rising:
            low = half
        else:
            high = half
    reached = _projected_margin(_moved(scene, statement, low), statement)
    return low if abs(reached - target) < 0.01 else None


def _projected_margin(scene: Scene, statement: Statement) -> float:
    view = View(scene.camera)
    shown = [view.box(make_item(o)) for o in scene.objects]
    index = [statement.subject, *statement.objects]
    named = [shown[i][1] for i, o in enumerate(scene.objects) if o.named]
    verdict = judge(
        statement.relation,
        torch.tensor([[list(shown[i][0]) for i in index]], dtype=torch.float64),
        distances=torch.tensor([[shown[i][1] for i in index]], dtype=torch.float64),
        image_size=(1, 1),
        distance_range=torch.tensor([[min(named), max(named)]], dtype=torch.float64),
    )
    return float(verdict.margin)
