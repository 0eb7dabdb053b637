"""Pictures of single things."""

from __future__ import annotations

from random import Random

import pytest
import torch

from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.portraits import close_ups, portrait
from spatial_core.scenes.renderer import render


def test_every_kind_stands_alone_and_in_full_view() -> None:
    rng = Random(0)
    scenes = [portrait(kind, rng) for kind in OBJECT_KINDS]
    rendering = render(scenes, size=96, supersample=1)
    for row, (kind, scene) in enumerate(zip(OBJECT_KINDS, scenes, strict=True)):
        assert scene.objects[-1].kind == kind
        assert {o.kind for o in scene.objects[:-1]} <= {"table"}
        least = 0.5 if OBJECT_KINDS[kind].category == "furniture" else 0.95
        assert rendering.visible_fraction[row, len(scene.objects) - 1] > least, kind


def test_close_ups_show_the_thing_large_and_in_the_middle() -> None:
    rng = Random(1)
    scenes = [portrait("ball", rng) for _ in range(6)]
    pictures = close_ups(scenes, size=32)
    assert pictures.shape == (6, 3, 32, 32) and 0 <= pictures.min() and pictures.max() <= 1
    again = close_ups(scenes[2:3], size=32)
    torch.testing.assert_close(again, pictures[2:3])
    rendering = render(scenes, size=128)
    for row, scene in enumerate(scenes):
        x, y = rendering.boxes[row, len(scene.objects) - 1].view(2, 2).mean(0).round().int().tolist()
        # The middle of the cut-out is the middle of the ball.
        torch.testing.assert_close(
            pictures[row, :, 15:17, 15:17].mean((1, 2)),
            rendering.images[row, :, y - 2 : y + 2, x - 2 : x + 2].mean((1, 2)),
            rtol=0,
            atol=0.08,
        )


def test_an_unknown_kind_is_named() -> None:
    with pytest.raises(ValueError, match="got 'sofa'"):
        portrait("sofa", Random(0))
