"""Run the pipeline and LoRA tests of diffusers itself on our FLUX class, from a checkout of diffusers.

    DIFFUSERS_CHECKOUT=/path/to/diffusers python tests/run_diffusers_suite.py [arguments of pytest]

Nothing of diffusers' tests is kept here: their mixins are imported from the checkout and given our class,
tiny components with a scorer, and one or three candidates for every call. Classes whose names end in Memory
need a GPU and skip without one.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from diffusers import FluxPipeline

HERE = Path(__file__).resolve().parent
CHECKOUT = os.environ.get("DIFFUSERS_CHECKOUT")
if CHECKOUT is None or not (Path(CHECKOUT) / "tests" / "pipelines" / "testing_utils").is_dir():
    sys.exit("Set DIFFUSERS_CHECKOUT to a checkout of https://github.com/huggingface/diffusers.")
sys.path[:0] = [CHECKOUT, str(HERE)]

from tests.pipelines.flux.test_pipeline_flux import FluxPipelineTesterConfig  # noqa: E402
from tests.pipelines.testing_utils import (  # noqa: E402
    FirstBlockCacheTesterMixin,
    LoraMemoryTesterMixin,
    LoraTesterMixin,
    MemoryTesterMixin,
    PipelineTesterMixin,
)
from tiny_pipelines import PROMPT, LeftBrightnessScorer, flux_components  # noqa: E402

from spatial_core import SpatialDiffusionPipeline  # noqa: E402

OURS = SpatialDiffusionPipeline.for_base(FluxPipeline)
# One of their tests looks the class up by its name.
setattr(diffusers.pipelines, OURS.__name__, OURS)


class OurConfig(FluxPipelineTesterConfig):
    """Our class, its components and the arguments of the call."""

    pipeline_class = OURS
    num_candidates: int | None = None

    def get_dummy_components(self, **_: int) -> dict[str, Any]:
        torch.manual_seed(0)
        nothing = {"image_encoder": None, "feature_extractor": None}
        return {**flux_components(), **nothing, "scorer": LeftBrightnessScorer()}

    def get_dummy_inputs(self) -> dict[str, Any]:
        inputs = {**super().get_dummy_inputs(), "max_sequence_length": 32}
        if self.num_candidates is not None:
            # Some tests give embeddings alone.
            inputs |= {"num_candidates": self.num_candidates, "score_prompt": PROMPT}
        return inputs


class TestDefault(OurConfig, PipelineTesterMixin):
    pass


class TestOneCandidate(OurConfig, PipelineTesterMixin):
    num_candidates = 1

    @pytest.mark.skip(reason="By design: asks for two images of one candidate.")
    def test_num_images_per_prompt(self) -> None: ...


class TestThreeCandidates(OurConfig, PipelineTesterMixin):
    num_candidates = 3

    @pytest.mark.skip(reason="By design: takes the scorer away and asks for three candidates.")
    def test_save_load_optional_components(self) -> None: ...


class TestCache(OurConfig, FirstBlockCacheTesterMixin):
    num_candidates = 3


class TestLora(OurConfig, LoraTesterMixin):
    pass


class TestLoraThreeCandidates(OurConfig, LoraTesterMixin):
    num_candidates = 3


class TestMemory(OurConfig, MemoryTesterMixin):
    num_candidates = 3


class TestLoraMemory(OurConfig, LoraMemoryTesterMixin):
    num_candidates = 3


if __name__ == "__main__":
    ours = ["-p", "no:cacheprovider", "-o", "addopts=", "--import-mode=importlib", "-q", "-rfE"]
    sys.exit(pytest.main([*ours, __file__, *sys.argv[1:]]))
