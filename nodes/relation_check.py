"""Relation Check: boxes from any detector node against the relations of a prompt, no further model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from comfy_api.latest import io, ui
from torch import Tensor

from .pictures import fingerprint, for_scoring, split_images, to_image
from .reports import numbers, ranking_of, report_text
from .sockets import CATEGORY, Relations, ScoredPictures, Scores

if TYPE_CHECKING:
    from spatial_core.language.scene_graph import SceneGraph
    from spatial_core.scorers.detection import Detection


class SpatialRelationCheck(io.ComfyNode):
    """Judges every relation by where the boxes are, and draws the verdicts on the picture."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        """Return the node's face."""
        return io.Schema(
            node_id="SpatialRelationCheck",
            display_name="Relation Check",
            category=CATEGORY,
            description="Checks the prompt's relations by the boxes of any detector node, and draws what "
            "is true and what is not. Needs no model of its own; boxes know no depth, so "
            "'behind' stays unclear.",
            search_aliases=["verify layout", "bounding box check", "detector", "left of", "geometry"],
            has_intermediate_output=True,
            inputs=[
                io.Image.Input("images", tooltip="The pictures in which the boxes were found."),
                io.BoundingBox.Input(
                    "bboxes",
                    force_input=True,
                    tooltip="Boxes with labels from a detector node, e.g. Run Real-Time Detection: one "
                    "list for each picture.",
                ),
                io.String.Input(
                    "prompt",
                    default="",
                    tooltip="What the pictures should show. Name things as the detector does: cup, chair, "
                    "dog.",
                ),
                Relations.Input(
                    "relations",
                    optional=True,
                    tooltip="From Spatial Prompt Relations: checked in place of the prompt.",
                ),
                io.Float.Input(
                    "minimum_confidence",
                    default=0.0,
                    min=0.0,
                    max=1.0,
                    step=0.05,
                    advanced=True,
                    tooltip="Boxes about which the detector is less sure than this are left out.",
                ),
            ],
            outputs=[
                io.Image.Output("images", tooltip="The pictures with boxes and verdicts drawn on them."),
                io.Float.Output(
                    "satisfied", is_output_list=True, tooltip="Share of the relations true, for each picture."
                ),
                io.String.Output("report", tooltip="Every verdict, in words."),
                Scores.Output("spatial_scores", tooltip="For Spatial Selector, Score Gate and Save Image."),
            ],
        )

    @classmethod
    def execute(
        cls,
        images: Tensor,
        bboxes: Any,
        prompt: str,
        minimum_confidence: float,
        relations: SceneGraph | None = None,
    ) -> io.NodeOutput:
        """Judge by the boxes and draw."""
        from spatial_core.images import to_pil
        from spatial_core.report_sheet import SheetEntry, draw_verdicts
        from spatial_core.scorers.geometric import GeometricScorer

        pictures = split_images([images])
        asked = relations or prompt
        if isinstance(asked, str) and not asked.strip():
            raise ValueError(
                "The prompt is empty. Write what the picture should show and where, e.g. 'a cup to the "
                "left of a laptop', or connect relations."
            )
        found = [
            [d for d in detections if d.score >= minimum_confidence]
            for detections in read_boxes(bboxes, len(pictures))
        ]
        scores = GeometricScorer().score_detections(
            asked, found, [(int(p.shape[1]), int(p.shape[2])) for p in pictures]
        )
        text = asked if isinstance(asked, str) else asked.text
        scored = ScoredPictures(
            scores, (text,) * len(pictures), tuple(map(fingerprint, pictures)), "the boxes of a detector"
        )
        entries = [
            SheetEntry(image=to_pil(for_scoring(picture)), title="", relations=reports)
            for picture, reports in zip(pictures, scores.relations or [], strict=True)
        ]
        drawn = torch.cat([to_image(picture) for picture in draw_verdicts(entries)])
        titles = [f"image {i + 1}" for i in range(len(pictures))]
        report = report_text(scored, ranking_of(scored), range(len(pictures)), titles)
        return io.NodeOutput(
            drawn, numbers(scores.satisfied), report, scored, ui=ui.PreviewImage(drawn, cls=cls)
        )


def read_boxes(boxes: Any, count: int) -> list[list[Detection]]:
    """Return what ComfyUI's BOUNDING_BOX holds as detections, one list for each of `count` pictures.

    Core nodes send one dict, a flat list of dicts, or a list of lists.

    Raises:
        ValueError: If there are lists for another number of pictures, or a box has no label.
    """
    lists: list[Sequence[Mapping[str, Any]]]
    if isinstance(boxes, Mapping):
        lists = [[boxes]]
    elif boxes and isinstance(boxes[0], Mapping):
        lists = [boxes]
    else:
        lists = list(boxes) or [[]]
    if len(lists) != count:
        raise ValueError(
            f"There are {count} pictures but boxes for {len(lists)}. Run the detector on exactly these "
            "pictures."
        )
    return [[_detection(box) for box in row] for row in lists]


def _detection(box: Mapping[str, Any]) -> Detection:
    from spatial_core.scorers.detection import Detection

    label = str(box.get("label") or "").strip()
    if not label:
        raise ValueError(
            "A box has no label, so it cannot be told what it is around. Use a detector that names what "
            "it finds, such as Run Real-Time Detection."
        )
    x, y = float(box["x"]), float(box["y"])
    corners = (x, y, x + float(box["width"]), y + float(box["height"]))
    return Detection(label, corners, float(box.get("score", 1.0)))
