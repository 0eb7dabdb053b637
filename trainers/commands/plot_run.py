"""`spatial plot-run`: curves of training runs."""

from __future__ import annotations

import argparse

HELP = "draw curves from the metrics of one or several training runs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("runs", nargs="+", metavar="RUN", help="output folder of a run, or its metrics.jsonl")
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="picture to write: .png, .svg or .pdf"
    )
    parser.add_argument(
        "--metric",
        action="append",
        default=[],
        metavar="NAME",
        help="draw this one; may be repeated (default: reward, accuracy, KL, clip share, gradient norm, ...)",
    )


def run(args: argparse.Namespace) -> None:
    """Read and draw."""
    from spatial_trainers.plot_run import chosen_metrics, plot_runs, read_runs

    runs = read_runs(args.runs)
    metrics = chosen_metrics(runs, args.metric)
    plot_runs(args.output, runs, metrics)
    print(f"{args.output}: {', '.join(metrics)} of {len(runs)} run{'s' if len(runs) > 1 else ''}.")
