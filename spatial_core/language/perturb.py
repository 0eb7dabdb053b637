"""Adversarial prompts: almost the same words, another place.

Each edit changes one to a few relations of a prompt by changing the words that state them. An edit is used
only if the original's closure refutes what it states and the perturbed prompt contradicts neither itself nor,
the other way round, agrees with the original: an image that is right for one prompt is wrong for the other.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Literal

import numpy as np

from spatial_core.language import lexicon as lx
from spatial_core.language.closure import Closure, facts_of, part_sides
from spatial_core.language.rewording import (
    Replacement,
    Rewrite,
    cased_like,
    opposite_word,
    reword,
    takes_object,
    with_article,
)
from spatial_core.language.scene_graph import PICTURE, Entity, Relation, SceneGraph, Span

EditKind = Literal[
    "swap_objects",
    "swap_anchors",
    "swap_attributes",
    "reorder_sequence",
    "swap_relations",
    "flip_relation",
    "replace_relation",
    "flip_part_anchor",
    "change_support",
    "change_containment",
]


@dataclass(frozen=True)
class Edit:
    """One change of what a prompt says about space.

    Attributes:
        kind: What was done.
        relation_index: Index of the relation that is false in the original; the same in both graphs.
        before: The words that state it in the original prompt.
        after: The words that state it in the perturbed prompt.
        span: Where `after` stands in the perturbed prompt.
    """

    kind: EditKind
    relation_index: int
    before: str
    after: str
    span: Span


@dataclass(frozen=True)
class Perturbation:
    """A prompt that an image of the original cannot satisfy.

    Attributes:
        prompt: The perturbed text.
        graph: Its graph: entities and relations keep their ids and indices, spans are those of the new text.
        edits: What was changed, in text order.
    """

    prompt: str
    graph: SceneGraph
    edits: tuple[Edit, ...]


def perturb(
    scene_graph: SceneGraph, num_edits: int, rng: np.random.Generator, *, limit: int = 16
) -> list[Perturbation]:
    """Return different prompts that each make `num_edits` edits to `scene_graph`, kinds of edit mixed.

    Relations that contradict each other in the original are left alone. Deterministic for a given state of
    `rng`.

    Args:
        scene_graph: The prompt with its relations; those whose trigger is unknown can only be edited by
            exchanging what they relate.
        num_edits: How many edits each prompt gets, >= 1. They touch different relations.
        rng: Source of the choices.
        limit: Largest number of prompts returned.

    Returns:
        Up to `limit` perturbations in random order; empty if none can be proven false and satisfiable.

    Raises:
        ValueError: If `num_edits` or `limit` is below 1.
    """
    if num_edits < 1 or limit < 1:
        raise ValueError(f"num_edits and limit must be >= 1; got num_edits={num_edits}, limit={limit}.")
    judge = _Judge.of(scene_graph)
    usable = [change for change in _changes(scene_graph) if judge.makes_false(change)]
    found: dict[str, Perturbation] = {}
    for chosen in _choices(usable, num_edits, rng, tries=20 * limit):
        perturbation = judge.perturbation(chosen)
        if perturbation is not None:
            found.setdefault(perturbation.prompt, perturbation)
        if len(found) == limit:
            break
    return list(found.values())


@dataclass(frozen=True)
class _Change:
    """A possible edit: words to replace, and what the relations and entities say then."""

    kind: EditKind
    replacements: tuple[Replacement, ...]
    touched: frozenset[int]
    relations: dict[int, Relation] = field(default_factory=dict[int, Relation])
    entities: dict[int, Entity] = field(default_factory=dict[int, Entity])
    swapped: tuple[int, int] | None = None

    @property
    def decisive(self) -> list[int]:
        """The relations by which the change is judged: those it rewords, or all that an exchange touches."""
        return sorted(self.touched if self.swapped is not None else self.relations)


@dataclass(frozen=True)
class _Judge:
    """Applies changes to a graph and accepts what is provably false in it and yet possible."""

    graph: SceneGraph
    trusted: tuple[int, ...]
    closure: Closure

    @classmethod
    def of(cls, graph: SceneGraph) -> _Judge:
        trusted = _consistent_relations(graph)
        return cls(graph, trusted, Closure.of(graph, trusted))

    def makes_false(self, change: _Change) -> bool:
        """Return whether `change` alone states what the original refutes, possible by itself or not."""
        if not change.touched <= set(self.trusted):
            return False
        new = _apply(self.graph, [change])
        if new is None or new.text == self.graph.text:
            return False
        facts = facts_of(new)
        return _all_or_one(change, (self.closure.refutes(facts[i]) for i in change.decisive))

    def perturbation(self, changes: Sequence[_Change]) -> Perturbation | None:
        """Return the graph with all `changes` made, None if they do not fit together or prove nothing."""
        new = _apply(self.graph, changes)
        if new is None:
            return None
        after = Closure.of(new, self.trusted)
        if after.contradiction:
            return None
        old_facts, new_facts = facts_of(self.graph), facts_of(new)
        edits: list[Edit] = []
        for change in changes:
            refuted = [
                self.closure.refutes(new_facts[i]) and after.refutes(old_facts[i]) for i in change.decisive
            ]
            if not _all_or_one(change, refuted):
                return None
            i = change.decisive[refuted.index(True)]
            relation = new.relations[i]
            edits.append(
                Edit(
                    kind=change.kind,
                    relation_index=i,
                    before=self.graph.words(self.graph.relations[i]),
                    after=new.words(relation),
                    span=relation.span,
                )
            )
        return Perturbation(new.text, new, tuple(sorted(edits, key=lambda edit: edit.span)))


def _all_or_one(change: _Change, refuted: Iterable[bool]) -> bool:
    """Whether enough is false: an exchange carries along relations that stay possible, a rewording none."""
    return bool(change.decisive) and (all(refuted) if change.swapped is None else any(refuted))


def _consistent_relations(graph: SceneGraph) -> tuple[int, ...]:
    """Return the relations that contradict no other; of a contradiction neither side is to be trusted."""
    facts = facts_of(graph)
    kept: list[int] = []
    dropped: list[int] = []
    for i in range(len(facts)):
        (dropped if Closure.of(graph, [*kept, i]).contradiction else kept).append(i)
    clashing = {i for i in kept for j in dropped if Closure.of(graph, [i, j]).contradiction}
    return tuple(i for i in kept if i not in clashing)


_WEIGHTS: dict[EditKind, float] = {
    "swap_objects": 4.0,
    "swap_anchors": 3.0,
    "swap_attributes": 3.0,
    "reorder_sequence": 3.0,
    "swap_relations": 2.0,
    "flip_relation": 4.0,
    "flip_part_anchor": 3.0,
    "replace_relation": 1.0,
    "change_support": 1.0,
    "change_containment": 1.0,
}
"""How often each kind is wanted where all are possible: about as in the pairs that the paper shows, which
swap and flip far more often than they put one thing on or into another."""


def _shuffled(changes: Sequence[_Change], rng: np.random.Generator) -> list[int]:
    """Return the places of the changes in a random order in which kinds come first as their weights say."""
    counts = Counter(change.kind for change in changes)
    # Exponential arrival times with these rates are a draw without replacement with these weights.
    rates = np.array([_WEIGHTS[change.kind] / counts[change.kind] for change in changes])
    return np.argsort(rng.exponential(size=len(changes)) / rates).tolist() if changes else []


def _choices(
    changes: Sequence[_Change], num_edits: int, rng: np.random.Generator, *, tries: int
) -> Iterator[list[_Change]]:
    """Yield different sets of `num_edits` changes that touch different relations."""
    if num_edits == 1:
        yield from ([changes[place]] for place in _shuffled(changes, rng))
        return
    seen: set[frozenset[int]] = set()
    for _ in range(tries):
        chosen: list[int] = []
        touched: frozenset[int] = frozenset()
        for place in _shuffled(changes, rng):
            if len(chosen) < num_edits and not touched & changes[place].touched:
                chosen.append(place)
                touched |= changes[place].touched
        if len(chosen) == num_edits and frozenset(chosen) not in seen:
            seen.add(frozenset(chosen))
            yield [changes[place] for place in chosen]


def _apply(graph: SceneGraph, changes: Sequence[_Change]) -> SceneGraph | None:
    """Return the graph of the new text, None if changes overlap or a span would begin inside new words."""
    rewrite = Rewrite.of(graph.text, [r for change in changes for r in change.replacements])
    if rewrite is None:
        return None
    turned: dict[int, int] = {}
    for change in changes:
        if change.swapped is not None:
            a, b = change.swapped
            if a in turned or b in turned:
                return None
            turned |= {a: b, b: a}
    relations = list(graph.relations)
    entities = list(graph.entities)
    for change in changes:
        for i, relation in change.relations.items():
            relations[i] = relation
        for i, entity in change.entities.items():
            entities[i] = entity
    new_entities: list[Entity] = []
    for entity in entities:
        # Who was exchanged stands where the other stood.
        place = entities[turned.get(entity.id, entity.id)]
        span, mentions = rewrite.span(place.span), [rewrite.span(mention) for mention in place.mentions]
        if span is None or None in mentions:
            return None
        new_entities.append(replace(entity, span=span, mentions=tuple(m for m in mentions if m is not None)))
    new_relations: list[Relation] = []
    for relation in relations:
        span = rewrite.span(relation.span)
        trigger = None if relation.trigger is None else rewrite.span(relation.trigger)
        if span is None or (relation.trigger is not None and trigger is None):
            return None
        subject = turned.get(relation.subject, relation.subject)
        objects = tuple(i if i == PICTURE else turned.get(i, i) for i in relation.objects)
        new_relations.append(replace(relation, span=span, trigger=trigger, subject=subject, objects=objects))
    return SceneGraph(rewrite.after, tuple(new_entities), tuple(new_relations))


def _changes(graph: SceneGraph) -> Iterator[_Change]:
    """Yield every possible change, proven or not."""
    yield from _rewordings(graph)
    yield from _part_flips(graph)
    yield from _entity_part_flips(graph)
    yield from _exchanges(graph)
    yield from _relation_exchanges(graph)


# --- other words for a relation ---

_SURFACES = frozenset(
    "wall ceiling floor ground grass lawn field road street sidewalk pavement path beach sand water sea "
    "ocean lake river snow sky horizon background backdrop room kitchen window door fence hill mountain "
    "desert dune branch roof".split()
)
"""Things that nothing is put under or beside, and that do not change places with a cup."""

_ABSTRACT = frozenset(
    "scene image picture view composition style light atmosphere setting shot frame".split()
)
"""What the words of a prompt place without placing a thing."""

_FLAT = _SURFACES | frozenset(
    "map painting picture poster photo photograph mirror clock sign curtain screen drawing portrait "
    "print".split()
)
"""Things that nothing is put on, under or into."""

_ATTACHED = re.compile(
    r"\b(?:hang(?:s|ing)?|hung|float\w*|hover\w*|fly|flies|flying|soar\w*|mounted|suspended|leans?|leaning)\b",
    re.IGNORECASE,
)
"""Verbs after which nothing rests on, under or in a thing."""

_OVERHEAD = frozenset("ceiling beam rafter roof".split())
"""What hangs from these is above the rest."""

_BUILT_IN = lx.PLACES | frozenset(
    "door doorway gate chimney fireplace hearth staircase stairs pillar kerb curb".split()
)
"""Things that stay where they are; they change places with each other only."""

_CONTAINERS = frozenset(
    "bowl box basket mug cup vase jar bag drawer crate bucket glass pot tray cage bin case suitcase barrel "
    "can backpack sack chest pan cart pocket jug pitcher carton".split()
)

_FLIPS = {
    "left_of": "right_of",
    "right_of": "left_of",
    "above": "below",
    "below": "above",
    "in_front_of": "behind",
    "behind": "in_front_of",
    "hidden_by": "in_front_of",
    "next_to": "far_from",
    "near": "far_from",
    "far_from": "near",
    "larger_than": "smaller_than",
    "smaller_than": "larger_than",
    "picture_left": "picture_right",
    "picture_right": "picture_left",
    "picture_top": "picture_bottom",
    "picture_bottom": "picture_top",
    "foreground": "background",
    "background": "foreground",
}
_REPLACEMENTS: dict[str, tuple[str, ...]] = {
    "on": ("under", "next_to", "left_of", "right_of", "behind"),
    "under": ("on",),
    "stacked_on": ("under",),
    "inside": ("next_to", "left_of", "right_of", "behind", "in_front_of"),
    "left_of": ("on", "under", "inside"),
    "right_of": ("on", "under", "inside"),
    "behind": ("on", "inside"),
    "in_front_of": ("inside",),
    "next_to": ("on", "inside"),
    "far_from": ("on", "inside"),
    "above": ("under",),
    "below": ("on",),
    "picture_center": ("picture_left", "picture_right"),
}


def _rewordings(graph: SceneGraph) -> Iterator[_Change]:
    """Yield a change of the relation words for each relation and each relation that could replace it."""
    for i, relation in enumerate(graph.relations):
        if relation.trigger is None or relation.part:
            continue
        # "The cup and the spoon are left of the plate": one trigger, two relations, both change.
        sharing = [j for j, other in enumerate(graph.relations) if _overlap(other.trigger, relation.trigger)]
        alike = all(
            graph.relations[j].trigger == relation.trigger
            and graph.relations[j].relation == relation.relation
            and not graph.relations[j].part
            for j in sharing
        )
        if not alike or i != sharing[0]:
            continue
        start, end = relation.trigger
        phrase = graph.text[start:end]
        for target in (_FLIPS.get(relation.relation), *_REPLACEMENTS.get(relation.relation, ())):
            if target is None or not _plausible(graph, relation, target):
                continue
            words = reword(
                phrase, relation.relation, target, object_follows=_object_follows(graph, relation) is not None
            )
            if words is None:
                continue
            # A modifier that went with the old words is gone: (0, all of them) is the only way to lose it.
            lost = words[0][:2] == (0, len(phrase)) and relation.modifier in phrase.lower()
            modifier = "" if lost else relation.modifier
            yield _Change(
                kind=_kind_of(relation.relation, target),
                replacements=tuple((start + low, start + high, text) for low, high, text in words),
                touched=frozenset(sharing),
                relations={
                    j: replace(graph.relations[j], relation=target, modifier=modifier) for j in sharing
                },
            )


def _kind_of(relation: str, target: str) -> EditKind:
    if _FLIPS.get(relation) == target:
        return "flip_relation"
    if "inside" in (relation, target):
        return "change_containment"
    if {relation, target} & {"on", "under", "stacked_on"}:
        return "change_support"
    return "replace_relation"


def _plausible(graph: SceneGraph, relation: Relation, target: str) -> bool:
    """Whether someone could mean it: nothing stands under the floor, in a table or beside its own part."""
    subject = graph.entities[relation.subject]
    if _noun(subject) in _ABSTRACT:
        return False
    if not relation.objects or relation.objects[0] == PICTURE or relation.relation == "picture_center":
        return True
    anchor = graph.entities[relation.objects[0]]
    if anchor.part_of == subject.id or subject.part_of == anchor.id:
        return False
    noun = _noun(anchor)
    if target in ("on", "under", "inside", "stacked_on") and lx.is_being(noun):
        return False
    if target in ("below", "under", "on") and any(
        r.subject == subject.id
        and r.relation == "hanging_on"
        and _noun(graph.entities[r.objects[0]]) in _OVERHEAD
        for r in graph.relations
        if r.objects[0] != PICTURE
    ):
        return False
    if relation.trigger is not None and graph.text[: relation.trigger[0]].endswith("half "):
        return False  # "half hidden by", but not "half in front of"
    if "inside" in (relation.relation, target) and noun not in _CONTAINERS:
        return False
    if {"on", "under", "stacked_on"} & {relation.relation, target} and noun in _FLAT:
        return False
    return target not in ("on", "under", "inside") or _ATTACHED.search(graph.words(relation)) is None


def _object_follows(graph: SceneGraph, relation: Relation) -> int | None:
    """Return the object that stands right behind the relation words, None if none does."""
    if relation.trigger is None:
        return None
    end = relation.trigger[1]
    for i in relation.objects:
        if i == PICTURE:
            continue
        entity = graph.entities[i]
        if any(
            start >= end and not graph.text[end:start].strip() for start, _ in (entity.span, *entity.mentions)
        ):
            return i
    return None


# --- other parts of the same thing ---


def _part_flips(graph: SceneGraph) -> Iterator[_Change]:
    """Yield "front edge" for "back edge", "upper-right corner" for "upper-left corner"."""
    for i, relation in enumerate(graph.relations):
        words = re.split(r"[\s-]+", relation.part.lower())
        if not part_sides(relation.part):
            continue
        pattern = re.compile(r"[\s-]+".join(map(re.escape, words)), re.IGNORECASE)
        found = list(pattern.finditer(graph.text, *relation.span))
        if len(found) != 1:
            continue
        place = found[0].span()
        sharing = [
            j
            for j, other in enumerate(graph.relations)
            if other.part == relation.part and _overlap(other.span, place)
        ]
        if i != sharing[0]:
            continue
        for word in re.finditer(r"[A-Za-z]+", graph.text[place[0] : place[1]]):
            turned = _opposite_side(word.group())
            if turned is None:
                continue
            part = re.sub(rf"\b{word.group()}\b", turned.lower(), relation.part, flags=re.IGNORECASE)
            yield _Change(
                kind="flip_part_anchor",
                replacements=((place[0] + word.start(), place[0] + word.end(), turned),),
                touched=frozenset(sharing),
                relations={j: replace(graph.relations[j], part=part) for j in sharing},
            )


def _entity_part_flips(graph: SceneGraph) -> Iterator[_Change]:
    """Yield "its right armrest" for "its left armrest", where the part is a thing of its own."""
    for entity in graph.entities:
        if entity.part_of is None:
            continue
        touched = frozenset(
            i
            for i, relation in enumerate(graph.relations)
            if entity.id in (relation.subject, *relation.objects)
        )
        described = " ".join([*entity.attributes, entity.name, entity.label])
        for word in re.findall(r"[A-Za-z]+", described):
            turned = _opposite_side(word)
            if turned is None or not touched:
                continue
            pattern = re.compile(rf"\b{re.escape(word)}\b", re.IGNORECASE)
            places = [
                match.span()
                for span in (entity.span, *entity.mentions)
                for match in pattern.finditer(graph.text, *span)
            ]
            changed = replace(
                entity,
                name=pattern.sub(turned, entity.name),
                attributes=tuple(pattern.sub(turned, attribute) for attribute in entity.attributes),
                label=pattern.sub(turned, entity.label),
            )
            taken = any(other.describe() == changed.describe() for other in graph.entities)
            if not places or taken:
                continue
            yield _Change(
                kind="flip_part_anchor",
                replacements=tuple(
                    (start, end, cased_like(turned, graph.text[start:end])) for start, end in places
                ),
                touched=touched,
                relations={i: graph.relations[i] for i in touched if entity.id in graph.relations[i].objects},
                entities={entity.id: changed},
            )


def _opposite_side(word: str) -> str | None:
    """Return the other side of a thing, in the case of `word`."""
    for axis in ("x", "y", "depth"):
        turned = opposite_word(word.lower(), axis)
        if turned is not None and turned not in ("foreground", "background"):
            return cased_like(turned, word)
    return None


# --- things that change places ---

_PRONOUNS = {
    "it": "it",
    "its": "it",
    "he": "he",
    "him": "he",
    "his": "he",
    "she": "she",
    "her": "she",
    "hers": "she",
    "they": "they",
    "them": "they",
    "their": "they",
    "one": "it",
    "each": "they",
    "both": "they",
    "itself": "it",
}
_DETERMINER = re.compile(
    r"(?:(?:a|an|the|one|two|three|four|five|six|seven|eight|nine|ten|\d+|another|this|that|some|several|"
    r"a pair of|each|every|these|those)\s+)",
    re.IGNORECASE,
)
_POSSESSIVE = re.compile(r"(?:his|her|its|their|my|your|our|\S+'s?)\s", re.IGNORECASE)
_HOLDING = ("on", "under", "stacked_on", "inside", "hanging_on", "leaning_against", "at_edge", "at_corner")


def _exchanges(graph: SceneGraph) -> Iterator[_Change]:
    """Yield exchanges of two things everywhere in the text, so that what depends on them stays in place.

    "A cup left of a plate, and a fork behind the cup" becomes "A plate left of a cup, and a fork behind the
    plate": the fork does not move.
    """
    for a, b in combinations(graph.entities, 2):
        words = _exchanged_words(graph, a, b)
        if words is None or not _may_change_places(graph, a, b):
            continue
        touched = frozenset(
            i
            for i, relation in enumerate(graph.relations)
            if {a.id, b.id} & {relation.subject, *relation.objects}
        )
        if touched:
            yield _Change(
                kind=_exchange_kind(graph, a, b), replacements=words, touched=touched, swapped=(a.id, b.id)
            )


def _exchange_kind(graph: SceneGraph, a: Entity, b: Entity) -> EditKind:
    subjects = {relation.subject for relation in graph.relations}
    listed = {
        i for r in graph.relations if r.order is not None for i in (r.subject, *r.objects) if i != PICTURE
    }
    if a.id not in subjects and b.id not in subjects:
        return "swap_anchors"
    if {a.id, b.id} <= listed:
        return "reorder_sequence"
    return "swap_attributes" if a.name == b.name else "swap_objects"


def _may_change_places(graph: SceneGraph, a: Entity, b: Entity) -> bool:
    """Whether the exchange leaves wholes, carriers and verbs as they are."""
    if a.count != b.count or any(e.part_of in (a.id, b.id) for e in graph.entities):
        return False
    placed = [bool(part_sides(" ".join([*e.attributes, e.label]))) for e in (a, b)]
    # "The left lantern" may change places with "the right lantern" only: there is no "left cat".
    if a.name != b.name and (any(placed) or a.part_of != b.part_of):
        return False
    if {_noun(a), _noun(b)} & _SURFACES or (_noun(a) in _BUILT_IN) != (_noun(b) in _BUILT_IN):
        return False
    if lx.is_being(_noun(a)) != lx.is_being(_noun(b)) and not (_is_bare(graph, a) and _is_bare(graph, b)):
        return False  # no kerb rides a bicycle
    for role in ("held", "holder"):
        groups: list[set[str]] = []
        for entity in (a, b):
            groups.append(
                {
                    r.relation
                    for r in graph.relations
                    if r.relation in _HOLDING
                    and (entity.id == r.subject if role == "held" else entity.id in r.objects)
                }
            )
        # A cup may stand where a lamp stood, not carry the table.
        if groups[0] != groups[1]:
            return False
    return True


def _is_bare(graph: SceneGraph, entity: Entity) -> bool:
    """Whether nothing but its place is said of an entity: no verb but "is", nothing that it wears or does."""
    begins = {r.trigger[0] for r in graph.relations if r.trigger is not None}
    for _, end in (entity.span, *entity.mentions):
        rest = graph.text[end:].lstrip()
        if not re.match(r"(?:is|are|and)\b|[.,;]|$", rest) and len(graph.text) - len(rest) not in begins:
            return False
    return True


def _exchanged_words(graph: SceneGraph, a: Entity, b: Entity) -> tuple[Replacement, ...] | None:
    """Return the replacements that exchange two things wherever they are named, None if that reads badly."""
    pronouns: list[set[str]] = []
    for entity in (a, b):
        said = [graph.text[start:end].lower() for start, end in entity.mentions]
        pronouns.append({_PRONOUNS[words] for words in said if words in _PRONOUNS})
    # "It" fits any single thing; "she" and "they" must fit both.
    if pronouns[0] - {"it"} != pronouns[1] - {"it"}:
        return None
    if "it" in pronouns[0] ^ pronouns[1] and (pronouns[0] | pronouns[1]) - {"it"}:
        return None
    replacements: list[Replacement] = []
    for entity, other in ((a, b), (b, a)):
        for span in (entity.span, *entity.mentions):
            if graph.text[span[0] : span[1]].lower() in _PRONOUNS:
                continue
            place = _name_in(graph, entity, span)
            words = _renamed(graph, entity, other, place)
            if words is None:
                return None
            replacements.append((*place, words))
    return tuple(replacements) if Rewrite.of(graph.text, replacements) is not None else None


def _renamed(graph: SceneGraph, entity: Entity, other: Entity, span: Span) -> str | None:
    """Return how `other` is called in the place `span` where `entity` is mentioned."""
    said = graph.text[span[0] : span[1]]
    full, others_full = (graph.text[slice(*_name_in(graph, e, e.span))] for e in (entity, other))
    if any(_POSSESSIVE.match(words) for words in (said, full, others_full)):
        return None
    if _noun(entity) not in said.lower():
        return None
    determiner, bare = _split_determiner(said)
    others_determiner, others_bare = _split_determiner(others_full)
    if _is_proper(graph, entity) != _is_proper(graph, other):
        return None
    if not others_determiner and not _is_proper(graph, other):
        others_bare = cased_like(others_bare, "a")
    if span[0] != entity.span[0] and (
        not entity.attributes or bare.lower() != _split_determiner(full)[1].lower()
    ):
        others_bare = _short_name(graph, other, others_bare)
    if span[0] == entity.span[0] and bool(determiner) != bool(others_determiner):
        # "Water" takes no article; it brings its own form along, and the capital stays where it was.
        words = others_determiner.lower() + others_bare
        return words[:1].upper() + words[1:] if _starts_sentence(graph.text, span[0]) else words
    if not determiner:
        starts = _starts_sentence(graph.text, span[0]) and said[:1].isupper()
        return others_bare[:1].upper() + others_bare[1:] if starts else others_bare
    article = with_article(determiner.rstrip(), others_bare)
    return article + determiner[len(determiner.rstrip()) :] + others_bare


def _starts_sentence(text: str, place: int) -> bool:
    return re.search(r"(?:^|[.!?:]\s+|\n\s*)[\"'(]*$", text[:place]) is not None


def _is_proper(graph: SceneGraph, entity: Entity) -> bool:
    """Whether the entity is called by a name, which takes no article and keeps its capital: "Big Ben"."""
    words = graph.text[slice(*entity.span)]
    if _split_determiner(words)[0] or not words[:1].isupper():
        return False
    return not _starts_sentence(graph.text, entity.span[0]) or any(w[:1].isupper() for w in words.split()[1:])


def _name_in(graph: SceneGraph, entity: Entity, span: Span) -> Span:
    """Return the part of a mention that names the thing itself: "the right burner" of "... of the stove"."""
    start, end = span
    inner = [
        low
        for other in graph.entities
        if other.id != entity.id
        for low, high in (other.span, *other.mentions)
        if start < low and high <= end
    ]
    if not inner:
        return span
    name = re.compile(
        re.escape(f"{entity.name} {entity.label}".strip()) + r"|" + re.escape(entity.name), re.IGNORECASE
    )
    found = name.search(graph.text, start, min(inner))
    return span if found is None else (start, found.end())


def _short_name(graph: SceneGraph, entity: Entity, full: str) -> str:
    """Return "ball" for "small red ball" where no other ball is named."""
    name = f"{entity.name} {entity.label}".strip()
    if sum(other.name == entity.name for other in graph.entities) > 1 and not entity.label:
        return full
    found = re.search(re.escape(name), full, re.IGNORECASE)
    return found.group() if found else full


def _split_determiner(words: str) -> tuple[str, str]:
    match = _DETERMINER.match(words)
    return ("", words) if match is None else (match.group(), words[match.end() :])


def _noun(entity: Entity) -> str:
    """Return the head noun."""
    return entity.name.lower().split(" ")[-1]


# --- relations that change places ---


def _relation_exchanges(graph: SceneGraph) -> Iterator[_Change]:
    """Yield exchanges of the relation words of two relations."""
    plain = [
        i
        for i, relation in enumerate(graph.relations)
        if relation.trigger is not None
        and not relation.part
        and relation.order is None
        and len(relation.objects) == 1
        and _object_follows(graph, relation) == relation.objects[0]
        and takes_object(graph.text[relation.trigger[0] : relation.trigger[1]], relation.relation)
        and sum(_overlap(other.trigger, relation.trigger) for other in graph.relations) == 1
    ]
    for i, j in combinations(plain, 2):
        a, b = graph.relations[i], graph.relations[j]
        assert a.trigger is not None and b.trigger is not None
        if a.relation == b.relation or not (
            _plausible(graph, a, b.relation) and _plausible(graph, b, a.relation)
        ):
            continue
        words_a, words_b = graph.text[slice(*a.trigger)], graph.text[slice(*b.trigger)]
        yield _Change(
            kind="swap_relations",
            replacements=(
                (*a.trigger, cased_like(words_b, words_a)),
                (*b.trigger, cased_like(words_a, words_b)),
            ),
            touched=frozenset((i, j)),
            relations={
                i: replace(a, relation=b.relation, modifier=b.modifier),
                j: replace(b, relation=a.relation, modifier=a.modifier),
            },
        )


def _overlap(a: Span | None, b: Span | None) -> bool:
    return a is not None and b is not None and a[0] < b[1] and b[0] < a[1]
