"""Everything that is true, false or undecidable in a scene, for every pair of things in it.

Two witnesses are heard: the world (positions, sizes and who holds whom, exact) and the picture (boxes and
distances). A relation is true or false only where both agree with a margin; it is ambiguous where they
disagree or where either is close to call, so that no caption rests on what a person could not decide by
looking.

Shapes: B scenes, N objects (padded), P = N + 2 participants: the objects, then the wall and the floor, which
take part in "hanging on the wall", "leaning against the wall" and "on the floor" only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from spatial_core.geometry import judge
from spatial_core.scenes.layout import BLOCKS
from spatial_core.scenes.objects import OBJECT_KINDS
from spatial_core.scenes.scene import Scene, SceneObject
from spatial_core.scenes.stage import make_item

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
States = npt.NDArray[np.int8]

TRUE, FALSE, AMBIGUOUS = 1, 0, -1
WALL, FLOOR = -2, -1
"""Indices that stand for the wall and the floor, from the end, whatever the number of objects."""

BINARY: tuple[str, ...] = (
    "left_of",
    "right_of",
    "above",
    "below",
    "on",
    "under",
    "in_front_of",
    "behind",
    "next_to",
    "near",
    "far_from",
    "inside",
    "stacked_on",
    "leaning_against",
    "hanging_on",
    "hidden_by",
    "larger_than",
    "smaller_than",
    "aligned_with",
)
PLACES: tuple[str, ...] = (
    "picture_left",
    "picture_right",
    "picture_top",
    "picture_bottom",
    "picture_center",
    "foreground",
    "background",
)
BY_STATE = {"on", "under", "inside", "stacked_on", "leaning_against", "hanging_on"}
"""Relations that who holds whom decides, exactly."""

FAMILIES: tuple[str, ...] = (*BINARY, "between", *PLACES)
"""Every relation that the scenes can show and the closure can decide."""

MIN_VISIBLE = 0.4
"""A named thing must show at least this fraction of itself unless it is meant to be hidden."""


@dataclass(frozen=True)
class Statement:
    """One relation between things of a scene; `objects` is empty for a place in the picture.

    Indices run over the scene's objects, or are `WALL` or `FLOOR`.
    """

    relation: str
    subject: int
    objects: tuple[int, ...]


@dataclass(frozen=True)
class Closure:
    """The state of every relation in one scene: 1 true, 0 false, -1 ambiguous.

    Attributes:
        binary: `[len(BINARY), P, P]`, relation x subject x object.
        between: `[P, P, P]`, subject x one side x other side, symmetric in the last two.
        places: `[len(PLACES), P]`.
    """

    binary: States
    between: States
    places: States

    def state(self, statement: Statement) -> int:
        """Return 1, 0 or -1 for one statement."""
        name, subject, objects = statement.relation, statement.subject, statement.objects
        if name == "between":
            return int(self.between[subject, objects[0], objects[1]])
        if name in PLACES:
            return int(self.places[PLACES.index(name), subject])
        return int(self.binary[BINARY.index(name), subject, objects[0]])

    def statements(self, state: int = TRUE) -> list[Statement]:
        """Return every statement of the given state; `between` once per unordered pair of sides."""
        count = self.places.shape[1] - 2
        found = [
            Statement(BINARY[r], s, (o if o < count else o - count - 2,))
            for r, s, o in np.argwhere(self.binary == state).tolist()
        ]
        found += [
            Statement("between", s, (a, b))
            for s, a, b in np.argwhere(self.between == state).tolist()
            if a < b
        ]
        found += [Statement(PLACES[r], s, ()) for r, s in np.argwhere(self.places == state).tolist()]
        return found


class _World:
    """Exact state of a batch of scenes as padded arrays."""

    def __init__(self, scenes: Sequence[Scene], width: int):
        b, n = len(scenes), width
        self.pos = np.zeros((b, n, 3))
        self.half = np.full((b, n, 3), 0.1)
        self.valid = np.zeros((b, n), bool)
        self.thing = np.zeros((b, n), bool)
        self.seat = np.zeros((b, n), bool)
        self.solid = np.zeros((b, n), bool)
        self.block = np.zeros((b, n), bool)
        self.host = np.zeros((b, n), bool)
        self.support = np.full((b, n), n + 1)
        self.manner = np.zeros((b, n), np.int8)
        self.level = np.full((b, n), -9)
        self.carried = np.zeros((b, n, n + 2), bool)
        for k, scene in enumerate(scenes):
            self._read(k, scene, n)
        self.bottom = self.pos[..., 2]
        self.top = self.bottom + 2 * self.half[..., 2]
        self.size = 2 * np.cbrt(self.half.prod(-1))

    def _read(self, k: int, scene: Scene, n: int) -> None:
        manners = {"on": 0, "inside": 1, "leaning_against": 2, "hanging_on": 3}
        for i, state in enumerate(scene.objects):
            item, kind = make_item(state), OBJECT_KINDS[state.kind]
            self.pos[k, i], self.half[k, i] = item.center, item.half
            furniture = kind.category == "furniture"
            self.valid[k, i] = furniture or state.named
            self.thing[k, i] = not furniture and state.named
            self.seat[k, i] = state.kind == "stool"
            self.solid[k, i] = not furniture or state.kind == "stool"
            self.host[k, i] = state.kind in ("table", "stool")
            self.block[k, i] = state.kind in BLOCKS
            self.manner[k, i] = manners[state.relation_to_support]
            on_wall = state.kind == "shelf" or state.relation_to_support == "hanging_on"
            leaning = state.relation_to_support == "leaning_against"
            self.support[k, i] = (
                state.support if state.support is not None else (n if on_wall or leaning else n + 1)
            )
            self.level[k, i] = _level(scene, i)
            j = state.support
            self.carried[k, i, self.support[k, i]] = True
            while j is not None:
                self.carried[k, i, j] = True
                j = scene.objects[j].support


def _level(scene: Scene, index: int) -> int:
    """Return the furniture that something rests on in the end, -1 for the floor, -2 for the wall."""
    state = scene.objects[index]
    if state.relation_to_support == "leaning_against":
        return _standing_on(scene, state)
    if state.kind == "shelf" or state.relation_to_support == "hanging_on":
        return -2
    if state.support is None:
        return -1
    if OBJECT_KINDS[scene.objects[state.support].kind].category == "furniture":
        return state.support
    return _level(scene, state.support)


def _standing_on(scene: Scene, state: SceneObject) -> int:
    """Return the furniture whose board is at the foot of a leaning thing, -1 for the floor."""
    for j, other in enumerate(scene.objects):
        kind = OBJECT_KINDS[other.kind]
        board = other.position[2] + kind.top * other.scale
        if kind.category == "furniture" and abs(board - state.position[2]) < 1e-4:
            return j
    return -1


def closures(
    scenes: Sequence[Scene],
    boxes: npt.ArrayLike,
    *,
    distances: npt.ArrayLike,
    visible: npt.ArrayLike,
    size: int,
) -> list[Closure]:
    """Return the closure of every scene.

    Args:
        scenes: B scenes.
        boxes: `[B, N, 4]` amodal xyxy boxes in pixels, N at least the largest number of objects.
        distances: `[B, N]` metres from the camera.
        visible: `[B, N]` visible fraction in [0, 1].
        size: Side of the picture in pixels.

    Raises:
        ValueError: If the arrays do not cover the scenes.
    """
    box = np.asarray(boxes, np.float64) / size
    far = np.asarray(distances, np.float64)
    seen = np.asarray(visible, np.float64)
    most = max((len(s.objects) for s in scenes), default=0)
    if box.ndim != 3 or len(box) != len(scenes) or box.shape[1] < most:
        raise ValueError(
            f"boxes must be [{len(scenes)}, N >= {most}, 4], one row per scene; got {tuple(box.shape)}."
        )
    if not scenes:
        return []
    rules = _Rules(_World(scenes, box.shape[1]), box, far, seen, size)
    binary, between, places = rules.binary(), rules.between(), rules.places()
    n = box.shape[1]
    result: list[Closure] = []
    for k, scene in enumerate(scenes):
        keep = [*range(len(scene.objects)), n, n + 1]
        result.append(
            Closure(
                binary=binary[:, k][:, keep][:, :, keep],
                between=between[k][keep][:, keep][:, :, keep],
                places=places[:, k][:, keep],
            )
        )
    return result


def _verdict(true: Bools, false: Bools) -> States:
    return np.where(true, TRUE, np.where(false, FALSE, AMBIGUOUS)).astype(np.int8)


class _Rules:
    """The rules, on arrays [B, N, N] whose last two axes are subject and object."""

    def __init__(self, world: _World, box: Floats, far: Floats, seen: Floats, size: int):
        self.w, self.box, self.far, self.seen, self.size = world, box, far, seen, size
        self.cu, self.cv = (box[..., 0] + box[..., 2]) / 2, (box[..., 1] + box[..., 3]) / 2
        self.bw = np.maximum(box[..., 2] - box[..., 0], 1e-3)
        self.bh = np.maximum(box[..., 3] - box[..., 1], 1e-3)

    @staticmethod
    def _minus(a: Floats) -> Floats:
        """Return object minus subject."""
        return a[:, None, :] - a[:, :, None]

    @staticmethod
    def _plus(a: Floats) -> Floats:
        return a[:, None, :] + a[:, :, None]

    @cached_property
    def dx(self) -> Floats:
        return self._minus(self.w.pos[..., 0])

    @cached_property
    def dy(self) -> Floats:
        return self._minus(self.w.pos[..., 1])

    @cached_property
    def nx(self) -> Floats:
        """Distance in x in units of touching side by side."""
        return self.dx / self._plus(self.w.half[..., 0])

    @cached_property
    def ny(self) -> Floats:
        return self.dy / self._plus(self.w.half[..., 1])

    @cached_property
    def du(self) -> Floats:
        return self._minus(self.cu)

    @cached_property
    def dv(self) -> Floats:
        return self._minus(self.cv)

    @cached_property
    def nu(self) -> Floats:
        return 2 * self.du / self._plus(self.bw)

    @cached_property
    def nv(self) -> Floats:
        return 2 * self.dv / self._plus(self.bh)

    @cached_property
    def gap(self) -> Floats:
        """Free space between the footprints in units of the mean size."""
        gx = np.abs(self.dx) - self._plus(self.w.half[..., 0])
        gy = np.abs(self.dy) - self._plus(self.w.half[..., 1])
        gap = np.hypot(np.maximum(gx, 0), np.maximum(gy, 0))
        return gap / (self._plus(self.w.half[..., 0]) / 2 + self._plus(self.w.half[..., 1]) / 2)

    @cached_property
    def same_level(self) -> Bools:
        level = self.w.level
        lifted = (self.w.manner == 1) | (self._lifted())
        flat = ~lifted
        flush = np.abs(self._minus(self.w.bottom)) < 0.01
        return flush & (level[:, :, None] == level[:, None, :]) & flat[:, :, None] & flat[:, None, :]

    def _lifted(self) -> Bools:
        """Whether it stands on another thing rather than on a surface."""
        n = self.w.pos.shape[1]
        support = np.minimum(self.w.support, n - 1)
        on_thing = np.take_along_axis(self.w.thing | ~self.w.valid, support, 1)
        return (self.w.support < n) & on_thing & (self.w.manner != 2)

    @cached_property
    def held(self) -> Bools:
        """Whether the subject rests on, in or against the object, directly or not."""
        return self.w.carried[:, :, : self.w.pos.shape[1]]

    @cached_property
    def tied(self) -> Bools:
        return self.held | self.held.transpose(0, 2, 1)

    @cached_property
    def overlap(self) -> Floats:
        """Intersection of the boxes in units of the picture."""
        b = self.box
        x = np.minimum(b[:, :, None, 2], b[:, None, :, 2]) - np.maximum(b[:, :, None, 0], b[:, None, :, 0])
        y = np.minimum(b[:, :, None, 3], b[:, None, :, 3]) - np.maximum(b[:, :, None, 1], b[:, None, :, 1])
        return np.maximum(x, 0) * np.maximum(y, 0)

    def _agreed(self, relation: str, state: States) -> States:
        """Keep what the picture alone says too; `state` is [B, N] or [B, N, N] or [B, N, N, N]."""
        decided = np.nonzero(state != AMBIGUOUS)
        # [M, 1] scenes and [M, roles] participants in the order of the axes, of what the world decides.
        scene, roles = decided[0][:, None], np.stack(decided[1:], -1)
        seen = judge(
            relation,
            torch.from_numpy(self.box[scene, roles] * self.size),
            distances=torch.from_numpy(self.far[scene, roles]),
            image_size=(self.size, self.size),
            distance_range=torch.from_numpy(self._depth_range[decided[0]]),
        ).state.numpy()
        result = np.full(state.shape, AMBIGUOUS, np.int8)
        result[decided] = np.where(state[decided] == seen, seen, AMBIGUOUS)
        return result

    @cached_property
    def _depth_range(self) -> Floats:
        """[B, 2] distances of the nearest and the farthest named thing."""
        low = np.where(self.w.thing, self.far, np.inf).min(1)
        high = np.where(self.w.thing, self.far, -np.inf).max(1)
        return np.stack([low, high], 1)

    def _left(self) -> States:
        # What stands on or in the other is neither left nor right of it.
        true = (self.nx > 0.55) & (self.nu > 0.6) & (np.abs(self.du) > 0.55 * np.abs(self.dv)) & ~self.tied
        false = (self.nx < 0.12) & (self.nu < 0.15) | (self.tied & (np.abs(self.nu) < 0.4))
        return _verdict(true, false)

    def _above(self) -> States:
        w = self.w
        height = self._plus(w.half[..., 2])
        rise = (w.bottom[:, :, None] - w.top[:, None, :]) / height
        mid = ((w.bottom + w.top)[:, :, None] - (w.bottom + w.top)[:, None, :]) / 2 / height
        true = (rise > -0.1) & (self.nv > 0.75) & (np.abs(self.du) < 0.8 * np.abs(self.dv)) & ~self.tied
        # A thing farther back on the same table is higher in the picture: not above, but not clear to all.
        false = (mid < 0.15) & (self.nv < 0.45)
        return _verdict(true, false & ~self.held)

    def _front(self) -> States:
        depth = self._minus(self.far) / (self._plus(self.w.half[..., 1]))
        foot = self.box[:, :, None, 3] - self.box[:, None, :, 3]
        free = ~self.tied & self.same_level
        column = (np.abs(self.nx) < 1.0) & (np.abs(self.nu) < 1.05)
        true = free & (self.ny > 0.85) & (depth > 0.5) & column & (foot > 0.025)
        flat = (np.abs(self.ny) < 0.3) & (np.abs(self.nx) > 0.8)
        backwards = (self.ny < -0.6) & (depth < -0.3) & (foot < 0)
        touching = self.tied & (self.w.manner[:, :, None] != 2) & (self.w.manner[:, None, :] != 2)
        false = (free & (flat | backwards)) | touching
        return _verdict(true, false)

    def _distance(self) -> tuple[States, States, States]:
        """Return next_to, near and far_from."""
        apart = np.hypot(self.du, self.dv)
        free = ~self.tied
        wall = self.w.manner == 3
        walls = wall[:, :, None] & wall[:, None, :]
        level = (self.same_level & ~walls) & free
        side = np.abs(self.dy) < 0.6 * np.abs(self.dx)
        beside = level & side & (self.gap < 0.4) & (np.abs(self.nu) > 0.75) & ~self._someone_between()
        far = ((self.gap > 2.0) & (apart > 0.42)) & free
        next_to = _verdict(beside, ((self.gap > 1.5) & (apart > 0.3)) | (self.tied & (self.overlap > 0)))
        near = _verdict(level & (self.gap < 0.6), far)
        return next_to, near, _verdict(far, (self.gap < 0.9) & (apart < 0.33))

    def _someone_between(self) -> Bools:
        """[B, N, N] whether any third thing stands between the two in the picture."""
        low = np.minimum(self.cu[:, :, None], self.cu[:, None, :])
        high = np.maximum(self.cu[:, :, None], self.cu[:, None, :])
        u = self.cu[:, None, None, :]
        third = (u > low[..., None]) & (u < high[..., None]) & self.same_level[:, :, None, :]
        return np.any(third, axis=-1)

    def _support(self) -> dict[str, States]:
        w = self.w
        n = w.pos.shape[1]
        direct = w.support[:, :, None] == np.arange(n + 2)
        manner = w.manner[:, :, None]
        held = w.carried
        on = _verdict(direct & (manner == 0), ~held)
        inside = _verdict(direct & (manner == 1), ~held | (direct & (manner == 0)))
        leaning = _verdict(direct & (manner == 2), ~(direct & (manner == 2)) & ((manner != 2) | ~held))
        hanging = _verdict(direct & (manner == 3), ~(direct & (manner == 3)))
        # What is on a box on the floor is, to some, on the floor.
        raised = (w.level == -1) & (on[:, :, n + 1] != TRUE)
        on[:, :, n + 1] = np.where(raised, AMBIGUOUS, on[:, :, n + 1])
        on[:, :, :n] = np.where(self._seems_on() & (on[:, :, :n] == FALSE), AMBIGUOUS, on[:, :, :n])
        stacked = on[:, :, :n].copy()
        loose = ~(w.block[:, :, None] & w.block[:, None, :])
        stacked[(stacked == TRUE) & loose] = AMBIGUOUS
        stacked[(stacked == TRUE) & ~w.thing[:, None, :].repeat(n, 1)] = AMBIGUOUS
        under = self._under(on[:, :, :n], inside[:, :, :n])
        return {
            "on": on,
            "inside": inside,
            "leaning_against": leaning,
            "hanging_on": hanging,
            "stacked_on": stacked,
            "under": under,
        }

    def _seems_on(self) -> Bools:
        """Whether the subject's foot meets the object's top in the picture though it does not stand there."""
        foot, top = self.box[:, :, None, 3], self.box[:, None, :, 1]
        width = np.minimum(self.box[:, :, None, 2], self.box[:, None, :, 2]) - np.maximum(
            self.box[:, :, None, 0], self.box[:, None, :, 0]
        )
        close = np.abs(foot - top) < 0.3 * self.bh[:, None, :]
        return close & (width > 0.4 * self.bw[:, :, None]) & ~self.held

    def _under(self, on: States, inside: States) -> States:
        w = self.w
        # Most of its footprint must be under the board; what is half out is neither here nor there.
        room = w.half[:, None, :, :] - 0.35 * w.half[:, :, None, :]
        below = (np.abs(self.dx) < room[..., 0]) & (np.abs(self.dy) < room[..., 1])
        below &= w.host[:, None, :] & (w.level == -1)[:, :, None] & (w.bottom < 0.01)[:, :, None]
        below &= w.thing[:, :, None]
        edge = (np.abs(self.dx) < 1.25 * w.half[:, None, :, 0]) & (
            np.abs(self.dy) < 1.4 * w.half[:, None, :, 1]
        )
        edge &= w.host[:, None, :] & (w.level == -1)[:, :, None]
        carries = on.transpose(0, 2, 1) == TRUE
        unclear = (on.transpose(0, 2, 1) == AMBIGUOUS) | (inside.transpose(0, 2, 1) != FALSE)
        unclear |= self.held.transpose(0, 2, 1) | edge
        return _verdict(carries | below, ~unclear)

    def _hidden(self) -> States:
        nearer = self._minus(self.far) < -0.02
        share = self.overlap / (self.bw * self.bh)[:, :, None]
        # A table fills a large box, and hides little of what overlaps with that.
        part = np.where(nearer & self.w.solid[:, None, :], share, 0.0)
        rest = part.sum(-1, keepdims=True) - part
        loose = ~self.tied
        true = nearer & loose & (self.seen < 0.86)[:, :, None] & (share > 0.15) & (rest < 0.5 * share)
        false = (
            (self.overlap == 0) | ~nearer & (self._minus(self.far) > 0.02) | (self.seen > 0.985)[:, :, None]
        )
        return _verdict(true, false & loose)

    def _larger(self) -> States:
        world = self.w.size[:, :, None] / self.w.size[:, None, :]
        area = self.bw * self.bh
        picture = np.sqrt(area[:, :, None] / area[:, None, :])
        # The picture's size of a half hidden or distant thing may mislead: both must say the same.
        return _verdict((world > 1.3) & (picture > 1.35), (world < 0.85) & (picture < 0.85))

    def _aligned(self) -> States:
        size = self._plus(self.w.size) / 2
        level = self.same_level & ~self.tied
        row = (np.abs(self.dy) < 0.2 * size) & (np.abs(self.nx) > 0.9)
        foot = np.abs(self.box[:, :, None, 3] - self.box[:, None, :, 3])
        return _verdict(level & row & (foot < 0.06), level & (np.abs(self.dy) > 0.9 * size) & (foot > 0.09))

    def binary(self) -> States:
        """Return `[len(BINARY), B, N + 2, N + 2]`."""
        w = self.w
        b, n = w.valid.shape
        left, above, front = self._left(), self._above(), self._front()
        next_to, near, far = self._distance()
        larger = self._larger()
        found: dict[str, States] = {
            "left_of": left,
            "right_of": left.transpose(0, 2, 1),
            "above": above,
            "below": above.transpose(0, 2, 1),
            "in_front_of": front,
            "behind": front.transpose(0, 2, 1),
            "next_to": next_to,
            "near": near,
            "far_from": far,
            "hidden_by": self._hidden(),
            "larger_than": larger,
            "smaller_than": larger.transpose(0, 2, 1),
            "aligned_with": self._aligned(),
            **self._support(),
        }
        result = np.full((len(BINARY), b, n + 2, n + 2), AMBIGUOUS, np.int8)
        mover = w.thing | (w.seat & w.valid)
        things = mover[:, :, None] & mover[:, None, :]
        hosts = w.thing[:, :, None] & w.valid[:, None, :]
        np.einsum("bii->bi", things)[:] = False
        np.einsum("bii->bi", hosts)[:] = False
        for r, name in enumerate(BINARY):
            state = found[name]
            width = state.shape[2]
            # Furniture is a support and a landmark; sizes and distances to it say little.
            landmark = name in ("on", "under", "in_front_of", "behind", "inside", "leaning_against")
            allowed = hosts if landmark else things
            if name in ("stacked_on", "hidden_by", "larger_than", "smaller_than", "inside"):
                allowed = w.thing[:, :, None] & w.thing[:, None, :] & things
            block = np.where(allowed, state[:, :, :n], AMBIGUOUS).astype(np.int8)
            if name not in BY_STATE:
                seen = self._agreed(name, block)
                # Of a table the picture shows a large box with much else before it: the world decides.
                exact = (name in ("in_front_of", "behind")) & ~w.thing[:, None, :]
                block = np.where(exact, block, seen)
            result[r, :, :n, :n] = block
            if width > n and name in ("on", "leaning_against", "hanging_on"):
                ends = slice(n, n + 1) if name != "on" else slice(n + 1, n + 2)
                result[r, :, :n, ends] = np.where(w.thing[:, :, None], state[:, :, ends], AMBIGUOUS)
        return result

    def between(self) -> States:
        """Return `[B, N + 2, N + 2, N + 2]`."""
        w = self.w
        b, n = w.valid.shape
        # Axes: subject, one side, other side.
        ax, ay = self.dx[:, :, :, None], self.dy[:, :, :, None]
        bx, by = self.dx[:, :, None, :], self.dy[:, :, None, :]
        lx, ly = bx - ax, by - ay
        length = np.maximum(np.hypot(lx, ly), 1e-6)
        t = (-ax * lx - ay * ly) / length**2
        off = np.abs(ax * ly - ay * lx) / length
        level = self.same_level & ~self.tied
        together = level[:, :, :, None] & level[:, :, None, :]
        nu_a, nu_b = self.nu[:, :, :, None], self.nu[:, :, None, :]
        opposite = (nu_a * nu_b < 0) & (np.minimum(np.abs(nu_a), np.abs(nu_b)) > 0.55)
        tall = np.abs(self.dv[:, :, :, None] - self.dv[:, :, None, :])
        wide = np.abs(self.du[:, :, :, None] - self.du[:, :, None, :])
        size = w.size[:, :, None, None]
        true = together & opposite & (t > 0.22) & (t < 0.78) & (off < 0.55 * size) & (wide > 1.2 * tall)
        outside = (nu_a * nu_b > 0) & (np.minimum(np.abs(nu_a), np.abs(nu_b)) > 0.3)
        beyond = (t < -0.1) | (t > 1.1)
        state = _verdict(true, outside & beyond)
        i = np.arange(n)
        allowed = w.thing[:, :, None, None] & w.thing[:, None, :, None] & w.thing[:, None, None, :]
        allowed = allowed & (i[:, None, None] != i[:, None]) & (i[:, None, None] != i) & (i[:, None] != i)
        result = np.full((b, n + 2, n + 2, n + 2), AMBIGUOUS, np.int8)
        state = np.where(allowed, state, AMBIGUOUS).astype(np.int8)
        result[:, :n, :n, :n] = self._agreed("between", state)
        return result

    def places(self) -> States:
        """Return `[len(PLACES), B, N + 2]`."""
        w = self.w
        b, n = w.valid.shape
        u, v = self.cu, self.cv
        off = np.maximum(np.abs(u - 0.5), np.abs(v - 0.5))
        near_end, far_end = np.split(self._depth_range, 2, 1)
        spread = far_end - near_end
        depth = (self.far - near_end) / np.maximum(spread, 1e-6)
        deep = spread > 0.35
        foot = self.box[..., 3]
        standing = (w.manner != 3) & w.thing
        found = {
            "picture_left": _verdict(u < 0.32, u > 0.45),
            "picture_right": _verdict(u > 0.68, u < 0.55),
            "picture_top": _verdict(v < 0.3, v > 0.45),
            "picture_bottom": _verdict(v > 0.7, v < 0.55),
            "picture_center": _verdict(off < 0.13, off > 0.24),
            "foreground": _verdict(
                standing & deep & (depth < 0.2) & (foot > 0.62), deep & (depth > 0.6) & (foot < 0.7)
            ),
            "background": _verdict(
                standing & deep & (depth > 0.8) & (foot < 0.62), deep & (depth < 0.4) & (foot > 0.55)
            ),
        }
        result = np.full((len(PLACES), b, n + 2), AMBIGUOUS, np.int8)
        for r, name in enumerate(PLACES):
            result[r, :, :n] = self._agreed(name, np.where(w.thing, found[name], AMBIGUOUS).astype(np.int8))
        return result
