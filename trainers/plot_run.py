"""Curves of training runs from their `metrics.jsonl`, several runs in one picture."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from spatial_core.atomic_files import atomic_path

METRICS_FILE = "metrics.jsonl"

_FIRST = (
    "reward",
    "reward_std",
    "evaluation/reward",
    "evaluation/spatial_accuracy",
    "accuracy",
    "validation/accuracy",
    "dpo_accuracy",
    "loss",
    "kl",
    "clipped",
    "grad_norm",
)
"""What is shown, in this order, where nothing is asked for; a run has some of them."""
_FEW, _PANELS = 3, 12
"""With fewer of the usual metrics than this, others are shown too, a dozen in all."""
_MANY = 60
"""Points beyond which a curve is drawn smoothed over its raw values."""
_COLORS = ("#1e62d0", "#c8222e", "#1a7f37", "#9e6200", "#7a3fb5", "#00838f", "#c2410c", "#5b6470")


@dataclass(frozen=True)
class Curve:
    """One metric of one run.

    Attributes:
        steps: Ascending.
        values: At each.
    """

    steps: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def read_run(place: str | Path) -> dict[str, Curve]:
    """Return the curves of a run by the metric's name; values that are not finite are left out.

    Args:
        place: Folder of a run, or its metrics file.

    Raises:
        ValueError: If there is no such file, it has no numbers, or a line is not of that form; a last line
            that a kill cut off is left out.
    """
    path = Path(place) / METRICS_FILE if Path(place).is_dir() else Path(place)
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"Cannot read the metrics {path} ({error}). Name the output folder of a run, or its "
            f"{METRICS_FILE}."
        ) from error
    points: dict[str, dict[float, float]] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            step = float(record["step"])
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise ValueError(
                f'{path}, line {number}: must be a JSON object with a "step"; got {line[:60]}. Remove it.'
            ) from error
        for name, value in record.items():
            if name != "step" and isinstance(value, (int, float)) and math.isfinite(value):
                points.setdefault(name, {})[step] = float(value)
    if not points:
        raise ValueError(f"{path} holds no numbers yet. Wait for the run's first line.")
    return {
        name: Curve(np.array(sorted(found)), np.array([found[step] for step in sorted(found)]))
        for name, found in points.items()
    }


def read_runs(places: Sequence[str | Path]) -> dict[str, dict[str, Curve]]:
    """Return the curves of several runs by a name that tells them apart: as much of the path as it takes.

    Raises:
        ValueError: As `read_run`, or if a run is named twice.
    """
    parts = [Path(place).resolve().parts for place in places]
    parts = [part[:-1] if part[-1] == METRICS_FILE else part for part in parts]
    if len(set(parts)) != len(parts):
        raise ValueError(f"A run may be named once; got {', '.join(map(str, places))}.")
    depth = 1
    while len({part[-depth:] for part in parts}) < len(parts):
        depth += 1
    return {"/".join(part[-depth:]): read_run(place) for part, place in zip(parts, places, strict=True)}


def chosen_metrics(runs: Mapping[str, Mapping[str, Curve]], wanted: Sequence[str]) -> list[str]:
    """Return the metrics to draw.

    Args:
        runs: From `read_runs`.
        wanted: Names; the usual ones that some run has if empty.

    Raises:
        ValueError: If no run has a wanted one; names those there are.
    """
    there = sorted({name for run in runs.values() for name in run})
    missing = [name for name in wanted if name not in there]
    if missing:
        raise ValueError(f"No run has {', '.join(missing)}; there are {', '.join(there)}.")
    usual = [name for name in _FIRST if name in there]
    others = [name for name in there if name not in usual and not name.startswith("seconds")]
    return list(wanted) or (usual if len(usual) >= _FEW else [*usual, *others][:_PANELS]) or there


def smoothed(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Return the running mean over a twentieth of the curve, centred, narrower at both ends."""
    half = max(1, len(values) // 40)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    low = np.maximum(np.arange(len(values)) - half, 0)
    high = np.minimum(np.arange(len(values)) + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def plot_runs(path: str | Path, runs: Mapping[str, Mapping[str, Curve]], metrics: Sequence[str]) -> None:
    """Write a picture with a panel for each metric and a colour for each run.

    Args:
        path: A file that matplotlib can write, such as .png, .svg or .pdf.
        runs: From `read_runs`.
        metrics: From `chosen_metrics`.

    Raises:
        ValueError: If matplotlib is not installed, or does not write that kind of file.
    """
    try:
        import matplotlib
    except ImportError as error:
        raise ValueError("Plots need matplotlib: pip install 'spatial-diffusion[plots]'.") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(metrics))
    rows = -(-len(metrics) // columns)
    figure, axes = pyplot.subplots(
        rows, columns, figsize=(5.2 * columns, 3.3 * rows + 0.4), squeeze=False, layout="constrained"
    )
    for axis, metric in zip(axes.flat, metrics, strict=False):
        for color, (_, run) in zip(_repeat(len(runs)), runs.items(), strict=True):
            if metric in run:
                _draw(axis, run[metric], color)
        axis.set_title(metric, fontsize=12, loc="left")
        axis.grid(color="#e5e9ef")
        axis.spines[["top", "right"]].set_visible(False)
        axis.set_xlabel("step")
        axis.margins(x=0.02)
    for axis in axes.flat[len(metrics) :]:
        axis.set_visible(False)
    if len(runs) > 1:
        lines = [pyplot.Line2D([], [], color=color, linewidth=2) for color in _repeat(len(runs))]
        figure.legend(lines, list(runs), loc="outside upper left", ncols=min(4, len(runs)), frameon=False)
    else:
        figure.suptitle(next(iter(runs)), x=0.01, ha="left", fontsize=13)
    try:
        with atomic_path(path) as temporary:
            figure.savefig(temporary, dpi=120)
    finally:
        pyplot.close(figure)


def _repeat(count: int) -> list[str]:
    return [_COLORS[i % len(_COLORS)] for i in range(count)]


def _draw(axis: Any, curve: Curve, color: str) -> None:
    many = len(curve.values) > _MANY
    # A single point or a few would not show as a line.
    marker = "o" if len(curve.values) <= 30 else None
    axis.plot(
        curve.steps,
        curve.values,
        color=color,
        linewidth=1,
        alpha=0.3 if many else 1,
        marker=marker,
        markersize=4,
    )
    if many:
        axis.plot(curve.steps, smoothed(curve.values), color=color, linewidth=2)
