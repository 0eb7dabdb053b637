"""A judge whose linear layers are held in 8 bits: what it weighs, what it takes, how far its scores move."""

from __future__ import annotations

from copy import deepcopy

import torch
from torch import Tensor

from spatial_core.float8 import to_float8
from spatial_core.language.scene_graph import SceneGraph
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.scenes.pairs import sample_pairs
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.timing import take_turns


def measure_eight_bits(model: SpatialRewardModel, *, number: int, turns: int) -> Row:
    """Return the costs of "8 bits" and "as it is", and what becomes of the scores of rendered pairs.

    Args:
        model: A trained judge of procedural scenes.
        number: Of held-out pairs, one comparison each.
        turns: Timed turns of each way.
    """
    rounded = deepcopy(model)
    to_float8(rounded.backbone)
    batch = sample_pairs(range(10**9, 10**9 + number), split="test", num_edits=1, device=model.device)
    graphs = [pair.graph for pair in batch.pairs]
    images = [*batch.rendering.images, *batch.rendering_rejected.images]

    def score(judge: SpatialRewardModel) -> Tensor:
        return _means(judge, images, [*graphs, *graphs]).view(2, number)

    results, costs = take_turns(
        {"8 bits": lambda: score(rounded), "as it is": lambda: score(model)},
        turns=turns,
        device=model.device,
    )
    small, plain = results["8 bits"], results["as it is"]
    better = [scores[0] > scores[1] for scores in (small, plain)]
    return Row(
        f"eight-bits-{number}",
        f"starter: {number} pairs, linear layers in 8 bits",
        costs,
        facts={
            "MB of weights, 8 bits": _bytes(rounded) / 1e6,
            "MB of weights, as it is": _bytes(model) / 1e6,
            "spread of mu": float(plain.std(correction=0)),
            "mean change of mu": float((small - plain).abs().mean()),
            "largest change of mu": float((small - plain).abs().max()),
            "correlation": float(torch.corrcoef(torch.stack([small.flatten(), plain.flatten()]))[0, 1]),
            "pairs right, 8 bits": float(better[0].float().mean()),
            "pairs right, as it is": float(better[1].float().mean()),
            "pairs in the same order": float((better[0] == better[1]).float().mean()),
        },
    )


def _means(judge: SpatialRewardModel, images: list[Tensor], graphs: list[SceneGraph]) -> Tensor:
    return judge(judge.prepare(images, graphs)).mean.float().cpu()


def _bytes(judge: SpatialRewardModel) -> int:
    return sum(tensor.numel() * tensor.element_size() for tensor in judge.backbone.state_dict().values())
