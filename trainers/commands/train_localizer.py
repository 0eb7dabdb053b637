"""`spatial train-localizer`: teach the starter's localizer to find named things."""

from __future__ import annotations

import argparse

HELP = "train the starter's localizer on procedural scenes; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. steps=500; may be repeated",
    )


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.recipe import load_recipe
    from spatial_trainers.train_localizer import LocalizerSettings
    from spatial_trainers.train_localizer import run as train

    train(load_recipe(args.recipe, LocalizerSettings, overrides=args.overrides))
