"""What the ways to search cost and gain, on the candidates of a generation benchmark.

The benchmark drew, scored and judged N candidates of every prompt; candidate k of prompt j is candidate k of
a call of the pipeline with the first one's seed. So best of n and early stopping are read off its lines, and
halving is run for real: which candidate it ends with, and what it cost. Everything is paired, prompt by
prompt, and intervals are bootstrapped over prompts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from spatial_core.statistics import bootstrap_interval
from spatial_trainers.bench.generation_run import SCORES, VERDICTS, Run
from spatial_trainers.bench.journal import read_journal

Halving = Callable[[str, int], tuple[int, float]]
"""(prompt, first seed) -> seed of the winner, denoiser evaluations."""
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Candidates:
    """N candidates of each of P prompts.

    Attributes:
        prompts: int64 `[P]`, numbers of the prompts in the run; those that could not be judged are left out.
        scores: float64 `[P, N]`, of the scorer that selects.
        correct: float64 `[P, N]`, 1 where the judge finds every relation true, else 0.
        soft: float64 `[P, N]`, the judge's mean soft truth of the relations, in [0, 1].
    """

    prompts: IntArray
    scores: FloatArray
    correct: FloatArray
    soft: FloatArray


def read_candidates(run: Run) -> Candidates:
    """Return what a benchmark wrote of its candidates.

    Raises:
        ValueError: If no prompt has all its candidates scored and judged.
    """
    score = {(line["prompt"], line["image"]): line["mean"] for line in read_journal(run.folder / SCORES)}
    verdict = {(line["prompt"], line["image"]): line for line in read_journal(run.folder / VERDICTS)}
    numbers = range(run.images)
    whole = [
        j
        for j in range(len(run.prompts))
        if all(score.get((j, k)) is not None and (j, k) in verdict for k in numbers)
    ]
    if not whole:
        raise ValueError(
            f"{run.folder} must hold prompts with {run.images} scored and judged images each; it has none. "
            "Run 'spatial bench-generation' with the same prompts, --images and --out first."
        )

    def table(value: Callable[[int, int], float]) -> FloatArray:
        return np.array([[value(j, k) for k in numbers] for j in whole])

    return Candidates(
        prompts=np.array(whole),
        scores=table(lambda j, k: score[j, k]),
        correct=table(lambda j, k: float(verdict[j, k]["correct"])),
        soft=table(lambda j, k: float(np.mean([r["score"] for r in verdict[j, k]["relations"]]))),
    )


def stopped_at(scores: FloatArray, threshold: float) -> IntArray:
    """Return `[P]`, how many of N candidates are drawn if one of at least `threshold` ends the search."""
    reached = scores >= threshold
    return np.where(reached.any(1), reached.argmax(1) + 1, scores.shape[1])


def chosen_of(scores: FloatArray, drawn: IntArray) -> IntArray:
    """Return `[P]`, the best of the first `drawn` candidates of each prompt."""
    late = np.arange(scores.shape[1]) >= drawn[:, None]
    return np.where(late, -np.inf, scores).argmax(1)


def fit_threshold(scores: FloatArray, correct: FloatArray, *, slack: float) -> float:
    """Return the lowest threshold that costs at most `slack` of accuracy on these prompts."""
    rows = np.arange(len(scores))
    whole = correct[rows, scores.argmax(1)].mean()
    for threshold in np.quantile(scores, np.linspace(0.3, 1.0, 71)):
        picked = chosen_of(scores, stopped_at(scores, threshold))
        if correct[rows, picked].mean() >= whole - slack:
            return float(threshold)
    return float(scores.max())


def early_stopping(candidates: Candidates, *, slack: float = 0.01) -> dict[str, Any]:
    """Return what stopping at a score costs and saves; each half of the prompts has the other's threshold."""
    scores, correct = candidates.scores, candidates.correct
    rows = np.arange(len(scores))
    drawn = np.zeros(len(scores), dtype=np.int64)
    thresholds: list[float] = []
    for half in (0, 1):
        own, other = rows % 2 == half, rows % 2 != half
        thresholds.append(fit_threshold(scores[other], correct[other], slack=slack))
        drawn[own] = stopped_at(scores[own], thresholds[-1])
    lost = correct[rows, chosen_of(scores, drawn)] - correct[rows, scores.argmax(1)]
    return {
        "thresholds": thresholds,
        "evaluations": float(drawn.mean() / scores.shape[1]),
        "accuracy": float(correct[rows, chosen_of(scores, drawn)].mean()),
        "difference": float(lost.mean()),
        "difference_interval": bootstrap_interval(lost),
    }


def best_of(candidates: Candidates, n: int) -> dict[str, Any]:
    """Return the gain of the best of the first n candidates over the mean of all."""
    rows = np.arange(len(candidates.scores))
    best = candidates.scores[:, :n].argmax(1)
    gain = candidates.correct[rows, best] - candidates.correct.mean(1)
    return {
        "n": n,
        "accuracy": float(candidates.correct[rows, best].mean()),
        "gain": float(gain.mean()),
        "gain_interval": bootstrap_interval(gain),
    }


def run_halving(run: Run, candidates: Candidates, halve: Halving, name: str) -> dict[int, dict[str, Any]]:
    """Return winner and cost of halving for each prompt, by its number; a killed run goes on."""
    path = run.folder / f"{name}.jsonl"
    done = {line["prompt"]: line for line in read_journal(path)}
    left = [int(j) for j in candidates.prompts if int(j) not in done]
    with path.open("a", encoding="utf-8") as journal:
        for j in tqdm(left, desc=name, disable=None):
            first = run.seed_of((j, 0))
            seed, evaluations = halve(run.prompts[j].text, first)
            line = {"prompt": j, "winner": seed - first, "evaluations": evaluations}
            journal.write(json.dumps(line) + "\n")
            journal.flush()
            done[j] = line
    return done


def halving(candidates: Candidates, lines: Mapping[int, Mapping[str, Any]], *, steps: int) -> dict[str, Any]:
    """Return what halving costs and the share of best-of-N's gain in soft truth that it keeps.

    The share is None where best-of-N gains nothing for any prompt.
    """
    rows = np.arange(len(candidates.prompts))
    winner = np.array([lines[int(j)]["winner"] for j in candidates.prompts])
    cost = np.array([lines[int(j)]["evaluations"] for j in candidates.prompts], dtype=np.float64)
    count = candidates.scores.shape[1]
    mean = candidates.soft.mean(1)
    full = candidates.soft[rows, candidates.scores.argmax(1)] - mean
    kept = candidates.soft[rows, winner] - mean
    both = np.stack([kept, full], axis=1)
    has_gain = bool(full.any())
    return {
        "n": count,
        "evaluations": float(cost.mean() / (count * steps)),
        "accuracy": float(candidates.correct[rows, winner].mean()),
        "gain_kept": float(kept.mean() / full.mean()) if has_gain else None,
        "gain_kept_interval": bootstrap_interval(both, lambda means: means[:, 0] / means[:, 1])
        if has_gain
        else None,
    }
