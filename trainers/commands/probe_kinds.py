"""`spatial probe-kinds`: whether a small classifier can name what the scenes hold."""

from __future__ import annotations

import argparse
import json

HELP = "train a small classifier on pictures of single things; it must name their kinds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    for name, default, what in (
        ("train", 120, "pictures of each kind to learn from"),
        ("test", 40, "pictures of each kind to judge on"),
        ("seed", 0, "of pictures, weights and the order of training"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: %(default)s)"
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object")


def run(args: argparse.Namespace) -> int:
    """Probe and print; 1 if too few kinds were named."""
    from spatial_core.statistics import wilson_interval
    from spatial_trainers.pairs.kind_probe import BAR, probe_kinds

    named = probe_kinds(train=args.train, test=args.test, seed=args.seed)
    right, total = sum(named.values()), args.test * len(named)
    low, high = wilson_interval(right, total)
    passes = right / total >= BAR
    if args.json:
        kinds = {kind: count / args.test for kind, count in named.items()}
        print(json.dumps({"accuracy": right / total, "low": low, "high": high, "n": total, "kinds": kinds}))
    else:
        for kind, count in sorted(named.items(), key=lambda item: item[1]):
            print(f"{kind:<14} {count / args.test:.3f}")
        print(
            f"{'all':<14} {right / total:.3f}  95 % interval [{low:.3f}, {high:.3f}] on {total} pictures  "
            f"{'passes' if passes else 'FAILS'}: must be >= {BAR}"
        )
    return 0 if passes else 1
