"""What a prompt says about space: entities, and relations with the words that state them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from spatial_core.language.relations import RELATIONS

Span = tuple[int, int]
"""Half-open character range `[start, end)` into the prompt."""

PICTURE: Literal["picture"] = "picture"
"""Stands for the picture itself where a relation places something in the frame."""

_DETERMINERS = frozenset(
    "a an the some any this that these those its his her their our my your "
    "both all each several many few".split()
)


@dataclass(frozen=True)
class Entity:
    """Something the prompt names.

    Attributes:
        id: Index into `SceneGraph.entities`.
        name: Head noun phrase without determiner, count and attributes, e.g. `baseball bat`.
        span: The first full mention, determiner and attributes included.
        count: Number stated, 1 where none is.
        attributes: Adjectives and materials in the order stated, e.g. `("small", "red")`.
        label: Tells apart entities of one name, e.g. `B` in "seat B" or `second`; empty otherwise.
        mentions: Every further mention (pronouns, "the ball"), in text order.
        part_of: Id of the whole, for a part such as "its left armrest".
    """

    id: int
    name: str
    span: Span
    count: int = 1
    attributes: tuple[str, ...] = ()
    label: str = ""
    mentions: tuple[Span, ...] = ()
    part_of: int | None = None

    def describe(self) -> str:
        """Return the shortest phrase that singles the entity out, without a determiner: "small red ball"."""
        words = [*self.attributes, self.name, self.label]
        return " ".join(word for word in words if word)


@dataclass(frozen=True)
class Relation:
    """One stated relation.

    Attributes:
        relation: A name of `RELATIONS`.
        subject: Id of the entity that is placed.
        objects: Ids it is placed by; `("picture",)` for a place in the frame.
        span: The words that state it: from the relation word to the end of its objects, the subject
            included where it stands directly before.
        part: Part anchor such as "upper-left corner" or "back edge", empty if none is stated.
        frame: viewer, object or picture, where the text says whose view decides; empty otherwise.
        modifier: "slightly", "directly", ...; empty if none.
        order: Position in an ordered list ("A, B and C from left to right"), None outside one.
        trigger: The relation words alone ("to the left of"), as a span.
    """

    relation: str
    subject: int
    objects: tuple[int | Literal["picture"], ...]
    span: Span
    part: str = ""
    frame: str = ""
    modifier: str = ""
    order: int | None = None
    trigger: Span | None = None


@dataclass(frozen=True)
class SceneGraph:
    """A prompt with its entities and relations."""

    text: str
    entities: tuple[Entity, ...] = ()
    relations: tuple[Relation, ...] = field(default=())

    def words(self, relation: Relation) -> str:
        """Return the words of the prompt that state `relation`."""
        return self.text[relation.span[0] : relation.span[1]]

    def plural(self, entity: int) -> bool:
        """Return whether an entity is more than one thing: by its count, or as its first mention says it."""
        return self.entities[entity].count > 1 or bool(self._plural_mention(entity))

    def _plural_mention(self, entity: int) -> str:
        """Return the first mention without determiner where it is in the plural ("cats" of a "cat")."""
        it = self.entities[entity]
        words = self.text[it.span[0] : it.span[1]].split()
        if words and self.text[: it.span[0]].rstrip()[-1:] in ("", ".", "!", "?"):
            words[0] = words[0][:1].lower() + words[0][1:]
        while words and words[0].lower() in _DETERMINERS:
            words = words[1:]
        heads = [word.strip(",.;:").removesuffix("'s").lower() for word in words]
        head = it.name.lower().split(" ")[-1]
        shown = head not in heads and any(word[:1] == head[:1] for word in heads)
        return " ".join(words) if shown or (it.count > 1 and head in heads) else ""

    def phrase(self, entity: int) -> str:
        """Return a noun phrase that singles the entity out: "the second red ball", "the arm of the chair"."""
        it = self.entities[entity]
        whole = f" of {self.phrase(it.part_of)}" if it.part_of is not None and it.part_of != entity else ""
        if mention := self._plural_mention(entity):
            return f"the {mention}{whole}"
        if it.label.isdigit() or (len(it.label) == 1 and it.label.isupper()):
            return f"{it.describe()}{whole}"  # "seat B", "frame 2"
        rank, _, end = it.label.partition(" from ")  # "the second red mug from the left"
        words = [rank, *it.attributes, it.name, f"from {end}" if end else ""]
        return f"the {' '.join(word for word in words if word)}{whole}"

    def anchors(self, relation: Relation) -> list[str]:
        """Return a noun phrase with its determiner for each object of `relation`.

        The things of a group are related to "each other"; "between the two lamps" names the lamps once.
        """
        if relation.objects == (relation.subject,):
            return ["each other"]
        first = relation.objects[0]
        if first != PICTURE and relation.objects == (first, first):
            return [self.phrase(first)]
        return ["the picture" if i == PICTURE else self.phrase(i) for i in relation.objects]

    def clause(self, relation: Relation) -> str:
        """Return the relation as one unambiguous statement: "the red ball is to the left of the blue cup"."""
        predicate = RELATIONS[relation.relation].predicate(self.anchors(relation), relation.part)
        verb = "are" if self.plural(relation.subject) else "is"
        return f"{self.phrase(relation.subject)} {verb} {predicate}"

    def to_dict(self) -> dict[str, Any]:
        """Return the stable JSON form that `spatial parse --json` prints."""
        entities = [
            {
                "id": e.id,
                "name": e.name,
                "count": e.count,
                "attributes": list(e.attributes),
                "span": list(e.span),
                **({"label": e.label} if e.label else {}),
                **({"part_of": e.part_of} if e.part_of is not None else {}),
                **({"mentions": [list(m) for m in e.mentions]} if e.mentions else {}),
            }
            for e in self.entities
        ]
        relations = [
            {
                "relation": r.relation,
                "subject": r.subject,
                "objects": list(r.objects),
                "text": self.words(r),
                "span": list(r.span),
                **({"part": r.part} if r.part else {}),
                **({"frame": r.frame} if r.frame else {}),
                **({"modifier": r.modifier} if r.modifier else {}),
                **({"order": r.order} if r.order is not None else {}),
                **({"trigger": list(r.trigger)} if r.trigger else {}),
            }
            for r in self.relations
        ]
        return {"prompt": self.text, "entities": entities, "relations": relations}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SceneGraph:
        """Rebuild a graph from `to_dict`'s form.

        Raises:
            KeyError: If a required key is missing or a relation name is not in `RELATIONS`.
        """

        def span(value: list[int]) -> Span:
            return (int(value[0]), int(value[1]))

        entities = tuple(
            Entity(
                id=e["id"],
                name=e["name"],
                span=span(e["span"]),
                count=e["count"],
                attributes=tuple(e["attributes"]),
                label=e.get("label", ""),
                mentions=tuple(span(m) for m in e.get("mentions", ())),
                part_of=e.get("part_of"),
            )
            for e in data["entities"]
        )
        relations = tuple(
            Relation(
                relation=RELATIONS[r["relation"]].name,
                subject=r["subject"],
                objects=tuple(r["objects"]),
                span=span(r["span"]),
                part=r.get("part", ""),
                frame=r.get("frame", ""),
                modifier=r.get("modifier", ""),
                order=r.get("order"),
                trigger=span(r["trigger"]) if "trigger" in r else None,
            )
            for r in data["relations"]
        )
        return cls(data["prompt"], entities, relations)
