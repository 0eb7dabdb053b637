"""`spatial bench-speed`: our scoring and the obvious way side by side, in one process."""

from __future__ import annotations

import argparse
from pathlib import Path

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
    parser.add_argument("--out", default="runs/bench-speed", metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda (default: the best there is)")


def run(args: argparse.Namespace) -> None:
    """Measure, write, print the bars.

    Raises:
        ValueError: If an argument does not fit.
    """
    if args.turns < 1:
        raise ValueError(f"--turns must be at least 1; got {args.turns}.")
    from spatial_trainers.bench.scorers import best_device
    from spatial_trainers.speed.suite import REPORT, measure, write_results

    device = best_device(args.device)
    size = args.size or ("scaled-down" if device.type == "cpu" else "3b")
    rows = []
    for row in measure(size, device=device, turns=args.turns):
        rows.append(row)
        for bar in row.bars:
            held = "held" if bar.met else "MISSED"
            sign = "at most" if bar.at_most else "at least"
            print(f"{row.title}: {bar.what}: {bar.value:.2f} ({sign} {bar.wanted:g}: {held})", flush=True)
    write_results(rows, Path(args.out), size=size, device=device)
    print(f"Every table is in {args.out}/{REPORT}.")
