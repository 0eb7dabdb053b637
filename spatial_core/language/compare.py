"""What two prompts say differently about space."""

from __future__ import annotations

from dataclasses import dataclass

from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph


@dataclass(frozen=True)
class GraphDifference:
    """Relations that only one of two graphs states.

    Attributes:
        only_first: Relations of the first graph without a counterpart in the second.
        only_second: Relations of the second graph without a counterpart in the first.
    """

    only_first: tuple[Relation, ...]
    only_second: tuple[Relation, ...]

    def __bool__(self) -> bool:
        """Whether the graphs differ."""
        return bool(self.only_first or self.only_second)


def compare_graphs(a: SceneGraph, b: SceneGraph) -> GraphDifference:
    """Return the relations that only one of two graphs states, each in text order.

    Two relations are the same if relation, part and participants agree, participants by name and label. A
    relation and its inverse with the participants exchanged count as the same, as do the two orders of a
    symmetric one and of `between`. Attributes and counts are not compared.
    """
    counts: dict[tuple[str, ...], int] = {}
    for relation in b.relations:
        key = _key(b, relation)
        counts[key] = counts.get(key, 0) + 1
    only_first = [relation for relation in a.relations if not _take(counts, _key(a, relation))]
    counts = {}
    for relation in a.relations:
        key = _key(a, relation)
        counts[key] = counts.get(key, 0) + 1
    only_second = [relation for relation in b.relations if not _take(counts, _key(b, relation))]
    return GraphDifference(tuple(only_first), tuple(only_second))


def _take(counts: dict[tuple[str, ...], int], key: tuple[str, ...]) -> bool:
    left = counts.get(key, 0)
    counts[key] = left - 1
    return left > 0


def _key(graph: SceneGraph, relation: Relation) -> tuple[str, ...]:
    def name(entity: int) -> str:
        found = graph.entities[entity]
        return f"{found.label} {found.name}".strip()

    subject = name(relation.subject)
    objects = [PICTURE if entity == PICTURE else name(entity) for entity in relation.objects]
    kind = RELATIONS[relation.relation]
    if relation.relation == "between":
        objects.sort()
    elif kind.inverse is not None and len(objects) == 1 and objects[0] != PICTURE:
        if kind.inverse < kind.name or (kind.symmetric and objects[0] < subject):
            return (kind.inverse, relation.part, objects[0], subject)
    return (kind.name, relation.part, subject, *objects)
