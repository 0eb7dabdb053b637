"""The generation benchmark for people: the paper's Table 2, the finer tables, a plot, the worst failures."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from spatial_core.atomic_files import atomic_path
from spatial_core.report_sheet import SheetEntry, draw_sheet
from spatial_trainers.bench.generation_run import SCORES, VERDICTS, Run, reports_of
from spatial_trainers.bench.journal import read_journal
from spatial_trainers.bench.published import TABLE_2, TABLE_2_COLUMNS
from spatial_trainers.pairs.accuracy import number, table_line

SHEET_LIMIT = 12
LISTED = 20
"""Prompts that the report names of those that were left out."""


def table_2(name: str, metrics: Mapping[str, Any]) -> str:
    """Return the paper's Table 2 in Markdown: what was measured, then the published rows."""
    score, tags = metrics["score"], metrics["by_tag"]
    cells = [f"{score['mean']:.2f}" if score else "-"]
    cells += [number(tags[c]["accuracy"]) if c in tags else "-" for c in TABLE_2_COLUMNS[1:]]
    lines = [
        f"| generator | {' | '.join(TABLE_2_COLUMNS)} |",
        "|---" * (len(TABLE_2_COLUMNS) + 1) + "|",
        f"| {name} | {' | '.join(cells)} |",
    ]
    for row, values in TABLE_2:
        shown = [f"{values[0]:.2f}", *(f"{value:.3f}" for value in values[1:])]
        lines.append(f"| {row} (*published*) | {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def report(summary: Mapping[str, Any]) -> str:
    """Return the whole report in Markdown.

    Args:
        summary: `name`, `prompts` (file and form), `scorer`, `judge`, `call` and `metrics`, and `files` of
            other benchmarks' forms, as `spatial bench-generation` writes them to `report.json`.
    """
    m = summary["metrics"]
    parts = [
        f"# Generation benchmark: {summary['name']}\n",
        f"{m['prompts']} prompts of `{summary['prompts']['name']}` (form {summary['prompts']['form']}), "
        f"{m['images_a_prompt']} images each, {m['failed_images']} not drawn. Scores by {summary['scorer']}, "
        f"verdicts by {summary['judge']}. A picture is right if every relation of its prompt is judged true; "
        "chance is the same pictures judged against the inverse of their prompts. Brackets are 95 % Wilson "
        "intervals, in which the images of a prompt count as one.\n",
        "| what | share | 95 % | n |",
        "|---|---|---|---|",
        table_line("pictures right (spatial accuracy)", m["accuracy"]),
        table_line("chance", m["chance"]),
        table_line("single relations true", m["relations"]),
        "",
    ]
    if m["score"]:
        error = m["score"]["standard_error"]
        spread = (
            "" if error is None else f" (standard error {error:.3f} over {m['score']['prompts']} prompts)"
        )
        parts.append(f"Mean score {m['score']['mean']:.3f}{spread}; comparable under one scorer only.\n")
    parts += [
        "## Table 2\n",
        table_2(summary["name"], m),
        "Rows marked *published* are the paper's (arXiv 2602.24233), judged by each benchmark's own model. "
        f"In the measured row the shares are of pictures whose relations {summary['judge']} judged all true, "
        "and the score is on this scorer's scale: it shows the form and does not compare with the others.\n",
    ]
    if m["at_n"]:
        parts += ["## Drawing more than one\n", _at_n(m["at_n"])]
    if m["by_family"]:
        parts += ["## By relation\n", _families(m["by_family"])]
    for key, label in (("by_relations", "relations of the prompt"), ("by_tag", "kind of prompt")):
        if m[key]:
            head = f"| {label} | pictures right | 95 % | n |\n|---|---|---|---|\n"
            lines = [table_line(name, row) for name, row in m[key].items()]
            parts += [f"## By {label}\n", head + "\n".join(lines) + "\n"]
    for key, label in (("not_judged", "judged"), ("not_scored", "scored")):
        if m[key]:
            parts += [f"## Prompts that were not {label}\n", _left_out(m[key])]
    if summary["files"]:
        parts += ["## Files in the form of other benchmarks\n"]
        parts += [f"- {name}: `{path}`" for name, path in summary["files"].items()]
        parts.append("")
    return "\n".join(parts)


def draw_plot(metrics: Mapping[str, Any], path: Path, *, title: str) -> None:
    """Draw accuracy by family beside what is gained by drawing more images."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    families = sorted(metrics["by_family"].items(), key=lambda item: item[1]["accuracy"])
    figure = Figure(figsize=(11, max(3.6, 1.6 + 0.24 * len(families))), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    figure.suptitle(title)
    share = [row["accuracy"] for _, row in families]
    error = [
        [row["accuracy"] - row["low"] for _, row in families],
        [row["high"] - row["accuracy"] for _, row in families],
    ]
    left.barh(range(len(families)), share, xerr=error, color="C0", ecolor="0.3", capsize=2)
    left.set(
        yticks=range(len(families)),
        yticklabels=[f"{name.replace('_', ' ')} ({row['n']})" for name, row in families],
        xlim=(0, 1),
        xlabel="share of relations judged true",
    )
    curves = metrics["at_n"]
    numbers = [row["n"] for row in curves]
    for key, label in (("pass", "any of n is right"), ("best_of_n", "the scorer's best of n is right")):
        if curves and all(key in row for row in curves):
            right.plot(numbers, [row[key] for row in curves], marker="o", markersize=4, label=label)
    right.axhline(metrics["chance"]["accuracy"] or 0.0, color="0.5", linestyle=":", label="chance")
    right.set(ylim=(0, 1), xlabel="images drawn for a prompt (n)", ylabel="share of prompts", xticks=numbers)
    right.legend(frameon=False, fontsize=9)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def draw_failures(run: Run, path: Path, *, title: str) -> int:
    """Draw the worst images, one a prompt, worst first; returns how many prompts have an image that failed.

    Worst is the smallest share of relations judged true, then the lowest score.
    """
    scores = {(s["prompt"], s["image"]): s for s in read_journal(run.folder / SCORES)}
    worst: dict[int, tuple[tuple[float, float], Mapping[str, Any]]] = {}
    for line in read_journal(run.folder / VERDICTS):
        if line["correct"] or line["image"] >= run.images:
            continue
        place = (line["prompt"], line["image"])
        true = sum(r["verdict"] == "true" for r in line["relations"]) / len(line["relations"])
        mean = scores[place]["mean"] if place in scores else None
        rank = (true, 0.0 if mean is None else mean)
        if place[0] not in worst or rank < worst[place[0]][0]:
            worst[place[0]] = (rank, line)
    shown = sorted(worst.values(), key=lambda found: found[0])[:SHEET_LIMIT]
    if not shown:
        return 0
    entries = [_entry(run, line, scores) for _, line in shown]
    sheet = draw_sheet(
        entries, f"The worst failures of {title}", subtitle=f"{len(shown)} of {len(worst)} prompts"
    )
    with atomic_path(path) as temporary:
        sheet.save(temporary)
    return len(worst)


def _entry(
    run: Run, line: Mapping[str, Any], scores: Mapping[tuple[int, int], Mapping[str, Any]]
) -> SheetEntry:
    place = (line["prompt"], line["image"])
    score = scores.get(place, {"mean": None, "std": None})
    known = {} if score["mean"] is None else {"mean": score["mean"], "std": score["std"]}
    with Image.open(run.path(place)) as opened:
        picture = opened.convert("RGB")
    title = f"{run.prompts[place[0]].id}, image {place[1]}"
    return SheetEntry(picture, title, relations=reports_of(line), **known)


def _left_out(reasons: Mapping[str, str]) -> str:
    shown = [f"- {prompt}: {reason}" for prompt, reason in reasons.items()]
    more = [f"- and {len(shown) - LISTED} more (all in report.json)"] if len(shown) > LISTED else []
    return "\n".join([*shown[:LISTED], *more]) + "\n"


def _at_n(rows: list[dict[str, Any]]) -> str:
    lines = [
        f"Estimated without bias from all images of {rows[0]['prompts']} prompts: is any of n right, and is "
        "the one that the scorer likes best.\n",
        "| n | pass@n | best of n | mean score of the best |",
        "|---|---|---|---|",
    ]
    for row in rows:
        best = f"{row['best_of_n']:.3f} | {row['score']:.3f}" if "best_of_n" in row else "- | -"
        lines.append(f"| {row['n']} | {row['pass']:.3f} | {best} |")
    return "\n".join(lines) + "\n"


def _families(rows: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| relation | judged true | 95 % | true | false | ambiguous |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        lines.append(
            f"| {name} | {row['accuracy']:.3f} | [{row['low']:.3f}, {row['high']:.3f}] | {row['true']} "
            f"| {row['false']} | {row['ambiguous']} |"
        )
    return "\n".join(lines) + "\n"
