"""The bundled flow model through the pipeline: offline, at its own size, in seconds."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline

from spatial_core import SpatialDiffusionPipeline
from spatial_core.scorers.reward import RewardScorer
from spatial_core.starter import starter_path

PROMPT = "a red ball to the left of a blue cup"


@pytest.fixture(scope="module")
def pipeline() -> Any:
    try:
        starter_path("flow")
    except FileNotFoundError:
        pytest.skip("the starter's flow model is not in this checkout")
    made = SpatialDiffusionPipeline.from_pretrained("starter")
    made.set_progress_bar_config(disable=True)
    return made


def test_draws_and_judges(pipeline: Any) -> None:
    assert isinstance(pipeline, FluxPipeline) and isinstance(pipeline.scorer, RewardScorer)
    output = pipeline(
        PROMPT,
        num_candidates=3,
        explain=True,
        generator=torch.Generator().manual_seed(1),
    )
    assert output.images[0].size == (128, 128)
    assert np.asarray(output.images[0]).std() > 10.0, "A picture, not a plain colour."
    assert output.scores == [max(output.all_scores)]
    assert [report.relation for report in output.relations[0]] == ["left_of"]


@pytest.mark.benchmarks
def test_eight_candidates_take_eight_seconds(pipeline: Any) -> None:
    pipeline(PROMPT, num_candidates=1, num_inference_steps=1)
    begin = time.perf_counter()
    output = pipeline(PROMPT, num_candidates=8)
    assert time.perf_counter() - begin <= 8.0
    assert output.denoiser_evaluations == 8 * 12
