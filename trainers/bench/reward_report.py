"""The reward benchmark for people: the paper's Table 1, the finer tables, and a plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from spatial_core.atomic_files import atomic_path
from spatial_core.statistics import wilson_interval
from spatial_trainers.bench.published import MORE_EDITS, ONE_EDIT, TABLE_1
from spatial_trainers.pairs.accuracy import number, table_line

_PUBLISHED_NOTE = (
    "Rows marked *published* are the paper's (arXiv 2602.24233), on the authors' 365 pairs of generated "
    "photographs, which are not public. They show the form and the scale and do not compare with other pairs."
)
_FINER = (
    ("by_relations", "relations of the prompt"),
    ("by_family", "edited relation"),
    ("by_family_one_edit", "edited relation, pairs with one edit"),
    ("by_edit_type", "edit"),
    ("by_scene", "scene"),
    ("by_tag", "kind of pair"),
)
_LISTED = 10


def table_1(results: Mapping[str, Mapping[str, Any]], probes: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return the paper's Table 1 in Markdown: what was measured, then the published rows."""
    lines = [
        "| scorer | 1 edit | 2-3 edits | all | 95 % | n |",
        "|---|---|---|---|---|---|",
    ]
    for name, metrics in results.items():
        row = metrics["one_way"]
        cells = [number(row[key]["accuracy"]) for key in ("1", "2-3", "all")]
        lines.append(f"| {name} | {' | '.join(cells)} | {_interval(row['all'])} | {row['all']['n']} |")
    lines += [
        f"| {p['probe']} only (trained probe) | - | - | {p['accuracy']:.3f} | {_interval(p)} | {p['total']} |"
        for p in probes
    ]
    total = ONE_EDIT + MORE_EDITS
    for row in TABLE_1:
        low, high = wilson_interval(round(row.overall * total), total)
        lines.append(
            f"| {row.name} (*published*) | {row.one:.3f} | {row.more:.3f} | {row.overall:.3f} "
            f"| [{low:.3f}, {high:.3f}] | {total} |"
        )
    return "\n".join(lines) + "\n"


def report(run: Mapping[str, Any]) -> str:
    """Return the whole report in Markdown.

    Args:
        run: `pairs` (name, split, number, sha256), `scorers` (what each is), `results` by scorer, `mcnemar`
            and `probes`, as `spatial bench-reward` writes them to `report.json`.
    """
    pairs, results = run["pairs"], run["results"]
    parts = [
        f"# Reward benchmark: {pairs['name']}\n",
        f"{pairs['number']} pairs of the split '{pairs['split']}'; manifest's sha256 `{pairs['sha256']}`. "
        "Ties count half; brackets are 95 % Wilson intervals.\n",
        "## Table 1\n",
        "One comparison a pair: the prompt with its own picture and with the other prompt's.\n",
        table_1(results, run["probes"]),
        _PUBLISHED_NOTE + "\n",
        "## Both directions\n",
        "Each pair is also judged by its other prompt, for which the other picture is right. A pair counts "
        "under *both right* if both comparisons are; the two count as one in the intervals.\n",
        _table("scorer", {name: m["accuracy"] for name, m in results.items()}, column="accuracy, both ways"),
        _table("scorer", {name: m["both_ways"] for name, m in results.items()}, column="both right"),
    ]
    if run["mcnemar"]:
        parts += [
            "## Is one scorer better than the other?\n",
            "McNemar's exact test on the comparisons of Table 1; a tie is not right.\n",
            _mcnemar(run["mcnemar"]),
        ]
    parts += ["## Calibration\n", _calibration(results)]
    for key, label in _FINER:
        tables = [(name, m[key]) for name, m in results.items() if m[key]]
        if tables:
            parts.append(f"## By {label}\n")
            parts += [f"{name}:\n\n{_table(label, table)}" for name, table in tables]
    parts += ["## Ties\n", *(_ties(name, m) for name, m in results.items())]
    return "\n".join(parts)


def draw_plot(results: Mapping[str, Mapping[str, Any]], path: Path, *, title: str) -> None:
    """Draw accuracies with their intervals, and the calibration curves of scorers that give probabilities."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    bars, curve = figure.subplots(1, 2, width_ratios=[1.4, 1])
    figure.suptitle(title)
    groups = (("1", "1 edit"), ("2-3", "2-3 edits"), ("all", "all"))
    width = 0.8 / len(results)
    for place, (name, metrics) in enumerate(results.items()):
        rows = [(at, metrics["one_way"][key]) for at, (key, _) in enumerate(groups)]
        rows = [(at, row) for at, row in rows if row["n"]]
        at = [x + (place - (len(results) - 1) / 2) * width for x, _ in rows]
        height = [row["accuracy"] for _, row in rows]
        error = [
            [row["accuracy"] - row["low"] for _, row in rows],
            [row["high"] - row["accuracy"] for _, row in rows],
        ]
        bars.bar(
            at, height, width * 0.92, yerr=error, label=name, color=f"C{place}", ecolor="0.25", capsize=2
        )
        if metrics["calibration"]:
            bins = metrics["calibration"]["curve"]
            curve.plot(
                [b["predicted"] for b in bins],
                [b["observed"] for b in bins],
                marker="o",
                markersize=4,
                color=f"C{place}",
                label=name,
            )
    bars.axhline(0.5, color="0.5", linestyle=":", linewidth=1)
    bars.set(
        xticks=range(3),
        xticklabels=[label for _, label in groups],
        ylim=(0, 1.02),
        ylabel="pairwise accuracy",
    )
    bars.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3, frameon=False, fontsize=9)
    curve.plot([0, 1], [0, 1], color="0.5", linestyle=":", linewidth=1)
    curve.set(
        xlim=(-0.02, 1.02),
        ylim=(-0.02, 1.02),
        aspect="equal",
        xlabel="predicted probability to be the better picture",
        ylabel="observed share",
    )
    for axes in (bars, curve):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=120)


def _interval(row: Mapping[str, Any]) -> str:
    return f"[{row['low']:.3f}, {row['high']:.3f}]"


def _table(label: str, rows: Mapping[str, Mapping[str, Any]], *, column: str = "accuracy") -> str:
    head = [f"| {label} | {column} | 95 % | n |", "|---|---|---|---|"]
    return "\n".join([*head, *(table_line(name, row) for name, row in rows.items())]) + "\n"


def _mcnemar(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = ["| first | second | only first right | only second right | p |", "|---|---|---|---|---|"]
    for row in rows:
        p = "< .0001" if row["p"] < 1e-4 else f"{row['p']:.4f}"
        lines.append(
            f"| {row['first']} | {row['second']} | {row['only_first']} | {row['only_second']} | {p} |"
        )
    return "\n".join(lines) + "\n"


def _calibration(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = ["| scorer | Brier skill over 1/2 | calibration error | n |", "|---|---|---|---|"]
    for name, metrics in results.items():
        row = metrics["calibration"]
        cells = (
            f"{row['brier_skill']:.3f} | {row['calibration_error']:.3f} | {row['n']}" if row else "- | - | 0"
        )
        lines.append(f"| {name} | {cells} |")
    return "\n".join(lines) + "\n"


def _ties(name: str, metrics: Mapping[str, Any]) -> str:
    def said(kind: str, what: str) -> str:
        rows = metrics[kind]
        more = f" and {len(rows) - _LISTED} more (all in report.json)" if len(rows) > _LISTED else ""
        return f"{len(rows)} {what}" + (f": {', '.join(rows[:_LISTED])}{more}" if rows else "")

    return f"{name}: {said('ties', 'ties')}; {said('not_judged', 'not judged')}.\n"
