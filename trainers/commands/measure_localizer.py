"""`spatial measure-localizer`: what a localizer finds, and what its verdicts are worth."""

from __future__ import annotations

import argparse
import os

HELP = "measure a localizer on rendered scenes whose truth is known: boxes, distances, verdicts by relation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("localizer", nargs="?", default="starter", help="its folder; default: starter")
    parser.add_argument(
        "--cache",
        default="runs/scenes",
        metavar="DIR",
        help="rendered scenes, made if missing (default: %(default)s)",
    )
    parser.add_argument("--shards", type=int, default=2, help="of 512 scenes each (default: %(default)s)")
    parser.add_argument("--output", default="", help="JSON file for the numbers")


def run(args: argparse.Namespace) -> None:
    """Render what is missing, judge, print.

    Raises:
        ValueError: If there are no scenes to judge, or the localizer cannot be loaded.
        OSError: If the disk is full.
    """
    if args.shards < 1:
        raise ValueError(f"--shards must be at least 1; got {args.shards}.")
    import json

    from spatial_core.atomic_files import write_text
    from spatial_core.localizer import SpatialLocalizer
    from spatial_trainers.flow.judge import measure_judge

    localizer = SpatialLocalizer.from_pretrained(args.localizer)
    table = measure_judge(localizer, args.cache, args.shards, processes=os.cpu_count() or 1)
    text = json.dumps(table, indent=1)
    if args.output:
        write_text(args.output, text + "\n")
    print(text)
