"""What the starter flow model's scenes are made of: chosen in a recipe, or read beside a trained model."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from spatial_core.scenes.objects import COLORS
from spatial_core.starter import starter_path

KINDS: tuple[str, ...] = (
    *("ball", "cube", "cylinder", "cone", "box", "book", "plate", "bowl"),
    *("cup", "bottle", "apple", "hat", "clock", "star", "chair", "car"),
)
"""What a model may learn to draw, 16 kinds: neither thin nor, at this size, mistaken for one another."""

COUNTS = (2, 3, 4, 5)
"""How many things a scene may have."""


@dataclass(frozen=True)
class FlowWorld:
    """What the scenes are made of.

    Attributes:
        kinds: Things, of `KINDS`.
        colors: Theirs, of `COLORS`.
        counts: How many things there are in a scene, each entry as often as the others.
    """

    kinds: tuple[str, ...] = KINDS
    colors: tuple[str, ...] = tuple(COLORS)
    counts: tuple[int, ...] = (2, 2, 2, 3, 3, 4)

    def __post_init__(self) -> None:
        """Check that scenes can be made of it.

        Raises:
            ValueError: If a name or a count is not known, or there are fewer names than things in a scene.
        """
        if not self.counts or not set(self.counts) <= set(COUNTS):
            raise ValueError(
                f"'scenes.world.counts' must be a list of {', '.join(map(str, COUNTS))}; got "
                f"{list(self.counts)}."
            )
        for what, names, known in (("kinds", self.kinds, KINDS), ("colors", self.colors, tuple(COLORS))):
            strange = [name for name in names if name not in known]
            if strange or len(set(names)) < max(len(names), *self.counts):
                raise ValueError(
                    f"'scenes.world.{what}' must be {max(self.counts)} or more different ones of "
                    f"{', '.join(known)}; got {', '.join(strange or names) or 'none'}."
                )


def trained_world(folder: str | Path) -> FlowWorld:
    """Return what the scenes were made of that a starter flow model in `folder` was trained on.

    It stands in its training.json; without that file it is taken to be the bundled model's.
    """
    file = Path(folder, "training.json")
    if not file.is_file():
        return bundled_world()
    return world_of(json.loads(file.read_text("utf-8")))


def world_of(facts: Mapping[str, Any]) -> FlowWorld:
    """Return the same, read from a training.json."""
    table = facts["recipe"]["scenes"]["world"]
    return FlowWorld(**{key: tuple(value) for key, value in table.items()})


@cache
def bundled_world() -> FlowWorld:
    """Return what the scenes of the bundled flow model's training were made of."""
    return trained_world(starter_path("flow"))
