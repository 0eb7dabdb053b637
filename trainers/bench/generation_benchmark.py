"""The generation benchmark from prompts to reports."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from spatial_core.atomic_files import write_text
from spatial_core.scorers.base import SpatialScorer
from spatial_core.scorers.detection import DepthEstimator, Detector
from spatial_trainers.bench.benchmark_files import write_benchmark_files
from spatial_trainers.bench.generation_metrics import measure_generation
from spatial_trainers.bench.generation_report import draw_failures, draw_plot, report
from spatial_trainers.bench.generation_run import (
    SCORES,
    VERDICTS,
    Draw,
    Run,
    draw_images,
    judge_images,
    score_images,
)
from spatial_trainers.bench.journal import read_journal
from spatial_trainers.bench.plotting import can_plot
from spatial_trainers.bench.prompt_files import PromptSet

REPORT, REPORT_JSON, PLOT, SHEET = "report.md", "report.json", "report.png", "failures.png"


def run_generation_benchmark(
    run: Run,
    prompts: PromptSet,
    facts: Mapping[str, Any],
    *,
    name: str,
    draw: Callable[[], Draw],
    scorer: Callable[[], SpatialScorer],
    judge: Callable[[], SpatialScorer],
    batch_size: int = 4,
) -> dict[str, Any]:
    """Draw, score, judge and write the reports; the same call goes on after a kill, or with more images.

    Args:
        run: Where, what and how many.
        prompts: Where the run's prompts come from.
        facts: What images and verdicts depend on (model, LoRA, arguments of the call, scorer, judge), kept in
            the folder; a run with other facts is refused.
        name: Of the generator, in the reports.
        draw: Loads the generator; called only if an image is missing.
        scorer: Loads what gives the mean score and chooses the best of n.
        judge: Loads what gives the verdicts. It must not be what the generator was trained or chosen by.
        batch_size: Images drawn, scored and judged together.

    Raises:
        ValueError: If the folder belongs to another run.
    """
    run.note(facts)
    missing = any(not run.path(place).is_file() for place in run.places())
    failed = draw_images(run, draw(), batch_size=batch_size) if missing else {}
    unscored = score_images(run, scorer(), batch_size=batch_size)
    judging = judge()
    unjudged = judge_images(run, judging, batch_size=batch_size)
    metrics = measure_generation(
        run.prompts,
        [line for line in read_journal(run.folder / SCORES) if line["image"] < run.images],
        read_journal(run.folder / VERDICTS),
        images=run.images,
        failed=len(failed),
        unjudged=unjudged,
        unscored=unscored,
    )
    detector, depth = getattr(judging, "detector", None), getattr(judging, "depth", None)
    files: dict[str, Any] = {}
    if isinstance(detector, Detector):
        files = write_benchmark_files(
            run,
            prompts.form,
            detector,
            depth if isinstance(depth, DepthEstimator) else None,
            model=name,
            skip=tuple(unjudged),
        )
    summary = {
        "name": name,
        "prompts": {"name": prompts.name, "form": prompts.form},
        **facts,
        "metrics": metrics,
        "files": files,
    }
    write_text(run.folder / REPORT_JSON, json.dumps(summary, indent=2) + "\n")
    write_text(run.folder / REPORT, report(summary))
    if metrics["judged_images"]:
        if can_plot():
            draw_plot(metrics, run.folder / PLOT, title=f"{name} on {prompts.name}")
        draw_failures(run, run.folder / SHEET, title=name)
    return summary


def held_out_set(count: int, *, model: str = "starter", things: int | None = None) -> PromptSet:
    """Return prompts of the scenes' test combinations, one to four relations, all of which can be judged.

    Args:
        count: How many.
        model: Whose things they speak of: a folder of 'train-starter', or else the bundled flow model's.
        things: How many each names; None for two to four, as the model's scenes have them.
    """
    from spatial_trainers.bench.prompt_files import BenchPrompt
    from spatial_trainers.flow.measure import held_out_prompts
    from spatial_trainers.flow.world import trained_world

    prompts = held_out_prompts(count, named=things, invertible=True, world=trained_world(model))
    return PromptSet(
        "held-out", "held-out", tuple(BenchPrompt(f"{i:05d}", p.text) for i, p in enumerate(prompts))
    )


def limited(prompts: PromptSet, limit: int | None) -> PromptSet:
    """Return the first `limit` prompts; all if None."""
    return PromptSet(prompts.name, prompts.form, prompts.prompts[:limit])


def spatial_only(prompts: PromptSet) -> PromptSet:
    """Return the prompts that state a relation which can be inverted, and so be judged.

    Raises:
        ValueError: If there are none.
    """
    from spatial_core.language.parser import parse_prompt
    from spatial_core.spatial_accuracy import inverse_graph

    kept = tuple(p for p in prompts.prompts if inverse_graph(parse_prompt(p.text)).relations)
    if not kept:
        raise ValueError(f"No prompt of {prompts.name} states a spatial relation.")
    return PromptSet(prompts.name, prompts.form, kept)
