"""`spatial bench-generation`: how often a generator puts things where prompts want them."""

from __future__ import annotations

import argparse
from pathlib import Path

HELP = "measure a text-to-image model on spatial prompts: scores, verdicts of an independent judge, pass@N"

_CALL = (
    ("steps", "num_inference_steps", int),
    ("guidance", "guidance_scale", float),
    ("height", "height", int),
    ("width", "width", int),
    ("max-sequence-length", "max_sequence_length", int),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "prompts",
        help="prompt file or folder of GenEval, T2I-CompBench, VISOR, DPG, TIIF or UniGenBench, a manifest "
        "of pairs, a text file of one prompt a line, or 'held-out': table-top prompts that no starter saw",
    )
    parser.add_argument("--form", default="auto", help="of the prompt file (default: by its content)")
    parser.add_argument("--limit", type=int, metavar="N", help="only the first N prompts (held-out: 320)")
    parser.add_argument(
        "--things",
        type=int,
        choices=(2, 3, 4, 5),
        help="held-out: only prompts that name so many; five are more than starters are trained on",
    )
    parser.add_argument(
        "--spatial-only", action="store_true", help="leave out prompts that state no relation"
    )
    parser.add_argument(
        "--model",
        default="starter",
        metavar="NAME",
        help="'starter', a diffusers folder, or a Hugging Face id",
    )
    parser.add_argument("--name", help="of the generator, in the reports (default: the model's last part)")
    parser.add_argument("--lora", metavar="FILE", help="LoRA to draw with: a safetensors file or a folder")
    parser.add_argument(
        "--lora-strength", type=float, default=1.0, metavar="X", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--images", type=int, default=4, metavar="N", help="of each prompt; also N of best-of-N (default: 4)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the first image (default: %(default)s)")
    parser.add_argument(
        "--scorer",
        default="starter",
        metavar="NAME",
        help="mean score and choice of the best (default: starter)",
    )
    parser.add_argument(
        "--judge",
        default="localizer",
        metavar="NAME",
        help="who says what is right; never what the generator was trained or chosen by (default: localizer, "
        "which knows table-top scenes only; for real pictures e.g. google/owlv2-base-patch16-ensemble)",
    )
    parser.add_argument("--depth", metavar="NAME", help="depth model to go with a detector as --judge")
    for flag, _, kind in _CALL:
        parser.add_argument(f"--{flag}", type=kind, help="(default: the model's)")
    parser.add_argument(
        "--out", default="runs/bench-generation", metavar="DIR", help="(default: %(default)s)"
    )
    parser.add_argument("--batch-size", type=int, default=4, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, mps (default: the best there is)")
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16", "float16"), help="of the generator's weights"
    )


def run(args: argparse.Namespace) -> None:
    """Draw, judge, then print the paper's table.

    Raises:
        ValueError: If an argument does not fit.
    """
    if min(args.images, args.batch_size, 1 if args.limit is None else args.limit) < 1:
        raise ValueError("--images, --batch-size and --limit must be at least 1.")
    if args.things and args.prompts != "held-out":
        raise ValueError(f"--things goes with the prompts 'held-out' alone; got {args.prompts!r}.")
    import torch
    from transformers.utils import logging

    from spatial_trainers.bench.drawing import load_drawer
    from spatial_trainers.bench.generation_benchmark import (
        REPORT,
        SHEET,
        held_out_set,
        limited,
        run_generation_benchmark,
        spatial_only,
    )
    from spatial_trainers.bench.generation_report import table_2
    from spatial_trainers.bench.generation_run import Run
    from spatial_trainers.bench.plotting import NO_PLOT, can_plot
    from spatial_trainers.bench.prompt_files import read_prompts
    from spatial_trainers.bench.scorers import best_device, load_scorer

    logging.disable_progress_bar()
    if args.prompts == "held-out":
        prompts = held_out_set(args.limit or 320, model=args.model, things=args.things)
    else:
        prompts = read_prompts(args.prompts, form=args.form)
    prompts = limited(spatial_only(prompts) if args.spatial_only else prompts, args.limit)
    device = best_device(args.device)
    call = {
        name: value for flag, name, _ in _CALL if (value := getattr(args, flag.replace("-", "_"))) is not None
    }
    facts = {
        "model": args.model,
        "lora": args.lora,
        "lora_strength": args.lora_strength if args.lora else None,
        "call": call,
        "scorer": args.scorer,
        "judge": args.judge,
        **({"things": args.things} if args.things else {}),
    }
    name = args.name or Path(args.model).name
    summary = run_generation_benchmark(
        Run(Path(args.out), prompts.prompts, args.images, args.seed),
        prompts,
        facts,
        name=name,
        draw=lambda: load_drawer(
            args.model,
            call,
            lora=args.lora,
            lora_strength=args.lora_strength,
            device=device,
            dtype=getattr(torch, args.dtype) if args.dtype else None,
        ),
        scorer=lambda: load_scorer(args.scorer, device=device),
        judge=lambda: load_scorer(args.judge, device=device, depth=args.depth),
        batch_size=args.batch_size,
    )
    metrics = summary["metrics"]
    accuracy, chance = metrics["accuracy"], metrics["chance"]
    if accuracy["n"]:
        print(
            f"spatial accuracy {accuracy['accuracy']:.3f} [{accuracy['low']:.3f}, {accuracy['high']:.3f}], "
            f"chance {chance['accuracy']:.3f} [{chance['low']:.3f}, {chance['high']:.3f}], "
            f"{accuracy['n']} images of {metrics['prompts'] - len(metrics['not_judged'])} prompts\n"
        )
    print(table_2(name, metrics))
    print(f"Every table is in {args.out}/{REPORT}, the worst failures in {args.out}/{SHEET}.")
    if not can_plot():
        print(NO_PLOT)
