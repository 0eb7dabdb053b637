"""Use of the device, rendering, best-of-N, a step of RL, the node pack: what each row says of what it ran."""

from __future__ import annotations

import os

import pytest
import torch

from spatial_core.scorers.reward import RewardScorer
from spatial_trainers.speed.best_of_n import measure_best_of_n
from spatial_trainers.speed.flow import random_flow_pipeline, random_text
from spatial_trainers.speed.models import random_parts, reward_model
from spatial_trainers.speed.rendering import measure_rendering
from spatial_trainers.speed.rl_step import measure_rl_step
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.startup import measure_node_pack
from spatial_trainers.speed.utilisation import measure_utilisation

CPU = torch.device("cpu")


def seconds(row: Row, way: str) -> float:
    (turn,) = row.costs[way].process
    return turn


def test_share_of_the_matrix_product() -> None:
    model = reward_model(random_parts("scaled-down", device=CPU, dtype=torch.float32))
    row = measure_utilisation(model, side=112, number=2, turns=1)
    product = row.costs["matrix product"]
    assert product.flops == 2 * 1536**3
    rate = row.costs["score"].flops / seconds(row, "score")
    assert row.facts["TFLOP/s, score"] == pytest.approx(rate / 1e12)
    wanted = rate / (product.flops / seconds(row, "matrix product"))
    assert row.facts["share of the matrix product"] == pytest.approx(wanted) and 0 < wanted < 2
    assert row.bars == ()
    assert measure_utilisation(model, side=56, number=1, turns=1, barred=True).bars[0].wanted == 0.4


def test_rendering() -> None:
    row = measure_rendering(number=3, turns=1, device=CPU)
    assert row.facts["scenes a second"] == pytest.approx(3 / seconds(row, "render"))
    assert row.bars == ()


def test_share_of_scoring() -> None:
    flow = random_flow_pipeline("starter", device=CPU, dtype=torch.float32, decoder_width=16)
    scorer = RewardScorer.from_pretrained("starter")
    row = measure_best_of_n(
        flow, scorer, title="starter", side=64, steps=2, number=3, turns=1, text_tokens=4, barred=True
    )
    assert row.costs["draw and choose"].flops > row.costs["score alone"].flops > 0
    share = seconds(row, "score alone") / seconds(row, "draw and choose")
    assert row.bars[0].value == row.facts["share of scoring"] == pytest.approx(share)
    # Candidates differ, or nothing would have been chosen.
    assert row.facts["spread of the scores"] > 0


def test_a_step_of_rl_asks_the_denoiser_less_than_the_whole_loop() -> None:
    """24 pictures: ours 1 + 24 * 5 plain and 12 * 2 trained, the whole loop 24 * 6 and 24 * 5."""
    row = measure_rl_step("starter", side=32, text_tokens=4, micro_batch_size=12, turns=1, device=CPU)
    assert row.facts["forwards a group, ours"] == pytest.approx(1 + 24 * 5 + 2.07 * 24)
    assert row.facts["forwards a group, whole"] == pytest.approx(24 * 6 + 2.07 * 120)
    assert row.bars[0].value == row.costs["whole"].flops / row.costs["ours"].flops > 1.5


def test_text_of_a_prompt_fits_the_generator() -> None:
    flow = random_flow_pipeline("starter", device=CPU, dtype=torch.float32, decoder_width=16)
    text = random_text(flow, 5)
    assert text["prompt_embeds"].shape == (1, 5, flow.transformer.config["joint_attention_dim"])
    assert text["pooled_prompt_embeds"].shape == (1, flow.transformer.config["pooled_projection_dim"])


def test_without_comfyui_the_node_pack_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COMFYUI_PATH", raising=False)
    assert measure_node_pack(turns=1) is None


@pytest.mark.comfyui
def test_import_of_the_node_pack() -> None:
    if "COMFYUI_PATH" not in os.environ:
        pytest.skip("COMFYUI_PATH names no checkout of ComfyUI")
    row = measure_node_pack(turns=1)
    assert row is not None and 0.0 < seconds(row, "the pack alone")
    assert row.bars[0].met
