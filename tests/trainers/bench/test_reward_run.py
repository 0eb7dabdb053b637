"""Whole runs of the reward benchmark: a real scorer, a file of answers, a baseline, and the command."""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from spatial_core.scorers.detection import Detection
from spatial_core.scorers.geometric import GeometricScorer
from spatial_trainers.bench.bag_of_objects import BagOfObjectsScorer
from spatial_trainers.bench.pair_set import BenchPairs, read_pairs
from spatial_trainers.bench.reward_run import run_reward_benchmark
from spatial_trainers.commands import bench_reward
from spatial_trainers.pairs.records import write_records

COLORS = {"red": (220, 30, 30), "green": (30, 160, 30), "blue": (30, 30, 220)}
PLACES = {"left": 4, "right": 44}


class ColorDetector:
    """Finds a colour's ball where its pixels are. It really looks."""

    def detect(self, images: Sequence[Tensor], names: Sequence[str]) -> list[list[Detection]]:
        return [[d for name in names if (d := self._find(image, name)) is not None] for image in images]

    @staticmethod
    def _find(image: Tensor, name: str) -> Detection | None:
        color = torch.tensor(COLORS[name.split()[0]])
        near = ((image.permute(1, 2, 0) * 255 - color).abs() < 20).all(-1)
        rows, columns = near.any(1).nonzero().flatten(), near.any(0).nonzero().flatten()
        if not len(rows):
            return None
        box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
        return Detection(name, tuple(map(float, box)), 0.9)


@pytest.fixture
def pairs(tmp_path: Path) -> BenchPairs:
    """Four pairs of two coloured balls that change sides."""
    records: list[dict[str, Any]] = []
    for number, (a, b) in enumerate((("red", "blue"), ("red", "green"), ("blue", "green"), ("green", "red"))):
        for side, (left, right) in (("chosen", (a, b)), ("rejected", (b, a))):
            picture = Image.new("RGB", (64, 64), "white")
            for name, place in ((left, "left"), (right, "right")):
                x = PLACES[place]
                picture.paste(COLORS[name], (x, 24, x + 14, 38))
            picture.save(tmp_path / f"{number}-{side}.png")
        records.append(
            {
                "id": f"p{number}",
                "split": "test",
                "scene": "desk" if number < 2 else "floor",
                "prompt": f"a {a} ball to the left of a {b} ball",
                "prompt_rejected": f"a {a} ball to the right of a {b} ball",
                "image_chosen": f"{number}-chosen.png",
                "image_rejected": f"{number}-rejected.png",
                "edits": [{"kind": "flip_relation", "edit": 0, "relation_index": 0}],
            }
        )
    write_records(tmp_path / "pairs.jsonl", records)
    return read_pairs(str(tmp_path / "pairs.jsonl"))


def _load(what: str) -> Any:
    return {"boxes": GeometricScorer(ColorDetector()), "bag": BagOfObjectsScorer(ColorDetector())}[what]


def test_a_whole_run(pairs: BenchPairs, tmp_path: Path) -> None:
    file = tmp_path / "gpt.jsonl"
    said = ("chosen", "chosen", "rejected", "tie")
    file.write_text("".join(json.dumps({"id": f"p{i}", "answer": s}) + "\n" for i, s in enumerate(said)))
    scorers = {"boxes": "boxes", "bag": "bag", "gpt": str(file)}
    found = run_reward_benchmark(pairs, scorers, tmp_path / "out", load=_load, batch_size=3)
    results = found["results"]
    assert results["boxes"]["one_way"]["all"]["accuracy"] == 1.0
    assert results["boxes"]["both_ways"] == {"accuracy": 1.0, "low": 0.510109, "high": 1.0, "n": 4}
    # What is there says nothing of where it is: every comparison is a tie.
    assert results["bag"]["accuracy"]["accuracy"] == 0.5 and len(results["bag"]["ties"]) == 8
    assert results["bag"]["both_ways"]["accuracy"] == 0.0
    assert results["gpt"]["one_way"]["all"]["accuracy"] == 0.625 and results["gpt"]["comparisons"] == 4
    assert set(results["boxes"]["by_scene"]) == {"desk", "floor"}
    assert [(m["first"], m["second"], m["only_first"], m["only_second"]) for m in found["mcnemar"]] == [
        ("boxes", "bag", 4, 0),
        ("boxes", "gpt", 2, 0),
        ("bag", "gpt", 0, 2),
    ]
    out = tmp_path / "out"
    assert json.loads((out / "report.json").read_text()) == found
    assert "| boxes | 1.000 | - | 1.000 |" in (out / "report.md").read_text()
    assert Image.open(out / "report.png").size[0] > 400

    # Again: everything is there, so nothing is loaded; and a further scorer joins.
    def refuse(what: str) -> Any:
        raise AssertionError(f"{what} was loaded again")

    assert run_reward_benchmark(pairs, scorers, out, load=refuse) == found
    with pytest.raises(ValueError, match="the name 'bag' stands for 'bag', not for 'boxes'"):
        run_reward_benchmark(pairs, {"bag": "boxes"}, out, load=_load)


def test_without_matplotlib_there_is_a_report_and_no_plot(
    pairs: BenchPairs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setattr("spatial_trainers.bench.plotting.find_spec", lambda name: None)
    run_reward_benchmark(pairs, {"bag": "bag"}, tmp_path / "out", load=_load)
    assert (tmp_path / "out" / "report.md").is_file() and not (tmp_path / "out" / "report.png").exists()


def test_a_folder_is_of_one_set_of_pairs(pairs: BenchPairs, tmp_path: Path) -> None:
    run_reward_benchmark(pairs, {"bag": "bag"}, tmp_path / "out", load=_load, symmetric=False)
    other = BenchPairs(pairs.name, "test", pairs.pairs[:2], {}, "another")
    with pytest.raises(ValueError, match="answers about other pairs"):
        run_reward_benchmark(other, {"bag": "bag"}, tmp_path / "out", load=_load)


def test_a_changed_picture_is_refused(pairs: BenchPairs, tmp_path: Path) -> None:
    (tmp_path / "2-chosen.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="2-chosen.png is not a readable image"):
        run_reward_benchmark(pairs, {"bag": "bag"}, tmp_path / "out", load=_load)


def test_the_command(pairs: BenchPairs, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = ArgumentParser()
    bench_reward.add_arguments(parser)
    manifest, out = str(tmp_path / "pairs.jsonl"), str(tmp_path / "run")
    file = tmp_path / "gpt.jsonl"
    file.write_text("".join(json.dumps({"id": f"p{i}", "answer": "chosen"}) + "\n" for i in range(4)))
    bench_reward.run(parser.parse_args([manifest, "--scorer", f"GPT-5 mini={file}", "--out", out]))
    printed = capsys.readouterr().out
    assert "| GPT-5 mini | 1.000 | - | 1.000 | [0.510, 1.000] | 4 |" in printed and "report.md" in printed
    for wrong in ("starter", "a/b=starter", "=x"):
        with pytest.raises(ValueError, match="--scorer takes NAME=WHAT"):
            bench_reward.run(parser.parse_args([manifest, "--scorer", wrong]))
    with pytest.raises(ValueError, match="must be at least 1"):
        bench_reward.run(parser.parse_args([manifest, "--limit", "0"]))
