"""Prompts about everyday places: things are laid out first, so that whatever is said of them can be true.

A layout is a few surfaces side by side with things on, under, above and against them. What is true of it is
written in sentences that `parse_prompt` reads back word for word; a prompt that it reads otherwise is thrown
away. How many relations a prompt states, and which places there are, follow the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from spatial_core.language.closure import Closure
from spatial_core.language.parser import parse_prompt
from spatial_core.language.perturb import Perturbation
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph
from spatial_core.scenes.splits import split_of
from spatial_trainers.dataset.build_recipe import BuildRecipe
from spatial_trainers.dataset.drafts import Failure, pair_id
from spatial_trainers.dataset.perturbed import perturbed_record
from spatial_trainers.dataset.places import PLACES, Place
from spatial_trainers.dataset.prompt_list import rng_of
from spatial_trainers.pairs.records import Record

_T = TypeVar("_T")
_ATTEMPTS = 60
_COLORS = "red blue green yellow white black brown grey orange purple pink silver golden".split()
_MATERIALS = "wooden metal ceramic glass old small large striped".split()
_OPENERS = (
    "A photo of a {place}.",
    "A bright {place} in soft daylight.",
    "A quiet {place} in the early morning.",
    "A tidy {place}, seen from eye level.",
    "A realistic picture of a cosy {place}.",
    "",
)
_FILLERS = (
    "The light is warm and soft.",
    "Every thing is sharp and easy to tell apart.",
    "The colours are muted and natural.",
    "The mood is calm.",
    "Nobody is there.",
    "The picture looks like a photograph from a magazine.",
)
_PHRASES: dict[str, tuple[str, ...]] = {
    "left_of": ("{s} {v} to the left of {o}", "to the left of {o}, there is {s}"),
    "right_of": ("{s} {v} to the right of {o}", "to the right of {o}, there is {s}"),
    "in_front_of": ("{s} {v} in front of {o}", "in front of {o}, there is {s}"),
    "behind": ("{s} {v} behind {o}", "behind {o}, there is {s}"),
    "on": ("{s} {v} on {o}", "on {o}, there is {s}"),
    "under": ("{s} is under {o}", "under {o}, there is {s}"),
    "above": ("{s} hangs above {o}", "above {o}, there is {s}"),
    "inside": ("{s} is inside {o}", "inside {o}, there is {s}"),
    "next_to": ("{s} {v} next to {o}", "next to {o}, there is {s}"),
    "between": ("{s} {v} between {o} and {p}", "between {o} and {p}, there is {s}"),
    "leaning_against": ("{s} leans against {o}",),
    "picture_left": ("{s} {v} on the left side of the picture",),
    "picture_right": ("{s} {v} on the right side of the picture",),
    "foreground": ("{s} {v} in the foreground",),
}
_VERBS = ("is", "stands", "sits")


@dataclass(frozen=True)
class _Said:
    """One relation between named things."""

    relation: str
    names: tuple[str, ...]


class GrammarSource:
    """Writes prompts about the places of `PLACES`."""

    def __init__(self, recipe: BuildRecipe):
        """Write what `recipe` says.

        Raises:
            ValueError: If it holds out a place that is not known.
        """
        unknown = set(recipe.splits.held_out_scenes) - set(PLACES)
        if unknown or set(recipe.splits.held_out_scenes) == set(PLACES):
            raise ValueError(
                f"'splits.held_out_scenes' must be some of {', '.join(PLACES)}; got "
                f"{list(recipe.splits.held_out_scenes)}."
            )
        self._recipe = recipe

    def write(self, split: str, numbers: range) -> list[Record | Failure]:
        """Return a record for every number."""
        return [self._write(split, number) for number in numbers]

    def _write(self, split: str, number: int) -> Record | Failure:
        wish = self._recipe.prompts
        rng = rng_of(self._recipe.seed, "grammar", split, number)
        histogram = wish.relations()
        place = draw_place(rng, self._recipe, split)
        count = _weighted(rng, list(histogram), list(histogram.values()))
        num_edits = int(rng.choice(wish.num_edits))
        failure = Failure(pair_id(split, number), "prompt", "nothing in the layouts fits the split")
        for attempt in range(_ATTEMPTS):
            least = max(wish.min_relations, count - attempt // 15)
            graph = _prompt(rng, place, least, num_edits, split)
            if graph is None:
                continue
            result = perturbed_record(
                graph,
                num_edits,
                rng,
                split=split,
                number=number,
                scene=place,
                licence=self._recipe.licence,
                allowed=lambda twin, graph=graph: keeps_to_split(graph, twin, split),
                fewer=attempt > _ATTEMPTS // 2,
            )
            if not isinstance(result, Failure):
                return result
            failure = result
        return failure


def draw_place(rng: np.random.Generator, recipe: BuildRecipe, split: str) -> str:
    """Return a kind of place; half of the test prompts are about held-out ones, if there are any."""
    held = recipe.splits.held_out_scenes
    known = [name for name in PLACES if name not in held]
    names = list(held) if held and split == "test" and rng.random() < 0.5 else known
    return _weighted(rng, names, [PLACES[name].weight for name in names])


def _weighted(rng: np.random.Generator, items: Sequence[_T], weights: Sequence[float]) -> _T:
    total = np.cumsum(np.asarray(weights, np.float64))
    return items[int(np.searchsorted(total, rng.random() * total[-1], side="right"))]


def split_of_relation(graph: SceneGraph, relation: Relation) -> str:
    """Return the split that may edit a relation, by the names of what it relates."""
    anchors = sorted(graph.entities[i].name for i in relation.objects if i != PICTURE) or ["picture"]
    return split_of(graph.entities[relation.subject].name, relation.relation, "+".join(anchors))


def keeps_to_split(graph: SceneGraph, twin: Perturbation, split: str) -> bool:
    """Return whether a pair states only what its split may state.

    Training pairs state nothing of the other splits. Others are about their own combinations: what differs
    between the two prompts is theirs, what is said beside it may be anything of training's.
    """
    sides = [[(split_of_relation(g, r), r, g) for r in g.relations] for g in (graph, twin.graph)]
    for (one, before, a), (other, after, b) in zip(*sides, strict=True):
        same = before.relation == after.relation and _names(a, before) == _names(b, after)
        if not same and (one, other) != (split, split):
            return False
        if same and one not in (split, "train"):
            return False
    return True


def _names(graph: SceneGraph, relation: Relation) -> tuple[str, ...]:
    return tuple(
        "" if i == PICTURE else graph.entities[i].name for i in (relation.subject, *relation.objects)
    )


def _prompt(
    rng: np.random.Generator, place: str, count: int, num_edits: int, split: str
) -> SceneGraph | None:
    """Return a prompt of `count` relations about a fresh layout; None if it has too few, or is misread."""
    own: list[_Said] = []
    shared: list[_Said] = []
    for said in _layout(rng, PLACES[place]):
        anchors = sorted(said.names[1:]) or ["picture"]
        belongs = split_of(said.names[0], said.relation, "+".join(anchors))
        if belongs == split:
            own.append(said)
        elif belongs == "train":
            shared.append(said)
    chosen: list[_Said] = []
    together: set[frozenset[str]] = set()
    first = [own[i] for i in rng.permutation(len(own))]
    rest = [shared[i] for i in rng.permutation(len(shared))]
    # What edits are about comes first; the others fill up.
    for said in (*first[: num_edits + 1], *_mixed(rng, first[num_edits + 1 :], rest)):
        if len(chosen) < count and frozenset(said.names) not in together:
            chosen.append(said)
            together.add(frozenset(said.names))
    if len(chosen) < count or (split != "train" and len(own) < num_edits):
        return None
    text = _text(rng, place, chosen)
    graph = parse_prompt(text)
    read = sorted((r.relation, *_unordered(_names(graph, r))) for r in graph.relations)
    meant = sorted((s.relation, *_unordered(s.names)) for s in chosen)
    if read != meant or Closure.of(graph).contradiction:
        return None
    return graph


def _unordered(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of subject and objects, the objects in a fixed order."""
    return (names[0], *sorted(name for name in names[1:] if name))


def _mixed(rng: np.random.Generator, one: Sequence[_Said], other: Sequence[_Said]) -> list[_Said]:
    everything = [*one, *other]
    return [everything[i] for i in rng.permutation(len(everything))]


def _layout(rng: np.random.Generator, place: Place) -> list[_Said]:
    """Return everything that is true of a random layout, as far as prompts say such things."""

    def some(names: Sequence[str], count: int) -> list[str]:
        return [names[i] for i in rng.permutation(len(names))[:count]]

    surfaces = some(place.surfaces, int(rng.integers(2, 4)))
    small = some(place.small, 9)
    containers = some(place.containers, 2)
    contents, floor, walls = some(place.contents, 2), some(place.floor, 3), some(place.wall, 2)
    leaning = some(place.leaning, 1)
    said: list[_Said] = []

    def add(relation: str, *names: str) -> None:
        said.append(_Said(relation, names))

    def side_by_side(left: str, right: str) -> None:
        add("left_of", left, right)
        add("right_of", right, left)

    for a, left in enumerate(surfaces):
        for right in surfaces[a + 1 :]:
            side_by_side(left, right)
    add("picture_left", surfaces[0])
    add("picture_right", surfaces[-1])
    for index, surface in enumerate(surfaces):
        row = [small.pop() for _ in range(2 if len(surfaces) > 2 else 3)]
        if index < len(containers):
            row.insert(int(rng.integers(len(row) + 1)), containers[index])
            add("inside", contents[index], containers[index])
        for a, left in enumerate(row):
            add("on", left, surface)
            for right in row[a + 1 :]:
                side_by_side(left, right)
        for left, right in zip(row, row[1:], strict=False):
            add("next_to", left, right)
        for left, middle, right in zip(row, row[1:], row[2:], strict=False):
            add("between", middle, left, right)
        if small and rng.random() < 0.7:
            hidden, before = small.pop(), row[int(rng.integers(len(row)))]
            add("on", hidden, surface)
            add("behind", hidden, before)
            add("in_front_of", before, hidden)
        if index < len(walls):
            add("above", walls[index], surface)
    add("under", floor[0], surfaces[int(rng.integers(len(surfaces)))])
    add("in_front_of", floor[1], surfaces[0])
    add("foreground", floor[1])
    add("next_to", floor[2], surfaces[-1])
    add("leaning_against", leaning[0], surfaces[-1])
    return said


def _text(rng: np.random.Generator, place: str, chosen: Sequence[_Said]) -> str:
    """Return the sentences: surfaces and what is on them first, as one would describe a picture."""
    looks: dict[str, str] = {}
    known: set[str] = set()

    def mention(name: str) -> str:
        if name in known:
            return f"the {name}"
        known.add(name)
        look = looks.setdefault(name, _look(rng))
        words = f"{look} {name}".strip()
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"

    rank = {"picture_left": 0, "picture_right": 0, "on": 1, "inside": 3, "foreground": 3}
    sentences: list[str] = []
    for said in sorted(chosen, key=lambda s: rank.get(s.relation, 2)):
        phrases = _PHRASES[said.relation]
        new = said.names[0] not in known
        # "There is" introduces: of something known already it would be odd.
        phrase = phrases[int(rng.integers(len(phrases)))] if new else phrases[0]
        order = {"s": said.names[0], "o": (said.names[1:] or ("",))[0], "p": (said.names[2:] or ("",))[0]}
        words = {}
        for key in sorted((k for k in order if f"{{{k}}}" in phrase), key=lambda k: phrase.index(f"{{{k}}}")):
            words[key] = mention(order[key])
        text = phrase.format(v=_VERBS[int(rng.integers(len(_VERBS)))], **words)
        sentences.append(f"{text[0].upper()}{text[1:]}.")
    opener = _OPENERS[int(rng.integers(len(_OPENERS)))].format(place=place)
    filler = _FILLERS[int(rng.integers(len(_FILLERS)))] if rng.random() < 0.4 else ""
    return " ".join(part for part in (opener, *sentences, filler) if part)


def _look(rng: np.random.Generator) -> str:
    pick = rng.random()
    if pick < 0.55:
        return _COLORS[int(rng.integers(len(_COLORS)))]
    return _MATERIALS[int(rng.integers(len(_MATERIALS)))] if pick < 0.8 else ""
