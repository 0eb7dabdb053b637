"""`spatial explain`: which relations of a prompt an image satisfies, and which words state them."""

from __future__ import annotations

import argparse
import json

from spatial_core.commands.scoring import add_scorer_arguments, judge, load_scorer
from spatial_core.commands.table import format_table, percent, signed

HELP = "judge one image relation by relation and quote the words each verdict is about"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("image", metavar="IMAGE", help="image file")
    parser.add_argument("--prompt", required=True, metavar="TEXT", help="what the image should show")
    parser.add_argument(
        "--json", action="store_true", help="print one JSON object, as `spatial score --json` does"
    )
    add_scorer_arguments(parser)


def run(args: argparse.Namespace) -> None:
    """Judge and print."""
    result = judge(load_scorer(args), [args.image], [args.prompt], batch_size=1)[0]
    if args.json:
        print(json.dumps(result.to_dict()))
        return
    print(f"{result.image}: {result.share()} satisfied, score {signed(result.mean)} +/- {result.std:.2f}")
    if result.relations:
        rows = [
            (report.verdict, percent(report.score), report.relation, f'"{report.text}"', report.reason)
            for report in result.relations
        ]
        print(format_table(("verdict", "score", "relation", "words", ""), rows))
    if result.note:
        print(f"note: {result.note}")
