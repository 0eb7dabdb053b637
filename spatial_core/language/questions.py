"""Relations as yes / no questions: one unambiguous wording each, with the forms that check the answer.

A vision-language model that says "yes" too readily, or that favours the thing named first, is found out by
asking the same relation the other way round (inverse) and by asking what cannot hold at once (contrary).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph

_SIDED = ("left_of", "right_of", "in_front_of", "behind")
_VIEWER = "the viewer"


@dataclass(frozen=True)
class Question:
    """One question about a relation.

    Attributes:
        text: Ends in a question mark; the answer is Yes or No.
        sign: 1 if Yes speaks for the relation, -1 if Yes speaks against it.
    """

    text: str
    sign: Literal[1, -1]


def question(
    relation: str,
    subject: str,
    objects: Sequence[str],
    part: str = "",
    *,
    count: int = 1,
    viewpoint: str = "",
) -> str:
    """Return the canonical yes / no question: "Is the red ball to the left of the blue cup?".

    Args:
        relation: A name of `RELATIONS`.
        subject: Noun phrase with its determiner.
        objects: Noun phrases with their determiners; not used by places in the picture.
        part: Part of the first object that the subject is placed by, e.g. "upper-left corner".
        count: How many the subject are; "Are" if not one.
        viewpoint: Whose left, right, front and back are meant, e.g. "the viewer"; the wording of the other
            relations leaves no choice and ignores it.

    Raises:
        ValueError: If the relation is unknown or needs more objects than are given.
    """
    if relation not in RELATIONS:
        raise ValueError(f"A relation is one of {', '.join(RELATIONS)}; got {relation!r}.")
    predicate = RELATIONS[relation].predicate(objects, part)
    asked = f"{'is' if count == 1 else 'are'} {subject} {predicate}?"
    if viewpoint and relation in _SIDED:
        return f"From {viewpoint}'s point of view, {asked}"
    return asked[0].upper() + asked[1:]


def relation_questions(graph: SceneGraph, relation: Relation, *, viewer: bool = False) -> list[Question]:
    """Return the questions about one relation of a prompt: itself, then its inverse and its contrary if any.

    For "left_of": is A to the left of B (+), is B to the right of A (+), is A to the right of B (-).
    "Between" has neither, but its objects may change places.

    Args:
        graph: The prompt.
        relation: One of `graph.relations`.
        viewer: Whether to state the viewer's point of view where left, right, front and back could be an
            object's own. A point of view that the prompt itself gives to an object is always stated.
    """
    kind = RELATIONS[relation.relation]
    name, anchors = graph.phrase(relation.subject), graph.anchors(relation)
    viewpoint = _VIEWER if viewer else ""
    if relation.frame == "object" and relation.objects[0] != PICTURE:
        viewpoint = anchors[0]

    def ask(relation_name: str, objects: Sequence[str]) -> str:
        count = 2 if graph.plural(relation.subject) else 1
        return question(relation_name, name, objects, relation.part, count=count, viewpoint=viewpoint)

    asked = [Question(ask(kind.name, anchors), 1)]
    if kind.inverse is not None and relation.objects[0] not in (PICTURE, relation.subject):
        anchor = f"the {relation.part} of {anchors[0]}" if relation.part else anchors[0]
        count = 2 if not relation.part and graph.plural(relation.objects[0]) else 1
        asked.append(Question(question(kind.inverse, anchor, [name], count=count, viewpoint=viewpoint), 1))
    if kind.name == "between" and len(anchors) > 1 and not relation.part:
        asked.append(Question(ask(kind.name, anchors[::-1]), 1))
    if kind.contrary:
        asked.append(Question(ask(kind.contrary[0], anchors), -1))
    return asked
