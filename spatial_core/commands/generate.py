"""`spatial generate`: draw several pictures of a prompt, judge them, keep the one that matches."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_core.commands.rank import SHEET_LIMIT, check_output
from spatial_core.commands.scoring import ImageResult, choose_device, positive_int
from spatial_core.commands.table import format_table, percent, signed

if TYPE_CHECKING:
    from PIL import Image

    from spatial_core.pipeline import ScoringError, SpatialPipelineOutput

HELP = "draw pictures of a prompt and keep the one that does what it says about space"

DEFAULT_OUT = "generated.png"
PICTURES = (".png", ".jpg", ".webp")


@dataclass(frozen=True)
class Drawn:
    """One candidate.

    Attributes:
        result: Its score and reports; `image` is its seed in words.
        picture: Its last picture.
        seed: What draws it again.
        finished: Whether it was drawn to the end; a pruned one has a preview.
    """

    result: ImageResult
    picture: Image.Image
    seed: int
    finished: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("prompt", metavar="PROMPT", help="what the picture should show")
    parser.add_argument(
        "--model",
        default="starter",
        metavar="NAME",
        help="'starter' (bundled: draws table-top scenes only), a diffusers folder, or a Hugging Face id",
    )
    parser.add_argument(
        "--scorer",
        metavar="NAME",
        help="who judges: 'starter', a folder or judge file, or a Hugging Face id (default: the one that the "
        "model was saved with)",
    )
    parser.add_argument(
        "--candidates",
        type=positive_int,
        default=8,
        metavar="N",
        help="pictures to choose from (default: %(default)s)",
    )
    parser.add_argument(
        "--search",
        choices=("best_of_n", "halving", "cached"),
        default="best_of_n",
        help="draw all to the end, drop the worst half on a preview, or draw quick drafts and the winner "
        "exactly (default: %(default)s)",
    )
    parser.add_argument(
        "--out", metavar="PNG", help=f"the winner (default: {DEFAULT_OUT}, unless there is a --sheet)"
    )
    parser.add_argument("--sheet", metavar="PNG", help="contact sheet of all candidates, relations ticked")
    parser.add_argument("--json", metavar="FILE", help="write the numbers as JSON; - prints them")
    parser.add_argument("--lora", metavar="FILE", help="LoRA to draw with: a safetensors file or a folder")
    parser.add_argument(
        "--lora-strength", type=float, default=1.0, metavar="X", help="(default: %(default)s)"
    )
    parser.add_argument(
        "--steps", type=positive_int, metavar="N", help="denoising steps (default: what the model asks for)"
    )
    parser.add_argument("--guidance", type=float, metavar="X", help="guidance scale (default: the model's)")
    parser.add_argument("--height", type=positive_int, metavar="PX", help="(default: the model's)")
    parser.add_argument("--width", type=positive_int, metavar="PX", help="(default: the model's)")
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="candidate i has seed S + i (default: %(default)s)"
    )
    parser.add_argument(
        "--micro-batch",
        type=positive_int,
        metavar="N",
        help="pictures drawn at a time (default: all; halved when memory runs out)",
    )
    parser.add_argument(
        "--device", metavar="DEVICE", help="cpu, cuda, cuda:1, mps (default: the best there is)"
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16", "float16"),
        help="type of the weights (default: float32 on a CPU, bfloat16 elsewhere)",
    )
    parser.add_argument(
        "--offload", action="store_true", help="keep only the model that is at work on the graphics card"
    )


def run(args: argparse.Namespace) -> None:
    """Draw, print, and write what was asked for."""
    out = args.out or (None if args.sheet else DEFAULT_OUT)
    for path, suffixes in ((out, PICTURES), (args.sheet, PICTURES), (args.json, ())):
        if path and path != "-":
            check_output(path, suffixes=suffixes)
    if note := _about_unknown(args):
        print(f"note: {note}", file=sys.stderr)
    drawn, evaluations = draw(args, keep_in=Path(out or args.sheet))
    winner = drawn[0]
    if args.json != "-":
        _print(drawn, evaluations)
    if out:
        _save(winner.picture, out)
    if args.sheet:
        _save(_sheet(drawn, args), args.sheet)
    if args.json:
        _write_json(drawn, evaluations, args)


def _about_unknown(args: argparse.Namespace) -> str:
    """Return what a small model that says what it has learned cannot draw of the prompt; "" for nothing."""
    from spatial_core.known_things import listed, unknown_things
    from spatial_core.language.parser import parse_prompt
    from spatial_core.starter import starter_path

    folder = starter_path("flow") if args.model == "starter" else Path(args.model)
    try:
        facts = json.loads((folder / "training.json").read_text("utf-8"))
        known: list[str] = facts["recipe"]["scenes"]["world"]["kinds"]
    except (OSError, ValueError, LookupError, TypeError):
        return ""
    names = unknown_things(parse_prompt(args.prompt), known)
    if not names:
        return ""
    return (
        f"this model has never learned to draw {listed(names)}. It knows {', '.join(known)}, and nothing "
        "else; name another --model for the rest."
    )


def draw(args: argparse.Namespace, *, keep_in: Path) -> tuple[list[Drawn], float]:
    """Return the candidates, the winner first, and how many denoising steps of one picture they took.

    Args:
        args: As `add_arguments` declares them.
        keep_in: If the scorer fails, the pictures that were already made are written into a folder named
            after this file.

    Raises:
        ValueError: If an argument does not fit, or the scorer fails.
        OSError: If a model cannot be had.
    """
    import torch

    from spatial_core.pipeline import ScoringError

    pipeline = _load(args)
    given = {
        "num_inference_steps": args.steps,
        "guidance_scale": args.guidance,
        "height": args.height,
        "width": args.width,
    }
    try:
        output = pipeline(
            args.prompt,
            num_candidates=args.candidates,
            search=args.search,
            micro_batch_size=args.micro_batch,
            explain=True,
            return_all_images=True,
            # A generator of the CPU draws the same noise on every device.
            generator=torch.Generator().manual_seed(args.seed),
            **{name: value for name, value in given.items() if value is not None},
        )
    except ScoringError as error:
        raise ValueError(f"{_first_sentence(error)} {_rescue(error, keep_in)}") from error
    return _candidates(output, args.prompt), output.denoiser_evaluations


def _load(args: argparse.Namespace) -> Any:
    import torch

    from spatial_core.pipeline import SpatialDiffusionPipeline
    from spatial_core.pipeline.quiet import quiet_loading

    device = choose_device(args.device)
    if args.offload and device.type == "cpu":
        raise ValueError("--offload needs a graphics card; this runs on the CPU. Leave it out.")
    dtype = getattr(torch, args.dtype or ("float32" if device.type == "cpu" else "bfloat16"))
    with quiet_loading():
        pipeline = SpatialDiffusionPipeline.from_pretrained(
            args.model, dtype=dtype, **({"scorer": args.scorer} if args.scorer else {})
        )
    if args.lora:
        pipeline.load_lora(args.lora, strength=args.lora_strength)
    if args.offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    pipeline.set_progress_bar_config(disable=not sys.stderr.isatty())
    return pipeline


def _candidates(output: SpatialPipelineOutput, prompt: str) -> list[Drawn]:
    from spatial_core.selection import rank

    pictures, relations = output.all_images or [], output.all_relations or []
    finished = output.all_finished
    # Scores of previews are not about the same thing: they do not compete.
    means = [mean if done else math.nan for mean, done in zip(output.all_scores, finished, strict=True)]
    ranking = rank(means, output.all_score_stds)
    drawn = [
        Drawn(
            ImageResult(
                image=f"seed {seed}" if finished[i] else f"seed {seed} (preview)",
                prompt=prompt,
                mean=output.all_scores[i],
                std=output.all_score_stds[i],
                satisfied=output.all_satisfied[i],
                p_best=float(ranking.p_best[i]) if finished[i] else math.nan,
                relations=tuple(relations[i]),
            ),
            pictures[i],
            seed,
            finished[i],
        )
        for i, seed in enumerate(output.all_seeds)
    ]
    return sorted(drawn, key=lambda one: (one.finished, one.result.mean), reverse=True)


def _sheet(drawn: Sequence[Drawn], args: argparse.Namespace) -> Image.Image:
    from spatial_core.report_sheet import SheetEntry, draw_sheet

    entries = [
        SheetEntry(
            image=one.picture,
            title=one.result.image,
            mean=one.result.mean,
            std=one.result.std,
            p_best=one.result.p_best,
            relations=one.result.relations,
        )
        for one in drawn[:SHEET_LIMIT]
    ]
    subtitle = f"{len(drawn)} candidates drawn by {args.model}, search {args.search}"
    return draw_sheet(entries, args.prompt, subtitle=subtitle)


def _save(picture: Image.Image, path: str) -> None:
    from spatial_core.atomic_files import atomic_path

    with atomic_path(path) as temporary:
        picture.save(temporary)


def _print(drawn: Sequence[Drawn], evaluations: float) -> None:
    rows = [
        (
            str(place),
            one.result.image,
            one.result.share(),
            percent(one.result.p_best),
            f"{signed(one.result.mean)} +/- {one.result.std:.2f}",
        )
        for place, one in enumerate(drawn, start=1)
    ]
    print(format_table(("rank", "candidate", "satisfied", "P(best)", "score"), rows))
    print(f"{evaluations:.0f} denoising steps of one picture")


def _write_json(drawn: Sequence[Drawn], evaluations: float, args: argparse.Namespace) -> None:
    from spatial_core.atomic_files import write_text

    candidates: list[dict[str, Any]] = []
    for place, one in enumerate(drawn, start=1):
        numbers = replace(one.result, image="").to_dict()
        del numbers["image"], numbers["prompt"]
        candidates.append({"rank": place, "seed": one.seed, "finished": one.finished, **numbers})
    report = {
        "prompt": args.prompt,
        "model": args.model,
        "search": args.search,
        "denoiser_evaluations": evaluations,
        "candidates": candidates,
    }
    text = json.dumps(report, indent=2)
    if args.json == "-":
        print(text)
    else:
        write_text(args.json, text + "\n")


def _first_sentence(error: ScoringError) -> str:
    return str(error).split(" The ", maxsplit=1)[0]


def _rescue(error: ScoringError, near: Path) -> str:
    """Write the pictures that were already made, and return a sentence that says where they are."""
    folder = near.with_name(f"{near.stem}-unscored")
    folder.mkdir(exist_ok=True)
    for seed, picture in zip(error.seeds, error.images, strict=True):
        _save(picture, str(folder / f"seed-{seed}.png"))
    return f"The {len(error.images)} pictures that were already made are in '{folder}'."
