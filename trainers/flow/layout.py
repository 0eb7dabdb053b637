"""Where things stand in the starter flow model's scenes: a bare room, few places, always seen alike.

What a small model cannot guess from a caption it draws badly: a layout that is free in everything comes out
as patches that do not agree with each other. So two to five things of one size stand in one of a few
arrangements, moved by a few centimetres. Which thing and colour fills a place is drawn independently of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from random import Random

from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.scene import Camera, Scene, SceneObject, Style
from spatial_core.scenes.stage import Stage, base_scale, floor_of, make_item
from spatial_trainers.flow.world import FlowWorld

LAYOUT_VERSION = 4
"""Changes when a seed gives another scene than before; shards of another version are left alone."""

_WALL_Y, _JITTER = 0.75, 0.03
_PITCH, _FOV, _LOOK_AT, _WIDTH = math.radians(24), 40.0, 0.38, 1.5
_DISTANCE = _WIDTH / 2 / math.tan(math.radians(_FOV) / 2)
_CAMERA = Camera(
    position=(0.0, -_DISTANCE * math.cos(_PITCH), _LOOK_AT + _DISTANCE * math.sin(_PITCH)),
    target=(0.0, 0.0, _LOOK_AT),
    fov=_FOV,
)
_STYLE = Style(
    wall=(0.82, 0.82, 0.84),
    floor=(0.5, 0.47, 0.43),
    furniture=(0.6, 0.55, 0.5),
    light_direction=(-0.35, -0.55, 0.76),
    light_color=(1.0, 1.0, 1.0),
    ambient=0.45,
)
Place = tuple[float, float] | str
"""x and y on the floor in metres, or "on" or "inside" the thing before."""

_SIDES: tuple[Place, ...] = ((-0.4, 0.0), (0.4, 0.0))


@dataclass(frozen=True)
class _Layout:
    """Size of the things in metres, and where they may stand, each way as often as it is listed."""

    size: float
    places: tuple[tuple[Place, ...], ...]


_LAYOUTS = {
    2: _Layout(
        0.52,
        (
            _SIDES,
            _SIDES,
            ((-0.18, -0.35), (0.22, 0.4)),
            ((0.18, -0.35), (-0.22, 0.4)),
            ((0.0, 0.0), "on"),
            ((0.0, 0.0), "inside"),
        ),
    ),
    3: _Layout(
        0.44,
        (
            ((-0.5, 0.0), (0.0, 0.0), (0.5, 0.0)),
            ((-0.42, 0.3), (0.42, 0.3), (0.0, -0.35)),
            (*_SIDES, "on"),
            (*reversed(_SIDES), "on"),
            (*_SIDES, "inside"),
            (*reversed(_SIDES), "inside"),
        ),
    ),
    4: _Layout(
        0.37,
        (
            ((-0.4, 0.35), (0.4, 0.35), (-0.36, -0.3), (0.36, -0.3)),
            ((-0.5, 0.0), (0.0, 0.0), (0.5, 0.0), "on"),
            ((0.5, 0.0), (0.0, 0.0), (-0.5, 0.0), "on"),
            ((-0.5, 0.0), (0.5, 0.0), (0.0, 0.0), "on"),
        ),
    ),
    5: _Layout(
        0.3,
        (
            ((-0.58, 0.35), (0.0, 0.35), (0.58, 0.35), (-0.29, -0.35), (0.29, -0.35)),
            ((-0.29, 0.35), (0.29, 0.35), (-0.56, -0.35), (0.0, -0.35), (0.56, -0.35)),
            ((-0.56, 0.35), (0.18, 0.35), (-0.2, -0.35), (0.5, -0.35), "on"),
        ),
    ),
}


def flow_layout(seed: int, world: FlowWorld) -> Scene:
    """Return the scene of `seed`."""
    rng = Random(f"flow|{seed}")
    count = rng.choice(world.counts)
    layout = _LAYOUTS[count]
    while True:
        if (scene := _arranged(rng, world, rng.choice(layout.places), layout.size, seed)) is not None:
            return scene


def _arranged(
    rng: Random, world: FlowWorld, places: tuple[Place, ...], size: float, seed: int
) -> Scene | None:
    """Return things at all the places, or None where one does not fit."""
    stage = Stage(rng, camera=_CAMERA, wall_y=_WALL_Y, side_wall_x=None, floor=floor_of((), _WALL_Y, None))
    kinds, colors = rng.sample(world.kinds, k=len(places)), rng.sample(world.colors, k=len(places))
    for kind, color, place in zip(kinds, colors, places, strict=True):
        last = len(stage.items) - 1
        scale = base_scale(OBJECT_KINDS[kind], size)
        state = SceneObject(kind, color, (0.0, 0.0, 0.0), scale=scale)
        if place == "on":
            done = stage.put_on_top(state, last)
        elif place == "inside":
            done = stage.put_inside(state, last)
        else:
            x, y = (float(v) + rng.uniform(-_JITTER, _JITTER) for v in place)
            item = make_item(state.but(position=(x, y, 0.0)))
            done = stage.add(item) if stage.fits(item) else None
        if done is None:
            return None
    return Scene(
        objects=tuple(item.state for item in stage.items),
        camera=_CAMERA,
        style=_STYLE,
        seed=seed,
        wall_y=_WALL_Y,
        side_wall_x=None,
    )
