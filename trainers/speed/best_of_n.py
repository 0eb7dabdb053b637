"""Which share of best-of-N is scoring."""

from __future__ import annotations

from typing import Any

import torch
from diffusers import FluxPipeline

from spatial_core.pipeline import SpatialDiffusionPipeline
from spatial_core.scorers.base import SpatialScorer
from spatial_trainers.speed.flow import random_text
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import Spread, ratios, take_turns

PROMPT = "a red ball to the left of a blue cup"


def measure_best_of_n(
    base: FluxPipeline,
    scorer: SpatialScorer,
    *,
    title: str,
    side: int,
    steps: int,
    number: int,
    turns: int,
    text_tokens: int = 64,
    micro_batch_size: int | None = None,
    barred: bool = False,
) -> Row:
    """Return the costs of "draw and choose" and of "score alone" (pictures of that size).

    Args:
        base: A FLUX without text encoders.
        scorer: On the same device.
        title: Names both.
        side: Of the pictures, in pixels.
        steps: Of the sampler.
        number: Of candidates.
        turns: Timed turns of each way.
        text_tokens: Of the prompt.
        micro_batch_size: Candidates drawn at once; all if None.
        barred: Whether the row is held to the bar.
    """
    pipeline: Any = SpatialDiffusionPipeline.from_pipe(base, scorer=scorer)
    pipeline.set_progress_bar_config(disable=True)
    call = {"height": side, "width": side, "num_inference_steps": steps, **random_text(base, text_tokens)}
    options = {"micro_batch_size": micro_batch_size, "score_prompt": PROMPT}

    def draw_and_choose() -> Any:
        generator = torch.Generator().manual_seed(0)
        return pipeline(**call, **options, num_candidates=number, generator=generator)

    pictures = [picture(side, seed).permute(2, 0, 1).float() / 255 for seed in range(number)]
    results, costs = take_turns(
        {
            "draw and choose": draw_and_choose,
            "score alone": lambda: scorer.score(pictures, PROMPT),
        },
        turns=turns,
        device=base.device,
    )
    share = ratios(costs["score alone"], costs["draw and choose"])
    facts = {
        "candidates": number,
        "steps": steps,
        "side": side,
        "share of scoring": share.median,
        "seconds a candidate": Spread.of(costs["draw and choose"].main).median / number,
        "spread of the scores": float(torch.tensor(results["draw and choose"].all_scores).std(correction=0)),
    }
    bars = (Bar("share of scoring", share.median, 0.1, at_most=True),) if barred else ()
    return Row(f"best-of-{number}x{side}", f"{title}: best of {number} at {side} px", costs, bars, facts)
