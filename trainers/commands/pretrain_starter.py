"""`spatial pretrain-starter`: teach the starter's backbone to see before it judges."""

from __future__ import annotations

import argparse

HELP = "pretrain the starter's backbone on procedural scenes; the same command again goes on after a kill"


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
    from spatial_trainers.pretrain_starter import PretrainSettings
    from spatial_trainers.pretrain_starter import run as pretrain
    from spatial_trainers.recipe import load_recipe

    pretrain(load_recipe(args.recipe, PretrainSettings, overrides=args.overrides))
