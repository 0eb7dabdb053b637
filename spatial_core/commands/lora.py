"""`spatial lora inspect` and `spatial lora convert`: what a LoRA file is, and a form that loads anywhere."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spatial_core.lora import Lora

HELP = "inspect LoRA files, and convert them to the form that diffusers and ComfyUI read alike"

DTYPES = ("float32", "float16", "bfloat16")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    verbs = parser.add_subparsers(title="verbs", metavar="VERB", required=True)
    inspect = verbs.add_parser(
        "inspect",
        help="print a LoRA's form, ranks, scale, base and training card",
        description="Print what a LoRA is: its form, its ranks and scales, what it was trained for and how. "
        "With --base, also whether it fits.",
    )
    inspect.add_argument(
        "lora", metavar="FILE|FOLDER", help="safetensors file, or a PEFT or diffusers folder"
    )
    inspect.add_argument("--json", action="store_true", help="print one JSON object")
    inspect.set_defaults(action=_inspect)
    convert = verbs.add_parser(
        "convert",
        help="write a LoRA folded, under diffusers' names",
        description="Write a LoRA with its scale folded into its weights, under diffusers' names: the form "
        "that acts alike in diffusers and in ComfyUI.",
    )
    convert.add_argument("lora", metavar="IN", help="safetensors file, or a PEFT or diffusers folder")
    convert.add_argument("out", metavar="OUT", help="file ending in .safetensors, or a folder")
    convert.add_argument("--dtype", choices=DTYPES, help="of the stored weights (default: as they are)")
    convert.add_argument("--title", default="", metavar="TEXT", help="name shown by model managers")
    convert.set_defaults(action=_convert)
    for verb in (inspect, convert):
        verb.add_argument("--base", metavar="FOLDER", help="pipeline or denoiser folder to check it against")
        verb.add_argument(
            "--alpha", type=float, metavar="A", help="alpha of a PEFT file that lost its adapter_config.json"
        )


def run(args: argparse.Namespace) -> int:
    """Inspect or convert."""
    return args.action(args)


def _inspect(args: argparse.Namespace) -> int:
    """Print; the exit code is 2 where --base does not fit."""
    from spatial_core.lora import check_fit, read_base, read_lora

    lora = read_lora(args.lora, alpha=args.alpha)
    base = read_base(args.base) if args.base else None
    fit = check_fit(lora, base.shapes) if base else None
    if args.json:
        print(json.dumps(_facts(lora) | ({"fit": asdict(fit)} if fit else {})))
    else:
        print(_describe(lora))
        if base and fit:
            print(f"{'base':<9}{base.name} ({base.base_class}): {fit.explain()}")
    return 0 if fit is None or fit.complete else 2


def _convert(args: argparse.Namespace) -> int:
    """Read, check, fold and write."""
    import torch

    from spatial_core.lora import check_fit, read_base, read_lora, save_lora

    lora = read_lora(args.lora, alpha=args.alpha)
    base_class = ""
    if args.base:
        base = read_base(args.base)
        fit = check_fit(lora, base.shapes)
        if not fit.complete:
            raise ValueError(fit.explain())
        base_class = base.base_class
    dtype = getattr(torch, args.dtype) if args.dtype else None
    file = save_lora(lora, args.out, base_class=base_class, title=args.title, dtype=dtype)
    print(f"{file}: {len(lora.layers)} weights, scale {_numbers(lora.scales)} folded in.")
    return 0


def _facts(lora: Lora) -> dict[str, Any]:
    return {
        "form": lora.form,
        "alpha_from": lora.alpha_from,
        "weights": len(lora.layers),
        "components": sorted({key.split(".")[0] for key in lora.layers}),
        "ranks": list(lora.ranks),
        "scales": list(lora.scales),
        "base": lora.base,
        "card": asdict(lora.card) if lora.card else None,
        "names": sorted(lora.layers),
    }


def _describe(lora: Lora) -> str:
    facts = _facts(lora)
    rows = [
        ("form", f"{lora.form_name}; alpha from {lora.alpha_from}"),
        ("weights", f"{facts['weights']} of {', '.join(facts['components'])}"),
        ("rank", ", ".join(map(str, lora.ranks))),
        ("scale", _numbers(lora.scales)),
        ("trained", f"for {lora.base}" if lora.base else "for a base that the file does not name"),
        *(("card", line) for line in (lora.card.lines() if lora.card else ())),
    ]
    return "\n".join(f"{name:<9}{text}" for name, text in rows)


def _numbers(values: tuple[float, ...]) -> str:
    shown = [f"{value:g}" for value in values]
    return ", ".join(shown) if len(shown) <= 6 else f"{shown[0]} to {shown[-1]}"
