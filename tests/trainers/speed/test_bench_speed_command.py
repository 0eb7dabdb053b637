"""`spatial bench-speed`, from the words to the files."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from spatial_core.backbones import BackboneParts
from spatial_core.reward_model import SpatialRewardModel
from spatial_trainers.commands import bench_speed
from spatial_trainers.speed import suite
from spatial_trainers.speed.reward_batch import measure_reward_batch
from spatial_trainers.speed.rows import Row


def parsed(*words: str) -> Namespace:
    parser = ArgumentParser()
    bench_speed.add_arguments(parser)
    return parser.parse_args(list(words))


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def small(_parts: BackboneParts, model: SpatialRewardModel, *, turns: int) -> Iterator[Row]:
        yield measure_reward_batch(model, side=56, number=2, turns=turns)

    monkeypatch.setattr(suite, "measure", small)
    bench_speed.run(parsed("--out", str(tmp_path / "out"), "--turns", "1", "--device", "cpu", "--no-growth"))
    assert "(at least 2: held)" in capsys.readouterr().out
    stored = json.loads((tmp_path / "out" / "speed.json").read_text("utf-8"))
    assert {"date", "device", "torch", "transformers"} < set(stored["about"])
    assert stored["rows"][0]["costs"]["rubric"]["flops"] > stored["rows"][0]["costs"]["ours"]["flops"] > 0
    page = (tmp_path / "out" / "speed.md").read_text("utf-8")
    assert "not measured" in page and "| >= 2 | yes |" in page


def test_bad_arguments() -> None:
    with pytest.raises(ValueError, match="--turns must be at least 1"):
        bench_speed.run(parsed("--turns", "0"))
