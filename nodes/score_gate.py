"""Score Gate: run the expensive branch only for pictures that earn it."""

from __future__ import annotations

from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker

from .reports import ranking_of
from .sockets import CATEGORY, ScoredPictures, Scores

_NOT_CONNECTED = object()


class SpatialScoreGate(io.ComfyNode):
    """A switch that decides by the score of the best picture, and runs only the branch it chose."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        kind = io.MatchType.Template("gate")
        return io.Schema(
            node_id="SpatialScoreGate",
            display_name="Score Gate",
            category=CATEGORY,
            description="Passes on 'if_good' when the best picture is good enough, else 'otherwise'. Only "
            "that branch is computed: upscale or refine what deserves it.",
            search_aliases=["switch", "if score", "conditional", "threshold", "branch", "lazy"],
            inputs=[
                Scores.Input("scores", tooltip="The spatial_scores of a SpatialScore or Best-of-N node."),
                io.Combo.Input(
                    "measure",
                    options=["share of relations true", "score"],
                    default="share of relations true",
                    tooltip="What to look at. The share lies between 0 and 1; scores have no fixed scale.",
                ),
                io.Float.Input(
                    "at_least",
                    default=1.0,
                    min=-1000.0,
                    max=1000.0,
                    step=0.05,
                    tooltip="The gate opens from here on.",
                ),
                io.MatchType.Input(
                    "if_good",
                    template=kind,
                    lazy=True,
                    tooltip="Passed on if the gate opens; else not computed.",
                ),
                io.MatchType.Input(
                    "otherwise",
                    template=kind,
                    lazy=True,
                    optional=True,
                    tooltip="Passed on if the gate stays shut. With nothing here, what follows the gate "
                    "is skipped.",
                ),
            ],
            outputs=[
                io.MatchType.Output(
                    template=kind, id="output", display_name="output", tooltip="What was passed on."
                ),
                io.Boolean.Output("good", tooltip="Whether the gate opened."),
                io.Float.Output("value", tooltip="What was measured on the best picture."),
            ],
        )

    @classmethod
    def check_lazy_status(
        cls,
        scores: ScoredPictures,
        measure: str,
        at_least: float,
        if_good: Any = None,
        otherwise: Any = _NOT_CONNECTED,
    ) -> list[str]:
        """Return the branch that has to be computed."""
        if _value(scores, measure) >= at_least:
            return ["if_good"] if if_good is None else []
        return ["otherwise"] if otherwise is None else []

    @classmethod
    def execute(
        cls,
        scores: ScoredPictures,
        measure: str,
        at_least: float,
        if_good: Any = None,
        otherwise: Any = _NOT_CONNECTED,
    ) -> io.NodeOutput:
        """Pass on one branch."""
        value = _value(scores, measure)
        good = value >= at_least
        passed = if_good if good else otherwise
        return io.NodeOutput(ExecutionBlocker(None) if passed is _NOT_CONNECTED else passed, good, value)


def _value(scored: ScoredPictures, measure: str) -> float:
    """Return the measure of the best picture; NaN, which opens no gate, where nothing was judged."""
    best = int(ranking_of(scored).order[0])
    values = scored.scores.mean if measure == "score" else scored.scores.satisfied
    return float(values[best])
