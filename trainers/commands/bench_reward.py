"""`spatial bench-reward`: how often scorers prefer the right picture of preference pairs."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

HELP = (
    "compare scorers on preference pairs: accuracy, intervals, paired tests, calibration, the paper's table"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "pairs",
        help="JSONL manifest of pair records, or a recipe: 'starter-benchmark' (365 held-out pairs, rendered "
        "once), or one with scenes",
    )
    parser.add_argument(
        "--scorer",
        dest="scorers",
        action="append",
        metavar="NAME=WHAT",
        help="a scorer and its name in the report; may be repeated (default: starter=starter). WHAT is "
        "'starter', a folder or judge file, a Hugging Face id, 'localizer', 'bag-of-objects', or a .jsonl "
        "file of answers made elsewhere",
    )
    parser.add_argument("--split", default="test", help="of the manifest (default: %(default)s)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N pairs")
    parser.add_argument("--one-way", action="store_true", help="judge each pair by its first prompt only")
    parser.add_argument(
        "--probes",
        metavar="PAIRS",
        help="manifest or recipe whose split 'train' trains a text-only and an image-only probe",
    )
    parser.add_argument("--probe-pairs", type=int, default=20_000, metavar="N", help="of those, at most")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. output=folder; may be repeated",
    )
    parser.add_argument("--out", default="runs/bench-reward", metavar="DIR", help="(default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=8, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument("--dtype", choices=("float32", "bfloat16", "float16"), help="of a model's weights")
    parser.add_argument("--depth", metavar="NAME", help="depth model to go with a detector")


def run(args: argparse.Namespace) -> None:
    """Score, then print the paper's table.

    Raises:
        ValueError: If an argument does not fit.
    """
    scorers = _named(args.scorers or ["starter=starter"])
    if args.batch_size < 1 or (args.limit is not None and args.limit < 1) or args.probe_pairs < 1:
        raise ValueError("--batch-size, --limit and --probe-pairs must be at least 1.")
    import torch
    from transformers.utils import logging

    from spatial_trainers.bench.pair_set import read_pairs, training_pairs
    from spatial_trainers.bench.plotting import NO_PLOT, can_plot
    from spatial_trainers.bench.reward_report import table_1
    from spatial_trainers.bench.reward_run import PLOT, REPORT, run_reward_benchmark
    from spatial_trainers.bench.scorers import best_device, load_scorer

    logging.disable_progress_bar()
    device = best_device(args.device)
    dtype = getattr(torch, args.dtype) if args.dtype else None
    pairs = read_pairs(args.pairs, split=args.split, limit=args.limit, overrides=args.overrides)
    summary = run_reward_benchmark(
        pairs,
        scorers,
        Path(args.out),
        load=lambda what: load_scorer(what, device=device, dtype=dtype, depth=args.depth),
        symmetric=not args.one_way,
        batch_size=args.batch_size,
        train=training_pairs(args.probes)[: args.probe_pairs] if args.probes else (),
    )
    print(table_1(summary["results"], summary["probes"]))
    print(f"Every table is in {args.out}/{REPORT}.")
    print(f"The plot is {args.out}/{PLOT}." if can_plot() else NO_PLOT)


def _named(given: list[str]) -> dict[str, str]:
    scorers: dict[str, str] = {}
    for text in given:
        name, equals, what = text.partition("=")
        if not equals or not what or not re.fullmatch(r"[\w.-]+( [\w.-]+)*", name) or name in scorers:
            raise ValueError(
                f"--scorer takes NAME=WHAT, each name once, of letters, digits, '.', '-' and single spaces; "
                f"got '{text}'."
            )
        scorers[name] = what
    return scorers
