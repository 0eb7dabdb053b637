"""`spatial bench-speed`: our scoring and the obvious way side by side, in one process."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spatial_trainers.speed.rows import Row

HELP = "measure the speed of scoring against plain transformers: time, FLOPs, memory, bars held or missed"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--size",
        choices=("scaled-down", "3b", "7b"),
        help="shapes of Qwen2.5-VL, with random weights (default: scaled-down on a CPU, 3b elsewhere)",
    )
    parser.add_argument(
        "--turns", type=int, default=3, metavar="N", help="of each way (default: %(default)s)"
    )
    parser.add_argument("--no-growth", action="store_true", help="leave out how the cost grows, and its plot")
    parser.add_argument("--out", default="runs/bench-speed", metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda (default: the best there is)")


def run(args: argparse.Namespace) -> None:
    """Measure, write, print the bars.

    Raises:
        ValueError: If an argument does not fit.
    """
    if args.turns < 1:
        raise ValueError(f"--turns must be at least 1; got {args.turns}.")
    import torch
    from transformers.utils import logging

    from spatial_trainers.bench.plotting import NO_PLOT, can_plot
    from spatial_trainers.bench.scorers import best_device
    from spatial_trainers.speed import suite
    from spatial_trainers.speed.growth import sweeps
    from spatial_trainers.speed.models import random_parts, reward_model

    logging.disable_progress_bar()
    device = best_device(args.device)
    size = args.size or ("scaled-down" if device.type == "cpu" else "3b")
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    parts = random_parts(size, device=device, dtype=dtype)
    model = reward_model(parts)
    rows: list[Row] = []
    for row in suite.measure(parts, model, turns=args.turns):
        rows.append(row)
        for bar in row.bars:
            held = "held" if bar.met else "MISSED"
            sign = "at most" if bar.at_most else "at least"
            print(f"{row.title}: {bar.what}: {bar.value:.2f} ({sign} {bar.wanted:g}: {held})", flush=True)
    found = [] if args.no_growth else sweeps(model, parts, side=224, turns=1)
    suite.write_results(rows, found, Path(args.out), size=size, device=device)
    print(f"Every table is in {args.out}/{suite.REPORT}.")
    if found and not can_plot():
        print(NO_PLOT)
