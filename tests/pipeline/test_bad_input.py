"""Every mistake is told before anything is drawn; what a scorer breaks midway is not lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, Flux2Pipeline, HeunDiscreteScheduler
from PIL import Image
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core import SpatialDiffusionPipeline, SpatialScorer
from spatial_core.pipeline import ScoringError
from spatial_core.pipeline.schedule import check_sliceable

ARGUMENTS: dict[str, Any] = {**FAMILIES["flux"].inputs, "num_inference_steps": 2}


def spatial(family: str, scorer: SpatialScorer | None) -> Any:
    made = SpatialDiffusionPipeline.from_pipe(FAMILIES[family].pipeline(), scorer=scorer)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.fixture(scope="module")
def pipeline() -> Any:
    return spatial("flux", LeftBrightnessScorer())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"num_candidates": 2, "num_images_per_prompt": 3}, "`num_candidates` must be at least"),
        ({"num_candidates": 1, "num_images_per_prompt": 2}, "`num_candidates` must be at least"),
        ({"num_candidates": 0}, "`num_candidates` must be at least"),
        ({"num_candidates": 2, "latents": torch.zeros(1, 64, 16)}, "`latents` is the noise of one image"),
        ({"num_candidates": 2, "search": "greedy"}, "`search` must be one of best_of_n, halving, cached"),
        ({"num_candidates": 2, "selection": "std"}, '`selection` must be "mean", or "mean - k std"'),
        ({"num_candidates": 2, "micro_batch_size": 0}, "`micro_batch_size` must be at least 1"),
        ({"num_candidates": 2, "stop_confidence": 1.5}, "`stop_confidence` must be in"),
        ({"num_candidates": 2, "stop_confidence": 0.9, "search": "halving"}, "go with"),
        ({"num_candidates": 2, "score_threshold": 0.0, "search": "cached"}, "go with"),
        ({"num_candidates": 2, "score_prompt": ["a", "b"]}, "`score_prompt` must be one text, or one for"),
        ({"num_candidates": 2, "search": "halving", "stages": ((0.5, 0.5), (0.4, 0.5))}, "`stages` must be"),
        ({"num_candidates": 2, "search": "halving", "stages": ((0.5, 0.0),)}, "`stages` must be pairs"),
        ({"num_candidates": 2, "search": "halving", "stages": ()}, "`stages` must be pairs"),
        ({"num_candidates": 2, "search": "halving", "stages": ((0.1, 0.5),)}, "must run at least one step"),
    ],
)
def test_arguments(pipeline: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pipeline(PROMPT, **ARGUMENTS, **given)


def test_candidates_without_a_scorer() -> None:
    alone = spatial("flux", None)
    with pytest.raises(ValueError, match="needs a scorer to choose by"):
        alone(PROMPT, num_candidates=2, **ARGUMENTS)
    assert len(alone(PROMPT, num_candidates=1, **ARGUMENTS).images) == 1


def test_embeddings_without_words(pipeline: Any) -> None:
    embeds, pooled, _ = pipeline.encode_prompt(PROMPT, max_sequence_length=32)
    with pytest.raises(ValueError, match="`score_prompt` must say in words"):
        pipeline(prompt_embeds=embeds, pooled_prompt_embeds=pooled, num_candidates=2, **ARGUMENTS)


def test_prompt_without_relations(tiny_folders: dict[str, Path]) -> None:
    asking = spatial("flux", SpatialScorer.from_pretrained(tiny_folders["qwen3_vl"]))
    with pytest.raises(ValueError, match="none could be read from 'a red ball'"):
        asking("a red ball", num_candidates=2, **ARGUMENTS)


@pytest.mark.parametrize("scheduler", [DPMSolverMultistepScheduler, HeunDiscreteScheduler])
def test_halving_with_an_inexact_scheduler(scheduler: Any) -> None:
    made = spatial("sd15", LeftBrightnessScorer())
    made.scheduler = scheduler.from_config(made.scheduler.config)
    arguments = {**FAMILIES["sd15"].inputs, "num_candidates": 2, "num_inference_steps": 4}
    with pytest.raises(ValueError, match=f"has {scheduler.__name__}.*DDIMScheduler.from_config"):
        made(PROMPT, search="halving", **arguments)
    made(PROMPT, **arguments)
    made.scheduler = DDIMScheduler.from_config(made.scheduler.config)
    with pytest.raises(ValueError, match="`eta=0.5`"):
        made(PROMPT, search="halving", eta=0.5, **arguments)


def test_halving_with_a_base_that_packs_latents() -> None:
    with pytest.raises(ValueError, match="Flux2Pipeline: it packs the latents"):
        check_sliceable(Flux2Pipeline, DDIMScheduler(), {})


def test_halving_with_random_steps(pipeline: Any) -> None:
    kept = pipeline.scheduler
    pipeline.scheduler = type(kept).from_config(kept.config, stochastic_sampling=True)
    try:
        with pytest.raises(ValueError, match="with stochastic_sampling"):
            pipeline(PROMPT, num_candidates=2, search="halving", **ARGUMENTS)
    finally:
        pipeline.scheduler = kept


def test_halving_with_a_base_that_changes_latents(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare = type(pipeline).prepare_latents

    def noisier(self: Any, *args: Any) -> Any:
        latents, ids = prepare(self, *args)
        return latents * 1.5, ids

    monkeypatch.setattr(type(pipeline), "prepare_latents", noisier)
    with pytest.raises(ValueError, match="changes the latents that it is given"):
        pipeline(PROMPT, num_candidates=2, search="halving", **ARGUMENTS)


def test_cached_needs_a_cache(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="UNet2DConditionModel has none"):
        spatial("sd15", LeftBrightnessScorer())(PROMPT, num_candidates=2, search="cached")


class Breaking(LeftBrightnessScorer):
    """Fails, or answers NaN, from its second call on."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how, self.calls = how, 0

    def _score(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        scores = super()._score(*args, **kwargs)
        if self.calls == 2 and self.how == "raise":
            raise RuntimeError("the judge has left")
        if self.calls == 2 and self.how == "memory":
            raise torch.OutOfMemoryError("the judge is too large")
        if self.calls == 2 and self.how == "nan":
            scores.mean[0] = torch.nan
        return scores


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("raise", "The scorer failed .RuntimeError: the judge has left"),
        ("nan", r"The scorer returned NaN for the seeds \[6\]"),
        ("memory", "The scorer ran out of memory"),
    ],
)
def test_images_survive_the_scorer(how: str, message: str) -> None:
    made = spatial("flux", Breaking(how))
    generator = torch.Generator().manual_seed(5)
    with pytest.raises(ScoringError, match=message) as caught:
        made(PROMPT, num_candidates=4, micro_batch_size=1, generator=generator, **ARGUMENTS)
    error = caught.value
    assert error.seeds == [5, 6]
    assert [isinstance(image, Image.Image) for image in error.images] == [True, True]
    assert error.scores[0] == error.scores[0] and error.scores[1] != error.scores[1]
    assert "step" not in vars(made.scheduler), "The pipeline is as before."
    made.set_scorer(LeftBrightnessScorer())
    assert len(made(PROMPT, num_candidates=2, **ARGUMENTS).images) == 1


def test_not_a_scorer(pipeline: Any) -> None:
    with pytest.raises(ValueError, match="`scorer` must be a SpatialScorer"):
        pipeline.set_scorer(lambda images, prompts: 0)


def test_unknown_model_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="hf download nobody/nothing --local-dir models/nothing.*hf auth login"):
        SpatialDiffusionPipeline.from_pretrained("nobody/nothing")


def test_folder_that_is_no_text_to_image_pipeline(tmp_path: Path) -> None:
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableAudioPipeline"}', "utf-8")
    with pytest.raises(ValueError, match="no text-to-image pipeline for 'StableAudioPipeline'"):
        SpatialDiffusionPipeline.from_pretrained(tmp_path)


def test_the_general_class_is_not_called() -> None:
    with pytest.raises(TypeError, match="made for a base"):
        SpatialDiffusionPipeline()
