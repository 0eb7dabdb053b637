"""What relation words relate to: the noun phrases after them, or what the context implies."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import AND, COMMA, NOUN, RELATIVE, TRIGGER, VERB, WITH, Chunk
from spatial_core.language.clause_state import Anchor
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.place_meaning import resolve_picture
from spatial_core.language.pronouns import other_side, pronoun_topic
from spatial_core.language.reading import Reading
from spatial_core.language.soundness import NOWHERE, is_concrete
from spatial_core.language.triggers import NONE, OPTIONAL, Place, Trigger, join_directions


def anchor_run(
    state: Reading, trigger: Trigger, relation: str, k: int, *, fronted: bool
) -> tuple[list[int], int]:
    """Return the noun chunks that are anchors of the trigger, and the index after them."""
    phrase = state.chunks[k].phrase
    assert phrase is not None
    if relation == "between":
        several = phrase.plural and (phrase.counted or phrase.definite)
        if placed_apart(state, k + 1) and state.at(k + 2, AND) and state.at(k + 3, NOUN):
            return [k, k + 3], k + 5 if placed_apart(state, k + 4) else k + 4
        if state.at(k + 1, WITH) and state.at(k + 2, NOUN) and state.at(k + 3, AND) and state.at(k + 4, NOUN):
            return [k, k + 4], k + 5  # "between a man with a hat and a child"
        if state.at(k + 1, AND) and state.at(k + 2, NOUN) and not (several and state.finite(k + 3)):
            return [k, k + 2], k + 3
        if not several and state.at(k + 1, COMMA) and state.at(k + 2, AND) and state.at(k + 3, NOUN):
            return [k, k + 3], k + 4
        if not (phrase.plural or phrase.pronoun):
            run, after, joined = state.coordinated(k, stop_at_clause=True)
            if joined:
                return run, after
        return [k], k + 1
    run, after, joined = state.coordinated(k, stop_at_clause=True)
    if len(run) == 1 or not joined:
        return [k], k + 1
    listing = relation == "around" or trigger.word in ("with", "among")
    if not listing and (len(run) > 2 or state.at(k + 1, COMMA)):
        return [k], k + 1
    last = state.chunks[run[-1]].phrase
    assert last is not None
    if last.pronoun or (phrase.pronoun and not listing):
        return [k], k + 1
    if not last.determiner and not last.counted and not last.plural and not last.label:
        return run, after  # "the lamp and vase"
    if state.at(after, VERB, TRIGGER, RELATIVE, WITH):
        if state.at(after, TRIGGER) and last.definite and phrase.definite and not fronted:
            if not placed_apart(state, after):
                return run, after
        return [k], k + 1
    if fronted and not (state.at(after, COMMA) or state.finite(after)):
        return [k], k + 1  # "next to the lamp and a vase": the vase is what stands there
    if last.definite != phrase.definite and not listing:
        return [k], k + 1
    return run, after


def placed_apart(state: Reading, k: int) -> bool:
    """Return whether chunk `k` is "on the left" in "flanked by a lamp on the left and ..."."""
    if not state.at(k, TRIGGER):
        return False
    trigger = state.chunks[k].trigger
    return trigger is not None and trigger.place is not None and trigger.needs == OPTIONAL


def find_anchor(
    state: Reading, trigger: Trigger, relation: str, run: list[int], phrase: NounPhrase
) -> Anchor | None:
    """Return what the noun chunks after a trigger stand for."""
    clause = state.clause
    end = state.chunk_end(run[-1])
    if phrase.pronoun == "each other":
        return Anchor([], group=True, end=end)
    if is_picture(state, phrase) and (trigger.place is not None or trigger.word in ("in", "on")):
        return Anchor([], picture=True, end=end, head=phrase.head)
    if phrase.head in ("center", "centre") and not phrase.determiner and phrase.owner is None:
        return Anchor([], picture=True, end=end)  # "left of center"
    part = ""
    if phrase.part and phrase.owner is not None:
        owner = phrase.owner
        if isinstance(owner, NounPhrase) and is_picture(state, owner):
            return Anchor([], picture=True, end=end, head=phrase.head, part=phrase.part)
        if isinstance(owner, NounPhrase) and not is_concrete(owner):
            return None
        topic = pronoun_topic(state, trigger, owner if isinstance(owner, str) else owner.pronoun)
        part = join_directions(phrase.part.split(" "))
        found = state.table.owner_of(phrase, topic)
        for entity in found:
            if isinstance(owner, str):
                state.table.mention(entity, (phrase.start, phrase.end))
    else:
        owner = phrase.owner if isinstance(phrase.owner, str) else ""
        two = relation == "between" and phrase.count == 2 and not phrase.name and phrase.determiner == "the"
        both = phrase.determiner == "both" and (not phrase.name or bool(phrase.pronoun))
        two = two or both
        topic = pronoun_topic(
            state, trigger, "both" if both else phrase.pronoun or owner or ("the two" if two else "")
        )
        found = []
        if two and len(topic) == 2:
            state.resolved[run[0]] = topic
            for entity in topic:
                state.table.mention(entity, (phrase.start, phrase.end))
        for index in run:
            found.extend(e for e in state.entities(index, topic, clause.current) if e not in found)
        if len(run) > 1:
            state.table.group(found)
    if not found:
        return None
    if phrase.pronoun == "it" or phrase.owner == "its":
        state.referent = (state.sentence, found)
    clause.anchors = found
    head = state.table.head(found[-1])
    return Anchor(found, part=part, end=end, head=head)


def is_picture(state: Reading, phrase: NounPhrase) -> bool:
    if (
        phrase.head not in lx.PICTURE_WORDS
        or phrase.determiner in ("a", "an", "another", "each")
        or phrase.label
    ):
        return False
    if phrase.owner is not None or phrase.plural or (" " in phrase.name and phrase.head not in ("card",)):
        return False
    return not state.table.known(phrase.head) or phrase.head == state.medium


def implied_anchor(
    state: Reading, trigger: Trigger, verb: Chunk | None, previous: Chunk | None
) -> Anchor | None:
    """Return the anchor of a place that names none: an owner inside it, the context, or the picture."""
    clause = state.clause
    place = trigger.place
    if trigger.owner is not None:
        if isinstance(trigger.owner, NounPhrase):
            if trigger.owner.head in NOWHERE:
                state.viewer = True
                return Anchor([], picture=True, head=trigger.owner.head)
            found = state.table.resolve(trigger.owner, clause.subjects or state.topic)
        elif trigger.owner in ("your", "my", "our"):
            return Anchor([], picture=True, head="viewer")
        else:
            found = state.table.pronoun(
                trigger.owner, pronoun_topic(state, trigger, trigger.owner), clause.current
            )
        if not found:
            return None
        clause.anchors = found
        return Anchor(found, head=state.table.head(found[-1]))
    if trigger.word == "together":
        return Anchor([], group=True)
    if trigger.needs == NONE and trigger.relation:
        return Anchor([], picture=True)
    if place is not None:
        return implied_place(state, trigger, place)
    # "above", "behind", "underneath" as adverbs: only after a verb of being somewhere or at a clause's
    # start.
    if verb is not None and verb.lemma not in lx.POSTURE:
        return None
    if clause.head and clause.head != clause.current:
        return Anchor(clause.head, head=state.table.head(clause.head[-1]))
    found = (
        state.last_anchors
        if trigger.word in ("above", "below", "underneath", "beneath", "inside", "atop")
        else []
    )
    if trigger.word in ("nearby", "behind", "in") or not found:
        found = state.topic or found
    if not clause.subjects and not clause.current:
        found = state.topic or state.last_anchors
    found = [e for e in found if e not in clause.current]
    if not found:
        return None
    return Anchor(list(found), head=state.table.head(found[-1]))


def implied_place(state: Reading, trigger: Trigger, place: Place) -> Anchor | None:
    clause = state.clause
    head = place.head
    sideways = head in ("left", "right") or (head in ("side", "sides") and place.words)
    if clause.head and clause.head != clause.current and head not in ("foreground", "background", "distance"):
        owner = clause.head[-1]
        noun = state.table.head(owner)
        if noun not in lx.PICTURE_WORDS and noun not in lx.PLACES:
            return Anchor(list(clause.head), head=noun)
        return Anchor([], picture=True)
    if place.preposition in ("to", "toward", "towards") and (sideways or head in ("side", "sides")):
        near = clause.anchors if state.chunks[state.position - 1].kind == COMMA and clause.current else []
        found = other_side(state, trigger) or near or state.topic
        found = found or [e for e in clause.subjects if e not in clause.current]
        found = [e for e in found if e not in clause.current]
        if found:
            return Anchor(list(found), head=state.table.head(found[-1]))
        return Anchor([], picture=True) if sideways else None
    if head in ("side", "sides") and not place.words:
        found = state.last_anchors or state.topic
        found = [e for e in found if e not in clause.current]
        return Anchor(list(found), head=state.table.head(found[-1])) if found else None
    if head in (
        "corner",
        "corners",
        "edge",
        "edges",
        "end",
        "ends",
        "rim",
        "base",
        "back",
        "rear",
        "front",
    ):
        surface = state.table.surface
        if (
            head not in ("corner", "corners", "back", "rear", "front")
            and surface
            and place.preposition != "to"
        ):
            return Anchor(list(surface), head=state.table.head(surface[-1]))
        if resolve_picture(place):
            return Anchor([], picture=True)
        room = state.table.room
        if head in ("corner", "corners") and room:
            return Anchor(list(room), head=state.table.head(room[-1]))
        return None
    if not resolve_picture(place):
        return None
    return Anchor([], picture=True)
