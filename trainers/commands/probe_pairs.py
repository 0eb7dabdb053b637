"""`spatial probe-pairs`: whether prompts alone or pictures alone tell the sides of a manifest's pairs."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

HELP = "train probes that must fail: on the prompts alone and on the pictures alone of preference pairs"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "pairs",
        help="JSONL manifest of pair records, or a recipe whose scenes are used: probes learn from the "
        "split 'train' and judge 'test', 'validation' and the rest of 'train'",
    )
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. data.scenes.train=20000; may be repeated",
    )
    for name, default, what in (
        ("train", 20_000, "pairs to learn from, at most"),
        ("test", 4_000, "pairs to judge on, at most; below about 1100 the bar cannot be met"),
        ("size", 64, "side of the pictures in pixels"),
        ("seed", 0, "of the probes' weights and the order of training"),
    ):
        parser.add_argument(
            f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: %(default)s)"
        )
    parser.add_argument("--json", action="store_true", help="print one JSON object a probe")


def run(args: argparse.Namespace) -> int:
    """Probe and print; 1 if a probe told the sides apart, or too few pairs were there to rule it out."""
    from spatial_trainers.pairs.data import read_manifest
    from spatial_trainers.pairs.probes import BAR, probe_pairs

    manifest = args.pairs if args.pairs.endswith(".jsonl") else _rendered(args.pairs, args.overrides)
    results = probe_pairs(
        read_manifest(manifest), train=args.train, test=args.test, size=args.size, seed=args.seed
    )
    for result in results:
        if args.json:
            print(json.dumps(result.to_dict()))
            continue
        low, high = result.interval
        verdict = "passes" if result.passes else "FAILS"
        print(
            f"{result.probe:<5}  accuracy {result.accuracy:.3f}  95 % interval [{low:.3f}, {high:.3f}]  "
            f"on {result.total} pairs, trained on {result.trained_on}  "
            f"{verdict}: the upper end must be <= {BAR}"
        )
    return 0 if all(result.passes for result in results) else 1


def _rendered(recipe: str, overrides: Sequence[str]) -> Path:
    """Return the manifest of a recipe's scenes, rendering what is missing.

    Raises:
        ValueError: If the recipe has mistakes or no scenes.
    """
    from spatial_trainers.pairs.scene_pairs import render_pairs
    from spatial_trainers.recipe import RewardRecipe, load_recipe

    scenes = load_recipe(recipe, RewardRecipe, overrides=overrides).data.scenes
    if scenes is None:
        raise ValueError(f"{recipe} has no table [data.scenes]. Give its manifest instead.")
    return render_pairs(scenes)
