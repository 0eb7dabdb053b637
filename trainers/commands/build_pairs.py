"""`spatial build-pairs`: build a preference dataset by a recipe."""

from __future__ import annotations

import argparse

HELP = "build a preference dataset by a recipe; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. splits.train=1000; may be repeated",
    )
    parser.add_argument("--output", help="folder of the dataset, over what the recipe says")
    parser.add_argument("--check", action="store_true", help="read the recipe, report its mistakes and stop")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then build."""
    from spatial_trainers.dataset.build_recipe import BuildRecipe
    from spatial_trainers.recipe import load_recipe

    overrides = [*args.overrides, *([f"output={args.output}"] if args.output else [])]
    recipe = load_recipe(args.recipe, BuildRecipe, overrides=overrides)
    if args.check:
        print(f"{args.recipe}: {sum(recipe.wanted().values())} pairs; no mistakes.")
        return
    from spatial_trainers.build_pairs import build_pairs

    result = build_pairs(recipe)
    if result is None:
        return
    counts = ", ".join(f"{count} {split}" for split, count in result.counts.items())
    print(f"{counts}: {result.manifest} (sha256 {result.sha256}).")
    print(
        f"Drew {result.drawn} pairs in {result.seconds:.0f} s ({result.drawn / result.seconds:.1f} a "
        f"second); {result.rejected} set aside (rejected.jsonl), {result.failures} not drawn "
        "(failures.jsonl)."
    )
