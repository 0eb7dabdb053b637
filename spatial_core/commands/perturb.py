"""`spatial perturb`: prompts that differ from a given one only in what they say about space."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from spatial_core.commands.scoring import positive_int

if TYPE_CHECKING:
    from spatial_core.language.perturb import Perturbation

HELP = "rewrite a prompt so that one to three of its relations become false"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("prompt", metavar="PROMPT", help="a prompt that states spatial relations")
    parser.add_argument(
        "--num-edits", type=positive_int, default=1, metavar="N", help="how many edits (default: %(default)s)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, metavar="S", help="same seed, same prompts (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each prompt")


def run(args: argparse.Namespace) -> None:
    """Perturb and print, in the order that the seed gives."""
    import numpy as np

    from spatial_core.language.parser import parse_prompt
    from spatial_core.language.perturb import perturb

    graph = parse_prompt(args.prompt)
    if not graph.relations:
        raise ValueError(
            "this prompt states no spatial relation that could be read from it, so none can be edited."
        )
    found = perturb(graph, args.num_edits, np.random.default_rng(args.seed))
    if not found:
        raise ValueError(
            f"found no way to make this prompt false with {args.num_edits} edits. Try another --num-edits."
        )
    for perturbation in found:
        print(json.dumps(_to_dict(perturbation)) if args.json else _describe(perturbation))


def _to_dict(perturbation: Perturbation) -> dict[str, Any]:
    return {
        "prompt": perturbation.prompt,
        "graph": perturbation.graph.to_dict(),
        "edits": [
            {
                "kind": edit.kind,
                "relation_index": edit.relation_index,
                "before": edit.before,
                "after": edit.after,
                "span": list(edit.span),
            }
            for edit in perturbation.edits
        ],
    }


def _describe(perturbation: Perturbation) -> str:
    edits = "; ".join(f'{edit.kind}: "{edit.before}" -> "{edit.after}"' for edit in perturbation.edits)
    return f"{perturbation.prompt}\n  {edits}"
