"""Which detection is which entity of the prompt: candidates by name, and the choice that fits the relations.

A prompt names things, a detector finds boxes; with two mugs in the picture it matters which one is judged.
Each entity gets its options (one box, or as many as its count), each relation a table of how well it holds
for every combination of options, and the search picks options so that the sum of scores and confidences is
largest, no physical object being two entities at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from spatial_core.language.lexicon import COLORS, singular
from spatial_core.language.scene_graph import Entity
from spatial_core.scorers.detection import Detection

RELATIVE_CONFIDENCE = 0.5
"""A detection less than this share as sure as the best one for its entity is no alternative to it; otherwise
any false alarm in the right place would satisfy a relation."""

CONFIDENCE_WEIGHT = 0.25
"""What a full confidence is worth in the choice, where a satisfied relation is worth 1."""

MAX_OPTIONS = 8
"""Options considered for one entity."""

BEAM = 64
"""Partial choices kept; prompts of up to three entities of four options are searched completely."""

_PLACES = {
    **dict.fromkeys(("left", "leftmost"), (0, 0.0)),
    **dict.fromkeys(("right", "rightmost"), (0, 1.0)),
    **dict.fromkeys(("top", "upper", "uppermost", "topmost"), (1, 0.0)),
    **dict.fromkeys(("bottom", "lower", "lowest", "lowermost"), (1, 1.0)),
    **dict.fromkeys(("middle", "center", "centre", "central"), (0, 0.5)),
}
"""Words that tell one thing from its twins: the axis (0 across, 1 down), and where along it in [0, 1]."""

SAME_OBJECT_IOU = 0.7
"""Two detections of one kind that overlap more are one physical object under two names."""


@dataclass(frozen=True)
class Option:
    """One way to see an entity: places in the list of detections, and the least confidence among them."""

    places: tuple[int, ...]
    confidence: float


@dataclass(frozen=True)
class Table:
    """How well one relation holds for every combination of its participants' options.

    Attributes:
        entities: Ids of the participants, each once.
        score: Score in [0, 1] by the chosen option of each of `entities`.
    """

    entities: tuple[int, ...]
    score: dict[tuple[int, ...], float]


def phrase(entity: Entity) -> str:
    """Return what to ask a detector for: "small red ball"; the B of "seat B" cannot be seen."""
    return " ".join([*entity.attributes, entity.name])


def fit(entity: Entity, name: str) -> float:
    """Return in [0, 1] how well something called `name` can be `entity`; 0 if it cannot.

    The kinds must agree (singular or plural; "bat" for "baseball bat"), another colour rules it out, and
    words of ours that `name` lacks count half.
    """
    ours, theirs = _words(phrase(entity)), _words(name)
    if ours == theirs:
        return 1.0
    if not theirs or _kind(entity.name) != _kind(name):
        return 0.0
    our_colors, their_colors = COLORS.intersection(ours), COLORS.intersection(theirs)
    if our_colors and their_colors and not our_colors & their_colors:
        return 0.0
    return 0.5 + 0.5 * sum(word in theirs for word in ours) / len(ours)


def candidates(
    entity: Entity, detections: Sequence[Detection], *, asked: Collection[str] = ()
) -> list[tuple[float, int]]:
    """Return (confidence, place) of the distinct physical objects that can be `entity`, surest first.

    Args:
        entity: What is looked for.
        detections: What was found.
        asked: The names a detector was asked for. If the entity's phrase is among them, only what was found
            under that very name counts: a "mug" is no "red mug" if the detector saw no red mug.
    """
    wanted = phrase(entity)
    weighted: list[tuple[float, int]] = []
    for place, detection in enumerate(detections):
        fits = float(detection.name == wanted) if wanted in asked else fit(entity, detection.name)
        weighted.append((detection.score * fits, place))
    ranked = sorted((item for item in weighted if item[0] > 0), key=lambda item: (-item[0], item[1]))
    distinct: list[tuple[float, int]] = []
    for weight, place in ranked:
        if not any(_same_object(detections[place], detections[other]) for _, other in distinct):
            distinct.append((weight, place))
    return distinct


def in_its_place(
    entity: Entity, found: Sequence[tuple[float, int]], detections: Sequence[Detection]
) -> list[tuple[float, int]]:
    """Return the candidates of an entity that its label places among its like: "the left lantern".

    Of the candidates that are sure enough to count, the outermost on that side (the middle one for "middle");
    all of them if the label is none of place, or there is nothing to choose.
    """
    words = set(entity.label.lower().replace("-", " ").split())
    rules = [rule for word, rule in _PLACES.items() if word in words]
    sure = [item for item in found if item[0] >= RELATIVE_CONFIDENCE * found[0][0]]
    if not rules or entity.count > 1 or len(sure) < 2:
        return list(found)
    axis, share = rules[0]
    boxes = {place: detections[place].box for _, place in sure}
    across = sorted(sure, key=lambda item: boxes[item[1]][axis] + boxes[item[1]][axis + 2])
    return [across[round(share * (len(across) - 1))]]


def options_of(entity: Entity, found: Sequence[tuple[float, int]]) -> list[Option]:
    """Return the options of `entity` among its candidates, surest first; empty if it has too few."""
    if len(found) < entity.count:
        return []
    if entity.count == 1:
        options = [Option((place,), weight) for weight, place in found]
    else:
        # The surest few are enough to choose from: all groups of many would be too many.
        groups = combinations(found[: entity.count + 3], entity.count)
        options = [Option(tuple(place for _, place in group), group[-1][0]) for group in groups]
        options.sort(key=lambda option: -option.confidence)
    least = RELATIVE_CONFIDENCE * options[0].confidence
    return [option for option in options if option.confidence >= least][:MAX_OPTIONS]


def choose(
    options: Sequence[Sequence[Option]], tables: Sequence[Table], detections: Sequence[Detection]
) -> list[int | None]:
    """Return the option chosen for each entity, None where it has none left.

    Args:
        options: By entity.
        tables: One per relation whose participants all have options.
        detections: What the options' places refer to.
    """
    clash = _clashes(detections)
    # An entity's relations are scored as soon as the last participant is chosen.
    due: list[list[Table]] = [[] for _ in options]
    for table in tables:
        due[max(table.entities)].append(table)
    beam: list[tuple[float, tuple[int | None, ...], frozenset[int]]] = [(0.0, (), frozenset())]
    for entity, choices in enumerate(options):
        grown: list[tuple[float, tuple[int | None, ...], frozenset[int]]] = []
        for total, chosen, used in beam:
            free: list[int | None] = [
                place
                for place, option in enumerate(choices)
                if not any(clash(a, b) for a in option.places for b in used)
            ]
            for pick in free or [None]:
                extended = (*chosen, pick)
                gain = 0.0 if pick is None else CONFIDENCE_WEIGHT * choices[pick].confidence
                gain += sum(_look_up(table, extended) for table in due[entity])
                taken = used if pick is None else used.union(choices[pick].places)
                grown.append((total + gain, extended, taken))
            # Leaving an entity out pays only where another one needs its object.
            if free and any(len(o) > 0 for o in options[entity + 1 :]):
                grown.append((total, (*chosen, None), used))
        # Stable and tie-free: equal sums keep the order of confidence.
        beam = sorted(grown, key=lambda state: -state[0])[:BEAM]
    return list(beam[0][1])


def every_combination(options: Sequence[Sequence[Option]], entities: Sequence[int]) -> list[tuple[int, ...]]:
    """Return all ways to choose one option for each of `entities`."""
    return list(product(*(range(len(options[entity])) for entity in entities)))


def _look_up(table: Table, chosen: Sequence[int | None]) -> float:
    picks = [chosen[entity] for entity in table.entities]
    key = tuple(pick for pick in picks if pick is not None)
    return table.score[key] if len(key) == len(picks) else 0.0


def _clashes(detections: Sequence[Detection]) -> Callable[[int, int], bool]:
    same = {
        (a, b)
        for a, b in product(range(len(detections)), repeat=2)
        if a == b or _same_object(detections[a], detections[b])
    }
    return lambda a, b: (a, b) in same


def _same_object(a: Detection, b: Detection) -> bool:
    """Whether two detections of one kind show one object."""
    if _kind(a.name) != _kind(b.name):
        return False
    width = min(a.box[2], b.box[2]) - max(a.box[0], b.box[0])
    height = min(a.box[3], b.box[3]) - max(a.box[1], b.box[1])
    common = max(width, 0.0) * max(height, 0.0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (a.box, b.box)]
    return common > SAME_OBJECT_IOU * (sum(areas) - common)


def _words(text: str) -> list[str]:
    return [singular(word) for word in text.lower().replace("-", " ").split()]


def _kind(name: str) -> str:
    """Return the head noun: "mug" of "red coffee mugs", "bottle" of "bottle of wine"."""
    words = _words(name)
    head = words[: words.index("of")] if "of" in words[1:] else words
    return head[-1] if head else ""
