"""`spatial bench-generation` on a tiny generator and a tiny judge, as they lie in folders."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest
import torch
from tiny_flow import build_tiny_flow

from spatial_core import cli
from spatial_core.localizer import SpatialLocalizer
from spatial_core.localizer_network import LocalizerConfig
from spatial_core.scenes.objects import COLORS, OBJECT_KINDS, PATTERNS
from spatial_trainers.commands import bench_generation, bench_search


def parsed(*words: str) -> Namespace:
    parser = ArgumentParser()
    bench_generation.add_arguments(parser)
    return parser.parse_args(list(words))


def tiny_run(folder: Path, *, images: int, steps: int) -> list[str]:
    """Return the arguments of a run with a tiny random generator and judge."""
    model = build_tiny_flow(folder / "flow")
    torch.manual_seed(0)
    config = LocalizerConfig(tuple(OBJECT_KINDS), tuple(COLORS), tuple(PATTERNS), widths=(8, 8, 8))
    SpatialLocalizer(config).save_pretrained(folder / "localizer")
    judge = f"localizer:{folder / 'localizer'}"
    return [
        *("held-out", "--limit", "2", "--images", str(images), "--model", str(model), "--name", "tiny"),
        *("--scorer", judge, "--judge", judge, "--steps", str(steps), "--height", "128", "--width", "128"),
        *("--max-sequence-length", "16", "--out", str(folder / "run"), "--device", "cpu"),
    ]


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = tiny_run(tmp_path, images=1, steps=1)
    bench_generation.run(parsed(*arguments))
    printed = capsys.readouterr().out
    assert "spatial accuracy 0.000" in printed and "| FLUX.1-dev (*published*) | 2.18 |" in printed
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert report["call"] == {
        "num_inference_steps": 1,
        "height": 128,
        "width": 128,
        "max_sequence_length": 16,
    }
    assert report["metrics"]["prompts"] == 2 and report["metrics"]["judged_images"] == 2
    with pytest.raises(ValueError, match="belongs to a run with another call"):
        bench_generation.run(parsed(*arguments, "--guidance", "2.0"))


def test_searches_on_the_candidates_of_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bench_generation.run(parsed(*tiny_run(tmp_path, images=2, steps=2)))
    parser = ArgumentParser()
    bench_search.add_arguments(parser)
    # As it is typed: an argument may hide what the command runs.
    assert cli.main(["bench-search", str(tmp_path / "run"), "--candidates", "2", "--stages", "0.5:0.5"]) == 0
    printed = capsys.readouterr().out
    assert "2 prompts, 2 candidates each" in printed and "best of 2" in printed
    found = json.loads((tmp_path / "run" / "search.json").read_text())
    # Both go half the way, one to the end.
    assert found["halving"]["evaluations"] == pytest.approx(3 / 4)
    # An untrained judge finds nothing true: there is no gain, and no NaN in the file.
    assert found["halving"]["gain_kept"] is None and "gained nothing" in printed
    with pytest.raises(ValueError, match="it has none"):
        bench_search.run(parser.parse_args([str(tmp_path / "run"), "--candidates", "3"]))
    with pytest.raises(ValueError, match=r"has no run\.json"):
        bench_search.run(parser.parse_args([str(tmp_path)]))


def test_bad_arguments(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must be at least 1"):
        bench_generation.run(parsed("held-out", "--images", "0"))
    with pytest.raises(ValueError, match="--things goes with the prompts 'held-out' alone"):
        bench_generation.run(parsed("prompts.txt", "--things", "5"))
    with pytest.raises(ValueError, match="There are no prompts at"):
        bench_generation.run(parsed(str(tmp_path / "none.jsonl")))
