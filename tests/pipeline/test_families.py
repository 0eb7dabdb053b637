"""Twelve bases: candidates that reproduce alone, one text-encoder pass, exact resume, save and load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DiffusionPipeline
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core import SpatialDiffusionPipeline

STEPS = 5


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def texts_encoded(pipeline: Any) -> list[str]:
    """Return a list that grows by the name of a text encoder for every look-up when it really computes."""
    calls: list[str] = []
    for name, component in pipeline.components.items():
        if "text_encoder" in name and component is not None:
            # All of them: which one holds the words differs between versions of transformers.
            for module in component.modules():
                if isinstance(module, torch.nn.Embedding):
                    module.register_forward_pre_hook(lambda *_, name=name: calls.append(name))
    return calls


@pytest.mark.parametrize("family", FAMILIES)
def test_family(family: str, tmp_path: Path) -> None:
    tiny = FAMILIES[family]
    base = tiny.pipeline()
    pipeline = SpatialDiffusionPipeline.from_pipe(base, scorer=LeftBrightnessScorer())
    pipeline.set_progress_bar_config(disable=True)
    assert isinstance(pipeline, tiny.base)
    arguments = {"num_inference_steps": STEPS, "output_type": "pt", **tiny.inputs}

    calls = texts_encoded(pipeline)
    base(PROMPT, generator=seeded(7), **arguments)
    for_one_image = list(calls)
    calls.clear()
    output = pipeline(
        PROMPT,
        num_candidates=4,
        num_images_per_prompt=4,
        micro_batch_size=3,
        generator=seeded(7),
        **arguments,
    )
    assert for_one_image and calls == for_one_image
    assert sorted(output.all_seeds) == [7, 8, 9, 10]
    assert output.scores == sorted(output.all_scores, reverse=True)
    assert output.denoiser_evaluations == 4 * STEPS
    for image, seed in zip(output.images, output.seeds, strict=True):
        alone = base(PROMPT, generator=seeded(seed), **arguments).images[0]
        assert (alone - image).abs().max() <= 1e-5

    halved = pipeline(
        PROMPT,
        num_candidates=4,
        num_images_per_prompt=2,
        search="halving",
        stages=((0.4, 0.75), (0.6, 0.5)),
        generator=seeded(7),
        **arguments,
    )
    assert halved.denoiser_evaluations == 4 * 2 + 3 * 1 + 2 * 2
    image_of = dict(zip(output.seeds, output.images, strict=True))
    for image, seed in zip(halved.images, halved.seeds, strict=True):
        assert (image_of[seed] - image).abs().max() <= 1e-5

    pipeline.save_pretrained(tmp_path)
    ours = SpatialDiffusionPipeline.from_pretrained(tmp_path)
    plain: Any = DiffusionPipeline.from_pretrained(tmp_path)
    assert type(ours) is type(pipeline)
    assert type(plain) is tiny.base
    assert isinstance(ours.scorer, LeftBrightnessScorer)
    for loaded in (ours, plain):
        loaded.set_progress_bar_config(disable=True)
    again = ours(PROMPT, num_candidates=4, generator=seeded(7), **arguments)
    assert again.seeds == output.seeds[:1]
    assert (again.images - output.images[:1]).abs().max() <= 1e-5
    single = plain(PROMPT, generator=seeded(output.seeds[0]), **arguments).images
    assert (single - output.images[:1]).abs().max() <= 1e-5
