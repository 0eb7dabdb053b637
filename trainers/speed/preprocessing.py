"""Pictures to patches: ours on the model's device against the PIL processor of transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from spatial_core.images import to_tensors
from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.plain import image_processor, torchvision_processor
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import ratios, take_turns

LARGEST_DIFFERENCE = 2.0


def measure_preprocessing(model: SpatialRewardModel, *, side: int, number: int, turns: int) -> Row:
    """Return the costs of "ours" (floats BHWC, as ComfyUI holds pictures), "ours, PIL" and "plain".

    Where torchvision is installed, "torchvision" is the fast processor of transformers, from PIL pictures.

    Args:
        model: Of which only the constants and the device are used.
        side: Of the pictures, in pixels.
        number: Of pictures.
        turns: Timed turns of each way.

    Raises:
        RuntimeError: If the patches differ by more than 2 levels of 255.
    """
    levels = [picture(side, seed) for seed in range(number)]
    pil = [Image.fromarray(image.numpy()) for image in levels]
    floats = (torch.stack(levels).float() / 255).to(model.device)

    def by(processor: Any) -> Callable[[], Tensor]:
        return lambda: processor(images=pil, return_tensors="pt")["pixel_values"].to(model.device)

    ways: dict[str, Callable[[], Tensor]] = {
        "ours": lambda: model.patches(to_tensors(floats))[0],
        "ours, PIL": lambda: model.patches([t.to(model.device) for t in to_tensors(pil)])[0],
        "plain": by(image_processor(model.processing)),
    }
    fast = torchvision_processor(model.processing)
    if fast is not None:
        ways["torchvision"] = by(fast)
    results, costs = take_turns(ways, turns=turns, device=model.device)
    # Undo the normalisation; the columns of a patch are channel by channel.
    std = torch.tensor(model.processing["image_std"], device=model.device)
    scale = 255 * std.repeat_interleave(results["ours"].shape[1] // 3)
    difference = (results["ours"] - results["plain"]).abs() * scale
    if difference.max() > LARGEST_DIFFERENCE + 1e-3:
        raise RuntimeError(
            f"Patches may differ by {LARGEST_DIFFERENCE:g} levels; they do by {float(difference.max()):.3g}."
        )
    wanted = 20.0 if model.device.type == "cuda" else 3.0
    facts = {
        "patches of a picture": len(results["ours"]) / number,
        "largest difference in levels": float(difference.max()),
        "mean difference in levels": float(difference.mean()),
        "share of values off by half a level or more": float((difference >= 0.5).float().mean()),
    }
    return Row(
        f"preprocessing-{number}x{side}",
        f"preprocessing of {number} pictures of {side} px",
        costs,
        (Bar("plain / ours, time", ratios(costs["plain"], costs["ours"]).median, wanted),),
        facts,
    )
