"""`spatial measure-starter`: what a starter generator draws, by the localizer."""

from __future__ import annotations

import argparse

HELP = "measure a starter flow model on held-out prompts: presence of named things and spatial accuracy"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "model", nargs="?", default="starter", help="folder of the pipeline; default: starter"
    )
    parser.add_argument("--lora", metavar="FILE", help="LoRA to draw with: a safetensors file or a folder")
    parser.add_argument("--localizer", default="starter", help="folder of the judge")
    parser.add_argument("--prompts", type=int, default=320, help="for the spatial accuracy; default: 320")
    parser.add_argument("--steps", type=int, default=12, help="denoising steps; default: 12")
    parser.add_argument("--output", default="", help="JSON file for the numbers")


def run(args: argparse.Namespace) -> None:
    """Draw, judge, print.

    Raises:
        ValueError: If there are no prompts to draw.
    """
    if args.prompts < 1:
        raise ValueError(f"--prompts must be at least 1; got {args.prompts}.")
    import json

    import torch

    from spatial_core.atomic_files import write_text
    from spatial_core.localizer import SpatialLocalizer
    from spatial_core.pipeline import SpatialDiffusionPipeline
    from spatial_trainers.flow.measure import measure
    from spatial_trainers.flow.world import trained_world

    pipeline = SpatialDiffusionPipeline.from_pretrained(args.model, scorer=None, dtype=torch.float32)
    if args.lora:
        pipeline.load_lora(args.lora)
    base = pipeline.to_base()
    base.set_progress_bar_config(disable=True)
    localizer = SpatialLocalizer.from_pretrained(args.localizer)
    table = measure(base, localizer, prompts=args.prompts, steps=args.steps, world=trained_world(args.model))
    text = json.dumps(table, indent=2)
    if args.output:
        write_text(args.output, text + "\n")
    print(text)
