"""What every verb that runs a recipe asks for."""

from __future__ import annotations

import argparse
from typing import TypeVar

T = TypeVar("T")


def add_recipe_arguments(parser: argparse.ArgumentParser, *, example: str, folder: str = "run") -> None:
    """Declare the recipe, `--set`, `--output` and `--check`.

    Args:
        parser: The verb's.
        example: Of a value to set.
        folder: What `--output` is the folder of.
    """
    parser.add_argument("recipe", help="TOML file, or the name of a recipe that comes with the package")
    parser.add_argument(
        "--set",
        dest="overrides",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"over what the recipe says, e.g. {example}; may be repeated",
    )
    parser.add_argument("--output", help=f"folder of the {folder}, over what the recipe says")
    parser.add_argument("--check", action="store_true", help="read the recipe, report its mistakes and stop")


def read_recipe(args: argparse.Namespace, kind: type[T]) -> T:
    """Return the recipe that the arguments name, as a `kind`.

    Raises:
        ValueError: If it has mistakes.
        FileNotFoundError: If there is none.
    """
    from spatial_trainers.recipe import load_recipe

    overrides = [*args.overrides, *([f"output={args.output}"] if args.output else [])]
    return load_recipe(args.recipe, kind, overrides=overrides)
