"""A run of the reward benchmark: every scorer over every comparison, resumable, then the reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import write_text
from spatial_core.scorers.base import SpatialScorer
from spatial_trainers.bench.answers import Answer, Key, answered_cases, read_answers, score_cases
from spatial_trainers.bench.pair_set import BenchPairs, with_training
from spatial_trainers.bench.plotting import can_plot
from spatial_trainers.bench.reward_metrics import compare_scorers, measure_answers
from spatial_trainers.bench.reward_report import draw_plot, report
from spatial_trainers.pairs.data import Pair

RUN_FILE, REPORT, REPORT_JSON, PLOT = "run.json", "report.md", "report.json", "report.png"


def run_reward_benchmark(
    pairs: BenchPairs,
    scorers: Mapping[str, str],
    output: Path,
    *,
    load: Callable[[str], SpatialScorer],
    symmetric: bool = True,
    batch_size: int = 8,
    train: Sequence[Pair] = (),
) -> dict[str, Any]:
    """Score, measure and write `report.md`, `.json` and `.png`; the same call goes on after a kill.

    The plot is left out where matplotlib is not installed.

    Args:
        pairs: What is judged.
        scorers: What each scorer is by its name in the report: a file of answers (.jsonl), or what `load`
            takes.
        output: Folder of the run. Answers lie in its folder `answers`, by scorer.
        load: Makes a scorer; called only if it has comparisons left to judge.
        symmetric: Whether both ways of a pair are judged.
        batch_size: Comparisons judged together.
        train: Pairs to train the text-only and the image-only probe on; none for no probes.

    Raises:
        ValueError: If the folder holds answers of other pairs or of another scorer of the same name, or a
            file of answers is unusable.
    """
    output.mkdir(parents=True, exist_ok=True)
    (output / "answers").mkdir(exist_ok=True)
    _note_run(output / RUN_FILE, pairs, scorers)
    cases = pairs.cases(symmetric=symmetric)
    answers: dict[str, dict[Key, Answer]] = {}
    results: dict[str, dict[str, Any]] = {}
    for name, what in scorers.items():
        if what.endswith(".jsonl"):
            answers[name] = read_answers(what)
            judged = answered_cases(answers[name], cases, source=what)
        else:
            judged = cases
            answers[name] = _answers(
                what, judged, output / "answers" / f"{name}.jsonl", load, batch_size, name
            )
        results[name] = measure_answers(judged, answers[name], scenes=pairs.scenes)
    summary = {
        "pairs": {
            "name": pairs.name,
            "split": pairs.split,
            "number": len(pairs.pairs),
            "sha256": pairs.sha256,
        },
        "scorers": dict(scorers),
        "results": results,
        "mcnemar": compare_scorers(cases, answers),
        "probes": _probes(train, pairs, output / "probes.json") if train else [],
    }
    write_text(output / REPORT_JSON, json.dumps(summary, indent=2) + "\n")
    write_text(output / REPORT, report(summary))
    if can_plot():
        draw_plot(results, output / PLOT, title=f"{pairs.name}: {len(pairs.pairs)} pairs")
    return summary


def _answers(
    what: str,
    cases: Sequence[Any],
    path: Path,
    load: Callable[[str], SpatialScorer],
    batch_size: int,
    name: str,
) -> dict[Key, Answer]:
    if path.is_file() and path.read_text("utf-8").count("\n") >= len(cases):
        answers = read_answers(path)
        answered_cases(answers, cases, source=str(path))
        return answers
    return score_cases(load(what), cases, path, batch_size=batch_size, name=name)


def _note_run(path: Path, pairs: BenchPairs, scorers: Mapping[str, str]) -> None:
    """Keep what the answers of the folder are about, and refuse to mix.

    Raises:
        ValueError: If they are about something else.
    """
    known: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.is_file() else {"scorers": {}}
    if known.get("sha256", pairs.sha256) != pairs.sha256:
        raise ValueError(f"{path.parent} holds answers about other pairs. Choose another --out.")
    for name, what in scorers.items():
        if known["scorers"].get(name, what) != what:
            raise ValueError(
                f"In {path.parent} the name '{name}' stands for '{known['scorers'][name]}', not for "
                f"'{what}'. Choose another name, as in --scorer NAME=WHAT, or another --out."
            )
    noted = {"sha256": pairs.sha256, "scorers": {**known["scorers"], **scorers}}
    write_text(path, json.dumps(noted, indent=2) + "\n")


def _probes(train: Sequence[Pair], pairs: BenchPairs, path: Path) -> list[dict[str, Any]]:
    from spatial_trainers.pairs.probes import probe_pairs

    if path.is_file():
        kept = json.loads(path.read_text("utf-8"))
        if [row["total"] for row in kept] == [len(pairs.pairs)] * len(kept):
            return kept
    found = probe_pairs(with_training(train, pairs), train=len(train), test=len(pairs.pairs))
    rows = [result.to_dict() for result in found]
    write_text(path, json.dumps(rows, indent=2) + "\n")
    return rows
