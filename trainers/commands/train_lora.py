"""`spatial train-lora`: train a LoRA without RL by a recipe."""

from __future__ import annotations

import argparse

from spatial_trainers.commands.recipe_arguments import add_recipe_arguments, read_recipe

HELP = "train a LoRA on pictures, on pairs, or on the best of a generator's own drawings"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_recipe_arguments(parser, example="optimizer.steps=500")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.lora.recipe import TrainLoraRecipe

    recipe = read_recipe(args, TrainLoraRecipe)
    if args.check:
        o = recipe.optimizer
        print(f"{args.recipe}: {o.steps} steps of {o.examples_per_step} examples; no mistakes.")
        return
    from spatial_trainers.lora.train import SAMPLES_FOLDER, train_lora

    path = train_lora(recipe)
    if path is not None:
        print(f"The LoRA is {path}; before and after are in {recipe.output}/{SAMPLES_FOLDER}.")
