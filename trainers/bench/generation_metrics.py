"""Every number of the generation benchmark, from the lines of scores and verdicts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spatial_core.selection import expected_max, pass_at_n
from spatial_trainers.bench.prompt_files import BenchPrompt
from spatial_trainers.pairs.accuracy import share


def selected_at_n(scores: ArrayLike, correct: Sequence[bool], n: int) -> float:
    """Return the chance that the best scored of `n` draws is correct, estimated without bias from B >= n.

    The mean over all subsets of size n: with x_(1) >= x_(2) >= ..., sum_i correct_(i) C(B - i, n - 1) /
    C(B, n). Among equal scores the earlier image is chosen.

    Raises:
        ValueError: If `n` is not in [1, B], or the lengths differ.
    """
    values = np.asarray(scores, dtype=np.float64)
    count = len(values)
    if count != len(correct) or not 1 <= n <= count:
        raise ValueError(
            f"n must be in [1, {count}], one verdict a score; got {n} and {len(correct)} verdicts."
        )
    order = np.argsort(-values, kind="stable")
    ways = [math.comb(count - 1 - rank, n - 1) * correct[i] for rank, i in enumerate(order.tolist())]
    return sum(ways) / math.comb(count, n)


def measure_generation(
    prompts: Sequence[BenchPrompt],
    scores: Sequence[Mapping[str, Any]],
    verdicts: Sequence[Mapping[str, Any]],
    *,
    images: int,
    failed: int = 0,
    unjudged: Mapping[int, str] | None = None,
    unscored: Mapping[int, str] | None = None,
) -> dict[str, Any]:
    """Return every number of a run.

    A picture is right if every relation of its prompt is true; an undecided one is not. Pictures of one
    prompt are not independent: intervals count prompts.

    Args:
        prompts: All prompts.
        scores: Lines of scores, in any order; may be empty.
        verdicts: Lines of verdicts, in any order; may be empty.
        images: How many images a prompt has.
        failed: Images that could not be drawn.
        unjudged: Why prompts were not judged, by their number.
        unscored: Why prompts were not scored, likewise.
    """
    score_of = {(s["prompt"], s["image"]): s["mean"] for s in scores if s["mean"] is not None}
    judged = {(v["prompt"], v["image"]): v for v in verdicts if v["image"] < images}
    rows = [judged[place] for place in sorted(judged)]
    by_prompt: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_prompt.setdefault(row["prompt"], []).append(row)
    relations = [(row["prompt"], r["relation"], r["verdict"]) for row in rows for r in row["relations"]]
    return {
        "prompts": len(prompts),
        "images_a_prompt": images,
        "failed_images": failed,
        "judged_images": len(rows),
        "not_judged": {prompts[j].id: reason for j, reason in (unjudged or {}).items()},
        "not_scored": {prompts[j].id: reason for j, reason in (unscored or {}).items()},
        "score": _mean_score(score_of),
        "accuracy": _accuracy(rows, "correct"),
        "chance": _accuracy(rows, "correct_by_chance"),
        "relations": _relations(relations),
        "by_family": {
            name: _relations([r for r in relations if r[1] == name])
            for name in sorted({name for _, name, _ in relations})
        },
        "by_relations": {
            str(count): _accuracy([row for row in rows if len(row["relations"]) == count], "correct")
            for count in sorted({len(row["relations"]) for row in rows})
        },
        "by_tag": {
            tag: _accuracy([row for row in rows if tag in prompts[row["prompt"]].tags], "correct")
            for tag in sorted({tag for row in rows for tag in prompts[row["prompt"]].tags})
        },
        "at_n": _at_n(by_prompt, score_of, images),
    }


def _accuracy(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Any]:
    return share([float(row[key]) for row in rows], independent=len({row["prompt"] for row in rows}))


def _relations(found: Sequence[tuple[int, str, str]]) -> dict[str, Any]:
    counts = {verdict: sum(v == verdict for _, _, v in found) for verdict in ("true", "false", "ambiguous")}
    hits = [float(verdict == "true") for _, _, verdict in found]
    return share(hits, independent=len({prompt for prompt, _, _ in found})) | counts


def _mean_score(score_of: Mapping[tuple[int, int], float]) -> dict[str, Any] | None:
    """Return the mean over prompts of the mean score of their images, and its standard error."""
    by_prompt: dict[int, list[float]] = {}
    for (prompt, _), score in score_of.items():
        by_prompt.setdefault(prompt, []).append(score)
    means = [sum(values) / len(values) for values in by_prompt.values()]
    if not means:
        return None
    error = float(np.std(means, ddof=1)) / math.sqrt(len(means)) if len(means) > 1 else None
    return {"mean": float(np.mean(means)), "standard_error": error, "prompts": len(means)}


def _at_n(
    by_prompt: Mapping[int, Sequence[Mapping[str, Any]]],
    score_of: Mapping[tuple[int, int], float],
    images: int,
) -> list[dict[str, Any]]:
    """Return what is gained by drawing n images, for prompts of which all images were judged.

    `pass` asks whether any of n is right, `best_of_n` whether the one that the scorer likes best is.
    """
    whole = [rows for rows in by_prompt.values() if len(rows) == images]
    correct = [[bool(row["correct"]) for row in rows] for rows in whole]
    scores = [[score_of.get((row["prompt"], row["image"]), math.nan) for row in rows] for rows in whole]
    scored = [i for i, values in enumerate(scores) if not any(map(math.isnan, values))]
    table: list[dict[str, Any]] = []
    for n in range(1, images + 1 if whole else 1):
        row: dict[str, Any] = {
            "n": n,
            "prompts": len(whole),
            "pass": float(np.mean([pass_at_n(images, sum(flags), n) for flags in correct])),
        }
        if len(scored) == len(whole):
            chosen = [selected_at_n(scores[i], correct[i], n) for i in scored]
            row["best_of_n"] = float(np.mean(chosen))
            row["score"] = float(np.mean([expected_max(scores[i], n) for i in scored]))
        table.append(row)
    return table
