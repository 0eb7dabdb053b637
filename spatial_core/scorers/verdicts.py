"""From a logit that a relation holds to what people read: a soft score and one of three verdicts."""

from __future__ import annotations

import math

from spatial_core.language.scene_graph import Relation, SceneGraph
from spatial_core.scorers.base import RelationReport, Verdict

AMBIGUOUS = (0.35, 0.65)
"""Scores strictly between these are called ambiguous: the model's own odds are below about two to one."""


def verdict_of(score: float) -> Verdict:
    """Return the verdict for a soft truth in [0, 1]."""
    if AMBIGUOUS[0] < score < AMBIGUOUS[1]:
        return "ambiguous"
    return "true" if score >= AMBIGUOUS[1] else "false"


def report_from_logit(graph: SceneGraph, relation: Relation, logit: float) -> RelationReport:
    """Return the report on one relation whose calibrated log-odds of being true are `logit`."""
    # In two branches, so that neither exponential can overflow.
    odds = math.exp(-abs(logit))
    score = 1.0 / (1.0 + odds) if logit >= 0 else odds / (1.0 + odds)
    return RelationReport(
        relation=relation.relation,
        text=graph.words(relation),
        span=relation.span,
        verdict=verdict_of(score),
        score=score,
        margin=logit,
    )
