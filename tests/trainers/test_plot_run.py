"""Curves are read from any run, put side by side, and drawn."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from spatial_trainers.commands import plot_run as command
from spatial_trainers.plot_run import chosen_metrics, plot_runs, read_run, read_runs, smoothed


def write(folder: Path, lines: list[Any]) -> Path:
    folder.mkdir(parents=True)
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)
    (folder / "metrics.jsonl").write_text(text)
    return folder


def test_a_run_is_read(tmp_path: Path) -> None:
    run = write(
        tmp_path / "a",
        [
            {"step": 0, "evaluation/reward": 0.5},
            {"step": 2, "reward": 1.0, "kl": float("nan"), "note": "text"},
            {"step": 1, "reward": 3.0},
            {"step": 2, "kl": 0.25},
            '{"step": 3, "rew',
        ],
    )
    found = read_run(run)
    assert set(found) == {"evaluation/reward", "reward", "kl"}
    assert found["reward"].steps.tolist() == [1, 2] and found["reward"].values.tolist() == [3.0, 1.0]
    assert found["kl"].values.tolist() == [0.25]
    assert read_run(run / "metrics.jsonl")["reward"].values.tolist() == [3.0, 1.0]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ([], "holds no numbers yet"),
        ([{"step": 1}], "holds no numbers yet"),
        (["oops", {"step": 1, "a": 2.0}], "line 1: must be a JSON object"),
        ([{"reward": 1.0}, {"step": 1, "a": 2.0}], "line 1: must be a JSON object"),
        (["[1]", {"step": 1, "a": 2.0}], "line 1: must be a JSON object"),
    ],
)
def test_metrics_that_cannot_be_read(lines: list[Any], says: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=says):
        read_run(write(tmp_path / "a", lines))


def test_no_such_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Name the output folder of a run"):
        read_run(tmp_path)
    with pytest.raises(ValueError, match="Name the output folder of a run"):
        read_run(tmp_path / "nothing.jsonl")


def test_runs_are_told_apart_by_as_much_of_the_path_as_it_takes(tmp_path: Path) -> None:
    line = [{"step": 1, "loss": 1.0}]
    a, b = write(tmp_path / "x" / "run", line), write(tmp_path / "y" / "run", line)
    c = write(tmp_path / "other", line)
    assert list(read_runs([a / "metrics.jsonl", c])) == ["run", "other"]
    assert list(read_runs([a, b, c])) == ["x/run", "y/run", f"{tmp_path.name}/other"]
    with pytest.raises(ValueError, match="A run may be named once"):
        read_runs([a, a / "metrics.jsonl"])


def test_what_is_drawn(tmp_path: Path) -> None:
    runs = read_runs(
        [write(tmp_path / "a", [{"step": 1, "grad_norm": 1.0, "reward": 2.0, "kl": 1.0, "odd": 3.0}])]
    )
    assert chosen_metrics(runs, []) == ["reward", "kl", "grad_norm"]
    assert chosen_metrics(runs, ["odd"]) == ["odd"]
    with pytest.raises(ValueError, match="No run has nothing; there are grad_norm, kl, odd, reward"):
        chosen_metrics(runs, ["odd", "nothing"])
    strange = read_runs([write(tmp_path / "b", [{"step": 1, "odd": 3.0, "loss": 1.0, "seconds": 2.0}])])
    assert chosen_metrics(strange, []) == ["loss", "odd"]


def test_smoothing_keeps_constants_and_the_mean_in_the_middle() -> None:
    assert np.allclose(smoothed(np.full(100, 3.0)), 3.0)
    line = np.arange(100.0)
    assert np.allclose(smoothed(line)[5:-5], line[5:-5]) and len(smoothed(line)) == 100


def test_a_picture_of_two_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    rng = np.random.default_rng(0)
    long = [{"step": s, "reward": s / 90 + rng.normal(), "kl": s * 1e-3} for s in range(90)]
    runs = [write(tmp_path / "a", long), write(tmp_path / "b", [{"step": 5, "reward": 0.3}])]
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    out = tmp_path / "out.png"
    command.run(parser.parse_args([*map(str, runs), "-o", str(out)]))
    assert capsys.readouterr().out == f"{out}: reward, kl of 2 runs.\n"
    picture = np.asarray(Image.open(out).convert("RGB")).reshape(-1, 3).astype(int)
    # Both runs' colours are there.
    for color in ((30, 98, 208), (200, 34, 46)):
        assert (np.abs(picture - color).sum(1) < 12).sum() > 20
    with pytest.raises(ValueError, match="not supported"):
        plot_runs(tmp_path / "out.xyz", read_runs(runs), ["reward"])
    assert not (tmp_path / "out.xyz").exists()
