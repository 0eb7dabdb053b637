"""`spatial parse`: what a prompt says about space."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from spatial_core.language.scene_graph import SceneGraph

HELP = "show the entities and relations that a prompt states"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "prompts",
        nargs="*",
        default=["-"],
        metavar="PROMPT",
        help="prompts; - reads one a line from standard input (the default)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each prompt")


def run(args: argparse.Namespace) -> None:
    """Parse and print, prompt by prompt."""
    from spatial_core.language.parser import parse_prompt

    for prompt in _prompts(args.prompts):
        graph = parse_prompt(prompt)
        # Flushed, so that a program at the other end of a pipe gets its answer before it asks again.
        print(json.dumps(graph.to_dict()) if args.json else describe(graph), flush=True)


def describe(graph: SceneGraph) -> str:
    """Return the prompt, then every relation as a statement with the words behind it."""
    lines = [graph.text]
    if not graph.relations:
        lines.append("  no spatial relation")
    for relation in graph.relations:
        lines.append(f'  {relation.relation:<15} {graph.clause(relation)}  <- "{graph.words(relation)}"')
    related = {i for r in graph.relations for i in (r.subject, *r.objects)}
    for entity in graph.entities:
        if entity.count != 1 or entity.id not in related:
            lines.append(f"  {'entity':<15} {entity.count} x {entity.describe()}")
    return "\n".join(lines) + "\n"


def _prompts(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        if word != "-":
            yield word
            continue
        if isinstance(sys.stdin, io.TextIOWrapper):
            # One object a line whatever the bytes are: a stray byte must not end the stream.
            sys.stdin.reconfigure(encoding="utf-8", errors="replace")
        for line in sys.stdin:
            yield line.removesuffix("\n")
