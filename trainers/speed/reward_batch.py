"""24 pictures of one prompt through the reward model, against plain forwards with two templates."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import logsigmoid

from spatial_core.language.parser import parse_prompt
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.vision_language import encode_text
from spatial_trainers.speed.pictures import picture
from spatial_trainers.speed.plain import PlainReward
from spatial_trainers.speed.rows import Bar, Row
from spatial_trainers.speed.templates import PROMPT, RUBRIC
from spatial_trainers.speed.timing import ratios, take_turns

TOLERANCE = {torch.float32: 1e-4, torch.bfloat16: 2e-2}


def short_row(model: SpatialRewardModel, graph: SceneGraph, grid: tuple[int, int]) -> list[int]:
    """Return the token ids of our own template as one sequence; the graph states one relation at most."""
    row = model.row(graph, grid)
    return [*row.prefix, *(token for branch in row.branches for token in branch), *row.final]


def rubric_row(model: SpatialRewardModel, text: str, grid: tuple[int, int]) -> list[int]:
    """Return the token ids of picture, rubric and prompt."""
    ids = model.backbone.config
    image = [ids.image_token_id] * (grid[0] * grid[1])
    words = encode_text(model.tokenizer, RUBRIC + text, special=False)
    end = encode_text(model.tokenizer, model.config.readout, special=True)
    return [ids.vision_start_token_id, *image, ids.vision_end_token_id, *words, *end]


def plain_means(plain: PlainReward, graph: SceneGraph, pictures: Sequence[Image.Image]) -> Tensor:
    """Return what `SpatialRewardModel.forward` calls `mean`, by a plain forward of the same sequence."""
    final = len(plain.model.row(graph, (1, 1)).final)
    places = [-1 - final, -1]
    clause, overall = plain.means(pictures, lambda grid: short_row(plain.model, graph, grid), places).unbind(
        1
    )
    return overall + logsigmoid(clause)


def measure_reward_batch(
    model: SpatialRewardModel,
    *,
    side: int,
    number: int,
    turns: int,
    label: str = "",
    prompt: str = PROMPT,
    barred: bool = True,
) -> Row:
    """Return the costs of "ours", "plain" (same template) and "rubric".

    Args:
        model: With weights of float32 or bfloat16, where it is to work.
        side: Of the pictures, in pixels; the model's pixel limits allow it, and it fills whole tokens.
        number: Of pictures.
        turns: Timed turns of each way.
        label: Names the model in the row.
        prompt: Text with one relation, so that a packed row is an ordinary sequence.
        barred: Whether the row is held to the bars.

    Raises:
        RuntimeError: If ours and the plain forward of the same template differ by more than rounding.
    """
    levels = [picture(side, seed) for seed in range(number)]
    pil = [Image.fromarray(image.numpy()) for image in levels]
    ours_in = [(image.permute(2, 0, 1).float() / 255).to(model.device) for image in levels]
    graph = parse_prompt(prompt)
    plain = PlainReward(model)
    results, costs = take_turns(
        {
            "ours": lambda: model(model.prepare(ours_in, [graph] * number)).mean,
            "plain": lambda: plain_means(plain, graph, pil),
            "rubric": lambda: plain.means(pil, lambda grid: rubric_row(model, graph.text, grid), [-1]),
        },
        turns=turns,
        device=model.device,
    )
    difference = float((results["ours"] - results["plain"]).abs().max())
    check_equal(difference, model.backbone.dtype)
    bars: list[Bar] = []
    if barred and model.device.type == "cuda":
        faster = ratios(costs["rubric"], costs["ours"]).median
        share = (costs["ours"].peak_bytes or 0) / (costs["rubric"].peak_bytes or 1)
        bars.append(Bar("rubric / ours, time", faster, 4.0 if side <= 512 else 2.5))
        bars.append(Bar("peak memory, ours / rubric", share, 0.5, at_most=True))
    elif barred:
        bars.append(Bar("rubric / ours, FLOPs", costs["rubric"].flops / costs["ours"].flops, 2.0))
    cell = model.processing["patch_size"] * model.processing["merge_size"]
    grid = (side // cell, side // cell)
    facts = {
        "side": side,
        "pictures": number,
        "tokens, ours": len(short_row(model, graph, grid)),
        "tokens, rubric": len(rubric_row(model, graph.text, grid)),
        "tokens of the rubric": len(encode_text(model.tokenizer, RUBRIC, special=False)),
        "largest difference of mu": difference,
        "spread of mu": float(results["ours"].std(correction=0)),
    }
    return Row(
        f"reward-{number}x{side}{label and '-' + label}",
        f"{label and label + ': '}reward of {number} pictures of {side} px, one prompt",
        costs,
        tuple(bars),
        facts,
    )


def check_equal(difference: float, dtype: torch.dtype) -> None:
    """Raise a RuntimeError if two ways to one result differ by more than rounding in `dtype`."""
    if not difference <= TOLERANCE[dtype]:
        raise RuntimeError(
            f"The fast and the plain path must agree within {TOLERANCE[dtype]}; they differ by "
            f"{difference:.3g}. The times of a wrong result are worth nothing: mend it first."
        )
