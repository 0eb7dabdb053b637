"""The vision tower: windows of one length in one attention call, against one call for each window."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode

from spatial_core.reward_model import SpatialRewardModel
from spatial_core.vision_language import encode_images
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import ratios, take_turns


class AttentionCalls(TorchFunctionMode):
    """Counts calls of attention while it is entered.

    Attributes:
        number: So far.
    """

    number = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        """Count and go on."""
        self.number += func is F.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


@torch.no_grad()
def attention_calls(way: Callable[[], Any]) -> int:
    """Return how often `way` calls attention."""
    with AttentionCalls() as calls:
        way()
    return calls.number


def measure_vision_tower(model: SpatialRewardModel, *, side: int, number: int, turns: int) -> Row:
    """Return the costs of "ours" and "plain", and how often each calls attention.

    Args:
        model: On a Qwen2.5-VL.
        side: Of the pictures, in pixels; a multiple of 28.
        number: Of pictures.
        turns: Timed turns of each way.
    """
    levels = [picture(side, seed).permute(2, 0, 1).float() / 255 for seed in range(number)]
    pixels, grid = model.patches([image.to(model.device) for image in levels])
    visual = model.backbone.visual
    dtype = visual.patch_embed.proj.weight.dtype

    def plain() -> Tensor:
        out = visual(pixels.to(dtype), grid_thw=grid.to(model.device))
        return out if isinstance(out, Tensor) else out.pooler_output

    ways = {"ours": lambda: encode_images(model.backbone, pixels, grid.to(model.device))[0], "plain": plain}
    calls = {name: attention_calls(way) for name, way in ways.items()}
    results, costs = take_turns(ways, turns=turns, device=model.device)
    difference = float((results["ours"] - results["plain"]).abs().max())
    config = visual.config
    full = len(config.fullatt_block_indexes)
    most = 4 * (config.depth - full) + number * full
    bars = [Bar("attention calls", calls["ours"], most, at_most=True)]
    if dtype == torch.float32:
        bars.append(Bar("largest difference in float32", difference, 0.0, at_most=True))
    if model.device.type == "cuda":
        bars.append(Bar("plain / ours, time", ratios(costs["plain"], costs["ours"]).median, 3.0))
    return Row(
        f"vision-{number}x{side}",
        f"vision tower, {number} pictures of {side} px",
        costs,
        tuple(bars),
        {f"attention calls, {name}": count for name, count in calls.items()}
        | {"largest difference": difference, "spread of the result": float(results["ours"].float().std())},
    )
