"""The rows run on small inputs: both ways agree, FLOPs are counted, and a wrong result is not timed."""

from __future__ import annotations

import pytest
import torch

from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.speed.models import random_parts, reward_model
from spatial_trainers.speed.reward_batch import measure_reward_batch


@pytest.fixture(scope="module")
def model() -> SpatialRewardModel:
    return reward_model(random_parts("scaled-down", device=torch.device("cpu"), dtype=torch.float32))


def test_reward_of_a_batch(model: SpatialRewardModel) -> None:
    row = measure_reward_batch(model, side=56, number=3, turns=1)
    assert list(row.costs) == ["ours", "plain", "rubric"]
    assert row.facts["largest difference of mu"] <= 1e-4 < row.facts["spread of mu"]
    assert 400 <= row.facts["tokens of the rubric"] <= 460
    # Sequences of a few tokens of picture: nearly all of the cost is text.
    assert row.costs["rubric"].flops > 3 * row.costs["plain"].flops
    assert row.bars[0].met and row.as_json()["bars"][0]["met"]


def test_a_wrong_result_is_not_timed(model: SpatialRewardModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model.prepare
    monkeypatch.setattr(model, "prepare", lambda images, graphs: plain([1 - i for i in images], graphs))
    with pytest.raises(RuntimeError, match="must agree within"):
        measure_reward_batch(model, side=56, number=2, turns=1)
