"""Groups: the base's own pictures where no noise is added, and noise that belongs to (prompt, index)."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_pipelines import FAMILIES
from tiny_rl import PROMPTS, embedded, tiny_rollout
from torch import Tensor

from spatial_core.flow_sde import transition
from spatial_core.pipeline import predict
from spatial_trainers.rl.forward_counts import ForwardCounter
from spatial_trainers.rl.rollout import Rollout, RolloutRecipe, group_seeds, sample_group, window_start

GUIDANCE: dict[str, dict[str, float]] = {
    "flux": {"guidance_scale": 3.0},
    "sd3": {"guidance_scale": 4.0},
    "qwen_image": {},
}


def draw(pipeline: Any, family: str = "flux", **more: Any) -> tuple[Rollout, Tensor]:
    start = more.pop("start", 1)
    recipe = tiny_rollout(group_size=4, **more)
    call = {"height": 16, "width": 16, "max_sequence_length": 32, **GUIDANCE[family]}
    seeds = group_seeds(0, 7, PROMPTS[0], recipe.group_size)
    return sample_group(
        pipeline, embedded(pipeline, family)(PROMPTS[0]), recipe, seeds=seeds, start=start, call=call
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("family", GUIDANCE)
def test_without_noise_latents_are_those_of_the_base(family: str, dtype: torch.dtype) -> None:
    pipeline = FAMILIES[family].pipeline().to(dtype)
    rollout, images = draw(pipeline, family, noise_level=0.0, micro_batch_size=2)
    expected: list[Tensor] = []
    seeds = group_seeds(0, 7, PROMPTS[0], 4)
    for some in (seeds[:2], seeds[2:]):
        given = {**embedded(pipeline, family)(PROMPTS[0])(2), **GUIDANCE[family]}
        generators = [torch.Generator().manual_seed(seed) for seed in some]
        expected.append(
            pipeline(
                **given,
                height=16,
                width=16,
                num_inference_steps=6,
                generator=generators,
                output_type="latent",
                max_sequence_length=32,
            ).images
        )
    assert torch.equal(rollout.clean, torch.cat(expected))
    assert images.shape == (4, 3, 16, 16) and images.dtype == torch.float32
    assert 0.0 <= images.min() and images.max() <= 1.0


def test_a_group_does_not_depend_on_the_micro_batch() -> None:
    pipeline = FAMILIES["flux"].pipeline()
    together, _ = draw(pipeline, micro_batch_size=4)
    apart, _ = draw(pipeline, micro_batch_size=3)
    assert torch.equal(together.noise, apart.noise)
    assert (together.clean - apart.clean).abs().max() <= 1e-4
    smaller, _ = draw(pipeline, micro_batch_size=1)
    assert (together.latents - smaller.latents).abs().max() <= 1e-4


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_what_is_kept_of_the_window_repeats_its_steps(dtype: torch.dtype) -> None:
    pipeline = FAMILIES["flux"].pipeline().to(dtype)
    rollout, _ = draw(pipeline, noise="flow_sde", noise_level=0.9, window_size=3, window_start=(1, 1))
    assert rollout.latents.dtype == rollout.noise.dtype == torch.float32
    assert rollout.latents.shape[:2] == (3, 4)
    for k in range(3):
        step = rollout.steps[rollout.start + k]
        rows = rollout.condition.rows(torch.zeros(4, dtype=torch.long), pipeline)
        # With gradient, as a trainer does.
        again = predict(pipeline, rollout.latents[k].to(dtype), step.sigma, rows)
        assert again.requires_grad and torch.equal(again, rollout.velocity[k])
        after = transition(rollout.latents[k], rollout.velocity[k], step, rollout.noise[k])
        if k < 2:
            assert torch.equal(after, rollout.latents[k + 1])


def test_a_shared_prefix_is_taken_once() -> None:
    pipeline = FAMILIES["flux"].pipeline()
    counter = ForwardCounter(pipeline.transformer)
    rollout, images = draw(pipeline, shared_prefix=True, window_start=(2, 2), start=2)
    assert (counter.plain, counter.trained) == (2 + 4 * 4, 0)
    assert torch.equal(rollout.latents[0], rollout.latents[0, :1].expand_as(rollout.latents[0]))
    spread = images.std(0).mean()
    assert spread > 1e-4
    counter.reset()
    draw(pipeline, window_start=(2, 2), start=2)
    assert counter.plain == 6 * 4


def test_noise_belongs_to_seed_step_prompt_and_index() -> None:
    seeds = group_seeds(0, 3, "a cup", 4)
    assert seeds[:2] == group_seeds(0, 3, "a cup", 2)
    assert seeds[2:] == group_seeds(0, 3, "a cup", 2, first=2)
    others = (group_seeds(1, 3, "a cup", 4), group_seeds(0, 4, "a cup", 4), group_seeds(0, 3, "a ball", 4))
    assert len({*seeds, *(seed for other in others for seed in other)}) == 16
    recipe = tiny_rollout(window_start=(0, 3))
    starts = {window_start(recipe, 0, step, "a cup") for step in range(40)}
    assert starts == {0, 1, 2, 3}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"window_size": 3, "window_start": (1, 3)}, "must end before the last"),
        ({"window_start": (2, 1)}, "must end before the last"),
        ({"noise_level": 1.2}, r"in \[0, 1\] for 'cps'"),
        ({"micro_batch_size": 0}, "'rollout.micro_batch_size' must be at least 1"),
    ],
)
def test_bad_recipes(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RolloutRecipe(**{"num_inference_steps": 6, **values})
