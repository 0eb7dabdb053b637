"""All rows of the benchmark, in order, and the files it leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from spatial_core.atomic_files import write_text
from spatial_trainers.speed.machine import about
from spatial_trainers.speed.models import random_parts, reward_model
from spatial_trainers.speed.report import markdown
from spatial_trainers.speed.reward_batch import measure_reward_batch
from spatial_trainers.speed.rows import Row

REPORT, REPORT_JSON = "speed.md", "speed.json"


def measure(size: str, *, device: torch.device, turns: int) -> Iterator[Row]:
    """Yield the rows of one model size.

    Args:
        size: One of `spatial_trainers.speed.models.SIZES`.
        device: Where the models work; float32 on a CPU, bfloat16 elsewhere.
        turns: Timed turns of every way.
    """
    dtype = torch.float32 if device.type == "cpu" else torch.bfloat16
    model = reward_model(random_parts(size, device=device, dtype=dtype))
    for side in (448,) if device.type == "cpu" else (448, 1036):
        yield measure_reward_batch(model, side=side, number=24, turns=turns)


def write_results(rows: Sequence[Row], output: Path, *, size: str, device: torch.device) -> None:
    """Write `speed.json` and `speed.md` into a folder, which is made if missing."""
    output.mkdir(parents=True, exist_ok=True)
    facts = {"model": f"Qwen2.5-VL, {size}, random weights", **about(device)}
    stored = {"about": facts, "rows": [row.as_json() for row in rows]}
    write_text(output / REPORT_JSON, json.dumps(stored, indent=2) + "\n")
    write_text(output / REPORT, markdown(rows, facts, title="Speed"))
