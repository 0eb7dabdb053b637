"""`spatial build-pairs`: build a preference dataset by a recipe."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "build a preference dataset by a recipe; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="splits.train=1000", folder="dataset")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then build."""
    from spatial_trainers.dataset.build_recipe import BuildRecipe

    recipe = read_recipe(args, BuildRecipe)
    if args.check:
        print(f"{args.recipe}: {sum(recipe.wanted().values())} pairs; no mistakes.")
        return
    from spatial_trainers.dataset.build import build_pairs

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
