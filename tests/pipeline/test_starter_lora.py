"""The LoRA that online RL made of the starter: of the bundled base, and for the better."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers import FluxTransformer2DModel

from spatial_core import SpatialDiffusionPipeline
from spatial_core.localizer import SpatialLocalizer
from spatial_core.lora.files import read_lora
from spatial_core.pipeline.spatial_class import STARTER_CALL
from spatial_core.scorers.geometric import GeometricScorer
from spatial_core.spatial_accuracy import spatial_accuracy
from spatial_core.starter import starter_path
from spatial_trainers.fingerprint import module_sha256
from spatial_trainers.flow.measure import held_out_prompts
from spatial_trainers.recipe import load_recipe
from spatial_trainers.rl.checkpoint import fixed_recipe
from spatial_trainers.rl.recipe import RlRecipe


@pytest.fixture
def pipeline() -> Any:
    made = SpatialDiffusionPipeline.from_pretrained("starter", scorer=None)
    made.set_progress_bar_config(disable=True)
    return made


def draw(pipeline: Any, prompts: list[str], *, seed: int = 0) -> torch.Tensor:
    generators = [torch.Generator().manual_seed(seed + k) for k in range(len(prompts))]
    return pipeline.to_base()(prompts, generator=generators, output_type="pt", **STARTER_CALL).images


def test_it_is_what_the_recipe_makes_of_the_bundled_base() -> None:
    card = read_lora(starter_path("lora")).card
    assert card is not None and card.base == "starter"
    transformer = FluxTransformer2DModel.from_pretrained(
        starter_path("flow") / "transformer", torch_dtype=torch.bfloat16
    )
    assert card.base_hash == module_sha256(transformer)
    recipe = load_recipe("rl-starter", RlRecipe)
    table = fixed_recipe(recipe)
    assert card.steps == recipe.steps * recipe.updates_per_rollout
    # It was written before recipes could say which LoRA training goes on from.
    made = card.recipe | {"lora": {"start": ""} | card.recipe["lora"]}
    for part in ("algorithm", "groups_per_step", "nft", "lora", "optimizer", "advantage"):
        assert made[part] == table[part], part


def test_it_is_put_on_and_taken_off(pipeline: Any) -> None:
    prompts = ["a red ball to the left of a blue bottle"]
    plain = draw(pipeline, prompts)
    pipeline.load_lora("starter")
    assert (draw(pipeline, prompts) - plain).abs().mean() > 0.005
    pipeline.unload_lora_weights()
    assert torch.equal(draw(pipeline, prompts), plain)


@pytest.mark.slow
def test_with_it_more_pictures_are_right(pipeline: Any) -> None:
    localizer = SpatialLocalizer.from_pretrained("starter")
    judge = GeometricScorer(localizer, localizer)
    prompts = [prompt.text for prompt in held_out_prompts(192, invertible=True)]

    def accuracy() -> float:
        pictures = [
            draw(pipeline, prompts[first : first + 16], seed=first) for first in range(0, len(prompts), 16)
        ]
        return spatial_accuracy(torch.cat(pictures), prompts, judge).accuracy

    before = accuracy()
    pipeline.load_lora("starter")
    assert accuracy() > before + 0.05
