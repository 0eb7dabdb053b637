"""The parser on third-party prompts with gold labels, read from the folder named by SPATIAL_EVAL_DATA."""

from __future__ import annotations

import difflib
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from spatial_core.language import SceneGraph, compare_graphs, parse_prompt

DATA = os.environ.get("SPATIAL_EVAL_DATA", "")
pytestmark = pytest.mark.skipif(not DATA, reason="SPATIAL_EVAL_DATA does not name the folder of gold labels")

RELATION_OF = {
    "left of": "left_of",
    "right of": "right_of",
    "above": "above",
    "below": "below",
    "on the left of": "left_of",
    "on the right of": "right_of",
    "on the top of": "on",
    "on the bottom of": "under",
    "on side of": "next_to",
    "next to": "next_to",
    "near": "near",
    "in front of": "in_front_of",
    "behind": "behind",
    "hidden by": "hidden_by",
}
LOCATED_WORDS = frozenset(
    "on under below above over beneath underneath behind beside near between inside around atop left "
    "right front next "
    "top bottom far facing against opposite hanging leaning".split()
)


def rows(name: str) -> list[dict[str, Any]]:
    path = Path(DATA) / name
    if not path.exists():
        pytest.skip(f"{path} is missing")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def triples(graph: SceneGraph) -> list[tuple[str, str, tuple[str, ...]]]:
    return [
        (
            graph.entities[r.subject].name,
            r.relation,
            tuple("picture" if o == "picture" else graph.entities[o].name for o in r.objects),
        )
        for r in graph.relations
    ]


def wrong_triples(found: list[dict[str, Any]]) -> list[str]:
    return [
        row["prompt"]
        for row in found
        if triples(parse_prompt(row["prompt"]))
        != [(row["subject"], RELATION_OF[row["relation"]], (row["object"],))]
    ]


def test_geneval_positions_are_exact() -> None:
    found = [row for row in rows("geneval_position_counting.jsonl") if "relation" in row]
    assert len(found) == 100
    assert wrong_triples(found) == []


def test_geneval_counts_are_exact() -> None:
    found = [row for row in rows("geneval_position_counting.jsonl") if "count" in row]
    assert len(found) == 80
    for row in found:
        graph = parse_prompt(row["prompt"])
        assert [(e.name, e.count) for e in graph.entities] == [(row["count_class"], row["count"])], row[
            "prompt"
        ]


@pytest.mark.parametrize("name", ["t2icompbench_spatial.jsonl", "t2icompbench_3d_spatial.jsonl"])
def test_t2i_compbench_triples(name: str) -> None:
    found = rows(name)
    wrong = wrong_triples(found)
    assert len(wrong) <= 0.01 * len(found), wrong[:10]


def overlap(a: tuple[int, int], b: tuple[int, int]) -> float:
    """Return the intersection over union of two spans."""
    shared = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    return shared / (max(a[1], b[1]) - min(a[0], b[0]))


def test_unigenbench_layout_phrases_are_covered() -> None:
    found = covered = 0
    for row in rows("unigenbench_layout_half.jsonl"):
        for dimension, phrase in row["layout"]:
            at = row["prompt"].lower().find(phrase.lower())
            if "Two-Dimensional" not in dimension or at < 0:
                continue
            found += 1
            gold = (at, at + len(phrase))
            covered += any(
                overlap(relation.span, gold) >= 0.5
                and relation.span[1] - relation.span[0] <= 1.5 * len(phrase)
                for relation in parse_prompt(row["prompt"]).relations
            )
    assert found >= 90
    assert covered / found >= 0.85


def words(text: str) -> list[str]:
    return re.findall(r"[a-z']+", text.lower())


def differing(a: str, b: str) -> set[str]:
    """Return the words in which two captions differ, by alignment."""
    left, right = words(a), words(b)
    changed: set[str] = set()
    for kind, i, j, k, m in difflib.SequenceMatcher(None, left, right, autojunk=False).get_opcodes():
        if kind != "equal":
            changed |= set(left[i:j]) | set(right[k:m])
    return changed


def test_sugarcrepe_changes_are_located() -> None:
    found = located = 0
    for row in rows("sugarcrepe_replace_rel_spatial.jsonl"):
        a, b = row["caption"], row["negative_caption"]
        if differing(a, b) & LOCATED_WORDS:
            found += 1
            located += bool(compare_graphs(parse_prompt(a), parse_prompt(b)))
    assert found >= 150
    assert located / found >= 0.90
