"""Pictures to patches: ours on the model's device against the PIL processor of transformers."""

from __future__ import annotations

import torch
from PIL import Image
from torch import Tensor

from spatial_core.images import to_tensors
from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.plain import image_processor
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.timing import ratios, take_turns

LARGEST_DIFFERENCE = 2.0


def measure_preprocessing(model: SpatialRewardModel, *, side: int, number: int, turns: int) -> Row:
    """Return the costs of "ours" (floats BHWC, as ComfyUI holds pictures), "ours, PIL" and "plain".

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
    processor = image_processor(model.processing)

    def plain() -> Tensor:
        return processor(images=pil, return_tensors="pt")["pixel_values"].to(model.device)

    results, costs = take_turns(
        {
            "ours": lambda: model.patches(to_tensors(floats))[0],
            "ours, PIL": lambda: model.patches([t.to(model.device) for t in to_tensors(pil)])[0],
            "plain": plain,
        },
        turns=turns,
        device=model.device,
    )
    # Undo the normalisation: its largest divisor gives the largest difference in levels.
    scale = 255 * max(model.processing["image_std"])
    difference = float((results["ours"] - results["plain"]).abs().max()) * scale
    if difference > LARGEST_DIFFERENCE:
        raise RuntimeError(
            f"Patches may differ by {LARGEST_DIFFERENCE:g} levels; they do by {difference:.3g}."
        )
    wanted = 20.0 if model.device.type == "cuda" else 3.0
    return Row(
        f"preprocessing-{number}x{side}",
        f"preprocessing of {number} pictures of {side} px",
        costs,
        (Bar("plain / ours, time", ratios(costs["plain"], costs["ours"]).median, wanted),),
        {"patches of a picture": len(results["ours"]) / number, "largest difference in levels": difference},
    )
