"""The comparison of two runs as Markdown, JSON and a sheet of pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from spatial_core.atomic_files import write_text
from spatial_core.localizer import SpatialLocalizer
from spatial_trainers.bench.perceptual_distance import PerceptualDistance
from spatial_trainers.bench.run_comparison import (
    Judged,
    compare_pictures,
    compare_verdicts,
    pictures_of,
)
from spatial_trainers.sample_grid import save_grid

REPORT, NUMBERS, SHEET = "comparison.md", "comparison.json", "sheet.png"


def save_comparison(
    before: Judged,
    after: Judged,
    prompts: Sequence[int],
    folder: Path,
    *,
    real: Tensor | None,
    sheet: int,
) -> str:
    """Compare, write `comparison.md`, `comparison.json` and `sheet.png`, and return the Markdown.

    Args:
        before, after: The runs.
        prompts: That both have.
        folder: To write into.
        real: uint8 `[R, 3, H, W]`, for the probes; None leaves them out.
        sheet: How many prompts' first pictures to show side by side.
    """
    found = compare_verdicts(before, after, prompts)
    if min(before.run.images, after.run.images) > 1:
        distance = PerceptualDistance(SpatialLocalizer.from_pretrained("starter"))
        found |= compare_pictures(before, after, prompts, distance, real=real)
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / NUMBERS, json.dumps(found, indent=2) + "\n")
    report = markdown(before, after, found)
    write_text(folder / REPORT, report)
    shown = list(prompts)[:sheet]
    columns = [
        (name, torch.stack([pictures_of(side, j)[:1] for j in shown]))
        for name, side in (("before", before), ("after", after))
    ]
    save_grid(folder / SHEET, [_text(before, j) for j in shown], columns)
    return report


def markdown(before: Judged, after: Judged, found: Mapping[str, Any]) -> str:
    """Return the report."""
    lines = [
        "# Before and after",
        "",
        f"Before: {_named(before)}. After: {_named(after)}. {found['accuracy']['prompts']} prompts with "
        f"{before.run.images} and {after.run.images} pictures each, the same seeds, judged by "
        f"{before.facts['judge']}. Brackets: 95 %, bootstrapped over prompts.",
        "",
        "| what | before | after | change | prompts |",
        "|---|---|---|---|---|",
        _row("pictures right (spatial accuracy)", found["accuracy"]),
        _row("chance", found["chance"]),
        _row("pictures with everything that relations speak of", found["presence"]),
    ]
    if "diversity" in found:
        lines.append(_row("difference among the pictures of a prompt", found["diversity"]))
    if "diversity_right" in found:
        lines.append(_row("- among its right pictures", found["diversity_right"]))
    if "diversity" in found:
        lines.append(_row("sharpness (RMS step between neighbouring pixels, of 255)", found["sharpness"]))
        lines += ["", f"Diversity after / before: {_times(found['diversity'])}."]
    if "diversity_right" in found:
        row = found["diversity_right"]
        lines[-1] += (
            f" Among right pictures, of prompts of which both have two or more: {_times(row)}; there all "
            f"pictures before came to {row['all_before']:.3f}, the right ones alone to {row['before']:.3f}."
        )
    if "told_from_real" in found:
        said = [
            f"{row['accuracy']:.3f} [{row['low']:.3f}, {row['high']:.3f}] {name}"
            for name, row in found["told_from_real"].items()
        ]
        lines += ["", f"Told from real pictures by a small classifier (.5 is a guess): {', '.join(said)}."]
    for title, key in (("relations in the prompt", "by_relations"), ("relation", "by_family")):
        lines += ["", f"| {title} | before | after | change | prompts |", "|---|---|---|---|---|"]
        lines += [_row(name, row) for name, row in found[key].items()]
    return "\n".join(lines) + "\n"


def _row(name: str, row: Mapping[str, Any]) -> str:
    low, high = row["interval"]
    change = f"{row['change']:+.3f} [{low:+.3f}, {high:+.3f}]"
    return f"| {name} | {row['before']:.3f} | {row['after']:.3f} | {change} | {row['prompts']} |"


def _times(row: Mapping[str, Any]) -> str:
    low, high = row["ratio_interval"]
    return f"{row['ratio']:.3f} [{low:.3f}, {high:.3f}]"


def _named(side: Judged) -> str:
    lora = f" with the LoRA {Path(side.facts['lora']).name}" if side.facts.get("lora") else ""
    return f"{Path(side.facts['model']).name}{lora}"


def _text(side: Judged, prompt: int) -> str:
    return "; ".join(relation["text"] for relation in side.lines[prompt][0]["relations"])
