"""One thing alone in a room, in any place, turn, colour and light: what a kind looks like by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import torch
from torch import Tensor
from torch.nn import functional as F

from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_core.scenes.renderer import render
from spatial_core.scenes.scene import Scene, SceneObject
from spatial_core.scenes.stage import Stage, base_scale

_SIZE = 0.27
"""Metres: what `sample_layout` gives the things on a table."""

_PLAIN = 0.75
_MARGIN = 1.25


def portrait(kind: str, rng: Random) -> Scene:
    """Return a furnished room with one thing of `kind` on the table, or an empty room with that furniture.

    The subject is the scene's last object.

    Raises:
        ValueError: If `kind` is not a name of `OBJECT_KINDS`.
    """
    if kind not in OBJECT_KINDS:
        raise ValueError(f"kind must be one of {', '.join(OBJECT_KINDS)}; got '{kind}'.")
    furniture = OBJECT_KINDS[kind].category == "furniture"
    while True:
        room = sample_layout(
            rng.getrandbits(62), num_named=1, num_clutter=0, room="room" if furniture else "tabletop"
        )
        empty = tuple(o for o in room.objects if OBJECT_KINDS[o.kind].category == "furniture")
        if furniture:
            subjects = [o for o in empty if o.kind == kind]
            if not subjects:
                continue
            # A tray stands on the table, so the table stays; who stands in front of the subject goes.
            rest = tuple(o for o in empty if o.kind == "table" and kind == "tray")
            return replace(room, objects=(*rest, subjects[0]))
        table = next(o for o in empty if o.kind == "table")
        stage = Stage.of(replace(room, objects=(table,)), rng)
        thing = SceneObject(
            kind,
            rng.choice(tuple(COLORS)),
            (0.0, 0.0, 0.0),
            base_scale(OBJECT_KINDS[kind], _SIZE * math.exp(rng.uniform(-0.3, 0.3))),
            rng.uniform(-0.5, 0.5),
            "plain" if rng.random() < _PLAIN else rng.choice(PATTERNS),
        )
        board = next(s for s in stage.surfaces() if s.owner == 0)
        if stage.put_on_surface(thing, board) is not None:
            return replace(room, objects=tuple(item.state for item in stage.items))


def close_ups(
    scenes: Sequence[Scene], *, size: int = 48, rendered: int = 128, supersample: int = 2
) -> Tensor:
    """Return the last object of every scene, cut out with a margin.

    Args:
        scenes: B scenes.
        size: Side of the result in pixels.
        rendered: Side of the whole pictures in pixels.
        supersample: Samples per pixel side.

    Returns:
        Float32 `[B, 3, size, size]`, sRGB in [0, 1].
    """
    rendering = render(scenes, size=rendered, supersample=supersample)
    last = torch.tensor([len(scene.objects) - 1 for scene in scenes], dtype=torch.long)
    boxes = rendering.boxes[torch.arange(len(scenes)), last] / rendered * 2 - 1
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1) / 2 * _MARGIN
    theta = torch.zeros(len(scenes), 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = half
    theta[:, :, 2] = middle
    # Twice as fine and then averaged: a large thing is shrunk without jagged edges.
    grid = F.affine_grid(theta, [len(scenes), 3, 2 * size, 2 * size], align_corners=False)
    cut = F.grid_sample(rendering.images, grid, padding_mode="border", align_corners=False)
    return F.avg_pool2d(cut, 2).clamp(0, 1)
