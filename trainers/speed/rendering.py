"""How many scenes are rendered a second, with boxes, masks and distances."""

from __future__ import annotations

import torch

from spatial_core.scenes.layout import sample_layout
from spatial_core.scenes.renderer import render
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import Spread, take_turns

SIDE = 128


def measure_rendering(*, number: int, turns: int, device: torch.device) -> Row:
    """Return the costs of "render" and, beside it, of "lay out" (on the CPU, whatever the device).

    Args:
        number: Of scenes.
        turns: Timed turns.
        device: Where to render.
    """
    scenes = [sample_layout(seed) for seed in range(number)]
    _, costs = take_turns(
        {
            "render": lambda: render(scenes, size=SIDE, device=device),
            "lay out": lambda: [sample_layout(seed) for seed in range(number)],
        },
        turns=turns,
        device=device,
    )
    rate = number / Spread.of(costs["render"].main).median
    bars = (Bar("scenes a second", rate, 3000.0),) if device.type == "cuda" else ()
    facts = {"scenes": number, "scenes a second": rate}
    return Row(f"rendering-{number}x{SIDE}", f"rendering of {number} scenes at {SIDE} px", costs, bars, facts)
