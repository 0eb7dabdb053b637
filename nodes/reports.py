"""Scores in words and as a sheet, for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor

from .pictures import for_scoring, to_image
from .sockets import ScoredPictures

if TYPE_CHECKING:
    from spatial_core.selection import Ranking

SHEET_LIMIT = 24
"""Cards on one sheet; more could not be read on a node."""


def ranking_of(scored: ScoredPictures) -> Ranking:
    """Return the order of scored pictures, best first."""
    from spatial_core.selection import rank

    return rank(scored.scores.mean.numpy(), scored.scores.std.numpy())


def tie_of(ranking: Ranking) -> dict[int, tuple[int, int]]:
    """Return first and last rank, from 1, of the group of each picture that is too close to call."""
    place = {int(i): number for number, i in enumerate(ranking.order, start=1)}
    return {i: (place[group[0]], place[group[-1]]) for group in ranking.ties for i in group}


def draw_ranking(
    images: Sequence[Tensor],
    scored: ScoredPictures,
    ranking: Ranking,
    order: Sequence[int],
    *,
    titles: Sequence[str],
    columns: int,
    subtitle: str,
) -> Tensor:
    """Return the sheet of the pictures in `order` as an IMAGE.

    Args:
        images: B pictures [1, H, W, C].
        scored: Their scores.
        ranking: Their ranking.
        order: Which of them to show.
        titles: A name for each of the B pictures.
        columns: Cards in a row.
        subtitle: The line under the prompt.
    """
    from spatial_core.images import to_pil
    from spatial_core.report_sheet import SheetEntry, draw_sheet

    ties = tie_of(ranking)
    one_prompt = len(set(scored.prompts)) == 1
    relations = scored.scores.relations or [[] for _ in images]
    entries = [
        SheetEntry(
            image=to_pil(for_scoring(images[i])),
            title=titles[i] if one_prompt else f"{titles[i]}: {scored.prompts[i]}",
            mean=float(scored.scores.mean[i]),
            std=float(scored.scores.std[i]),
            p_best=float(ranking.p_best[i]) if one_prompt else math.nan,
            relations=relations[i],
            tied_ranks=ties.get(i),
        )
        for i in order[:SHEET_LIMIT]
    ]
    if len(order) > SHEET_LIMIT:
        subtitle += f"; the first {SHEET_LIMIT} of {len(order)} are shown"
    title = scored.prompts[0] if one_prompt else "Each picture against its own prompt"
    return to_image(draw_sheet(entries, title, columns=min(columns, len(entries)), subtitle=subtitle))


def report_text(scored: ScoredPictures, ranking: Ranking, order: Sequence[int], titles: Sequence[str]) -> str:
    """Return a line for each picture in `order`, its relations under it, and what else has to be said."""
    lines: list[str] = []
    scores = scored.scores
    for number, i in enumerate(order, start=1):
        reports = scores.relations[i] if scores.relations else []
        line = f"#{number} {titles[i]}: "
        if reports:
            line += f"{sum(r.verdict == 'true' for r in reports)} of {len(reports)} relations true"
        else:
            line += "no relation judged"
        if not math.isnan(float(scores.mean[i])):
            line += f", score {float(scores.mean[i]):+.3f} +- {float(scores.std[i]):.3f}"
            line += f", P(best) {float(ranking.p_best[i]):.0%}"
        lines.append(line)
        marks = {"true": "yes", "false": "NO", "ambiguous": "unclear"}
        lines += [
            f"    {marks[r.verdict]}: {r.text}" + (f" ({r.reason})" if r.reason else "") for r in reports
        ]
    ties = {span for i, span in tie_of(ranking).items() if i in set(order)}
    lines += [f"#{first} to #{last} are too close to call." for first, last in sorted(ties)]
    lines += [note for note in dict.fromkeys(scores.notes) if note]
    return "\n".join(lines)


def numbers(values: Tensor) -> list[float]:
    """Return a tensor [B] as a list of floats."""
    return [float(value) for value in values]


def as_json(scored: ScoredPictures, i: int) -> dict[str, Any]:
    """Return what is known of picture `i` in a form that JSON takes; a number that is not known is None."""
    scores = scored.scores
    known = {
        "score": float(scores.mean[i]),
        "score_std": float(scores.std[i]),
        "satisfied": float(scores.satisfied[i]),
    }
    return {
        "prompt": scored.prompts[i],
        "judge": scored.judge,
        **{key: round(value, 6) if math.isfinite(value) else None for key, value in known.items()},
        "relations": [
            {"text": r.text, "relation": r.relation, "verdict": r.verdict, "score": round(r.score, 6)}
            for r in (scores.relations[i] if scores.relations else [])
        ],
    }
