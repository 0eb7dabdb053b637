"""A scene graph judged by detections: each relation true, false or ambiguous, and why.

Chooses which detection is which entity (`matching`), judges every relation by the chosen boxes (`geometry`),
and says what was missing or could not be decided.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import torch

from spatial_core.geometry import UNDECIDABLE, margins, part_region, verdicts
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph
from spatial_core.scorers.base import RelationReport, Verdict
from spatial_core.scorers.detection import Detection
from spatial_core.scorers.matching import (
    Option,
    Table,
    candidates,
    choose,
    every_combination,
    in_its_place,
    options_of,
    phrase,
)

_AS_ONE = {"near", "next_to", "around"}
"""Several things are near something, or surround it, together: judged by the box around all of them. Every
other relation must hold of each."""

_BACKDROPS = frozenset(
    "wall floor ground ceiling sky background horizon room street road grass lawn field sand beach water sea "
    "ocean snow landscape".split()
)
"""What is everywhere and has no outline: that no box was found for it does not mean that it is not there."""

ESTIMATED_DISTANCE_ERROR = 0.06
"""Relative difference by which distances may be off before they rule contact out. The localizer's are off by
7 % in the mean: at .02 it made a quarter of the things that rest on others in the starter's scenes stand
behind them; at .06 an eighth, while .0015 instead of .0008 of those that do not rest are said to."""

_VERDICTS: dict[int, Verdict] = {1: "true", 0: "false", -1: "ambiguous"}


@dataclass(frozen=True)
class Picture:
    """What is known of one image.

    Attributes:
        detections: What was found in it.
        size: (height, width) in pixels.
        distance_range: Nearest and farthest distance in it; None if unknown.
        asked: The names a detector was asked for; empty for boxes from elsewhere, which are matched by kind.
    """

    detections: Sequence[Detection]
    size: tuple[int, int]
    distance_range: tuple[float, float] | None = None
    asked: Collection[str] = ()


@dataclass(frozen=True)
class Judgement:
    """A graph judged in one image.

    Attributes:
        reports: One per relation, in the order of the graph.
        confidences: Of the entities that were found, in the order of the graph.
        absent: What was not found, in words.
    """

    reports: list[RelationReport]
    confidences: list[float]
    absent: list[str]


def names_of(graph: SceneGraph) -> tuple[str, ...]:
    """Return what to ask a detector for, each name once, in text order."""
    return tuple(dict.fromkeys(phrase(graph.entities[e]) for e in _used(graph)))


def judge_graph(graph: SceneGraph, picture: Picture) -> Judgement:
    """Return the verdict on every relation of `graph`.

    Of several boxes that could be an entity, those are taken that make the graph true, weighed against their
    confidence. A relation whose entity was not found is false with score 0 and says so.
    """
    return _Judge(graph, picture).judgement()


class _Judge:
    """One graph in one image."""

    def __init__(self, graph: SceneGraph, picture: Picture) -> None:
        self.graph, self.picture = graph, picture
        entities = graph.entities
        self.used = _used(graph)
        self.found = {e: candidates(entities[e], picture.detections, asked=picture.asked) for e in self.used}
        self.options: list[list[Option]] = [
            options_of(entity, in_its_place(entity, self.found.get(place, []), picture.detections))
            for place, entity in enumerate(entities)
        ]
        # A part that was not found on its own is where its whole is: the third of it that its name says.
        self.stands_for = {e: e if self.options[e] else self._whole(e) for e in self.used}
        self.margins: dict[int, dict[tuple[int, ...], float]] = {}
        tables: list[Table] = []
        for row, relation in enumerate(graph.relations):
            if all(self.options[e] for e in self._ids(relation)):
                self.margins[row] = self._table(relation)
                tables.append(_scored(self._distinct(relation), self.margins[row]))
        self.chosen = choose(self.options, tables, picture.detections)

    def judgement(self) -> Judgement:
        entities = [e for e in self.used if self.stands_for[e] == e]
        return Judgement(
            reports=[self._report(row, relation) for row, relation in enumerate(self.graph.relations)],
            confidences=[
                self.options[e][pick].confidence for e, pick in enumerate(self.chosen) if pick is not None
            ],
            absent=[
                self._missing(e) for e in entities if self.chosen[e] is None and not self._is_backdrop(e)
            ],
        )

    def _whole(self, part: int) -> int:
        """Return the nearest whole of `part` that was found, `part` itself without one."""
        walk = self.graph.entities[part].part_of
        while walk is not None and walk in self.found and walk != part:
            if self.options[walk]:
                return walk
            walk = self.graph.entities[walk].part_of
        return part

    def _ids(self, relation: Relation) -> list[int]:
        """Return the entities whose boxes are judged, subject first."""
        return [self.stands_for[e] for e in _participants(relation)]

    def _distinct(self, relation: Relation) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self._ids(relation)))

    def _table(self, relation: Relation) -> dict[tuple[int, ...], float]:
        """Return the margin for every combination of the participants' options, NaN where undecided."""
        distinct = self._distinct(relation)
        combos = every_combination(self.options, distinct)
        rows: list[list[Detection]] = []
        owner: list[int] = []
        for number, combo in enumerate(combos):
            picks = dict(zip(distinct, combo, strict=True))
            sides = [self._boxes(e, picks[self.stands_for[e]], relation) for e in _participants(relation)]
            for row in _rows(relation, sides, self.picture.size):
                rows.append(row)
                owner.append(number)
        by_combo: list[list[float]] = [[] for _ in combos]
        for number, margin in zip(owner, self._margins(relation, rows), strict=True):
            by_combo[number].append(margin)
        # Between more than two things, one pair of them is enough; everything else must hold of each.
        pick = max if RELATIONS[relation.relation].arity == 3 else min
        return {
            combo: pick(values) if values and not any(map(math.isnan, values)) else math.nan
            for combo, values in zip(combos, by_combo, strict=True)
        }

    def _boxes(self, entity: int, pick: int, relation: Relation) -> list[Detection]:
        """Return what stands for one participant."""
        whole = self.stands_for[entity]
        members = [self.picture.detections[place] for place in self.options[whole][pick].places]
        if whole != entity:
            boxes = torch.tensor([member.box for member in members], dtype=torch.float64)
            regions = part_region(boxes, self.graph.entities[entity].describe()).tolist()
            members = [replace(m, box=tuple(box)) for m, box in zip(members, regions, strict=True)]
        if relation.relation in _AS_ONE and len(members) > 1:
            left, top, right, bottom = zip(*(member.box for member in members), strict=True)
            known = [member.distance for member in members if member.distance is not None]
            together = (min(left), min(top), max(right), max(bottom))
            return [replace(members[0], box=together, distance=min(known) if known else None)]
        return members

    def _margins(self, relation: Relation, rows: Sequence[Sequence[Detection]]) -> list[float]:
        # To the left from the thing's own point of view: boxes do not tell which way it looks.
        own_view = relation.frame == "object" and RELATIONS[relation.relation].axis in ("x", "depth")
        if not rows or own_view:
            return [math.nan] * len(rows)
        boxes = torch.tensor([[member.box for member in row] for row in rows], dtype=torch.float64)
        distances = torch.tensor(
            [[math.nan if m.distance is None else m.distance for m in row] for row in rows],
            dtype=torch.float64,
        )
        scene = self.picture.distance_range
        return margins(
            relation.relation,
            boxes,
            distances=distances,
            image_size=self.picture.size,
            distance_range=None if scene is None else torch.tensor([scene]).expand(len(rows), 2),
            part=relation.part,
            distance_error=ESTIMATED_DISTANCE_ERROR,
        ).tolist()

    def _report(self, row: int, relation: Relation) -> RelationReport:
        words = self.graph.words(relation)
        absent = [e for e in _participants(relation) if self.chosen[self.stands_for[e]] is None]
        if absent:
            reason = "; ".join(dict.fromkeys(self._missing(e) for e in absent))
            unknown = RelationReport(
                relation.relation, words, relation.span, "ambiguous", 0.5, 0.0, reason=reason
            )
            if all(self._is_backdrop(e) for e in absent):
                return unknown
            return replace(unknown, verdict="false", score=0.0, margin=-1.0)
        picks = [self.chosen[e] for e in self._distinct(relation)]
        margin = self.margins[row][tuple(pick for pick in picks if pick is not None)]
        verdict = verdicts(torch.tensor([margin], dtype=torch.float64))
        # Each box once: "between two chairs" names the pair twice.
        places = dict.fromkeys(
            place for e in self._ids(relation) for place in self.options[e][self.chosen[e] or 0].places
        )
        return RelationReport(
            relation=relation.relation,
            text=words,
            span=relation.span,
            verdict=_VERDICTS[int(verdict.state)],
            score=float(verdict.score),
            margin=float(verdict.margin),
            boxes=tuple(self.picture.detections[place].box for place in places),
            reason=_undecided(relation) if math.isnan(margin) else "",
        )

    def _is_backdrop(self, entity: int) -> bool:
        return not _BACKDROPS.isdisjoint(self.graph.entities[entity].name.lower().split()[-1:])

    def _missing(self, entity: int) -> str:
        wanted, found = self.graph.entities[entity], len(self.found[entity])
        name = phrase(wanted)
        if found >= wanted.count:
            return f"no further {name} was found"
        return f"only {found} of {wanted.count} {name} were found" if found else f"no {name} was found"


def _scored(entities: tuple[int, ...], margin: dict[tuple[int, ...], float]) -> Table:
    scores = verdicts(torch.tensor(list(margin.values()), dtype=torch.float64)).score.tolist()
    return Table(entities, dict(zip(margin, scores, strict=True)))


def _rows(
    relation: Relation, sides: Sequence[Sequence[Detection]], size: tuple[int, int]
) -> list[list[Detection]]:
    """Return every combination of single boxes of which the relation must hold, subject first."""
    arity = RELATIONS[relation.relation].arity
    subjects, objects = sides[0], [member for side in sides[1:] for member in side]
    if PICTURE in relation.objects:
        objects.append(Detection(PICTURE, (0.0, 0.0, float(size[1]), float(size[0])), 1.0))
    return [[subject, *others] for subject in subjects for others in combinations(objects, arity - 1)]


def _undecided(relation: Relation) -> str:
    """Return why a relation between things that were found has no verdict."""
    if relation.relation in UNDECIDABLE:
        return f"boxes do not show what is {relation.relation.replace('_', ' ')} what"
    if relation.frame == "object":
        return "boxes do not show a thing's own point of view"
    if RELATIONS[relation.relation].needs_depth:
        return "needs distances: give the scorer a depth model"
    return "the boxes do not decide it"


def _participants(relation: Relation) -> list[int]:
    return [relation.subject, *(e for e in relation.objects if e != PICTURE)]


def _used(graph: SceneGraph) -> list[int]:
    """Return the entities that take part in relations, and the wholes of parts, in text order."""
    used: set[int] = set()
    for relation in graph.relations:
        for entity in _participants(relation):
            walk: int | None = entity
            while walk is not None and walk not in used:
                used.add(walk)
                walk = graph.entities[walk].part_of
    return sorted(used)
