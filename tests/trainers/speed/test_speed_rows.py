"""Preprocessing, vision tower, explanations, start-up and growth on small inputs: what is counted holds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from spatial_core.backbones import BackboneParts
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.starter import starter_path
from spatial_trainers.speed.eight_bits import measure_eight_bits
from spatial_trainers.speed.explanation import measure_reward_explanation, measure_vqa_explanation
from spatial_trainers.speed.growth import Sweep, draw, growth_table
from spatial_trainers.speed.many_prompts import measure_many_prompts
from spatial_trainers.speed.models import random_parts, reward_model
from spatial_trainers.speed.preprocessing import measure_preprocessing
from spatial_trainers.speed.startup import run_in_turns
from spatial_trainers.speed.vision_tower import measure_vision_tower


@pytest.fixture(scope="module")
def parts() -> BackboneParts:
    return random_parts("scaled-down", device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture(scope="module")
def model(parts: BackboneParts) -> SpatialRewardModel:
    return reward_model(parts)


def test_patches_are_the_processors(model: SpatialRewardModel) -> None:
    row = measure_preprocessing(model, side=100, number=2, turns=1)
    assert row.facts["patches of a picture"] == 8 * 8
    assert 0 < row.facts["mean difference in levels"] < row.facts["largest difference in levels"] <= 2.001
    assert 0 < row.facts["share of values off by half a level or more"] < 0.02
    assert {"ours", "ours, PIL", "plain"} <= set(row.costs)


def test_wrong_patches_are_not_timed(model: SpatialRewardModel, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = model.patches
    monkeypatch.setattr(model, "patches", lambda images: plain([1 - image for image in images]))
    with pytest.raises(RuntimeError, match="may differ by 2 levels"):
        measure_preprocessing(model, side=56, number=1, turns=1)


def test_attention_calls_of_the_vision_tower(model: SpatialRewardModel) -> None:
    """224 pixels are 4 windows; three windowed layers and one full one."""
    row = measure_vision_tower(model, side=224, number=2, turns=1)
    assert row.facts["attention calls, ours"] == 4
    assert row.facts["attention calls, plain"] == 3 * 2 * 4 + 2
    assert all(bar.met for bar in row.bars)


def test_explanations(parts: BackboneParts, model: SpatialRewardModel) -> None:
    """Separate forwards cost more than shared ones, and say the same."""
    reward = measure_reward_explanation(model, side=56, turns=1, relations=2)
    vqa = measure_vqa_explanation(parts, side=56, turns=1, relations=2)
    assert vqa.facts["questions"] == 6
    for row in (reward, vqa):
        assert row.costs["one score"].flops < row.costs["explanation"].flops < row.costs["plain"].flops
        assert row.bars[0].value == row.costs["explanation"].flops / row.costs["one score"].flops


def test_a_picture_of_many_prompts_is_seen_once(model: SpatialRewardModel) -> None:
    row = measure_many_prompts(model, side=112, turns=1)
    assert row.facts["anew / kept, FLOPs"] > 1


def test_eight_bits_weigh_less_and_keep_the_order() -> None:
    row = measure_eight_bits(SpatialRewardModel.from_pretrained(starter_path("reward")), number=8, turns=1)
    facts = row.facts
    assert facts["MB of weights, 8 bits"] < 0.6 * facts["MB of weights, as it is"]
    assert 0 < facts["mean change of mu"] < facts["largest change of mu"] < facts["spread of mu"]
    assert facts["correlation"] > 0.97
    assert facts["pairs in the same order"] >= 7 / 8


def test_an_explanation_without_the_plain_way(parts: BackboneParts, model: SpatialRewardModel) -> None:
    for row in (
        measure_reward_explanation(model, side=56, turns=1, relations=2, plain=False),
        measure_vqa_explanation(parts, side=56, turns=1, relations=2, plain=False),
    ):
        assert list(row.costs) == ["explanation", "one score"]
        assert len(row.bars) == 1 and row.bars[0].value > 1.0


def test_child_processes_are_charged() -> None:
    busy = "import time\nwhile time.process_time() < .3: pass"
    costs = run_in_turns({"busy": (sys.executable, "-c", busy), "idle": (sys.executable, "-c", "")}, turns=1)
    assert costs["busy"].process[0] >= 0.25 > costs["idle"].process[0]
    assert len(run_in_turns({"again": (sys.executable, "-c", "")}, turns=2, warm=True)["again"].process) == 2
    with pytest.raises(subprocess.CalledProcessError):
        run_in_turns({"wrong": (sys.executable, "-c", "raise SystemExit(3)")}, turns=1)


def test_growth_is_tabled_and_drawn(model: SpatialRewardModel, tmp_path: Path) -> None:
    rows = tuple(measure_reward_explanation(model, side=28, turns=1, relations=n) for n in (1, 2))
    found = [Sweep("relations", (1, 2), rows), Sweep("again", (1, 2), rows)]
    assert growth_table(found).count("\n") == 2 + 2 * 2 * 3
    pytest.importorskip("matplotlib")
    draw(found, tmp_path / "plot.png")
    assert Image.open(tmp_path / "plot.png").width > 400
