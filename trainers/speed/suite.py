"""All rows of the benchmark, in order, and the files it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from spatial_core.atomic_files import write_text
from spatial_core.backbones import BackboneParts
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.scorers.reward import RewardScorer
from spatial_core.starter import starter_path
from spatial_trainers.bench.plotting import can_plot
from spatial_trainers.speed.best_of_n import measure_best_of_n
from spatial_trainers.speed.eight_bits import measure_eight_bits
from spatial_trainers.speed.explanation import measure_reward_explanation, measure_vqa_explanation
from spatial_trainers.speed.flow import random_flow_pipeline
from spatial_trainers.speed.growth import Sweep, draw, growth_table
from spatial_trainers.speed.machine import about
from spatial_trainers.speed.many_prompts import measure_many_prompts
from spatial_trainers.speed.preprocessing import measure_preprocessing
from spatial_trainers.speed.rendering import measure_rendering
from spatial_trainers.speed.report import markdown
from spatial_trainers.speed.reward_batch import measure_reward_batch
from spatial_trainers.speed.rl_step import measure_rl_step
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.startup import measure_node_pack, measure_startup
from spatial_trainers.speed.utilisation import measure_utilisation
from spatial_trainers.speed.vision_tower import measure_vision_tower

REPORT, REPORT_JSON, PLOT = "speed.md", "speed.json", "speed.png"
_SHORT = "a red ball to the left of a blue cup"


def measure(parts: BackboneParts, model: SpatialRewardModel, *, turns: int) -> Iterator[Row]:
    """Yield the rows of one model, then those of generators, of scenes, of the starter and of starting up.

    Args:
        parts: A Qwen2.5-VL with its vocabulary.
        model: A SpatialScore on it.
        turns: Timed turns of every way; at most two where a turn takes seconds, one where minutes.
    """
    cuda = model.device.type == "cuda"
    few = min(turns, 2)
    yield measure_preprocessing(model, side=1024, number=8 if cuda else 4, turns=3 * turns)
    for side, number in ((504, 24), (1036, 8)) if cuda else ((504, 4), (1036, 1)):
        yield measure_vision_tower(model, side=side, number=number, turns=few)
    for side in (448, 1036) if cuda else (448,):
        yield measure_reward_batch(model, side=side, number=24, turns=few)
    large = model.backbone.config.text_config.hidden_size >= 3584
    yield measure_utilisation(model, side=504, number=24 if cuda else 4, turns=turns, barred=cuda and large)
    for side in (448, 1036):
        # One by one, 21 questions about a large picture take longer than all other rows together.
        plain = cuda or side == 448
        yield measure_reward_explanation(model, side=side, turns=few, plain=plain)
        yield measure_vqa_explanation(parts, side=side, turns=few, plain=plain)
    yield measure_many_prompts(model, side=448, turns=few)
    yield from (_generators_on_a_gpu(model) if cuda else _generators_on_a_cpu(turns=few))
    yield measure_rendering(number=512 if cuda else 32, turns=turns, device=model.device)
    starter = SpatialRewardModel.from_pretrained(starter_path("reward")).to(model.device)
    yield measure_reward_batch(
        starter, side=128, number=4, turns=turns, label="starter", prompt=_SHORT, barred=False
    )
    yield measure_eight_bits(starter, number=64, turns=few)
    yield from measure_startup(turns=turns)
    # A child takes five seconds to import ComfyUI first.
    nodes = measure_node_pack(turns=1)
    if nodes is not None:
        yield nodes


def _generators_on_a_cpu(*, turns: int) -> Iterator[Row]:
    cpu = torch.device("cpu")
    flow = random_flow_pipeline("starter", device=cpu, dtype=torch.float32)
    # The turns draw the same pictures, which it would know.
    scorer = RewardScorer(SpatialRewardModel.from_pretrained(starter_path("reward")), cache_bytes=0)
    yield measure_best_of_n(flow, scorer, title="starter", side=128, steps=12, number=4, turns=turns)
    yield measure_rl_step("starter", side=64, text_tokens=16, micro_batch_size=12, turns=turns, device=cpu)


def _generators_on_a_gpu(model: SpatialRewardModel) -> Iterator[Row]:
    """Yield the rows on FLUX.1-dev's shape, one turn each: a turn takes minutes."""
    flow = random_flow_pipeline("flux.1-dev", device=model.device, dtype=torch.bfloat16)
    yield measure_best_of_n(
        flow,
        RewardScorer(model, cache_bytes=0),
        title="FLUX.1-dev shape",
        side=1024,
        steps=28,
        number=4,
        turns=1,
        text_tokens=512,
        micro_batch_size=2,
        barred=True,
    )
    del flow
    torch.cuda.empty_cache()
    yield measure_rl_step(
        "flux.1-dev", side=512, text_tokens=512, micro_batch_size=2, turns=1, device=model.device
    )


def write_results(
    rows: Sequence[Row], found: Sequence[Sweep], output: Path, *, size: str, device: torch.device
) -> None:
    """Write `speed.json`, `speed.md` and, with matplotlib, `speed.png` into a folder, made if missing."""
    output.mkdir(parents=True, exist_ok=True)
    facts = {"model": f"Qwen2.5-VL, {size}, random weights", **about(device)}
    stored = {
        "about": facts,
        "rows": [row.as_json() for row in rows],
        "growth": [
            {"quantity": s.quantity, "values": s.values, "rows": [row.as_json() for row in s.rows]}
            for s in found
        ],
    }
    write_text(output / REPORT_JSON, json.dumps(stored, indent=1) + "\n")
    page = markdown(rows, facts, title="Speed", gpu=device.type == "cuda")
    if found:
        page += "\n## How the cost grows\n\n" + growth_table(found)
        if can_plot():
            draw(found, output / PLOT)
            page += f"\n![GFLOP by size, number, length and relations]({PLOT})\n"
    write_text(output / REPORT, page)
