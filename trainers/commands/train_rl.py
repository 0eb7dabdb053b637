"""`spatial train-rl`: online RL on a text-to-image model by a recipe."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "train a LoRA for a text-to-image model by online RL; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="rollout.micro_batch_size=2")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.rl.recipe import RlRecipe

    recipe = read_recipe(args, RlRecipe)
    if args.check:
        kept = recipe.advantage.kept(recipe.rollout.group_size)
        print(
            f"{args.recipe}: {recipe.steps} steps of {recipe.groups_per_step} groups of "
            f"{recipe.rollout.group_size}, {kept} kept of each; no mistakes."
        )
        return
    from spatial_trainers.rl.train import train_rl

    result = train_rl(recipe)
    if result:
        folder = f"{recipe.output}/evaluation"
        print(f"The LoRA is {result['lora']}; {folder}/table.md and grid.png show before and after.")
