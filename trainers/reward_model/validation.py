"""How good a judge is on held-out pairs: accuracies with their intervals, calibration, and tables of both."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from spatial_core.preference_loss import fit_temperature
from spatial_trainers.pairs.accuracy import (
    both_ways,
    by_edits,
    by_family,
    by_relations,
    calibration,
    hit,
    number,
    probability,
    share,
    table_line,
)
from spatial_trainers.pairs.data import FOCUSED, NEAR_DEAD_ZONE, Comparison


@dataclass(frozen=True)
class Judgement:
    """What the model said of one comparison.

    Attributes:
        margin: Mean reward of the better picture minus that of the worse one.
        calibrated_margin: Logit of the probability that the better one is better, before the temperature.
        clauses: Logit that each relation holds in the better and in the worse picture, likewise.
    """

    margin: float
    calibrated_margin: float
    clauses: tuple[tuple[float, ...], tuple[float, ...]]


@dataclass(frozen=True)
class Temperatures:
    """Fitted on validation: of the margin between two pictures, and of the logit of one relation."""

    pair: float = 1.0
    clause: float = 1.0


def _known_clauses(cases: Sequence[Comparison], judged: Sequence[Judgement]) -> list[tuple[str, bool, float]]:
    """Return (relation, whether it holds, logit) of every labelled relation in every picture."""
    return [
        (relation.relation, label == 1.0, logit)
        for case, judgement in zip(cases, judged, strict=True)
        for labels, logits in zip(case.labels, judgement.clauses, strict=True)
        for relation, label, logit in zip(case.graph.relations, labels, logits, strict=True)
        if not math.isnan(label)
    ]


def fit_temperatures(cases: Sequence[Comparison], judged: Sequence[Judgement]) -> Temperatures:
    """Return the temperatures that make the probabilities of these judgements most likely.

    True relations are thinned out to the number of false ones: the prior of a generator's picture is not
    that of a pair, in which nearly every relation holds.
    """
    margins = torch.tensor([j.calibrated_margin for j in judged], dtype=torch.float64)
    pair = fit_temperature(margins, torch.ones_like(margins))
    clauses = _known_clauses(cases, judged)
    false = [logit for _, holds, logit in clauses if not holds]
    true = [logit for _, holds, logit in clauses if holds]
    if not false or not true:
        return Temperatures(pair, 1.0)
    count = min(len(false), len(true))
    thin: Callable[[list[float]], list[float]] = lambda x: [x[i * len(x) // count] for i in range(count)]  # noqa: E731
    logits = torch.tensor(thin(true) + thin(false), dtype=torch.float64)
    labels = torch.cat([torch.ones(count), torch.zeros(count)])
    return Temperatures(pair, fit_temperature(logits, labels))


def measure(
    cases: Sequence[Comparison], judged: Sequence[Judgement], *, temperatures: Temperatures | None = None
) -> dict[str, Any]:
    """Return every number of the validation table.

    Pairs tagged `FOCUSED` enter the tables by relation alone, and those tagged `NEAR_DEAD_ZONE` none but the
    row of that tag.

    Args:
        cases: The comparisons.
        judged: What the model said of them, in the same order.
        temperatures: For the probabilities; 1 if None.
    """
    temperatures = temperatures or Temperatures()
    both = list(zip(cases, judged, strict=True))
    hits = [hit(j.margin) for j in judged]
    probabilities = [probability(j.calibrated_margin / temperatures.pair) for j in judged]
    plain = [i for i, c in enumerate(cases) if not {FOCUSED, NEAR_DEAD_ZONE} & set(c.pair.tags)]
    near = [i for i, c in enumerate(cases) if NEAR_DEAD_ZONE in c.pair.tags]

    def table(rows: Sequence[int]) -> dict[str, Any]:
        chosen = [cases[i] for i in rows]
        accuracy = share([hits[i] for i in rows], independent=len({c.pair.id for c in chosen}))
        return accuracy | calibration([probabilities[i] for i in rows])

    tags = sorted({tag for i in plain for tag in cases[i].pair.tags})
    by_tag = {tag: table([i for i in plain if tag in cases[i].pair.tags]) for tag in tags}
    if near:
        by_tag[NEAR_DEAD_ZONE] = table(near)
    everything = _families([b for b in both if NEAR_DEAD_ZONE not in b[0].pair.tags])
    natural, natural_hits = [cases[i] for i in plain], [hits[i] for i in plain]
    pairs = {case.pair.id for case in natural}
    return {
        "pairs": len(pairs),
        "comparisons": len(natural),
        "accuracy": share(natural_hits, independent=len(pairs)),
        "both_ways": both_ways(natural, natural_hits),
        "by_edits": by_edits(natural, natural_hits),
        "by_relations": by_relations(natural, natural_hits),
        "by_tag": by_tag,
        **everything,
        "nll": round(sum(-math.log(max(probabilities[i], 1e-12)) for i in plain) / len(plain), 4) + 0.0,
        **calibration([probabilities[i] for i in plain]),
    }


def _families(judgements: Sequence[tuple[Comparison, Judgement]]) -> dict[str, Any]:
    """Return the tables by relation: of comparisons, and of verdicts on single relations."""
    cases, judged = [c for c, _ in judgements], [j for _, j in judgements]
    hits = [hit(j.margin) for j in judged]
    clauses = _known_clauses(cases, judged)

    def verdicts(name: str | None) -> dict[str, Any]:
        row = {
            key: share(
                [
                    float((logit > 0) == truth)
                    for relation, truth, logit in clauses
                    if name in (None, relation) and holds in (None, truth)
                ]
            )
            for key, holds in (("all", None), ("true", True), ("false", False))
        }
        sides = [row[key]["accuracy"] for key in ("true", "false") if row[key]["accuracy"] is not None]
        return row | {"balanced": round(sum(sides) / len(sides), 4) if len(sides) == 2 else None}

    return {
        "by_family_one_edit": by_family(cases, hits, most_edits=1),
        "by_family": by_family(cases, hits),
        "verdicts": verdicts(None),
        "verdicts_by_family": {name: verdicts(name) for name in sorted({c[0] for c in clauses})},
    }


def markdown(metrics: Mapping[str, Any]) -> str:
    """Return the numbers of `measure` as Markdown tables."""
    lines = [
        f"{metrics['comparisons']} comparisons from {metrics['pairs']} pairs. Ties count half; brackets are "
        "95 % Wilson intervals, in which the two ways of a pair count as one.",
        "",
        "| pairs | accuracy | 95 % | n |",
        "|---|---|---|---|",
        table_line("all", metrics["accuracy"]),
        table_line("both ways right", metrics["both_ways"]),
    ]
    lines += [
        table_line(f"{label} edit{'s' if label != '1' else ''}", row)
        for label, row in metrics["by_edits"].items()
    ]
    lines += [table_line(f"{label} relations", row) for label, row in metrics["by_relations"].items()]
    lines += [table_line(tag, row) for tag, row in metrics["by_tag"].items()]
    lines += [
        table_line(f"previews at noise level {level}", row)
        for level, row in metrics.get("by_noise_level", {}).items()
    ]
    lines += [
        "",
        f"Log loss of the probabilities: {metrics['nll']:.3f}.",
        "",
        "| probabilities | Brier skill over 1/2 | calibration error | n |",
        "|---|---|---|---|",
    ]
    rows = {"all": metrics | {"n": metrics["comparisons"]}, **metrics["by_tag"]}
    for name, row in rows.items():
        lines.append(f"| {name} | {row['brier_skill']:.3f} | {row['calibration_error']:.3f} | {row['n']} |")
    lines += [
        "",
        "| edited relation (one edit) | accuracy | 95 % | n |",
        "|---|---|---|---|",
    ]
    lines += [table_line(name, row) for name, row in metrics["by_family_one_edit"].items()]
    lines += ["", "| verdict on a relation | true ones | false ones | balanced |", "|---|---|---|---|"]
    rows = {"all": metrics["verdicts"], **metrics["verdicts_by_family"]}
    for name, row in rows.items():
        cells = [f"{number(row[key]['accuracy'])} ({row[key]['n']})" for key in ("true", "false")]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {number(row['balanced'])} |")
    return "\n".join(lines) + "\n"
