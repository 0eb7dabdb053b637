"""Whether a spatial relation holds between boxes: true, false or ambiguous, with a soft score, batched.

Shape letters: B batch, K participants (subject first), N candidates, H W image.

Every relation is reduced to one signed margin in units of the participants' own sizes (or of the picture,
for places in it): above 0 it holds, below 0 it does not, and 1 or -1 is as clear as it gets. Score and state
are functions of the margin alone, so they cannot disagree. A relation and its inverse share one formula with
the participants exchanged, so they agree to the last bit.

Two dimensions decide less than they seem to. Where boxes say too little (in front of, background),
distances or masks must be given, else the verdict is ambiguous. `UNDECIDABLE` lists what none of them tells.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from spatial_core.language.relations import RELATIONS

DEAD_ZONE = 0.1
"""Margins within +-DEAD_ZONE are ambiguous. A tenth of an object's size is about what detectors differ by
from one another and from a person's outline, and half of GenEval's reduction (a tenth of both sizes)."""

SOFTNESS = 0.2
"""Score = sigmoid(margin / SOFTNESS): the dead zone spans scores of .38 to .62, a margin of .5 scores .92."""

OVERLAP_ALLOWED = 0.6
"""A thing is to the side of another while their extents overlap by less than this share of the narrower one.
For boxes of one size this is an offset of .4 sizes, where GenEval's rule changes its mind too; for a cup and
a table it asks for the cup's middle to be near the table's end: a cup on its left part is not left of it."""

DIAGONAL = 3**-0.5
"""tan 30 degrees: a direction holds up to 60 degrees off its axis (GenEval's .5 = cos 60), in size-normalised
offsets. An exact diagonal then has a margin of .3: true of both its directions, strongly of neither."""

NEXT_TO_GAP, NEAR_GAP, FAR_GAP = 0.7, 1.0, 1.25
"""Gaps between outlines, in mean sizes of the two, where `next_to` and `near` end and `far_from` begins."""

CONTACT_GAP = 0.2
"""What rests on something may end this share of the smaller height above it: soft edges, loose boxes."""

SURFACE = 0.7
"""Resting on something, a thing's bottom lies in the upper SURFACE of the other's box: a table top seen from
above reaches far down, legs and front take the rest. What ends lower stands before it or beneath it."""

DEPTH_CHANGE, DEPTH_THRESHOLD = 0.2, 0.15
"""A relative difference in distance of DEPTH_CHANGE is a margin of 1 before DEPTH_THRESHOLD is taken off, so
3 % is undecided: monocular depth is not better than that within one object's own thickness."""

TALL_SURFACE = 0.95
"""The same for a thing that rises well above the other: on a plate seen from above it may end near the lower
rim, and if it stood before the plate it would end below it."""

FARTHER_ON, BACK_EDGE, NEARER_ON, APART_IN = 0.05, 0.25, 0.45, 0.5
"""How far a thing may lie behind and before the middle of what it rests on, and from what it is in or under,
in widths of the larger one; behind, BACK_EDGE of the width by which the support is the wider one is added,
since a table reaches far back. In 600 exact scenes, 99 % of the things behind another of about their size
were at least .18 behind it, and 95 % of those that rested on one were before its middle."""

DISTANCE_ERROR = 0.02
"""Error of distances, as a relative difference, allowed on top of that where they are known exactly."""

IN_LINE = 1.2
"""Sideways offset in mean widths up to which the nearer thing is "in front of" the other: not beside it."""

ALIGNED = 0.2
"""Offset in mean sizes up to which things are in one row or column."""

SIZE_THRESHOLD = 0.1
"""Log of the ratio of linear sizes from which one thing is called larger: about 10 % in width and height."""

PICTURE_X, PICTURE_Y = 0.35, 0.3
"""Shares of the width and height at each border that count as that side of the picture; the rest is its
center. The vertical band is narrower because things stand below the middle of most pictures without being
"at the bottom"."""

SCENE_THIRD = 0.4
"""Nearest share of the scene's range of distances that is foreground; the farthest one is background."""

CORNER, EDGE = 0.25, 0.2
"""How far from a corner or an edge, in the anchor's own width and height, still counts as at it."""

BETWEEN_CORRIDOR = 0.35
"""Half-width of the corridor between two things, as a share of the distance of their centers."""

UNDECIDABLE = frozenset({"facing", "leaning_against", "hanging_on", "opposite"})
"""Relations that are always ambiguous here: they turn on orientation, tilt or attachment."""


@dataclass(frozen=True)
class Verdicts:
    """One relation judged for a batch.

    Attributes:
        score: Float [B] in [0, 1], .5 where undecided.
        margin: Float [B] in [-1, 1], size-normalised; above 0 the relation holds, 0 where undecided.
        state: Int8 [B]: 1 true, 0 false, -1 ambiguous (margin in the dead zone, or not decidable from what
            was given).
    """

    score: Tensor
    margin: Tensor
    state: Tensor


@dataclass(frozen=True)
class Nearest:
    """The nearest of several candidates.

    Attributes:
        index: Long [B], -1 where no candidate is valid.
        margin: Float [B] in [0, 1]: by how much the runner-up is farther, in mean sizes; 1 without one.
    """

    index: Tensor
    margin: Tensor


@dataclass(frozen=True)
class _Box:
    """One participant: float [B] each, y downwards."""

    left: Tensor
    top: Tensor
    right: Tensor
    bottom: Tensor
    distance: Tensor | None = None
    mask: Tensor | None = None

    @property
    def width(self) -> Tensor:
        return self.right - self.left

    @property
    def height(self) -> Tensor:
        return self.bottom - self.top

    @property
    def x(self) -> Tensor:
        return (self.left + self.right) / 2

    @property
    def y(self) -> Tensor:
        return (self.top + self.bottom) / 2

    @property
    def area(self) -> Tensor:
        return self.width * self.height

    @property
    def size(self) -> Tensor:
        return (self.width + self.height) / 2

    def turned(self) -> _Box:
        """Return the box with x and y exchanged, so that one rule serves both axes."""
        return replace(self, left=self.top, top=self.left, right=self.bottom, bottom=self.right)


@dataclass(frozen=True)
class _View:
    """What a rule may look at."""

    participants: tuple[_Box, ...]
    image_size: tuple[int, int] | None
    distance_range: Tensor | None
    part: frozenset[str]
    distance_error: float

    @property
    def subject(self) -> _Box:
        return self.participants[0]

    @property
    def object(self) -> _Box:
        return self.participants[1]

    def exchanged(self) -> _View:
        return replace(self, participants=self.participants[::-1])


_BY_PART = ("at_corner", "at_edge")
"""Relations whose own rule reads the part; the others look at the part's region instead of the object."""

_Rule = Callable[[_View], Tensor]
"""Returns the margin [B]; NaN where the relation cannot be decided from the view."""


def judge(
    relation: str,
    boxes: Tensor,
    *,
    distances: Tensor | None = None,
    masks: Tensor | None = None,
    image_size: tuple[int, int] | None = None,
    distance_range: Tensor | None = None,
    part: str = "",
    distance_error: float = DISTANCE_ERROR,
) -> Verdicts:
    """Return whether `relation` holds of the participants, for every item of a batch.

    Args:
        relation: A name of `RELATIONS`.
        boxes: [B, K, 4] xyxy in pixels, origin top left, subject first, then the objects in the order of the
            relation; participants beyond the relation's arity are ignored.
        distances: [B, K], larger is farther, above 0; metres, or relative with a true zero. Depth relations
            need them or masks; contact relations use them to rule contact out.
        masks: Bool [B, K, H, W], the visible pixels of each participant on the pixel grid of `boxes`;
            evidence for occlusion and contact.
        image_size: (height, width) in pixels; places in the picture need it.
        distance_range: [B, 2], nearest and farthest distance in the scene; `foreground` and `background`
            need it, or the distances of at least two participants, whose range is then taken for the scene's.
        part: Part of the (first) object that anchors the relation, as the prompt puts it: "upper-left
            corner", "back edge", "right side". Words that name no side leave the whole object.
        distance_error: Relative difference by which `distances` may be off before they rule contact out.

    Returns:
        Verdicts of shape [B]. A non-finite or empty box among the participants is ambiguous.

    Raises:
        ValueError: If the relation is unknown, too few participants are given, or shapes disagree.
    """
    return verdicts(
        margins(
            relation,
            boxes,
            distances=distances,
            masks=masks,
            image_size=image_size,
            distance_range=distance_range,
            part=part,
            distance_error=distance_error,
        )
    )


def margins(
    relation: str,
    boxes: Tensor,
    *,
    distances: Tensor | None = None,
    masks: Tensor | None = None,
    image_size: tuple[int, int] | None = None,
    distance_range: Tensor | None = None,
    part: str = "",
    distance_error: float = DISTANCE_ERROR,
) -> Tensor:
    """Return what `judge` goes by: margins [B] in [-1, 1], NaN where the relation cannot be decided.

    Takes and raises what `judge` does.
    """
    _check(relation, boxes, distances, masks, image_size, distance_range)
    arity = RELATIONS[relation].arity
    boxes = boxes[:, :arity] if boxes.dtype == torch.float64 else boxes[:, :arity].float()
    proper = boxes.isfinite().all(-1) & (boxes[..., 2] > boxes[..., 0]) & (boxes[..., 3] > boxes[..., 1])
    if arity > 1 and relation not in _BY_PART:
        boxes = torch.cat([boxes[:, :1], part_region(boxes[:, 1:2], part), boxes[:, 2:]], dim=1)
    participants = tuple(
        _Box(
            *boxes[:, k].unbind(-1),
            distance=None if distances is None else distances[:, k].to(boxes),
            mask=None if masks is None else masks[:, k],
        )
        for k in range(arity)
    )
    if distance_range is None and distances is not None and distances.shape[1] > 1:
        distance_range = torch.stack([distances.amin(1), distances.amax(1)], dim=1)
    scene = None if distance_range is None else distance_range.to(boxes)
    margin = _RULES[relation](_View(participants, image_size, scene, _sides(part), distance_error))
    return torch.where(proper.all(-1), margin.clamp(-1, 1), torch.nan)


def part_region(boxes: Tensor, part: str) -> Tensor:
    """Return where `part` of each thing is: the third of its box at the sides that the words name.

    Args:
        boxes: [..., 4] xyxy.
        part: E.g. "upper-left corner", "back edge", "right side", "middle"; other words leave the whole box.
    """
    sides = _sides(part)
    left, top, right, bottom = boxes.unbind(-1)
    third_x, third_y = (right - left) / 3, (bottom - top) / 3
    middle = "center" in sides
    near_x, far_x = "left" in sides, "right" in sides
    near_y, far_y = "top" in sides, "bottom" in sides
    return torch.stack(
        [
            left + third_x * (2 if far_x else 1 if middle and not near_x else 0),
            top + third_y * (2 if far_y else 1 if middle and not near_y else 0),
            right - third_x * (2 if near_x else 1 if middle and not far_x else 0),
            bottom - third_y * (2 if near_y else 1 if middle and not far_y else 0),
        ],
        dim=-1,
    )


def verdicts(margin: Tensor) -> Verdicts:
    """Return score and state of margins [B]; NaN means undecided."""
    margin = margin.nan_to_num(nan=0.0, posinf=1.0, neginf=-1.0).clamp(-1, 1)
    state = torch.where(margin.abs() < DEAD_ZONE, -1, (margin > 0).long()).to(torch.int8)
    return Verdicts(torch.sigmoid(margin / SOFTNESS), margin, state)


def count_matches(confidences: Tensor, expected: int | Tensor) -> Verdicts:
    """Return whether exactly `expected` of the candidates are there.

    The score is the probability of that count if each candidate is there independently with its confidence
    (Poisson binomial); with confidences of 0 and 1 it is plain counting.

    Args:
        confidences: [B, N] in [0, 1]; 0 pads.
        expected: One number, or long [B].

    Returns:
        Verdicts whose margin is 2 * score - 1; ambiguous with score .5 where a confidence is NaN.

    Raises:
        ValueError: If `confidences` is not [B, N].
    """
    if confidences.dim() != 2:
        raise ValueError(
            f"confidences must have shape [B, N], got {list(confidences.shape)}; add a batch dimension"
        )
    confidences = confidences if confidences.dtype == torch.float64 else confidences.float()
    batch, candidates = confidences.shape
    chance = torch.zeros(batch, candidates + 1, dtype=confidences.dtype, device=confidences.device)
    chance[:, 0] = 1
    for p in confidences.unbind(1):
        more = torch.nn.functional.pad(chance[:, :-1], (1, 0))
        chance = chance * (1 - p)[:, None] + more * p[:, None]
    wanted = torch.as_tensor(expected, device=confidences.device).long().expand(batch)
    score = chance.gather(1, wanted.clamp(0, candidates)[:, None])[:, 0]
    score = torch.where((wanted >= 0) & (wanted <= candidates), score, 0.0)
    score = torch.where(confidences.isnan().any(1), 0.5, score).clamp(0, 1)
    margin = 2 * score - 1
    state = torch.where(margin.abs() < DEAD_ZONE, -1, (margin > 0).long()).to(torch.int8)
    return Verdicts(score, margin, state)


def nearest(anchors: Tensor, candidates: Tensor) -> Nearest:
    """Return which candidate is nearest to each anchor: by the gap between outlines, then by centers.

    Args:
        anchors: [B, 4] xyxy.
        candidates: [B, N, 4] xyxy; a non-finite or empty box is no candidate.

    Raises:
        ValueError: If shapes disagree.
    """
    if anchors.dim() != 2 or candidates.dim() != 3 or anchors.shape[0] != candidates.shape[0]:
        raise ValueError(
            f"anchors must be [B, 4] and candidates [B, N, 4] of one B, got {list(anchors.shape)} and "
            f"{list(candidates.shape)}"
        )
    batch, count = candidates.shape[:2]
    device = candidates.device
    if count == 0:
        return Nearest(torch.full((batch,), -1, device=device), torch.zeros(batch, device=device))
    boxes = candidates if candidates.dtype == torch.float64 else candidates.float()
    a = _Box(*(edge[:, None] for edge in anchors.to(boxes).unbind(-1)))
    c = _Box(*boxes.unbind(-1))
    # Overlapping outlines all have gap 0, so centers break the tie, at a weight too small to overrule a gap.
    away = _gap(c, a) + 0.01 * torch.hypot(c.x - a.x, c.y - a.y) / ((c.size + a.size) / 2)
    proper = boxes.isfinite().all(-1) & (c.width > 0) & (c.height > 0) & anchors.isfinite().all(-1)[:, None]
    away = torch.where(proper, away, torch.inf)
    order = torch.cat([away, torch.full_like(away[:, :1], torch.inf)], dim=1).sort(dim=1).values
    found = proper.any(1)
    margin = torch.where(found, (order[:, 1] - order[:, 0]).clamp(0, 1), 0.0)
    return Nearest(torch.where(found, away.argmin(1), -1), margin)


def _check(
    relation: str,
    boxes: Tensor,
    distances: Tensor | None,
    masks: Tensor | None,
    image_size: tuple[int, int] | None,
    distance_range: Tensor | None,
) -> None:
    if relation not in RELATIONS:
        raise ValueError(f"relation must be one of {', '.join(RELATIONS)}; got {relation!r}")
    if boxes.dim() != 3 or boxes.shape[-1] != 4:
        raise ValueError(
            f"boxes must have shape [B, K, 4] (xyxy pixels, subject first), got {list(boxes.shape)}"
        )
    batch, given = boxes.shape[:2]
    arity = RELATIONS[relation].arity
    if given < arity:
        raise ValueError(
            f"{relation} has {arity} participants, got boxes of {given}; give subject and objects"
        )
    if distances is not None and distances.shape != (batch, given):
        raise ValueError(
            f"distances must have shape {[batch, given]} like boxes, got {list(distances.shape)}"
        )
    if masks is not None and (
        masks.dim() != 4 or masks.shape[:2] != (batch, given) or masks.dtype != torch.bool
    ):
        raise ValueError(
            f"masks must be bool of shape [{batch}, {given}, H, W] like boxes, got {masks.dtype} of "
            f"{list(masks.shape)}"
        )
    if distance_range is not None and distance_range.shape != (batch, 2):
        raise ValueError(
            f"distance_range must have shape {[batch, 2]} (nearest, farthest), got "
            f"{list(distance_range.shape)}"
        )
    if image_size is not None and (len(image_size) != 2 or min(image_size) <= 0):
        raise ValueError(f"image_size must be (height, width) in pixels, both above 0, got {image_size}")


def _least(*terms: Tensor) -> Tensor:
    """Conditions that must all hold: the weakest decides."""
    return torch.stack(torch.broadcast_tensors(*terms)).amin(0)


# --- directions ---


def _before(a: _Box, b: _Box) -> Tensor:
    """Margin of `a` coming before `b` along x, as a viewer would say it."""
    overlap = (a.right - b.left) / torch.minimum(a.width, b.width)
    along = (b.x - a.x) / ((a.width + b.width) / 2)
    across = (b.y - a.y).abs() / ((a.height + b.height) / 2)
    return torch.minimum(OVERLAP_ALLOWED - overlap, _direction(along, across))


def _direction(along: Tensor, across: Tensor) -> Tensor:
    """1 on the axis, .3 on the diagonal, 0 at 60 degrees off, -1 behind; never falls as `along` grows."""
    length = torch.hypot(along, across)
    cosine = (along - DIAGONAL * across) / torch.where(length > 0, length, 1.0)
    return cosine.clamp(min=-1)


def _left_of(view: _View) -> Tensor:
    return _before(view.subject, view.object)


def _above(view: _View) -> Tensor:
    return _before(view.subject.turned(), view.object.turned())


def _between(view: _View) -> Tensor:
    s, a, b = view.participants
    length = torch.hypot(b.x - a.x, b.y - a.y)
    length = torch.where(length > 0, length, torch.nan)
    ux, uy = (b.x - a.x) / length, (b.y - a.y) / length

    def along(end: _Box, sign: int) -> Tensor:
        """How far past the middle of this end's own half, in half distances."""
        reach = (ux.abs() * end.width + uy.abs() * end.height) / 2
        progress = sign * ((s.x - end.x) * ux + (s.y - end.y) * uy)
        return 2 * (progress - reach / 2) / length

    # The middle of both ends, so that exchanging them gives the same number to the last bit.
    aside = ((s.x - (a.x + b.x) / 2) * uy - (s.y - (a.y + b.y) / 2) * ux).abs()
    corridor = torch.maximum(BETWEEN_CORRIDOR * length, (s.size + (a.size + b.size)) / 6)
    # Two ends in one place have no between: what is elsewhere is not between them.
    return _least(along(a, 1), along(b, -1), 1 - aside / corridor).nan_to_num(nan=-1.0)


def _aligned_with(view: _View) -> Tensor:
    s, o = view.subject, view.object
    height, width = (s.height + o.height) / 2, (s.width + o.width) / 2
    # A row of standing things shares its bottoms, of others the middles.
    row = torch.minimum((s.y - o.y).abs(), (s.bottom - o.bottom).abs()) / height
    column = (s.x - o.x).abs() / width
    return 1 - torch.minimum(row, column) / ALIGNED


# --- distance ---


def _gap(a: _Box, b: _Box) -> Tensor:
    """Distance between the outlines in mean sizes, 0 where they touch or overlap."""
    gap_x = (torch.maximum(a.left, b.left) - torch.minimum(a.right, b.right)).clamp(min=0)
    gap_y = (torch.maximum(a.top, b.top) - torch.minimum(a.bottom, b.bottom)).clamp(min=0)
    return torch.hypot(gap_x, gap_y) / ((a.size + b.size) / 2)


def _intersection(a: _Box, b: _Box) -> Tensor:
    width = torch.minimum(a.right, b.right) - torch.maximum(a.left, b.left)
    height = torch.minimum(a.bottom, b.bottom) - torch.maximum(a.top, b.top)
    return width.clamp(min=0) * height.clamp(min=0)


def _apart(view: _View) -> Tensor:
    """Distance between the outlines in mean sizes, in depth as well where distances tell.

    A thing's size is to its distance as its box is to the focal length, and that is taken for the longer side
    of the picture (a field of view of 53 degrees): so a difference in distance becomes a number of sizes. One
    size of it is the things' own depth.
    """
    s, o = view.subject, view.object
    gap = _gap(s, o)
    if view.image_size is None:
        return gap
    sizes = _depth_difference(s, o).abs() * max(view.image_size) / ((s.size + o.size) / 2)
    return torch.hypot(gap, (sizes.nan_to_num(nan=0.0) - 1).clamp(min=0))


def _near(view: _View) -> Tensor:
    return 1 - _apart(view) / NEAR_GAP


def _far_from(view: _View) -> Tensor:
    return _apart(view) / FAR_GAP - 1


def _next_to(view: _View) -> Tensor:
    """Close, beside rather than over or under, and not one in front of the other."""
    s, o = view.subject, view.object
    sideways = _direction(
        (s.x - o.x).abs() / ((s.width + o.width) / 2), (s.y - o.y).abs() / ((s.height + o.height) / 2)
    )
    side_by_side = 1 - 2 * _intersection(s, o) / torch.minimum(s.area, o.area)
    return _least(1 - _apart(view) / NEXT_TO_GAP, sideways, side_by_side)


# --- depth ---


def _nearer(view: _View) -> Tensor:
    """How much nearer the subject is, antisymmetric: relative distance, and who covers whom. NaN: unknown."""
    s, o = view.subject, view.object
    by_distance = _depth_difference(s, o) / DEPTH_CHANGE
    by_cover = _covers(s, o)
    both = by_distance + by_cover
    return torch.where(both.isnan(), torch.where(by_distance.isnan(), by_cover, by_distance), both)


def _depth_difference(s: _Box, o: _Box) -> Tensor:
    """Relative difference of distance, above 0 where the subject is nearer; NaN where unknown."""
    if s.distance is None or o.distance is None:
        return torch.full_like(s.left, torch.nan)
    known = s.distance.isfinite() & o.distance.isfinite() & (s.distance > 0) & (o.distance > 0)
    return torch.where(known, (o.distance - s.distance) / ((o.distance + s.distance) / 2), torch.nan)


def _covers(s: _Box, o: _Box) -> Tensor:
    """Occlusion in [-.5, .5]: who owns the pixels where the boxes overlap; NaN without masks or overlap.

    Half a margin at most, because a cup also covers the table it stands on.
    """
    if s.mask is None or o.mask is None:
        return torch.full_like(s.left, torch.nan)
    height, width = s.mask.shape[-2:]
    ys = torch.arange(height, device=s.left.device)[None, :, None] + 0.5
    xs = torch.arange(width, device=s.left.device)[None, None, :] + 0.5

    def edge(value: Tensor) -> Tensor:
        return value[:, None, None]

    common = (
        (xs > edge(torch.maximum(s.left, o.left)))
        & (xs < edge(torch.minimum(s.right, o.right)))
        & (ys > edge(torch.maximum(s.top, o.top)))
        & (ys < edge(torch.minimum(s.bottom, o.bottom)))
    )
    ours = (s.mask & common).sum((1, 2)).to(s.left)
    theirs = (o.mask & common).sum((1, 2)).to(s.left)
    # A sliver of overlap proves little: full weight from a tenth of the smaller box on.
    weight = (_intersection(s, o) / (0.1 * torch.minimum(s.area, o.area))).clamp(max=1)
    seen = ours + theirs
    return torch.where(seen > 0, 0.5 * weight * (ours - theirs) / seen.clamp(min=1), torch.nan)


def _in_front_of(view: _View) -> Tensor:
    s, o = view.subject, view.object
    nearer = _nearer(view) - DEPTH_THRESHOLD
    # Nearer but off to the side is where people stop saying "in front of": undecided at best.
    in_line = IN_LINE - (s.x - o.x).abs() / ((s.width + o.width) / 2)
    # What stands on a table is nearer than the table's middle or farther, but not in front of it or behind.
    resting = torch.minimum(torch.maximum(_resting(view), _resting(view.exchanged())), _over(s, o))
    return _least(nearer, in_line.clamp(min=0), 1 - 4 * resting.clamp(min=0))


def _hidden_by(view: _View) -> Tensor:
    """The object is in front, and covers at least a twentieth of the subject's box."""
    covered = _intersection(view.subject, view.object) / view.subject.area
    return torch.minimum(_in_front_of(view.exchanged()), (covered - 0.05) / 0.2)


def _foreground(view: _View) -> Tensor:
    return (SCENE_THIRD - _depth_in_scene(view)) / SCENE_THIRD


def _background(view: _View) -> Tensor:
    return (_depth_in_scene(view) - (1 - SCENE_THIRD)) / SCENE_THIRD


def _depth_in_scene(view: _View) -> Tensor:
    """Where the subject lies in the scene's range of distances, in [0, 1]; NaN where unknown."""
    distance = view.subject.distance
    if distance is None or view.distance_range is None:
        return torch.full_like(view.subject.left, torch.nan)
    near, far = view.distance_range.unbind(-1)
    return torch.where(far > near, (distance - near) / (far - near), torch.nan).clamp(0, 1)


# --- support and containment ---


def _on(view: _View) -> Tensor:
    """The subject rests on the object, or spans above it as a table does above a cat (so that `under`, which
    is this with the participants exchanged, covers both a book under a cup and a cat under a table)."""
    s, o = view.subject, view.object
    shelters = torch.minimum(_shelters(s, o), _touching(view))
    return torch.minimum(_over(s, o), torch.maximum(_resting(view), shelters)).clamp(max=0.5)


def _resting(view: _View) -> Tensor:
    s, o = view.subject, view.object
    return torch.minimum(_rests(s, o), _touching(view, FARTHER_ON, NEARER_ON, BACK_EDGE))


def _over(a: _Box, b: _Box) -> Tensor:
    """At least half of the narrower one's width is above or below the other."""
    overlap = torch.minimum(a.right, b.right) - torch.maximum(a.left, b.left)
    return 2 * (overlap / torch.minimum(a.width, b.width) - 0.5)


def _touching(
    view: _View, farther: float = APART_IN, nearer: float = APART_IN, back_edge: float = 0.0
) -> Tensor:
    """Distances do not forbid contact: the subject is at most so many widths farther or nearer."""
    s, o = view.subject, view.object
    difference = _depth_difference(s, o)
    larger = torch.maximum(s.width, o.width)
    behind = farther * larger + back_edge * (o.width - s.width).clamp(min=0)
    # Without the picture's size, things are taken to be large in it, so that little is ruled out.
    side = larger / 0.6 if view.image_size is None else max(view.image_size)
    allowed = torch.where(difference > 0, nearer * larger, behind) / side + view.distance_error
    return (1 - difference.abs() / allowed).nan_to_num(nan=1.0)


def _rests(a: _Box, b: _Box) -> Tensor:
    """The bottom of `a` lies on the upper part of `b`; at most .5, contact is never seen more clearly."""
    gap = (b.top - a.bottom) / torch.minimum(a.height, b.height)
    touching = ((CONTACT_GAP - gap) / (2 * CONTACT_GAP)).clamp(max=0.5)
    beneath = _beneath(a, b)
    depth = (a.bottom - b.top) / b.height
    # On a flat thing, seen from above, even what lies within its box lies on it.
    flat = 0.3 * (b.width / b.height - 1).clamp(0, 1)
    rise = ((b.top - a.top) / a.height + flat).clamp(0, 0.5) * 2
    surface = SURFACE + (TALL_SURFACE - SURFACE) * rise
    # What lies right below `a` tells more than how far down it ends: a table top may fill its box.
    shallow = torch.where(
        beneath.isnan(), 2 * (surface - depth), torch.minimum(2 * (beneath - 0.25), 2 * (1.2 - depth))
    )
    return torch.minimum(touching, shallow)


def _shelters(a: _Box, b: _Box) -> Tensor:
    """`a` begins well above `b` and both end at about one height: `b` stands beneath `a`."""
    higher = 2 * ((b.top - a.top) / a.height - 0.3)
    level = 2 * (0.25 - (a.bottom - b.bottom).abs() / a.height)
    free = (2 * (0.25 - _beneath(b, a))).nan_to_num(nan=1.0)
    return _least(higher, level, free)


def _beneath(a: _Box, b: _Box) -> Tensor:
    """Share of the pixels right below `a` that belong to `b`; NaN without masks or at the border."""
    if a.mask is None or b.mask is None:
        return torch.full_like(a.left, torch.nan)
    step = max(1, a.mask.shape[-2] // 64)
    lowered = torch.nn.functional.pad(a.mask, (0, 0, step, 0))[:, : a.mask.shape[-2]]
    band = lowered & ~a.mask
    # Only the lower half: the upper outline of a ring or a handle also has pixels "below" it.
    ys = torch.arange(a.mask.shape[-2], device=a.left.device)[None, :, None]
    band = band & (ys > a.y[:, None, None])
    pixels = band.sum((1, 2)).to(a.left)
    return torch.where(pixels > 0, (band & b.mask).sum((1, 2)).to(a.left) / pixels.clamp(min=1), torch.nan)


def _inside(view: _View) -> Tensor:
    """At least half of the subject's box, and almost its whole width, lies in the object's."""
    s, o = view.subject, view.object
    contained = 2 * (_intersection(s, o) / s.area - 0.5)
    width = torch.minimum(s.right, o.right) - torch.maximum(s.left, o.left)
    across = 4 * (width / s.width - 0.75)
    sunk = 4 * (1.1 - (s.bottom - o.top) / o.height)
    smaller = 2 * (1.2 - s.area / o.area)
    return _least(contained, across, sunk, smaller, _touching(view))


def _around(view: _View) -> Tensor:
    """The subject reaches past the object on the left and on the right, and takes in most of it."""
    s, o = view.subject, view.object
    contained = 2 * (_intersection(s, o) / o.area - 0.5)
    past = torch.minimum(o.left - s.left, s.right - o.right) / o.width
    return torch.minimum(contained, 2 * past)


# --- size ---


def _larger_than(view: _View) -> Tensor:
    return (view.subject.area.log() - view.object.area.log()) / 2 - SIZE_THRESHOLD


# --- places in the picture, or in a thing ---


def _from_left(view: _View) -> Tensor:
    """Center of the subject across the picture in [0, 1]; NaN without the picture's size."""
    return (
        view.subject.x / view.image_size[1] if view.image_size else torch.full_like(view.subject.x, torch.nan)
    )


def _from_top(view: _View) -> Tensor:
    return (
        view.subject.y / view.image_size[0] if view.image_size else torch.full_like(view.subject.y, torch.nan)
    )


def _picture_left(view: _View) -> Tensor:
    return (PICTURE_X - _from_left(view)) / PICTURE_X


def _picture_right(view: _View) -> Tensor:
    return (_from_left(view) - (1 - PICTURE_X)) / PICTURE_X


def _picture_top(view: _View) -> Tensor:
    return (PICTURE_Y - _from_top(view)) / PICTURE_Y


def _picture_bottom(view: _View) -> Tensor:
    return (_from_top(view) - (1 - PICTURE_Y)) / PICTURE_Y


def _picture_center(view: _View) -> Tensor:
    # The slopes of the sides, so that center and side are never both likely.
    x = (0.5 - PICTURE_X - (_from_left(view) - 0.5).abs()) / PICTURE_X
    y = (0.5 - PICTURE_Y - (_from_top(view) - 0.5).abs()) / PICTURE_Y
    return torch.minimum(x, y)


_SIDE_WORDS = {
    "left": "left",
    "right": "right",
    "top": "top",
    "upper": "top",
    # A horizontal surface is seen from above: its back edge is the upper one in the picture.
    "back": "top",
    "rear": "top",
    "far": "top",
    "bottom": "bottom",
    "lower": "bottom",
    "front": "bottom",
    "near": "bottom",
    "center": "center",
    "centre": "center",
    "middle": "center",
}


def _sides(part: str) -> frozenset[str]:
    words = part.lower().replace("-", " ").split()
    return frozenset(_SIDE_WORDS[word] for word in words if word in _SIDE_WORDS)


def _from_sides(view: _View) -> dict[str, Tensor]:
    """Distance of the subject from each side of the object, in the object's own width and height.

    The subject's center or its outer edge counts, whichever is nearer to the side.
    """
    s, o = view.subject, view.object

    def away(center: Tensor, edge: Tensor, side: Tensor, size: Tensor) -> Tensor:
        return torch.minimum((center - side).abs(), (edge - side).abs()) / size

    return {
        "left": away(s.x, s.left, o.left, o.width),
        "right": away(s.x, s.right, o.right, o.width),
        "top": away(s.y, s.top, o.top, o.height),
        "bottom": away(s.y, s.bottom, o.bottom, o.height),
    }


def _within(view: _View, reach: float) -> Tensor:
    """Margin of the subject's center lying in the object's box widened by `reach` of its size."""
    s, o = view.subject, view.object
    out_x = torch.maximum(o.left - s.x, s.x - o.right) / o.width
    out_y = torch.maximum(o.top - s.y, s.y - o.bottom) / o.height
    return 1 - torch.maximum(out_x, out_y).clamp(min=0) / reach


def _at_corner(view: _View) -> Tensor:
    away = _from_sides(view)
    x = [away[side] for side in ("left", "right") if side in view.part] or [away["left"], away["right"]]
    y = [away[side] for side in ("top", "bottom") if side in view.part] or [away["top"], away["bottom"]]
    farther = torch.maximum(torch.stack(x).amin(0), torch.stack(y).amin(0))
    return torch.minimum(1 - farther / CORNER, _within(view, CORNER))


def _at_edge(view: _View) -> Tensor:
    away = _from_sides(view)
    named = [away[side] for side in away if side in view.part]
    nearest_side = torch.stack(named or list(away.values())).amin(0)
    return torch.minimum(1 - nearest_side / EDGE, _within(view, EDGE))


def _undecidable(view: _View) -> Tensor:
    return torch.full_like(view.subject.left, torch.nan)


def _exchanged(rule: _Rule) -> _Rule:
    return lambda view: rule(view.exchanged())


_RULES: dict[str, _Rule] = {
    "left_of": _left_of,
    "right_of": _exchanged(_left_of),
    "above": _above,
    "below": _exchanged(_above),
    "on": _on,
    "under": _exchanged(_on),
    "stacked_on": _on,
    "in_front_of": _in_front_of,
    "behind": _exchanged(_in_front_of),
    "hidden_by": _hidden_by,
    "next_to": _next_to,
    "near": _near,
    "far_from": _far_from,
    "between": _between,
    "inside": _inside,
    "around": _around,
    "picture_left": _picture_left,
    "picture_right": _picture_right,
    "picture_top": _picture_top,
    "picture_bottom": _picture_bottom,
    "picture_center": _picture_center,
    "foreground": _foreground,
    "background": _background,
    "at_corner": _at_corner,
    "at_edge": _at_edge,
    "aligned_with": _aligned_with,
    "larger_than": _larger_than,
    "smaller_than": _exchanged(_larger_than),
    **dict.fromkeys(UNDECIDABLE, _undecidable),
}
