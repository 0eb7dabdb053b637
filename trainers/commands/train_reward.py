"""`spatial train-reward`: train a SpatialScore by a recipe."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "train a SpatialScore on preference pairs by a recipe; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="optimizer.steps=500")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.recipe import RewardRecipe

    recipe = read_recipe(args, RewardRecipe)
    if args.check:
        print(
            f"{args.recipe}: {recipe.optimizer.steps} steps of {recipe.optimizer.pairs_per_step} pairs; "
            "no mistakes."
        )
        return
    from spatial_trainers.reward_model.train import JUDGE_FOLDER, train_reward

    card = train_reward(recipe)
    if card:
        split = "test" if "test" in card["results"] else "validation"
        share = card["results"][split]["accuracy"]
        print(
            f"{split} accuracy {share['accuracy']:.3f} [{share['low']:.3f}, {share['high']:.3f}] on "
            f"{share['n']} comparisons. The judge is in {recipe.output}/{JUDGE_FOLDER}."
        )
