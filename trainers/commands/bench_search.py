"""`spatial bench-search`: what best-of-N, early stopping and halving gain and cost."""

from __future__ import annotations

import argparse

HELP = "measure the ways to search among candidates, on the images of a run of bench-generation"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("folder", help="of a 'spatial bench-generation held-out' run (its --out)")
    parser.add_argument("--candidates", type=int, default=8, metavar="N", help="(default: %(default)s)")
    parser.add_argument(
        "--stages",
        default="0.4:0.5",
        help="of halving: share of the steps, share kept, as 0.4:0.5,0.6:0.5 (default: %(default)s)",
    )
    parser.add_argument(
        "--preview-scorer", metavar="NAME", help="judges halving's previews (default: the run's scorer)"
    )
    parser.add_argument("--no-halving", action="store_true", help="only what can be read off the run")


def run(args: argparse.Namespace) -> None:
    """Read, search, print.

    Raises:
        ValueError: If the folder is no such run, or has fewer candidates.
    """
    import json
    from pathlib import Path
    from typing import Any

    import torch

    from spatial_core.atomic_files import write_text
    from spatial_trainers.bench.generation_benchmark import held_out_set
    from spatial_trainers.bench.generation_run import RUN_FILE, Run
    from spatial_trainers.bench.search_benchmark import (
        best_of,
        early_stopping,
        halving,
        read_candidates,
        run_halving,
    )

    folder = Path(args.folder)
    if not (folder / RUN_FILE).is_file():
        raise ValueError(
            f"{folder} must be the --out of a 'spatial bench-generation held-out' run; it has no {RUN_FILE}."
        )
    facts = json.loads((folder / RUN_FILE).read_text("utf-8"))
    prompts = held_out_set(facts["prompts"], model=facts["model"], things=facts.get("things"))
    bench = Run(folder, prompts.prompts, args.candidates, facts["seed"])
    kept = ("model", "lora", "lora_strength", "call", "scorer", "judge", "things")
    bench.note({key: facts[key] for key in kept if key in facts})
    candidates = read_candidates(bench)
    single = candidates.correct.mean()
    result: dict[str, Any] = {
        "prompts": len(candidates.prompts),
        "single": float(single),
        "best_of": [best_of(candidates, n) for n in (2, 4, 8, 16, 32) if n <= args.candidates],
        "early_stopping": early_stopping(candidates),
    }
    print(
        f"{len(candidates.prompts)} prompts, {args.candidates} candidates each; one candidate: {single:.3f}"
    )
    for row in result["best_of"]:
        low, high = row["gain_interval"]
        print(f"best of {row['n']}: {row['accuracy']:.3f}, gain {row['gain']:.3f} [{low:.3f}, {high:.3f}]")
    stop = result["early_stopping"]
    low, high = stop["difference_interval"]
    print(
        f"early stopping: {stop['evaluations']:.3f} of the evaluations, accuracy {stop['accuracy']:.3f}, "
        f"difference {stop['difference']:.3f} [{low:.3f}, {high:.3f}]"
    )
    if not args.no_halving:
        from spatial_core.pipeline import SpatialDiffusionPipeline
        from spatial_core.pipeline.quiet import quiet_loading
        from spatial_trainers.bench.scorers import best_device, load_scorer

        scorer = args.preview_scorer or facts["scorer"]
        stages = [tuple(map(float, pair.split(":"))) for pair in args.stages.split(",")]
        with quiet_loading():
            pipeline: Any = SpatialDiffusionPipeline.from_pretrained(facts["model"], scorer=None)
        pipeline.set_scorer(load_scorer(scorer, device=best_device(None)))
        if facts["lora"]:
            pipeline.load_lora(facts["lora"], strength=facts["lora_strength"])
        pipeline.to(best_device(None))
        pipeline.set_progress_bar_config(disable=True)

        def halve(prompt: str, seed: int) -> tuple[int, float]:
            found = pipeline(
                prompt,
                num_candidates=args.candidates,
                search="halving",
                stages=stages,
                generator=torch.Generator().manual_seed(seed),
                **facts["call"],
            )
            return found.seeds[0], found.denoiser_evaluations

        key = f"{Path(scorer).name}-{args.stages.replace(':', '_').replace(',', '-')}"
        lines = run_halving(bench, candidates, halve, f"halving-{args.candidates}-{key}")
        steps = facts["call"].get("steps") or facts["call"].get("num_inference_steps")
        steps = steps or pipeline.call_defaults["num_inference_steps"]
        result["halving"] = halving(candidates, lines, steps=steps) | {
            "scorer": scorer,
            "stages": args.stages,
        }
        half = result["halving"]
        kept = "best-of-N gained nothing"
        if half["gain_kept"] is not None:
            low, high = half["gain_kept_interval"]
            kept = f"{half['gain_kept']:.3f} [{low:.3f}, {high:.3f}] of the gain kept"
        print(
            f"halving ({args.stages}, {scorer}): {half['evaluations']:.3f} of the evaluations, accuracy "
            f"{half['accuracy']:.3f}, {kept}"
        )
    write_text(folder / "search.json", json.dumps(result, indent=2) + "\n")
