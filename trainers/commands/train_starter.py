"""`spatial train-starter`: the starter text-to-image model from procedural scenes."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "train the starter flow model on procedural scenes; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="training.steps=500")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train.

    Raises:
        ValueError: If it has mistakes.
    """
    from spatial_trainers.flow.train import FlowRecipe
    from spatial_trainers.flow.train import run as train

    recipe = read_recipe(args, FlowRecipe)
    if args.check:
        print(f"{args.recipe}: {recipe.training.steps} steps; no mistakes.")
        return
    train(recipe)
