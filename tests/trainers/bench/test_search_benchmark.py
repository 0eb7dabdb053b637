"""What searches gain and cost, from the lines of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from spatial_trainers.bench import search_benchmark as bench
from spatial_trainers.bench.generation_run import SCORES, VERDICTS, Run
from spatial_trainers.bench.prompt_files import BenchPrompt


def made_up(prompts: int = 400, images: int = 8, *, noise: float = 0.5, seed: int = 0) -> bench.Candidates:
    """Candidates whose score is their quality and noise; right where the quality is high."""
    rng = np.random.default_rng(seed)
    quality = rng.normal(size=(prompts, images))
    scores = quality + noise * rng.normal(size=quality.shape)
    return bench.Candidates(
        np.arange(prompts), scores, (quality > 0.7).astype(float), 1 / (1 + np.exp(-quality))
    )


def test_stopping_by_hand() -> None:
    scores = np.array([[0.1, 0.9, 2.0], [0.5, 0.2, 0.3]])
    drawn = bench.stopped_at(scores, 0.8)
    assert drawn.tolist() == [2, 3]
    assert bench.chosen_of(scores, drawn).tolist() == [1, 0]


def test_the_best_of_more_is_better() -> None:
    found = made_up()
    rows = [bench.best_of(found, n) for n in (1, 2, 4, 8)]
    assert abs(rows[0]["gain"]) < 0.05
    assert rows[1]["gain"] < rows[2]["gain"] < rows[3]["gain"]
    low, high = rows[3]["gain_interval"]
    assert low < rows[3]["gain"] < high < low + 0.15


def test_early_stopping_saves_and_loses_little() -> None:
    stop = bench.early_stopping(made_up(noise=0.1))
    assert stop["evaluations"] < 0.7 and abs(stop["difference"]) < 0.05
    assert len(stop["thresholds"]) == 2
    # Scores that say nothing leave nothing to stop for but luck: the threshold is still of other prompts.
    low, high = bench.early_stopping(made_up(noise=100.0))["difference_interval"]
    assert low <= 0 <= high


def test_a_threshold_is_the_lowest_that_loses_no_more() -> None:
    found = made_up(noise=0.1)
    strict, loose = (bench.fit_threshold(found.scores, found.correct, slack=s) for s in (0.0, 0.1))
    assert loose < strict


def test_halving_that_always_finds_the_best_keeps_all(tmp_path: Path) -> None:
    found = made_up(prompts=60)
    run = Run(tmp_path, tuple(BenchPrompt(str(j), f"prompt {j}") for j in range(60)), 8, 5)
    asked: list[str] = []

    def best(prompt: str, seed: int) -> tuple[int, float]:
        asked.append(prompt)
        j = int(prompt.split()[1])
        assert seed == run.seed_of((j, 0))
        return seed + int(found.scores[j].argmax()), 60.0

    lines = bench.run_halving(run, found, best, "halving")
    kept = bench.halving(found, lines, steps=12)
    assert kept["gain_kept"] == pytest.approx(1) and kept["evaluations"] == pytest.approx(60 / 96)
    assert kept["gain_kept_interval"] == pytest.approx([1, 1])
    bench.run_halving(run, found, best, "halving")
    assert len(asked) == 60
    worst = {j: line | {"winner": int(found.scores[j].argmin())} for j, line in lines.items()}
    assert bench.halving(found, worst, steps=12)["gain_kept"] < 0


def test_only_whole_prompts_are_read(tmp_path: Path) -> None:
    run = Run(tmp_path, (BenchPrompt("a", "x"), BenchPrompt("b", "y")), 2)
    with pytest.raises(ValueError, match="bench-generation"):
        bench.read_candidates(run)
    scores = [{"prompt": j, "image": k, "mean": j + k, "std": 1.0} for j in (0, 1) for k in (0, 1)]
    verdicts = [
        {"prompt": 1, "image": k, "correct": k == 1, "relations": [{"score": 0.25}, {"score": 0.75}]}
        for k in (0, 1)
    ]
    (tmp_path / SCORES).write_text("".join(json.dumps(line) + "\n" for line in scores))
    (tmp_path / VERDICTS).write_text("".join(json.dumps(line) + "\n" for line in verdicts))
    found = bench.read_candidates(run)
    assert found.prompts.tolist() == [1] and found.correct.tolist() == [[0, 1]]
    assert found.scores.tolist() == [[1, 2]] and found.soft.tolist() == [[0.5, 0.5]]
