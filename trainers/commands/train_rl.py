"""`spatial train-rl`: online RL on a text-to-image model by a recipe."""

from __future__ import annotations

import argparse

HELP = "train a LoRA for a text-to-image model by online RL; the same command again goes on after a kill"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="over what the recipe says, e.g. rollout.micro_batch_size=2; may be repeated",
    )
    parser.add_argument("--output", help="folder of the run, over what the recipe says")
    parser.add_argument("--check", action="store_true", help="read the recipe, report its mistakes and stop")


def run(args: argparse.Namespace) -> None:
    """Read the recipe, then train."""
    from spatial_trainers.recipe import load_recipe
    from spatial_trainers.rl_recipe import RlRecipe

    overrides = [*args.overrides, *([f"output={args.output}"] if args.output else [])]
    recipe = load_recipe(args.recipe, RlRecipe, overrides=overrides)
    if args.check:
        kept = recipe.advantage.kept(recipe.rollout.group_size)
        print(
            f"{args.recipe}: {recipe.steps} steps of {recipe.groups_per_step} groups of "
            f"{recipe.rollout.group_size}, {kept} kept of each; no mistakes."
        )
        return
    from spatial_trainers.train_rl import train_rl

    result = train_rl(recipe)
    if result:
        folder = f"{recipe.output}/evaluation"
        print(f"The LoRA is {result['lora']}; {folder}/table.md and grid.png show before and after.")
