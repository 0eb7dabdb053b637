"""How the cost grows: with the size of pictures, their number, the length of the prompt, its relations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_core.atomic_files import atomic_path
from spatial_core.backbones import BackboneParts
from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.speed.explanation import measure_reward_explanation, measure_vqa_explanation
from spatial_trainers.speed.reward_batch import measure_reward_batch
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.templates import PROMPT

_MORE = "The walls are painted in a pale green and the floor is made of old worn tiles."


@dataclass(frozen=True)
class Sweep:
    """Rows along one quantity.

    Attributes:
        quantity: What grows.
        values: Its values.
        rows: One for each value.
    """

    quantity: str
    values: tuple[int, ...]
    rows: tuple[Row, ...]


def sweeps(model: SpatialRewardModel, parts: BackboneParts, *, side: int, turns: int) -> list[Sweep]:
    """Return a sweep for each quantity, around 4 pictures of `side` pixels."""

    def batch(side: int = side, number: int = 4, prompt: str = PROMPT) -> Row:
        return measure_reward_batch(model, side=side, number=number, turns=turns, prompt=prompt, barred=False)

    sides, numbers, relations = (side // 2, side, side * 2), (1, 4, 12), (1, 3, 5, 7)
    prompts = ["A small red ball is to the left of a blue cup.", PROMPT, " ".join([PROMPT, *[_MORE] * 6])]
    explain = [measure_reward_explanation(model, side=side, turns=turns, relations=n) for n in relations]
    ask = [measure_vqa_explanation(parts, side=side, turns=turns, relations=n) for n in relations]
    return [
        Sweep("side of the pictures, px", sides, tuple(batch(side=s) for s in sides)),
        Sweep("pictures of one prompt", numbers, tuple(batch(number=n) for n in numbers)),
        Sweep(
            "words of the prompt",
            tuple(len(p.split()) for p in prompts),
            tuple(batch(prompt=p) for p in prompts),
        ),
        Sweep("relations explained (reward)", relations, tuple(explain)),
        Sweep("relations explained (vqa)", relations, tuple(ask)),
    ]


def growth_table(found: Sequence[Sweep]) -> str:
    """Return the GFLOP of every way of every sweep as a Markdown table."""
    lines = ["| what grows | value | way | GFLOP | CPU seconds |", "|---|---|---|---|---|"]
    lines += [
        f"| {sweep.quantity} | {value} | {name} | {cost.flops / 1e9:.2f} | {min(cost.process):.3f} |"
        for sweep in found
        for value, row in zip(sweep.values, sweep.rows, strict=True)
        for name, cost in row.costs.items()
    ]
    return "\n".join(lines) + "\n"


def draw(found: Sequence[Sweep], path: Path) -> None:
    """Write a plot of the FLOPs of every way; needs matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(found), 3.0), layout="constrained")
    for axes, sweep in zip(figure.subplots(1, len(found)), found, strict=True):
        for name in sweep.rows[0].costs:
            axes.plot(
                sweep.values,
                [row.costs[name].flops / 1e9 for row in sweep.rows],
                marker="o",
                markersize=3,
                label=name,
            )
        axes.set_xlabel(sweep.quantity)
        axes.set_ylim(bottom=0)
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, frameon=False)
    figure.axes[0].set_ylabel("GFLOP")
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=80)
