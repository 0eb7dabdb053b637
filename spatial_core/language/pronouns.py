"""What a pronoun or a relative points at, given the relation words before it."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import COMMA
from spatial_core.language.place_meaning import OPPOSITE_SIDES, horizontal
from spatial_core.language.reading import Reading
from spatial_core.language.scene_graph import PICTURE
from spatial_core.language.triggers import Trigger

_LANDMARKS = frozenset("sofa couch armchair chair bed stool throne recliner loveseat".split())
_BENEATH = frozenset(("under", "below", "above", "inside"))


def pronoun_topic(state: Reading, trigger: Trigger, pronoun: str) -> list[int]:
    """Return what a pronoun after this trigger most likely points at."""
    clause = state.clause
    across = other_side(state, trigger) if pronoun in ("it", "its") else []
    if across and (trigger.place is not None or not clause.head):
        return across
    if pronoun in ("it", "its") and state.referent[0] == state.sentence and not clause.anchors:
        known = state.referent[1]
        if known and not any(e in clause.current or state.table.whole(e) in clause.current for e in known):
            return known
    if pronoun == "both" and state.relations:
        last = state.relations[-1]
        if last.objects[-1] != PICTURE:
            return [last.subject, last.objects[-1]]
    if trigger.relation == "between" and pronoun in ("them", "the two"):
        pair = pair_placed_last(state, pronoun)
        if pair:
            return pair
    if clause.head and clause.current != clause.head:
        topic = clause.head
    elif clause.fronted and len(clause.subjects) > 1 and clause.current != clause.subjects:
        topic = clause.subjects[-2:-1]
    elif clause.fronted and len(clause.run) > 1 and len(clause.subjects) > 1:
        topic = clause.subjects[-2:-1]
    else:
        placed = clause.current
        if placed and placed == clause.subjects and clause.objects:
            topic = clause.subjects  # "a horse pulling a cart behind it"
        elif placed and placed == clause.subjects:
            # "the pen lies parallel to the ruler, just above it", but "lies on the ground beside it"
            anchors = clause.anchors
            carrier = bool(anchors) and state.table.head(anchors[-1]) in lx.SURFACES | lx.PLACES
            near = state.chunks[state.position - 1].kind == COMMA or not carrier
            topic = (anchors if near else state.topic) or state.topic or anchors
        else:
            topic = clause.subjects or state.topic
    last = state.relations[-1] if state.relations else None
    if (
        trigger.place is not None
        and last is not None
        and last.subject in topic
        and last.objects[-1] != PICTURE
    ):
        if last.relation in ("on", "hanging_on") and state.table.head(last.objects[-1]) in _LANDMARKS:
            return [last.objects[-1]]  # "a throw lies on the armchair, and a table stands to its left"
    held = topic is clause.head and clause.expecting != "with"  # "a napkin with a daisy on it"
    if pronoun in ("it", "its") and topic and not held and trigger.word in ("on", "atop", "in", "inside"):
        # "A woman sits by a table. On it ...": the pronoun wants something that can hold things.
        wanted = lx.SURFACES if trigger.word in ("on", "atop") else lx.CONTAINERS
        if state.table.head(topic[-1]) not in wanted:
            for entities in (clause.anchors, state.last_anchors):
                if entities and state.table.head(entities[-1]) in wanted:
                    return entities[-1:]
    if (
        pronoun in ("it", "its")
        and topic
        and state.table.is_person(topic[-1])
        and trigger.relation in _BENEATH
    ):
        for entities in (clause.anchors, state.last_anchors):
            if entities and state.table.head(entities[-1]) in lx.SURFACES:
                return entities[-1:]
    return topic


def pair_placed_last(state: Reading, pronoun: str) -> list[int]:
    """Return the two things placed last, unless a plural is at hand for "between them"."""
    placed = state.clause.current
    recent = [e for e in (*state.clause.subjects, *state.topic) if e not in placed]
    if pronoun == "them" and (len(recent) > 1 or any(state.table.plural(e) for e in recent)):
        return []
    pair: list[int] = []
    for relation in reversed(state.relations[-6:]):
        if relation.subject not in pair and relation.subject not in placed:
            pair.insert(0, relation.subject)
        if len(pair) == 2:
            return pair
    for relation in reversed(state.relations[-2:]):
        anchor = relation.objects[0]
        if len(pair) == 1 and anchor != PICTURE and anchor not in pair:
            return [*pair, anchor]
    return []


def other_side(state: Reading, trigger: Trigger) -> list[int]:
    """Return what the last thing was put to the left of, for a place to the right, and so on."""
    relation, anchors, sentence = state.last_side
    if not anchors or state.sentence != sentence:
        return []
    side = trigger.relation
    if trigger.place is not None:
        side = f"{horizontal(trigger.place)}_of"
    if side not in OPPOSITE_SIDES[relation] or any(e in state.clause.current for e in anchors):
        return []
    return list(anchors)


def antecedent(state: Reading, k: int) -> list[int]:
    """Return what "on which" at chunk `k` speaks of: the noun right before it."""
    j = k - 2 if state.chunks[k - 1].kind == COMMA else k - 1
    found = state.resolved.get(j, []) if j >= 0 else []
    clause = state.clause
    return found[-1:] or clause.anchors[-1:] or clause.current[-1:] or clause.subjects[-1:]
