"""What it costs to judge one picture against several prompts, one call each."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from spatial_core.feature_cache import CACHE_BYTES
from spatial_core.language.parser import parse_prompt
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.scorers.reward import RewardScorer
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.reward_batch import check_equal
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.templates import STATEMENTS
from spatial_trainers.speed.timing import take_turns


def measure_many_prompts(model: SpatialRewardModel, *, side: int, turns: int) -> Row:
    """Return the costs of "kept" (the picture's features are known from the first call) and "anew".

    Args:
        model: On any backbone.
        side: Of the picture, in pixels.
        turns: Timed turns of each way; each begins with nothing known.

    Raises:
        RuntimeError: If both ways differ by more than rounding.
    """
    image = (picture(side, 0).permute(2, 0, 1).float() / 255).to(model.device)
    graphs = [parse_prompt(statement) for statement in STATEMENTS]

    def way(cache_bytes: int) -> Callable[[], Tensor]:
        def run() -> Tensor:
            scorer = RewardScorer(model, cache_bytes=cache_bytes)
            return torch.cat([scorer.score(image, graph).mean for graph in graphs])

        return run

    ways = {"kept": way(CACHE_BYTES), "anew": way(0)}
    results, costs = take_turns(ways, turns=turns, device=model.device)
    difference = float((results["kept"] - results["anew"]).abs().max())
    check_equal(difference, model.backbone.dtype)
    facts = {
        "prompts": len(graphs),
        "anew / kept, FLOPs": costs["anew"].flops / costs["kept"].flops,
        "largest difference of a score": difference,
    }
    return Row(
        f"many-prompts-{len(graphs)}x{side}",
        f"{len(graphs)} prompts for one picture of {side} px",
        costs,
        (),
        facts,
    )
