"""`spatial train-lora`: train a LoRA without RL by a recipe."""

from __future__ import annotations

import argparse

HELP = "train a LoRA on pictures, on pairs, or on the best of a generator's own drawings"


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
    from spatial_trainers.lora_recipe import TrainLoraRecipe
    from spatial_trainers.recipe import load_recipe

    overrides = [*args.overrides, *([f"output={args.output}"] if args.output else [])]
    recipe = load_recipe(args.recipe, TrainLoraRecipe, overrides=overrides)
    if args.check:
        o = recipe.optimizer
        print(f"{args.recipe}: {o.steps} steps of {o.examples_per_step} examples; no mistakes.")
        return
    from spatial_trainers.train_lora import SAMPLES_FOLDER, train_lora

    path = train_lora(recipe)
    if path is not None:
        print(f"The LoRA is {path}; before and after are in {recipe.output}/{SAMPLES_FOLDER}.")
