"""`spatial train-starter`: the starter text-to-image model from procedural scenes."""

from __future__ import annotations

import argparse

HELP = "train the starter flow model on procedural scenes; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="TABLE.KEY=VALUE",
        help="over what the recipe says, e.g. training.steps=500; may be repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.recipe import load_recipe
    from spatial_trainers.train_flow import FlowRecipe
    from spatial_trainers.train_flow import run as train

    train(load_recipe(args.recipe, FlowRecipe, overrides=args.overrides))
