"""Spatial Selector: choose among scored pictures."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from comfy_api.latest import io
from comfy_execution.graph_utils import ExecutionBlocker
from torch import Tensor

from .pictures import Latent, fingerprint, join_latents, join_tensors, split_images, split_latents
from .sockets import CATEGORY, ScoredPictures, Scores


class SpatialSelector(io.ComfyNode):
    """Picks pictures by rank, by threshold, by the chance to be the best, and sorts them into buckets."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialSelector",
            display_name="Spatial Selector",
            category=CATEGORY,
            description="Picks among scored pictures, by one judge or by several together.",
            search_aliases=[
                "pick image",
                "filter by score",
                "top k",
                "threshold",
                "bucket",
                "combine scores",
            ],
            is_input_list=True,
            inputs=[
                io.Image.Input(
                    "images", tooltip="Pictures that were scored, in any order: scores find theirs."
                ),
                Scores.Input("scores", tooltip="The spatial_scores of a SpatialScore or Best-of-N node."),
                io.DynamicCombo.Input(
                    "pick",
                    options=[
                        io.DynamicCombo.Option(
                            "rank",
                            [
                                io.Int.Input(
                                    "first",
                                    default=1,
                                    min=1,
                                    max=4096,
                                    tooltip="Rank to start at; 1 is best.",
                                ),
                                io.Int.Input(
                                    "count", default=1, min=1, max=4096, tooltip="How many from there on."
                                ),
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "share of relations true",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=1.0,
                                    min=0.0,
                                    max=1.0,
                                    step=0.05,
                                    tooltip="1.0 takes only pictures of which every relation is true.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "score",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=0.0,
                                    min=-1000.0,
                                    max=1000.0,
                                    step=0.1,
                                    tooltip="Scores have no fixed scale: look at some of your judge's first.",
                                )
                            ],
                        ),
                        io.DynamicCombo.Option(
                            "chance to be the best",
                            [
                                io.Float.Input(
                                    "at_least",
                                    default=0.25,
                                    min=0.0,
                                    max=1.0,
                                    step=0.05,
                                    tooltip="Takes all that may well be the best of these pictures.",
                                )
                            ],
                        ),
                    ],
                    tooltip="By what to choose the pictures of the first output.",
                ),
                io.Float.Input(
                    "weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.1,
                    tooltip="How much these scores count where there are several judges.",
                ),
                io.Float.Input(
                    "great_from",
                    default=1.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of relations true from which a picture goes to the output 'great'.",
                ),
                io.Float.Input(
                    "ok_from",
                    default=0.5,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    tooltip="Share of relations true from which a picture goes to 'ok'; below it is 'bad'.",
                ),
                io.Latent.Input(
                    "latents", optional=True, tooltip="Latents of these pictures, in the order of the images."
                ),
                Scores.Input(
                    "more_scores", optional=True, tooltip="A second judge's scores of these pictures."
                ),
                io.Float.Input(
                    "more_weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.1,
                    optional=True,
                    advanced=True,
                    tooltip="How much the second judge counts.",
                ),
                io.Float.Input(
                    "other_scores",
                    optional=True,
                    force_input=True,
                    tooltip="A list of numbers from any other node, one for each picture in the order of the "
                    "images, higher is better: an aesthetic score, for example.",
                ),
                io.Float.Input(
                    "other_weight",
                    default=1.0,
                    min=-10.0,
                    max=10.0,
                    step=0.1,
                    optional=True,
                    advanced=True,
                    tooltip="How much the other scores count.",
                ),
            ],
            outputs=[
                io.Image.Output("images", is_output_list=True, tooltip="What was picked, best first."),
                io.Latent.Output("latents", is_output_list=True, tooltip="Their latents."),
                io.Image.Output("great", is_output_list=True, tooltip="Best first."),
                io.Image.Output("ok", is_output_list=True, tooltip="Best first."),
                io.Image.Output("bad", is_output_list=True, tooltip="Best first."),
                io.Int.Output(
                    "indices",
                    is_output_list=True,
                    tooltip="The places of the picked ones among the images, from 0.",
                ),
                io.Int.Output("count", tooltip="How many were picked."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: list[Tensor],
        scores: list[ScoredPictures],
        pick: dict[str, list[Any]],
        weight: list[float],
        great_from: list[float],
        ok_from: list[float],
        latents: list[Latent] | None = None,
        more_scores: list[ScoredPictures] | None = None,
        more_weight: list[float] | None = None,
        other_scores: list[float] | None = None,
        other_weight: list[float] | None = None,
    ) -> io.NodeOutput:
        """Blend, rank, pick, and sort into buckets."""
        from spatial_core.selection import blend, rank

        pictures = split_images(images)
        rows = _rows(pictures, scores[0], "scores")
        mean = [[float(scores[0].scores.mean[i]) for i in rows]]
        std = [[float(scores[0].scores.std[i]) for i in rows]]
        satisfied = [float(scores[0].scores.satisfied[i]) for i in rows]
        weights = [weight[0]]
        if more_scores:
            others = _rows(pictures, more_scores[0], "more_scores")
            mean.append([float(more_scores[0].scores.mean[i]) for i in others])
            std.append([float(more_scores[0].scores.std[i]) for i in others])
            weights.append((more_weight or [1.0])[0])
        if other_scores:
            if len(other_scores) != len(pictures):
                raise ValueError(
                    f"There are {len(pictures)} pictures but {len(other_scores)} other scores. Connect a "
                    "list with one number for each picture."
                )
            mean.append(list(other_scores))
            std.append([0.0] * len(other_scores))
            weights.append((other_weight or [1.0])[0])

        ranking = rank(*blend(mean, std, weights))
        order = [int(i) for i in ranking.order]
        chosen = _chosen(
            {name: values[0] for name, values in pick.items()},
            order,
            satisfied,
            ranking.mean.tolist(),
            ranking.p_best.tolist(),
        )
        split = split_latents(latents or [])
        if len(split) not in (0, len(pictures)):
            raise ValueError(
                f"There are {len(pictures)} pictures but {len(split)} latents. Connect the latents of "
                "exactly these pictures, in the same order, or none."
            )
        great = [i for i in order if satisfied[i] >= great_from[0]]
        ok = [i for i in order if i not in great and satisfied[i] >= ok_from[0]]
        bad = [i for i in order if i not in great and i not in ok]

        def some(places: list[int]) -> list[Any]:
            # An empty bucket switches off what hangs on it; an empty batch would break it.
            return join_tensors([pictures[i] for i in places]) or [ExecutionBlocker(None)]

        return io.NodeOutput(
            some(chosen),
            (join_latents([split[i] for i in chosen]) if split else []) or [ExecutionBlocker(None)],
            some(great),
            some(ok),
            some(bad),
            chosen or [ExecutionBlocker(None)],
            len(chosen),
        )


def _rows(pictures: Sequence[Tensor], scored: ScoredPictures, name: str) -> list[int]:
    """Return where each picture stands among the scored ones."""
    place = {mark: i for i, mark in enumerate(scored.fingerprints)}
    marks = [fingerprint(picture) for picture in pictures]
    missing = [str(i + 1) for i, mark in enumerate(marks) if mark not in place]
    if missing:
        raise ValueError(
            f"Image {', '.join(missing)} has no score in '{name}'. Connect the very pictures that were "
            "scored: not resized, sharpened or coloured afterwards."
        )
    return [place[mark] for mark in marks]


def _chosen(
    pick: dict[str, Any],
    order: Sequence[int],
    satisfied: Sequence[float],
    mean: Sequence[float],
    p_best: Sequence[float],
) -> list[int]:
    if pick["pick"] == "rank":
        start = pick["first"] - 1
        return list(order[start : start + pick["count"]])
    values = {"share of relations true": satisfied, "score": mean, "chance to be the best": p_best}[
        pick["pick"]
    ]
    return [i for i in order if not math.isnan(values[i]) and values[i] >= pick["at_least"]]
