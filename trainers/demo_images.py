"""Renders the demo's pictures: the same six things put up differently, from all of the prompt true to little.

    python -m spatial_trainers.demo_images [FOLDER]

FOLDER holds `prompt.txt` and receives `images`; the default is the demo of this checkout.

The pictures are shuffled before they are numbered, so that a file's name says nothing about its rank.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from random import Random

from PIL.PngImagePlugin import PngInfo

from spatial_core.images import to_pil
from spatial_core.language.parser import parse_prompt
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.scenes.closure import Statement
from spatial_core.scenes.layout import sample_layout, sample_style
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.renderer import render
from spatial_core.scenes.sampling import acceptable, closures_of
from spatial_core.scenes.scene import Scene, SceneObject
from spatial_core.scenes.stage import Stage, base_scale

DEMO = Path(__file__).resolve().parent.parent / "spatial_core" / "starter" / "demo"
SIZE = 256
ROOMS_TRIED = 3000
ATTEMPTS_A_ROOM = 40
# How many pictures have how many of the prompt's relations true.
WANTED = {5: 2, 4: 3, 3: 3, 2: 2, 1: 2}
CAST = {
    "teapot": "red",
    "mug": "blue",
    "plant": "green",
    "book": "purple",
    "pear": "yellow",
    "clock": "white",
}


@cache
def furnished(seed: int) -> Scene:
    """Return a room with a table and nothing on it."""
    room = sample_layout(seed, num_named=1, num_clutter=0, room="tabletop")
    furniture = tuple(o for o in room.objects if o.kind in ("table", "shelf"))
    style = replace(sample_style(Random(seed)), blur=0.0, noise=0.0)
    return replace(room, objects=furniture, style=style, seed=seed)


def put_up(seed: int, attempt: int) -> Scene | None:
    """Return the cast in the room of `seed`, each thing at a place drawn for it; None if there is no room."""
    rng = Random(f"{seed}|{attempt}")
    empty = furnished(seed)
    stage = Stage.of(empty, rng)
    table = next(s for s in stage.surfaces() if s.owner == stage.furniture("table")[0])

    def thing(kind: str, size: float = 0.27) -> SceneObject:
        scale = base_scale(OBJECT_KINDS[kind], size)
        return SceneObject(kind, CAST[kind], (0, 0, 0), scale, rng.uniform(-0.4, 0.4))

    def beside(kind: str, anchor: int, *sides: str) -> int | None:
        return stage.put_beside(thing(kind), anchor, rng.choice(sides), gap=(0.1, 1.0))

    teapot = stage.put_on_surface(thing("teapot", 0.3), table)
    if teapot is None:
        return None
    book = beside("book", teapot, "front", "front", "back", "left")
    mug = beside("mug", teapot, "left", "right", "right")
    if book is None or mug is None:
        return None
    plant = beside("plant", mug, "back", "back", "front", "left", "right")
    pear = (
        stage.put_on_top(thing("pear", 0.22), book)
        if rng.random() < 0.6
        else beside("pear", mug, "front", "right")
    )
    clock = stage.put_on_wall(thing("clock")) if rng.random() < 0.5 else beside("clock", mug, "left", "right")
    if None in (plant, pear, clock):
        return None
    return replace(empty, objects=tuple(item.state for item in stage.items))


def statements(graph: SceneGraph, scene: Scene) -> list[Statement]:
    """Return what the prompt says about this scene's objects."""
    kinds = [thing.kind for thing in scene.objects]
    index = [kinds.index(entity.name) if entity.name in kinds else -1 for entity in graph.entities]
    return [
        Statement(r.relation, index[r.subject], tuple(index[o] for o in r.objects if o != "picture"))
        for r in graph.relations
    ]


def write_images(folder: Path) -> None:
    """Search rooms in the order of their seeds until every wish is met; write `folder`/images."""
    prompt = (folder / "prompt.txt").read_text(encoding="utf-8").strip()
    graph = parse_prompt(prompt)
    open_places = dict(WANTED)
    chosen = []
    for seed in range(ROOMS_TRIED):
        placed = (put_up(seed, attempt) for attempt in range(ATTEMPTS_A_ROOM))
        scene = next((scene for scene in placed if scene is not None), None)
        if scene is None:
            continue
        # A small picture is enough to see what holds; only what is kept is drawn in full.
        draft = render([scene], size=128, supersample=1)
        (closure,) = closures_of([scene], draft)
        states = [closure.state(statement) for statement in statements(graph, scene)]
        true = states.count(1)
        if -1 in states or not open_places.get(true) or not acceptable(scene, closure, draft, 0):
            continue
        if states in (other for other, _ in chosen) and true < len(states):
            continue
        open_places[true] -= 1
        chosen.append((states, to_pil(render([scene], size=SIZE, supersample=4).images[0])))
        if not any(open_places.values()):
            break
    Random(0).shuffle(chosen)
    (folder / "images").mkdir(exist_ok=True)
    for number, (states, image) in enumerate(chosen, start=1):
        truth = PngInfo()
        truth.add_text("relations", " ".join("true" if state else "false" for state in states))
        image.save(folder / "images" / f"{number:02d}.png", optimize=True, pnginfo=truth)
    print(f"{len(chosen)} pictures; without a picture: { {k: v for k, v in open_places.items() if v} }")


if __name__ == "__main__":
    write_images(Path(sys.argv[1]) if len(sys.argv) > 1 else DEMO)
