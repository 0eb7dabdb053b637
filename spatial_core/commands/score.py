"""`spatial score`: how well each image does what a prompt says about space."""

from __future__ import annotations

import argparse
import json

from spatial_core.commands.scoring import ImageResult, add_scorer_arguments, judge, load_scorer
from spatial_core.commands.table import format_table, percent, signed

HELP = "score images against a prompt, relation by relation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("images", nargs="+", metavar="IMAGE", help="image files")
    parser.add_argument(
        "--prompt",
        action="append",
        required=True,
        metavar="TEXT",
        help="what the images should show; once for all images, or once for each in their order",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each image")
    add_scorer_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Score and print."""
    if len(args.prompt) not in (1, len(args.images)):
        raise ValueError(
            f"one --prompt is needed, or one for each image ({len(args.images)}); got {len(args.prompt)}. "
            "Repeat --prompt in the order of the images, or give it once."
        )
    results = judge(load_scorer(args), args.images, args.prompt, batch_size=args.batch_size)
    if args.json:
        for result in results:
            print(json.dumps(result.to_dict()))
    else:
        print_results(results)


def print_results(results: list[ImageResult]) -> None:
    """Print a table of `results` and whatever has to be said about them."""
    rows = [
        (result.image, result.share(), percent(result.p_best), f"{signed(result.mean)} +/- {result.std:.2f}")
        for result in results
    ]
    print(format_table(("image", "satisfied", "P(best)", "score"), rows))
    for note in dict.fromkeys(result.note for result in results if result.note):
        print(f"note: {note}")
