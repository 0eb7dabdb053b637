"""`spatial train-localizer`: teach the starter's localizer to find named things."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "train the starter's localizer on procedural scenes; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="steps=500")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train.

    Raises:
        ValueError: If it has mistakes.
    """
    from spatial_trainers.localizer.train import LocalizerSettings
    from spatial_trainers.localizer.train import run as train

    recipe = read_recipe(args, LocalizerSettings)
    if args.check:
        print(f"{args.recipe}: {recipe.steps} steps; no mistakes.")
        return
    train(recipe)
