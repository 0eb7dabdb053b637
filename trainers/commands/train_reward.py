"""`spatial train-reward`: train a SpatialScore by a recipe."""

from __future__ import annotations

import argparse

HELP = "train a SpatialScore on preference pairs by a recipe; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. optimizer.steps=500; may be repeated",
    )
    parser.add_argument("--output", help="folder of the run, over what the recipe says")
    parser.add_argument("--check", action="store_true", help="read the recipe, report its mistakes and stop")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.recipe import RewardRecipe, load_recipe

    overrides = [*args.overrides, *([f"output={args.output}"] if args.output else [])]
    recipe = load_recipe(args.recipe, RewardRecipe, overrides=overrides)
    if args.check:
        print(
            f"{args.recipe}: {recipe.optimizer.steps} steps of {recipe.optimizer.pairs_per_step} pairs; "
            "no mistakes."
        )
        return
    from spatial_trainers.train_reward import JUDGE_FOLDER, train_reward

    card = train_reward(recipe)
    if card:
        split = "test" if "test" in card["results"] else "validation"
        share = card["results"][split]["accuracy"]
        print(
            f"{split} accuracy {share['accuracy']:.3f} [{share['low']:.3f}, {share['high']:.3f}] on "
            f"{share['n']} comparisons. The judge is in {recipe.output}/{JUDGE_FOLDER}."
        )
