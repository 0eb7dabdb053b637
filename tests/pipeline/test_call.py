"""The call: what it returns, in which form, how it stops, and what it does with a prompt, twice or many."""

from __future__ import annotations

import copy
import threading
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from PIL import Image
from tiny_pipelines import FAMILIES, PROMPT, LeftBrightnessScorer

from spatial_core import SpatialDiffusionPipeline
from spatial_core.pipeline import ScoringError, SpatialPipelineOutput
from spatial_core.pipeline.draw import Brush
from spatial_core.pipeline.run import Run
from spatial_core.pipeline.stopping import chance_next_is_better, std_weight

ARGUMENTS: dict[str, Any] = {**FAMILIES["flux"].inputs, "num_inference_steps": 2}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def base() -> Any:
    return FAMILIES["flux"].pipeline()


@pytest.fixture
def pipeline(base: Any) -> Any:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=LeftBrightnessScorer())
    made.set_progress_bar_config(disable=True)
    return made


def test_without_candidates_it_is_the_base(pipeline: Any, base: Any) -> None:
    ours = pipeline(PROMPT, generator=seeded(), num_images_per_prompt=2, output_type="pt", **ARGUMENTS)
    theirs = base(PROMPT, generator=seeded(), num_images_per_prompt=2, output_type="pt", **ARGUMENTS)
    assert type(ours) is type(theirs)
    assert torch.equal(ours.images, theirs.images)


def test_defaults_of_a_model_give_way_to_the_caller(base: Any) -> None:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=LeftBrightnessScorer())
    made.set_progress_bar_config(disable=True)
    made.call_defaults = ARGUMENTS
    few = made(PROMPT, num_candidates=2)
    assert few.images[0].size == (16, 16) and few.denoiser_evaluations == 2 * 2
    # By place: prompts, true_cfg_scale, height, width, num_inference_steps.
    own = made(PROMPT, None, None, None, 1.0, 32, 16, 3, num_candidates=2)
    assert own.images[0].size == (16, 32) and own.denoiser_evaluations == 2 * 3
    assert made(PROMPT).images[0].size == (16, 16)


def test_output_types_agree(pipeline: Any) -> None:
    def draw(output_type: str) -> SpatialPipelineOutput:
        return pipeline(
            PROMPT,
            num_candidates=3,
            num_images_per_prompt=2,
            generator=seeded(),
            output_type=output_type,
            **ARGUMENTS,
        )

    tensors, arrays, pictures, latents = (draw(kind).images for kind in ("pt", "np", "pil", "latent"))
    assert tensors.shape == (2, 3, 16, 16)
    assert isinstance(arrays, np.ndarray) and np.array_equal(arrays, tensors.permute(0, 2, 3, 1).numpy())
    assert isinstance(pictures[0], Image.Image)
    assert np.array_equal(np.asarray(pictures[0]), (arrays[0] * 255).round().astype(np.uint8))
    alone = pipeline.to_base()(
        PROMPT, generator=seeded(draw("pt").seeds[0]), output_type="latent", **ARGUMENTS
    )
    assert (latents[:1] - alone.images).abs().max() <= 1e-5


def test_tuple_and_object_agree(pipeline: Any) -> None:
    given = {"num_candidates": 2, "output_type": "pt", **ARGUMENTS}
    output = pipeline(PROMPT, generator=seeded(), **given)
    as_tuple = pipeline(PROMPT, generator=seeded(), return_dict=False, **given)
    assert torch.equal(as_tuple[0], output.images)
    assert as_tuple[1] == output.scores


def test_batched_prompts(pipeline: Any) -> None:
    prompts = [PROMPT, "a green box behind a plant"]
    given = {"output_type": "pt", **ARGUMENTS}
    both = pipeline(
        prompts,
        prompt_2=list(reversed(prompts)),
        num_candidates=3,
        num_images_per_prompt=2,
        generator=[seeded(5), seeded(50)],
        **given,
    )
    assert both.all_seeds == [5, 6, 7, 50, 51, 52]
    assert both.num_drawn == [3, 3]
    for place, (prompt, other, seed) in enumerate(zip(prompts, reversed(prompts), (5, 50), strict=True)):
        one = pipeline(
            prompt,
            prompt_2=other,
            num_candidates=3,
            num_images_per_prompt=2,
            generator=seeded(seed),
            **given,
        )
        part = slice(2 * place, 2 * place + 2)
        assert one.seeds == both.seeds[part]
        assert (one.images - both.images[part]).abs().max() <= 1e-6


def test_seeds(pipeline: Any) -> None:
    def seeds(generator: Any, prompt: Any = PROMPT) -> list[int]:
        return pipeline(prompt, num_candidates=2, generator=generator, **ARGUMENTS).all_seeds

    assert seeds(seeded(9), [PROMPT, PROMPT]) == [9, 10, 11, 12]
    used = seeded(9)
    assert seeds(used) == [9, 10]
    assert seeds(used) != [9, 10], "A generator that was used draws other images."
    torch.manual_seed(4)
    drawn = seeds(None)
    torch.manual_seed(4)
    assert seeds(None) == drawn
    with pytest.raises(ValueError, match="one for each prompt"):
        seeds([seeded(1), seeded(2)])


def test_embeddings_with_a_score_prompt(pipeline: Any, base: Any) -> None:
    embeds, pooled, _ = base.encode_prompt(PROMPT, max_sequence_length=32)
    given = {"num_candidates": 3, "output_type": "pt", **ARGUMENTS}
    ours = pipeline(
        prompt_embeds=embeds,
        pooled_prompt_embeds=pooled,
        score_prompt=PROMPT,
        micro_batch_size=2,
        generator=seeded(),
        **given,
    )
    expected = pipeline(PROMPT, generator=seeded(), **given)
    assert ours.seeds == expected.seeds
    assert (ours.images - expected.images).abs().max() <= 1e-5


def test_early_stops(pipeline: Any) -> None:
    everything = pipeline(PROMPT, num_candidates=6, generator=seeded(), **ARGUMENTS)
    scores = everything.all_scores
    threshold = sorted(scores)[-2]
    stopped = pipeline(
        PROMPT, num_candidates=6, score_threshold=threshold - 1e-3, generator=seeded(), **ARGUMENTS
    )
    first_good = next(i for i, score in enumerate(scores) if score >= threshold - 1e-3)
    assert stopped.num_drawn == [first_good + 1]
    assert stopped.denoiser_evaluations == 2 * (first_good + 1)

    for confidence in (0.5, 0.7, 0.9):
        stopped = pipeline(
            PROMPT, num_candidates=6, stop_confidence=confidence, generator=seeded(), **ARGUMENTS
        )
        counts = range(2, 7)
        enough = (n for n in counts if n == 6 or chance_next_is_better(scores[:n]) < 1 - confidence)
        assert stopped.num_drawn == [next(enough)]


def test_chance_of_a_better_draw() -> None:
    assert chance_next_is_better([1.0, 4.0]) == pytest.approx(1 / 3)
    # Three draws: t with 2 degrees of freedom has the closed form .5 + t / (2 sqrt(2 + t^2)).
    t = 2.0 / (4.0 * (1 + 1 / 3)) ** 0.5
    assert chance_next_is_better([0.0, 2.0, 4.0]) == pytest.approx(0.5 - t / (2 * (2 + t * t) ** 0.5))
    assert chance_next_is_better([0.0, 2.0, 4.0], rank=2) == pytest.approx(0.5)
    assert chance_next_is_better([3.0, 3.0]) == 0.5
    generator = seeded(0)
    draws = torch.randn(2000, 7, generator=generator).tolist()
    believed = sum(chance_next_is_better(draw[:6]) for draw in draws) / 2000
    happened = sum(draw[6] > max(draw[:6]) for draw in draws) / 2000
    assert believed == pytest.approx(1 / 7, abs=0.01)
    assert happened == pytest.approx(believed, abs=0.03)


def test_selection_by_the_lower_bound(base: Any) -> None:
    class Unsure(LeftBrightnessScorer):
        """Is the less sure the higher the score."""

        def _score(self, *args: Any, **kwargs: Any) -> Any:
            scores = super()._score(*args, **kwargs)
            scores.std[:] = 10.0 * (scores.mean + 20.0)
            return scores

    made = SpatialDiffusionPipeline.from_pipe(base, scorer=Unsure())
    made.set_progress_bar_config(disable=True)
    by_mean = made(PROMPT, num_candidates=4, generator=seeded(), **ARGUMENTS)
    cautious = made(PROMPT, num_candidates=4, selection="mean - 0.5 std", generator=seeded(), **ARGUMENTS)
    assert by_mean.scores == [max(by_mean.all_scores)]
    assert cautious.scores == [min(by_mean.all_scores)]
    assert std_weight("mean") == 0.0 and std_weight("mean-2std") == 2.0


def test_cached_drafts_with_an_exact_winner(pipeline: Any, base: Any) -> None:
    given = {**ARGUMENTS, "num_inference_steps": 6, "output_type": "pt"}
    output = pipeline(
        PROMPT, num_candidates=4, search="cached", draft_threshold=0.5, generator=seeded(), **given
    )
    alone = base(PROMPT, generator=seeded(output.seeds[0]), **given).images
    assert (alone - output.images).abs().max() <= 1e-5
    assert output.all_finished.count(True) == 1
    assert 6 < output.denoiser_evaluations < 5 * 6
    assert not pipeline.transformer.is_cache_enabled

    nothing_reused = pipeline(
        PROMPT, num_candidates=4, search="cached", draft_threshold=0.0, generator=seeded(), **given
    )
    assert nothing_reused.denoiser_evaluations == 5 * 6


def test_memory_running_out_halves_the_batch(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = pipeline(PROMPT, num_candidates=6, generator=seeded(), output_type="pt", **ARGUMENTS)
    sizes: list[int] = []
    forward = type(pipeline.transformer).forward

    def small_memory(self: Any, hidden_states: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        sizes.append(len(hidden_states))
        if len(hidden_states) > 2:
            raise torch.OutOfMemoryError("too many")
        return forward(self, hidden_states, *args, **kwargs)

    monkeypatch.setattr(type(pipeline.transformer), "forward", small_memory)
    output = pipeline(PROMPT, num_candidates=6, generator=seeded(), output_type="pt", **ARGUMENTS)
    assert sizes == [6, 3, 2, 2, 2, 2, 2, 2]
    assert output.seeds == expected.seeds
    assert (output.images - expected.images).abs().max() <= 1e-5


class Patient(LeftBrightnessScorer):
    """Begins its first answer when the second batch is being drawn."""

    def __init__(self, drawing: list[threading.Event]) -> None:
        super().__init__()
        self.drawing, self.calls = drawing, 0

    def _score(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        if self.calls == 1:
            assert self.drawing[1].wait(timeout=120)
        if self.calls == 3:
            raise RuntimeError("the judge has left")
        return super()._score(*args, **kwargs)


def test_a_judge_elsewhere_scores_while_the_next_are_drawn(
    base: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawing = [threading.Event() for _ in range(3)]
    patient = Patient(drawing)
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=patient)
    monkeypatch.setattr(Run, "_scores_apart", lambda _: True)
    draw = Brush.draw

    def noted(self: Brush, batch: Any, *args: Any) -> None:
        next(event for event in drawing if not event.is_set()).set()
        draw(self, batch, *args)

    monkeypatch.setattr(Brush, "draw", noted)
    given = {"num_candidates": 4, "micro_batch_size": 2, "output_type": "pt", **ARGUMENTS}
    output = made(PROMPT, generator=seeded(), **given)
    made.set_scorer(LeftBrightnessScorer())
    monkeypatch.undo()
    expected = made(PROMPT, generator=seeded(), **given)
    assert output.seeds == expected.seeds and output.all_scores == expected.all_scores
    assert torch.equal(output.images, expected.images)

    # Its failure keeps what was made, the batch that was drawn meanwhile too.
    monkeypatch.setattr(Run, "_scores_apart", lambda _: True)
    made.set_scorer(patient)
    with pytest.raises(ScoringError, match="the judge has left") as caught:
        made(PROMPT, generator=seeded(), **given)
    assert len(caught.value.images) == 4


def test_interrupting_keeps_what_is_complete(pipeline: Any) -> None:
    calls = 0

    def stop_in_the_second(running: Any, _step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        running._interrupt = calls >= 3
        return tensors

    output = pipeline(
        PROMPT,
        num_candidates=4,
        micro_batch_size=1,
        callback_on_step_end=stop_in_the_second,
        generator=seeded(3),
        **ARGUMENTS,
    )
    assert output.seeds == [3] and output.num_drawn == [1]


def test_all_images_and_relations(tiny_folders: dict[str, Any], base: Any) -> None:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=str(tiny_folders["qwen3_vl"]))
    made.set_progress_bar_config(disable=True)
    prompt = "a red ball to the left of a blue cup, and a lamp behind the cup"
    output = made(
        prompt,
        num_candidates=4,
        search="halving",
        stages=((0.5, 0.5),),
        explain=True,
        return_all_images=True,
        generator=seeded(),
        **ARGUMENTS,
    )
    assert output.all_finished.count(True) == 2
    assert [report.relation for report in output.relations[0]] == ["left_of", "behind"]
    assert [len(reports) for reports in output.all_relations] == [2, 2, 2, 2]
    assert [image.size for image in output.all_images] == [(16, 16)] * 4
    winner = output.all_seeds.index(output.seeds[0])
    assert np.array_equal(np.asarray(output.all_images[winner]), np.asarray(output.images[0]))


def test_progress_bars_obey_their_configuration(base: Any, capsys: pytest.CaptureFixture[str]) -> None:
    made = SpatialDiffusionPipeline.from_pipe(base, scorer=LeftBrightnessScorer())
    made.set_progress_bar_config(disable=True)
    made(PROMPT, num_candidates=2, **ARGUMENTS)
    assert capsys.readouterr().err == ""
    made.set_progress_bar_config(disable=False)
    made(PROMPT, num_candidates=2, **ARGUMENTS)
    assert "Candidates: 100%" in capsys.readouterr().err
    base.set_progress_bar_config(disable=True)


def test_callbacks_see_every_step_and_may_change_latents(pipeline: Any) -> None:
    steps: list[int] = []

    def zero(_pipeline: Any, step: int, _time: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        steps.append(step)
        return {"latents": torch.zeros_like(tensors["latents"])}

    output = pipeline(PROMPT, num_candidates=2, callback_on_step_end=zero, output_type="latent", **ARGUMENTS)
    assert steps == [0, 1]
    assert not output.images.any()


def test_copies(pipeline: Any) -> None:
    twin = copy.deepcopy(pipeline)
    expected = pipeline(PROMPT, num_candidates=2, generator=seeded(), output_type="pt", **ARGUMENTS)
    again = twin(PROMPT, num_candidates=2, generator=seeded(), output_type="pt", **ARGUMENTS)
    assert torch.equal(expected.images, again.images)
    assert twin.transformer is not pipeline.transformer
    assert isinstance(twin, FluxPipeline)


def test_nothing_is_left_behind(pipeline: Any) -> None:
    pipeline(PROMPT, num_candidates=4, search="halving", generator=seeded(), **ARGUMENTS)
    assert not {"step", "set_timesteps"} & set(vars(pipeline.scheduler))
    assert "forward" not in vars(pipeline.text_encoder) and "forward" not in vars(pipeline.text_encoder_2)
