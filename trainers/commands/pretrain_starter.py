"""`spatial pretrain-starter`: teach the starter's backbone to see before it judges."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "pretrain the starter's backbone on procedural scenes; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="steps=500")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train.

    Raises:
        ValueError: If it has mistakes.
    """
    from spatial_trainers.backbone.train import PretrainSettings
    from spatial_trainers.backbone.train import run as pretrain

    recipe = read_recipe(args, PretrainSettings)
    if args.check:
        print(f"{args.recipe}: {recipe.steps} steps; no mistakes.")
        return
    pretrain(recipe)
