"""All rows of the benchmark, in order, and the files it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from spatial_core.atomic_files import write_text
from spatial_core.backbones import BackboneParts
from spatial_core.reward_model import SpatialRewardModel
from spatial_core.starter import starter_path
from spatial_trainers.bench.plotting import can_plot
from spatial_trainers.speed.explanation import measure_reward_explanation, measure_vqa_explanation
from spatial_trainers.speed.growth import Sweep, draw, growth_table
from spatial_trainers.speed.machine import about
from spatial_trainers.speed.preprocessing import measure_preprocessing
from spatial_trainers.speed.report import markdown
from spatial_trainers.speed.reward_batch import measure_reward_batch
from spatial_trainers.speed.rows import Row
from spatial_trainers.speed.startup import measure_startup
from spatial_trainers.speed.vision_tower import measure_vision_tower

REPORT, REPORT_JSON, PLOT = "speed.md", "speed.json", "speed.png"
_SHORT = "a red ball to the left of a blue cup"


def measure(parts: BackboneParts, model: SpatialRewardModel, *, turns: int) -> Iterator[Row]:
    """Yield the rows of one model, then those of the starter and of starting up.

    Args:
        parts: A Qwen2.5-VL with its vocabulary.
        model: A SpatialScore on it.
        turns: Timed turns of every way.
    """
    cuda = model.device.type == "cuda"
    yield measure_preprocessing(model, side=1024, number=8 if cuda else 1, turns=turns)
    for side, number in ((504, 24), (1036, 8)) if cuda else ((504, 4), (1036, 1)):
        yield measure_vision_tower(model, side=side, number=number, turns=turns)
    for side in (448, 1036) if cuda else (448,):
        yield measure_reward_batch(model, side=side, number=24, turns=turns)
    for side in (448, 1036):
        yield measure_reward_explanation(model, side=side, turns=turns)
        yield measure_vqa_explanation(parts, side=side, turns=turns)
    starter = SpatialRewardModel.from_pretrained(starter_path("reward")).to(model.device)
    yield measure_reward_batch(
        starter, side=128, number=24, turns=turns, label="starter", prompt=_SHORT, barred=False
    )
    yield from measure_startup(turns=turns)


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
