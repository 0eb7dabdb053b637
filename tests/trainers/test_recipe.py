"""Recipes: what is read, and what is refused before anything loads."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from spatial_trainers.recipe import (
    DataRecipe,
    ModelRecipe,
    OptimizerRecipe,
    RewardRecipe,
    ScenesRecipe,
    as_table,
    build,
    load_recipe,
    recipe_path,
)

MINIMAL = """
name = "a"
output = "out"
[model]
backbone = "folder"
[data]
manifest = "pairs.jsonl"
[optimizer]
steps = 5
"""
BUNDLED = ("starter", "qwen2.5-vl-3b-1x24gb", "qwen2.5-vl-7b-8x80gb", "smoke")


def _load(tmp_path: Path, text: str, *overrides: str) -> RewardRecipe:
    file = tmp_path / "recipe.toml"
    file.write_text(text, encoding="utf-8")
    return load_recipe(file, RewardRecipe, overrides=overrides)


def test_what_is_left_out_has_its_default(tmp_path: Path) -> None:
    recipe = _load(tmp_path, MINIMAL)
    assert recipe.model == ModelRecipe(backbone="folder")
    assert recipe.data == DataRecipe(manifest="pairs.jsonl")
    assert recipe.optimizer == OptimizerRecipe(steps=5)
    assert recipe.data.symmetric


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_recipe_is_valid(name: str) -> None:
    recipe = load_recipe(name, RewardRecipe)
    assert recipe_path(name).name == f"{name}.toml"
    assert recipe.data.symmetric
    assert recipe.optimizer.pairs_per_step % recipe.optimizer.pairs_per_device == 0


def test_the_paper_recipe_has_the_paper_values() -> None:
    recipe = load_recipe("qwen2.5-vl-7b-8x80gb", RewardRecipe)
    assert recipe.model.backbone == "Qwen/Qwen2.5-VL-7B-Instruct"
    assert recipe.optimizer.learning_rate == 2e-6
    assert recipe.optimizer.pairs_per_step == 32
    assert recipe.loss.preference == "gaussian"
    assert recipe.optimizer.pairs_per_step % (8 * recipe.optimizer.pairs_per_device) == 0


@pytest.mark.parametrize(
    ("line", "key", "nearest"),
    [
        ("learning_rat = 1.0", "optimizer.learning_rat", "optimizer.learning_rate"),
        ("warmup = 10", "optimizer.warmup", "optimizer.warmup_steps"),
        ("beta = [0.9, 0.9]", "optimizer.beta", "optimizer.betas"),
    ],
)
def test_an_unknown_key_is_an_error_that_names_the_nearest(
    tmp_path: Path, line: str, key: str, nearest: str
) -> None:
    with pytest.raises(ValueError, match="unknown key") as error:
        _load(tmp_path, MINIMAL + line)
    assert f"'{key}'" in str(error.value)
    assert f"The nearest valid key is '{nearest}'" in str(error.value)
    assert "recipe.toml" in str(error.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINIMAL.replace("steps = 5", ""), "'optimizer.steps' is missing"),
        (MINIMAL.replace('name = "a"', ""), "'name' is missing"),
        (MINIMAL.replace("steps = 5", 'steps = "5"'), "'optimizer.steps' must be of type int"),
        (MINIMAL.replace("steps = 5", "steps = true"), "'optimizer.steps' must be of type int"),
        (MINIMAL.replace("steps = 5", "steps = 0"), "'optimizer.steps' must be greater than 0"),
        (MINIMAL + "learning_rate = nan", "'optimizer.learning_rate' must be greater than 0"),
        (MINIMAL + 'schedule = "cosin"', "Did you mean 'cosine'"),
        (MINIMAL + "betas = [0.9]", "'optimizer.betas' must be a list of 2 values"),
        (MINIMAL + 'betas = [0.9, "a"]', r"'optimizer.betas\[1\]' must be of type float"),
        (MINIMAL + "pairs_per_step = 5\npairs_per_device = 2", "must be a multiple"),
        (MINIMAL + "ema_decay = 1.0", r"'optimizer.ema_decay' must be in \[0, 1\)"),
        (MINIMAL.replace('manifest = "pairs.jsonl"', ""), "needs pairs"),
        (MINIMAL.replace("[data]", "data = 3\n[other]"), "unknown key 'other'|'data' must be a table"),
        (MINIMAL + "[data.scenes]\ntrain = 1", "'data.scenes.cache' is missing"),
        (MINIMAL + '[data.scenes]\ncache = "c"\ntrain = 0\nvalidation = 1', "at least one pair"),
        (
            MINIMAL + '[data.scenes]\ncache = "c"\ntrain = 1\nvalidation = 1\nmax_edits = 4',
            "'max_edits' 1 to 3",
        ),
        (MINIMAL + '[data.scenes]\ncache = "c"\ntrain = 1\nvalidation = 1\nshort = 2', "share in"),
        ("name = ", "is not valid TOML"),
    ],
)
def test_bad_recipes_are_refused_with_the_key(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        _load(tmp_path, text)


def test_a_file_of_bytes_is_no_recipe(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not valid TOML"):
        load_recipe(file, RewardRecipe)


def test_a_name_that_is_neither_file_nor_recipe_lists_the_recipes() -> None:
    with pytest.raises(ValueError, match="starter") as error:
        recipe_path("startr")
    assert "'startr' is neither" in str(error.value)


def test_overrides_reach_into_tables_and_keep_their_types(tmp_path: Path) -> None:
    recipe = _load(
        tmp_path,
        MINIMAL,
        "optimizer.steps=7",
        "optimizer.betas=[0.8, 0.9]",
        "optimizer.learning_rate=1",
        "model.backbone=some/folder",
        "data.scenes.cache=c",
        "data.scenes.train=3",
        "data.scenes.validation=2",
    )
    assert recipe.optimizer.steps == 7
    assert recipe.optimizer.betas == (0.8, 0.9)
    assert recipe.optimizer.learning_rate == 1.0
    assert isinstance(recipe.optimizer.learning_rate, float)
    assert recipe.model.backbone == "some/folder"
    assert recipe.data.scenes == ScenesRecipe(cache="c", train=3, validation=2)


@pytest.mark.parametrize("override", ["steps", "=5", "name.x=1"])
def test_bad_overrides_are_refused(tmp_path: Path, override: str) -> None:
    with pytest.raises(ValueError, match="override"):
        _load(tmp_path, MINIMAL, override)


def test_a_recipe_survives_json(tmp_path: Path) -> None:
    recipe = load_recipe("starter", RewardRecipe)
    assert build(RewardRecipe, as_table_without_none(as_table(recipe))) == recipe


def as_table_without_none(table: dict) -> dict:
    """TOML has no null: what is None there is left out."""
    return {
        key: as_table_without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }


def test_mistakes_are_found_without_loading_torch(tmp_path: Path) -> None:
    file = tmp_path / "recipe.toml"
    file.write_text(MINIMAL + "stepz = 1", encoding="utf-8")
    code = (
        "import sys, argparse\n"
        "from spatial_trainers.commands import train_reward as verb\n"
        "parser = argparse.ArgumentParser(); verb.add_arguments(parser)\n"
        "try:\n    verb.run(parser.parse_args(sys.argv[1:]))\n"
        "except ValueError as error:\n    print(error, 'torch' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert "nearest valid key is 'optimizer.steps'" in done.stdout
    assert done.stdout.strip().endswith("False")
