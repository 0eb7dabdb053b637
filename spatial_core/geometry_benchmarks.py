"""The spatial rules of GenEval, T2I-CompBench and VISOR as they are run, for comparison with ours.

They are kept to the letter, oddities included, so that a number from here can stand beside a published one;
each function names its oddities. Our own judgement is `spatial_core.geometry`.

Shape letters: B batch, N detections of one class, P prompts, H W image. Boxes are xyxy in pixels.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

GENEVAL_RELATIONS = ("left_of", "right_of", "above", "below")

T2I_COMPBENCH_2D = (
    "on side of",
    "next to",
    "near",
    "on the left of",
    "on the right of",
    "on the bottom of",
    "on the top of",
    "on top of",
)
"""The phrases the 2D script looks for, in its order: the first that occurs in the prompt decides."""

T2I_COMPBENCH_3D = ("in front of", "behind", "hidden")
"""The phrases the 3D script looks for, in its order."""


# --- GenEval (Ghosh et al. 2023, evaluation/evaluate_images.py) ---


def geneval_relations(boxes_a: Tensor, boxes_b: Tensor, *, threshold: float = 0.1) -> dict[str, Tensor]:
    """Return which of `GENEVAL_RELATIONS` hold of a towards b.

    The offset of the centers is reduced on each axis by `threshold` times both sizes, then divided by the
    length of the unreduced offset; a component beyond .5 is a relation. So a diagonal has two, and things
    that overlap a lot have none.

    Args:
        boxes_a: [B, 4].
        boxes_b: [B, 4].
        threshold: Share of both sizes that does not count; .1 in the benchmark.

    Returns:
        Bool [B] by relation.
    """
    a, b = boxes_a.double().view(-1, 2, 2), boxes_b.double().view(-1, 2, 2)
    offset = a.mean(1) - b.mean(1)
    sizes = (a[:, 1] - a[:, 0]).abs() + (b[:, 1] - b[:, 0]).abs()
    reduced = (offset.abs() - threshold * sizes).clamp(min=0) * offset.sign()
    length = offset.norm(dim=1, keepdim=True)
    direction = reduced / torch.where(length > 0, length, 1.0)
    # The benchmark stops here if both reduced components are below a thousandth of a pixel.
    apart = (reduced.abs() >= 1e-3).any(1)
    dx, dy = direction.unbind(1)
    return {
        "left_of": apart & (dx < -0.5),
        "right_of": apart & (dx > 0.5),
        "above": apart & (dy < -0.5),
        "below": apart & (dy > 0.5),
    }


def geneval_kept(scores: Tensor, *, counting: bool = False, max_objects: int = 16) -> Tensor:
    """Return the detections of one class that GenEval looks at, most confident first.

    Args:
        scores: [N] confidences.
        counting: Whether the prompt is of the counting task: the threshold is then .9, else .3.
        max_objects: No more than this many.

    Returns:
        Long [M] indices. Overlapping boxes are all kept (non-maximum suppression is off by default).
    """
    order = scores.argsort(descending=True, stable=True)
    return order[scores[order] > (0.9 if counting else 0.3)][:max_objects]


def geneval_position(
    relation: str,
    boxes_a: Tensor,
    scores_a: Tensor,
    boxes_b: Tensor,
    scores_b: Tensor,
    *,
    count_a: int = 1,
    count_b: int = 1,
) -> bool:
    """Return GenEval's verdict on one image of the position task.

    The `count` most confident boxes of each class are taken, and every pair of them must be in the relation;
    a better pair among the less confident boxes is not looked for, and more objects than stated are no error.

    Args:
        relation: One of `GENEVAL_RELATIONS`.
        boxes_a: [N, 4] detections of the class that is placed.
        scores_a: [N].
        boxes_b: [M, 4] detections of the class it is placed by.
        scores_b: [M].
        count_a: Number of a in the prompt.
        count_b: Number of b in the prompt.

    Raises:
        ValueError: If the relation is none of GenEval's.
    """
    if relation not in GENEVAL_RELATIONS:
        raise ValueError(f"GenEval judges {', '.join(GENEVAL_RELATIONS)}; got {relation!r}")
    a = boxes_a[geneval_kept(scores_a)][:count_a]
    b = boxes_b[geneval_kept(scores_b)][:count_b]
    if len(a) < count_a or len(b) < count_b:
        return False
    pairs_a, pairs_b = a.repeat_interleave(len(b), 0), b.repeat(len(a), 1)
    return bool(geneval_relations(pairs_a, pairs_b)[relation].all())


def geneval_counting(scores: Tensor, count: int) -> bool:
    """Return GenEval's verdict on one image of the counting task: exactly `count` detections above .9."""
    return len(geneval_kept(scores, counting=True)) == count


# --- T2I-CompBench (Huang et al. 2023, UniDet_eval/2D_spatial_eval.py and 3D_spatial_eval.py) ---


def t2i_compbench_phrase(prompt: str, *, three_d: bool = False) -> str | None:
    """Return the phrase by which T2I-CompBench judges `prompt`, None if it finds none.

    Oddities: plain substring search, so "near" is found in "nearly"; and "on top of" is found in 2D prompts
    although the 2D rule knows only "on the top of" and scores it 0.
    """
    return next(
        (phrase for phrase in (T2I_COMPBENCH_3D if three_d else T2I_COMPBENCH_2D) if phrase in prompt), None
    )


def t2i_compbench_2d(phrase: str, boxes_a: Tensor, boxes_b: Tensor) -> Tensor:
    """Return T2I-CompBench's position score of a towards b.

    Oddities: "next to", "near" and "on side of" are satisfied by fewer than 150 pixels in x *or* in y, so by
    anything in one row, whatever the size of the picture; a diagonal is neither left, right, top nor bottom
    unless one offset is the larger; "on top of" and any other phrase score 0.

    Args:
        phrase: One of `T2I_COMPBENCH_2D`.
        boxes_a: [B, 4].
        boxes_b: [B, 4].

    Returns:
        Float [B] in [0, 1].
    """
    ax, ay, bx, by, iou = _centers_and_iou(boxes_a, boxes_b)
    dx, dy = bx - ax, by - ay
    far = torch.maximum(dx.abs(), dy.abs())
    if phrase in ("next to", "on side of", "near"):
        close = (dx.abs() < 150) | (dy.abs() < 150)
        return torch.where(close, 1.0, 150 / far.clamp(min=150))
    along, across = {
        "on the left of": (dx, dy),
        "on the right of": (-dx, dy),
        "on the top of": (dy, dx),
        "on the bottom of": (-dy, dx),
    }.get(phrase, (torch.zeros_like(dx), dy))
    holds = (along > 0) & (along.abs() > across.abs())
    return torch.where(holds, torch.where(iou < 0.1, 1.0, 0.1 / iou.clamp(min=0.1)), 0.0)


def t2i_compbench_3d(
    phrase: str, boxes_a: Tensor, boxes_b: Tensor, inverse_depth: Tensor, *, swap_axes: bool = True
) -> Tensor:
    """Return T2I-CompBench's depth score of a towards b.

    Oddities: the depth map is indexed [x, y] where it is stored [y, x], so boxes are read mirrored at the
    diagonal (`swap_axes=False` reads them right); boxes that do not overlap score 0, so nothing can be in
    front of what it does not cover; an IoU of exactly .5 scores 0 as well; "hidden" is the same as "behind";
    a box that the swapped axes push out of the map has no mean and scores 0.

    Args:
        phrase: One of `T2I_COMPBENCH_3D`.
        boxes_a: [B, 4].
        boxes_b: [B, 4].
        inverse_depth: [B, H, W], larger is nearer, as the benchmark's depth model gives it.
        swap_axes: Whether to read the map as the benchmark does.

    Returns:
        Float [B] in [0, 1]; 0 for a phrase that is none of the three.
    """
    iou = _centers_and_iou(boxes_a, boxes_b)[4]
    maps = inverse_depth.double()
    maps = maps if swap_axes else maps.transpose(1, 2)
    nearer = torch.stack(
        [
            _mean_in_box(depth, a) - _mean_in_box(depth, b)
            for depth, a, b in zip(maps, boxes_a.tolist(), boxes_b.tolist(), strict=True)
        ]
        or [iou.new_zeros(())]
    )[: len(iou)]
    if phrase in ("behind", "hidden"):
        nearer = -nearer
    elif phrase != "in front of":
        nearer = torch.zeros_like(nearer)
    overlap = torch.where(iou > 0.5, 1.0, torch.where(iou < 0.5, iou / 0.5, 0.0))
    return torch.where(nearer > 0, overlap, 0.0)


def t2i_compbench_score(
    position: Tensor, confidence_a: Tensor, confidence_b: Tensor, *, three_d: bool = False
) -> Tensor:
    """Return T2I-CompBench's score of an image: a quarter of each confidence and half the position score.

    Oddities: the 2D script sets results below .5 to 0, the 3D script does not; and a sure wrong position of
    two objects detected with full confidence still scores .5.

    Args:
        position: [B] of `t2i_compbench_2d` or `t2i_compbench_3d`; 0 where an object is missing.
        confidence_a: [B] in [0, 1], 0 where a was not detected.
        confidence_b: [B] in [0, 1], 0 where b was not detected.
        three_d: Whether it is the 3D task.
    """
    score = 0.25 * confidence_a + 0.25 * confidence_b + 0.5 * position
    return score if three_d else torch.where(score < 0.5, 0.0, score)


def _centers_and_iou(boxes_a: Tensor, boxes_b: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    a, b = boxes_a.double(), boxes_b.double()
    overlap = (torch.minimum(a[:, 2:], b[:, 2:]) - torch.maximum(a[:, :2], b[:, :2])).clamp(min=0).prod(1)
    union = (a[:, 2:] - a[:, :2]).prod(1) + (b[:, 2:] - b[:, :2]).prod(1) - overlap
    ax, ay = ((a[:, :2] + a[:, 2:]) / 2).unbind(1)
    bx, by = ((b[:, :2] + b[:, 2:]) / 2).unbind(1)
    return ax, ay, bx, by, overlap / union


def _mean_in_box(depth: Tensor, box: list[float]) -> Tensor:
    """Mean of `depth` [first, second] over a box whose x runs along the first axis; NaN if it is empty."""
    left, top, right, bottom = (int(edge) for edge in box)
    return depth[left:right, top:bottom].mean()


# --- VISOR (Gokhale et al. 2022, visor.py and text2image_realtime_evaluate.ipynb) ---


@dataclass(frozen=True)
class VisorScores:
    """VISOR over a set of prompts, as shares in [0, 1].

    Attributes:
        object_accuracy: Images in which both objects were detected ("OA").
        conditional: Right images among those ("VISOR_cond"); NaN if there are none.
        unconditional: Right images among all ("VISOR_uncond").
        at_least: Prompts of which at least n images are right, for n = 1 ... images a prompt ("VISOR_n").
    """

    object_accuracy: float
    conditional: float
    unconditional: float
    at_least: tuple[float, ...]


def visor_relations(boxes_a: Tensor, boxes_b: Tensor) -> dict[str, Tensor]:
    """Return which relations hold of a towards b by the sign of the offset of their centers, bool [B] each.

    No margin and no regard to the other axis: one pixel decides.
    """
    a, b = boxes_a.double(), boxes_b.double()
    dx, dy = ((a[:, :2] + a[:, 2:]) / 2 - (b[:, :2] + b[:, 2:]) / 2).unbind(1)
    return {"left_of": dx < 0, "right_of": dx > 0, "above": dy < 0, "below": dy > 0}


def visor_image(
    relation: str,
    boxes_a: Tensor,
    scores_a: Tensor,
    boxes_b: Tensor,
    scores_b: Tensor,
    *,
    threshold: float = 0.1,
) -> tuple[bool, bool]:
    """Return (both detected, relation right) of one image.

    Every detection above `threshold` counts, and one pair in the relation is enough.

    Args:
        relation: One of `GENEVAL_RELATIONS`, which are VISOR's as well.
        boxes_a: [N, 4] detections of the object that is placed.
        scores_a: [N].
        boxes_b: [M, 4] detections of the object it is placed by.
        scores_b: [M].
        threshold: Least confidence; .1 in the benchmark.

    Raises:
        ValueError: If the relation is none of VISOR's.
    """
    if relation not in GENEVAL_RELATIONS:
        raise ValueError(f"VISOR judges {', '.join(GENEVAL_RELATIONS)}; got {relation!r}")
    a, b = boxes_a[scores_a > threshold], boxes_b[scores_b > threshold]
    if not len(a) or not len(b):
        return False, False
    pairs_a, pairs_b = a.repeat_interleave(len(b), 0), b.repeat(len(a), 1)
    return True, bool(visor_relations(pairs_a, pairs_b)[relation].any())


def visor(detected: Tensor, right: Tensor) -> VisorScores:
    """Return the VISOR scores of P prompts with n images each.

    Args:
        detected: Bool [P, n], whether both objects were detected.
        right: Bool [P, n], whether the relation holds; counts only where both were detected.

    Raises:
        ValueError: If the shapes differ, are not [P, n], or hold no image.
    """
    if detected.shape != right.shape or detected.dim() != 2 or not detected.numel():
        raise ValueError(
            "detected and right must both have shape [prompts, images a prompt] with at least one image, got "
            f"{list(detected.shape)} and {list(right.shape)}"
        )
    right = right & detected
    found, correct, images = int(detected.sum()), int(right.sum()), detected.numel()
    a_prompt = right.sum(1)
    return VisorScores(
        object_accuracy=found / images,
        conditional=correct / found if found else float("nan"),
        unconditional=correct / images,
        at_least=tuple(float((a_prompt >= n).double().mean()) for n in range(1, detected.shape[1] + 1)),
    )
