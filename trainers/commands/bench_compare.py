"""`spatial bench-compare`: what changed from one run of bench-generation to another."""

from __future__ import annotations

import argparse

HELP = "compare two runs of bench-generation: accuracy, presence, diversity, and whether the look was spoilt"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("before", help="folder of a 'spatial bench-generation' run (its --out)")
    parser.add_argument("after", help="folder of another with the same prompts, seed and judge")
    parser.add_argument(
        "--real",
        metavar="DIR",
        help="real pictures, for a probe that tells them from drawn ones; 'starter' renders some",
    )
    parser.add_argument(
        "--sheet", type=int, default=12, metavar="N", help="prompts on the sheet (default: %(default)s)"
    )
    parser.add_argument("--out", metavar="DIR", help="of the report (default: AFTER/comparison)")


def run(args: argparse.Namespace) -> None:
    """Read, compare, write, print.

    Raises:
        ValueError: If the runs cannot be compared, real pictures are too few, or no prompt is to be shown.
    """
    if args.sheet < 1:
        raise ValueError(f"--sheet must be at least 1; got {args.sheet}.")
    from pathlib import Path

    from spatial_trainers.bench.comparison_report import save_comparison
    from spatial_trainers.bench.real_pictures import read_pictures, render_pictures
    from spatial_trainers.bench.run_comparison import paired, pictures_of, read_judged

    before, after = read_judged(args.before), read_judged(args.after)
    prompts = paired(before, after)
    real = None
    if args.real:
        shape = pictures_of(before, prompts[0]).shape
        count = min(2048, shape[0] * len(prompts))
        real = render_pictures(count) if args.real == "starter" else read_pictures(args.real, shape[-2:])
    out = Path(args.out or Path(args.after, "comparison"))
    print(save_comparison(before, after, prompts, out, real=real, sheet=args.sheet))
    print(f"Report, numbers and sheet: {out}")
