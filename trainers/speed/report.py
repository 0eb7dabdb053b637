"""The result as JSON, and as Markdown for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.timing import Spread, ratios

ON_A_GPU = (
    "preprocessing on a GPU (>= 20x)",
    "vision tower of 24 x 504 and 8 x 1036 px on a GPU (>= 3x)",
    "reward of 24 pictures against the rubric form on a GPU (>= 4x at 448-512 px, >= 2.5x at 1024 px), "
    "its peak memory (<= 0.5x)",
    "share of the matrix product's FLOPs, 7B at 512 px (>= 40 %)",
    "scoring share of best-of-N, FLUX 1024 px, 28 steps (<= 10 %)",
    "RL against the full Flow-GRPO loop, FLUX.1-dev shape (>= 2x)",
    "rendering of scenes on a GPU (>= 3,000 pictures a second)",
)
"""Bars that rows of a run on a GPU answer."""


def _span(spread: Spread, digits: str = ".2f") -> str:
    return f"{spread.median:{digits}} ({spread.low:{digits}} - {spread.high:{digits}})"


def _flops(flops: int) -> str:
    return f"{flops / 1e9:.2f}" if flops else "-"


def markdown(rows: Sequence[Row], about: Mapping[str, Any], *, title: str, gpu: bool) -> str:
    """Return a page: what it ran on, every way of every row, every bar.

    Args:
        rows: Measured.
        about: Date, hardware and versions.
        title: Of the page.
        gpu: Whether it ran on a GPU.
    """
    lines = [f"# {title}", "", *[f"- {key}: {value}" for key, value in about.items()], ""]
    lines += [
        "Medians (least - largest). The times are CPU seconds of the process on a CPU, which other work may "
        "share, and wall seconds on a GPU. `times ours` is taken turn by turn.",
        "",
        "| row | way | seconds | wall | GFLOP | times ours | FLOPs / ours |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        first = next(iter(row.costs.values()))
        for name, cost in row.costs.items():
            share = cost.flops / first.flops if first.flops else 0.0
            lines.append(
                f"| {row.title} | {name} | {_span(Spread.of(cost.main), '.3f')} | "
                f"{Spread.of(cost.wall).median:.3f} | {_flops(cost.flops)} | {_span(ratios(cost, first))} | "
                + (f"{share:.2f} |" if share else "- |")
            )
    lines += ["", "| bar | measured | wanted | held |", "|---|---|---|---|"]
    for row in rows:
        for bar in row.bars:
            sign = "<=" if bar.at_most else ">="
            held = "yes" if bar.met else "**no**"
            lines.append(f"| {row.title}: {bar.what} | {bar.value:.2f} | {sign} {bar.wanted:g} | {held} |")
    lines += [f"| {text} | not measured | | |" for text in (() if gpu else ON_A_GPU)]
    lines += ["", "| row | fact | value |", "|---|---|---|"]
    lines += [f"| {row.title} | {name} | {value:.4g} |" for row in rows for name, value in row.facts.items()]
    return "\n".join(lines) + "\n"
