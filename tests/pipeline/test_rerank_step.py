"""The block for modular pipelines, behind FLUX's own blocks."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.modular_pipelines import FluxAutoBlocks
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core.pipeline import SpatialRerankStep

ARGUMENTS: dict[str, Any] = {"height": 16, "width": 16, "num_inference_steps": 2, "max_sequence_length": 32}


@pytest.fixture(scope="module")
def modular() -> Any:
    blocks = FluxAutoBlocks()
    blocks.sub_blocks.insert("rerank", SpatialRerankStep(), len(blocks.sub_blocks))
    pipeline = blocks.init_pipeline()
    base = FAMILIES["flux"].pipeline()
    parts = {
        name: part for name, part in base.components.items() if name in pipeline.pretrained_component_names
    }
    pipeline.update_components(**parts, scorer=LeftBrightnessScorer())
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.mark.parametrize("output_type", ["pt", "pil"])
def test_keeps_the_best(modular: Any, output_type: str) -> None:
    def draw(**more: Any) -> Any:
        return modular(
            prompt=PROMPT,
            num_images_per_prompt=4,
            generator=torch.Generator().manual_seed(0),
            output_type=output_type,
            **ARGUMENTS,
            **more,
        )

    everything, best = draw(num_selected=4), draw(num_selected=2)
    scores = everything.get("scores")
    assert scores == sorted(scores, reverse=True)
    assert sorted(everything.get("chosen")) == [0, 1, 2, 3]
    assert best.get("chosen") == everything.get("chosen")[:2]
    images = list(best.get("images"))
    assert len(images) == 2
    expected = LeftBrightnessScorer().score(images, PROMPT).mean.tolist()
    assert best.get("scores") == pytest.approx(expected, abs=0.1 if output_type == "pil" else 1e-3)


def test_too_few_images(modular: Any) -> None:
    with pytest.raises(ValueError, match="at least `num_selected=3` images for each prompt"):
        modular(prompt=PROMPT, num_selected=3, output_type="pt", **ARGUMENTS)
