"""Share of what the device can do (MFU): FLOPs a second of scoring over those of one large matrix product."""

from __future__ import annotations

import torch

from spatial_core.language.parser import parse_prompt
from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.templates import PROMPT
from spatial_trainers.speed.timing import Cost, Spread, take_turns


def _rate(cost: Cost) -> float:
    return cost.flops / Spread.of(cost.main).median


def measure_utilisation(
    model: SpatialRewardModel, *, side: int, number: int, turns: int, barred: bool = False
) -> Row:
    """Return the costs of "score", pictures to rewards, and of "matrix product" in the weights' type.

    Args:
        model: Where it is to work.
        side: Of the pictures, in pixels.
        number: Of pictures of one prompt.
        turns: Timed turns of each way.
        barred: Whether the row is held to the bar.
    """
    device, dtype = model.device, model.backbone.dtype
    images = [(picture(side, seed).permute(2, 0, 1).float() / 255).to(device) for seed in range(number)]
    graph = parse_prompt(PROMPT)
    width = 8192 if device.type == "cuda" else 1536
    a, b = (torch.randn(width, width, device=device, dtype=dtype) for _ in range(2))
    _, costs = take_turns(
        {
            "score": lambda: model(model.prepare(images, [graph] * number)).mean,
            "matrix product": lambda: a @ b,
        },
        turns=turns,
        device=device,
    )
    share = _rate(costs["score"]) / _rate(costs["matrix product"])
    facts = {
        "TFLOP/s, score": _rate(costs["score"]) / 1e12,
        "TFLOP/s, matrix product": _rate(costs["matrix product"]) / 1e12,
        "share of the matrix product": share,
        "pictures a second": number / Spread.of(costs["score"].main).median,
    }
    bars = (Bar("share of the matrix product", share, 0.4),) if barred else ()
    title = f"share of the device's FLOPs, {number} pictures of {side} px"
    return Row(f"mfu-{number}x{side}", title, costs, bars, facts)
