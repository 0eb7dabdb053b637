"""`spatial scenes margins`: how far from close to call the relations of the scenes are, by relation."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from spatial_core.commands.scoring import positive_int
from spatial_core.commands.table import format_table, percent

if TYPE_CHECKING:
    from spatial_core.scenes.margins import FamilyMargins

HELP = "show how far from close to call the relations of sampled scenes are, with a histogram for each"

CHUNK, BINS, COLUMNS = 64, 40, 3
COLORS = {"true": "#1a7f37", "false": "#c8222e", "ambiguous": "#c4cad3"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", metavar="PNG", help="write the histograms; needs matplotlib (extra 'plots')")
    parser.add_argument("--json", action="store_true", help="print one JSON object a relation")
    parser.add_argument(
        "--count", type=positive_int, default=400, metavar="N", help="scenes tried (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="scene i has seed S + i (default: %(default)s)"
    )


def run(args: argparse.Namespace) -> None:
    """Sample, measure, print, draw."""
    from spatial_core.commands.rank import check_output

    if args.out:
        check_output(args.out, suffixes=(".png",))
        _need_matplotlib()
    found, scenes = sample_margins(args.count, seed=args.seed)
    if args.json:
        for name, family in found.items():
            print(json.dumps(_record(name, family)))
    else:
        print(f"{scenes} scenes")
        print(format_table(("relation", "true", "false", "ambiguous", "in the dead zone"), _rows(found)))
    if args.out:
        draw_margins(found, args.out, scenes=scenes)


def sample_margins(count: int, *, seed: int = 0) -> tuple[dict[str, FamilyMargins], int]:
    """Return the margins of `count` seeds' acceptable scenes, and how many these are."""
    import numpy as np

    from spatial_core.scenes.margins import MEASURED, FamilyMargins, family_margins
    from spatial_core.scenes.sampling import sample_scenes

    parts: list[dict[str, FamilyMargins]] = []
    scenes = 0
    for start in range(seed, seed + count, CHUNK):
        batch = sample_scenes(range(start, min(start + CHUNK, seed + count)))
        scenes += len(batch.scenes)
        parts.append(family_margins(batch))
    joined = {
        name: FamilyMargins(
            np.concatenate([part[name].margins for part in parts]),
            np.concatenate([part[name].states for part in parts]),
        )
        for name in MEASURED
    }
    return joined, scenes


def draw_margins(found: Mapping[str, FamilyMargins], path: str | Path, *, scenes: int) -> None:
    """Write one histogram a relation to the PNG file `path`."""
    import numpy as np
    from matplotlib.figure import Figure

    from spatial_core.atomic_files import atomic_path
    from spatial_core.geometry import DEAD_ZONE
    from spatial_core.scenes.margins import histogram

    rows = -(-len(found) // COLUMNS)
    figure = Figure(figsize=(3.6 * COLUMNS, 1.75 * rows + 0.9), layout="constrained")
    panels = figure.subplots(rows, COLUMNS, sharex=True, squeeze=False).ravel()
    edges = np.linspace(-1, 1, BINS + 1)
    for panel, (name, family) in zip(panels, found.items(), strict=False):
        counts = histogram(family, bins=BINS)
        below = np.zeros(BINS)
        panel.axvspan(-DEAD_ZONE, DEAD_ZONE, color="#fff0b3", label="dead zone of the picture's rule")
        for state, color in COLORS.items():
            share = np.array(counts[state]) / max(1, len(family.margins))
            panel.bar(edges[:-1], share, 2 / BINS, bottom=below, align="edge", color=color, label=state)
            below += share
        # Most statements are plainly false: the root keeps the rest in sight.
        panel.set_yscale("function", functions=(np.sqrt, np.square))
        panel.set_ylim(0, max(0.04, below.max() * 1.1))
        panel.set_xlim(-1, 1)
        panel.set_title(f"{name}  ({sum(counts['true'])} true)", fontsize=9)
        panel.tick_params(labelsize=7)
    for panel in panels[len(found) :]:
        panel.set_visible(False)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(f"Margins of all statements about the named things of {scenes} scenes", fontsize=12)
    figure.supylabel("share of the relation's statements (root scale)", fontsize=9)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _record(name: str, family: FamilyMargins) -> dict[str, object]:
    from spatial_core.geometry import DEAD_ZONE
    from spatial_core.scenes.margins import histogram

    counts = histogram(family, bins=BINS)
    return {
        "relation": name,
        **{state: sum(counts[state]) for state in COLORS},
        "dead_zone": DEAD_ZONE,
        "in_dead_zone": None if not len(family.margins) else round(family.in_dead_zone, 4),
        "bins": [-1, 1, BINS],
        "histogram": counts,
    }


def _rows(found: Mapping[str, FamilyMargins]) -> list[tuple[str, ...]]:
    from spatial_core.scenes.margins import histogram

    rows: list[tuple[str, ...]] = []
    for name, family in found.items():
        counts = histogram(family)
        rows.append((name, *(str(sum(counts[state])) for state in COLORS), percent(family.in_dead_zone)))
    return rows


def _need_matplotlib() -> None:
    from importlib.util import find_spec

    if find_spec("matplotlib") is None:
        raise ValueError("--out needs matplotlib. Install it: pip install 'spatial-diffusion[plots]'")
