"""A loop over `predict` against the base's own loop: the same latents, bit for bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core import SpatialDiffusionPipeline
from spatial_core.pipeline import predict, prepare

STEPS = 3
CASES = {
    "flux": ("flux", {"guidance_scale": 3.0}),
    "flux with a negative prompt": ("flux", {"negative_prompt": "bad", "true_cfg_scale": 2.5}),
    "sd3": ("sd3", {"guidance_scale": 4.0}),
    "sd3 without guidance": ("sd3", {"guidance_scale": 1.0}),
    "qwen_image": ("qwen_image", {"true_cfg_scale": 3.0}),
    "qwen_image without guidance": ("qwen_image", {"true_cfg_scale": 1.0}),
}


def arguments(case: str, **more: Any) -> dict[str, Any]:
    family, given = CASES[case]
    fixed = {"num_inference_steps": STEPS, "num_images_per_prompt": 2, "prompt": PROMPT}
    return {**FAMILIES[family].inputs, **fixed, **given, **more}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_same_latents_as_the_base(case: str, dtype: torch.dtype) -> None:
    base = FAMILIES[CASES[case][0]].pipeline().to(dtype)
    expected: list[torch.Tensor] = []

    def record(_pipeline: Any, _step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        expected.append(tensors["latents"])
        return tensors

    generator = torch.Generator().manual_seed(3)
    base(**arguments(case, generator=generator), output_type="latent", callback_on_step_end=record)

    begin = prepare(base, **arguments(case, generator=torch.Generator().manual_seed(3)))
    assert len(begin.sigmas) == STEPS + 1
    latents = begin.latents
    with torch.no_grad():
        for step, (sigma, after) in enumerate(zip(begin.sigmas, begin.sigmas[1:], strict=False)):
            velocity = predict(base, latents, sigma, begin.condition)
            latents = (latents.float() + (after - sigma) * velocity).to(dtype)
            assert torch.equal(latents, expected[step])


@pytest.mark.parametrize("case", CASES)
def test_rows_choose_and_repeat_images(case: str) -> None:
    base = FAMILIES[CASES[case][0]].pipeline()
    begin = prepare(base, **arguments(case, prompt=["a red ball", PROMPT], num_images_per_prompt=1))
    chosen = torch.tensor([1, 0, 1])
    sigmas = torch.tensor([0.9, 0.5, 0.2])
    with torch.no_grad():
        together = predict(base, begin.latents[chosen], sigmas, begin.condition.rows(chosen, base))
        for row, image in enumerate(chosen.tolist()):
            one = begin.condition.rows(torch.tensor([image]), base)
            alone = predict(base, begin.latents[image : image + 1], sigmas[row], one)
            assert (together[row] - alone[0]).abs().max() <= 1e-5


def test_gradients_reach_the_denoiser_and_nothing_is_left_behind() -> None:
    plain = FAMILIES["flux"].pipeline()
    pipeline = SpatialDiffusionPipeline.from_pipe(plain, scorer=LeftBrightnessScorer())
    begin = prepare(pipeline, **arguments("flux"))
    assert "forward" not in vars(pipeline.transformer) and "step" not in vars(pipeline.scheduler)
    predict(pipeline, begin.latents, 0.5, begin.condition).square().mean().backward()
    assert pipeline.transformer.x_embedder.weight.grad.abs().sum() > 0


def test_unknown_family() -> None:
    with pytest.raises(ValueError, match="predict.. knows FluxPipeline"):
        prepare(FAMILIES["sd15"].pipeline(), PROMPT)
