"""From a place and its subjects to relations, with the span of the words that state them."""

from __future__ import annotations

from typing import Literal

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import COMMA, NOUN, OTHER, THERE, TRIGGER, VERB, WITH, Chunk, order_of
from spatial_core.language.clause_state import Anchor, Pending
from spatial_core.language.place_meaning import OPPOSITE_SIDES, resolve_picture, resolve_place
from spatial_core.language.reading import Reading
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, Span
from spatial_core.language.soundness import NOWHERE
from spatial_core.language.triggers import Trigger

_IN_PICTURE = {"left_of": "picture_left", "right_of": "picture_right"}
"""What a side means of the picture's center: "left of center"."""
_GROUP_RELATIONS = frozenset(
    "next_to near opposite facing aligned_with behind in_front_of above on stacked_on under below "
    "leaning_against far_from".split()
)


def settle_pending(state: Reading, run: list[int], found: list[int]) -> None:
    """State the places that waited for the noun chunks `run`."""
    clause = state.clause
    pendings, clause.pending = clause.pending, []
    clause.settled = pendings if clause.several else []
    for pending in pendings:
        if pending is pendings[-1]:
            end = fronted_end(state, pending, run)
        elif clause.inverted and pending.anchor.picture:
            end = state.chunk_end(run[0])  # "on the right, put on the floor, is a radio"
        else:
            end = pending.anchor.end
        state_relation(state, pending, found, (pending.start, end))


def fronted_end(state: Reading, pending: Pending, run: list[int]) -> int:
    """Return where a fronted relation ends: after its place, or with the subject and its verb.

    Careful readers disagree on whether the subject belongs to the words. A place that is half of the
    statement or more stands for it, with the subject if that is short; less than half says too little alone.
    Where the verb goes on to put the subject elsewhere too ("beside the bench, a gown hangs on a hook"), and
    behind "there is", the place in front is a statement by itself, unless it is a mere "behind it".
    """
    end = place_end = pending.anchor.end
    before = state.chunks[state.position - 1]
    if before.kind == VERB and state.position > 1:
        earlier = state.chunks[state.position - 2].kind
        if earlier == THERE:
            return end
        # "beside the sofa stands", "in the center of the image is"
        if earlier != COMMA and (before.lemma != "be" or (pending.anchor.picture and pending.anchor.head)):
            place_end = state.tokens[before.stop - 1].end
    verb = main_verb(state, state.clause.run_end) if len(run) == 1 else 0
    words = state.text[pending.start : end].lower().split()
    named = state.text[pending.trigger_end : end].strip()
    vague = not named or (len(words) <= 2 and words[-1] in lx.PRONOUNS)
    if verb and state.at(verb + 1, TRIGGER) and state.at(verb + 2, NOUN):
        if not vague:
            return end
        verb = 0
    whole = verb_end(state, verb) if verb else state.chunk_end(run[0])
    length = whole - pending.start
    if vague or length <= 1.5 * (end - pending.start) or length > 2 * (place_end - pending.start):
        return whole
    return place_end


def main_verb(state: Reading, k: int) -> int:
    """Return the index of the posture verb of a subject that ends before chunk `k`, its descriptions between.

    Returns 0 if another verb, or none, is near.
    """
    if state.at(k, WITH) and state.at(k + 1, NOUN):
        k += 2  # "a cube with sharp edges stands"
    elif state.at(k, VERB) and state.chunks[k].form != lx.FINITE and state.at(k + 1, TRIGGER):
        k += 3 if state.at(k + 2, NOUN) and state.finite(k + 3) else 0  # "a plan printed on paper is pinned"
    return k if state.finite(k) and state.chunks[k].lemma in lx.POSTURE - {"be"} else 0


def verb_end(state: Reading, k: int) -> int:
    """Return one past the last character of the verb at chunk `k` and of the adverb after it."""
    stop = state.chunks[k].stop
    follower = state.tokens[stop] if stop < len(state.tokens) else None
    manner = follower is not None and follower.tags & lx.ADV and follower.text.endswith("ly")
    return state.tokens[stop if manner else stop - 1].end


def place_subjects(state: Reading, pending: Pending, subjects: list[int], k: int) -> None:
    """State the place that ends before chunk `k` of `subjects`."""
    start = subject_start(state, k, subjects, state.clause.run)
    previous = state.chunks[k - 1]
    if previous.kind == VERB and (start is None or pending.anchor.group):
        verb = state.tokens[previous.stop - 1]
        if verb.tags & lx.VERB and previous.lemma in lx.POSTURE:
            # "..., placed in one corner of the desk": the verb belongs to the place
            start = verb.start
    span = (start if start is not None and start < pending.start else pending.start, pending.anchor.end)
    state_relation(state, pending, subjects, span)


def subject_start(state: Reading, k: int, subjects: list[int], run: list[int]) -> int | None:
    """Return where the subject starts if it stands directly before chunk `k`, with only verbs between."""
    j = k - 1
    stated = state.relations[-1].span[1] if state.relations else 0
    for _ in range(6):
        if state.at(j, VERB, OTHER):
            j -= 1
        elif subjects and subjects[-1] in state.resolved.get(j, ()):
            break
        elif j > 1 and state.at(j, NOUN) and state.at(j - 1, OTHER, TRIGGER) and state.chunk_end(j) != stated:
            j -= 2  # "a path runs into the distance from ..."
        else:
            break
    if j < 0 or not subjects or subjects[-1] not in state.resolved.get(j, ()):
        return None
    if len(subjects) > 1 and (not run or run[-1] != j):
        return None
    phrase = state.chunks[j if len(subjects) == 1 else run[0]].phrase
    assert phrase is not None
    return phrase.start


def state_relation(state: Reading, pending: Pending, subjects: list[int], span: Span) -> None:
    """Record what a trigger says of its subjects."""
    clause = state.clause
    trigger, anchor = pending.trigger, pending.anchor
    place = trigger.place
    cue = (pending.start, pending.trigger_end)
    if clause.negated or not subjects:
        return
    if anchor.group:
        relate_group(state, pending, subjects, span, cue)
        return
    if place is not None and (anchor.picture or not anchor.entities):
        for name in resolve_picture(place):
            for subject in subjects:
                emit(state, name, [subject], [], span, cue, trigger.modifier, frame=frame_of(state, anchor))
        return
    if place is not None and "and" in place.words and len(subjects) == 2 and place.head in ("left", "right"):
        first, second = (_side_of(place.words[0]), f"{place.head}_of")
        for name, subject in ((first, subjects[0]), (second, subjects[1])):  # "... respectively"
            relate(state, name, False, [subject], anchor.entities, span, cue, "", trigger.modifier)
        return
    if place is not None and place.head in ("middle", "center", "centre") and len(set(anchor.entities)) == 2:
        relate(state, "between", False, subjects, anchor.entities, span, cue, "", trigger.modifier)
        return
    if place is not None:
        names, part = resolve_place(place, anchor.head)
        if pending.relation and names in (("on",), ("at_edge",), ("next_to",)):
            names = (pending.relation,)  # "hangs on the back of the chair"
        for name in names:
            relate(
                state,
                name,
                False,
                subjects,
                anchor.entities,
                span,
                cue,
                part or anchor.part,
                trigger.modifier,
            )
        return
    if anchor.picture:
        name = _IN_PICTURE.get(pending.relation, pending.relation)
        if name in RELATIONS and RELATIONS[name].arity == 1:
            for subject in subjects:
                emit(state, name, [subject], [], span, cue, trigger.modifier)
        return
    relation, part = pending.relation, anchor.part
    if part and relation in ("on", "near", "next_to", "inside", "leaning_against", "hanging_on"):
        relation = part_relation(relation, part, trigger)
    relate(state, relation, pending.inverse, subjects, anchor.entities, span, cue, part, trigger.modifier)


def part_relation(relation: str, part: str, trigger: Trigger) -> str:
    """Return at_corner or at_edge where a contact or nearness is to a geometric part."""
    head = part.split(" ")[-1]
    if trigger.word not in ("on", "near", "by", "along", "in", "against", "next"):
        return relation
    if relation in ("leaning_against", "hanging_on"):
        return relation
    if head.endswith(("corner", "corners")):
        return "at_corner"
    if head in ("edge", "edges", "rim", "end", "border", "margin", "perimeter"):
        return "at_edge"
    return relation


def frame_of(state: Reading, anchor: Anchor) -> str:
    """Return whose view decides, where the anchor says so."""
    if anchor.head in NOWHERE:
        return "viewer"
    return "picture" if anchor.head else ""


def relate_group(state: Reading, pending: Pending, subjects: list[int], span: Span, cue: Span) -> None:
    """Record "next to each other", "side by side": a relation among the subjects themselves."""
    relation = pending.relation or "next_to"
    if relation not in _GROUP_RELATIONS:
        return
    if len(subjects) == 1:
        if not state.table.plural(subjects[0]):
            return
        emit(state, relation, subjects, subjects, span, cue, pending.trigger.modifier, same=True)
        return
    for first, second in zip(subjects, subjects[1:], strict=False):
        emit(state, relation, [first], [second], span, cue, pending.trigger.modifier)


def state_formation(state: Reading, k: int) -> None:
    """Record what a verb that names no place, at chunk `k`, says of things in a formation.

    "A row of trees stands still" puts the trees in line; "the plates are stacked" puts them on each other.
    """
    subjects, verb = state.clause.subjects, state.chunks[k]
    if state.clause.negated or len(subjects) != 1 or not state.table.plural(subjects[0]):
        return
    cue = (state.tokens[verb.first].start, state.tokens[verb.stop - 1].end)
    start = subject_start(state, k, subjects, state.clause.run)
    span = (cue[0] if start is None else start, verb_end(state, k))
    if state.table.head(subjects[0]) in lx.LINES:
        emit(state, "aligned_with", subjects, subjects, span, cue, same=True)
    elif verb.lemma in ("stack", "pile") and verb.passive:
        emit(state, "stacked_on", subjects, subjects, span, cue, same=True)


def relate(
    state: Reading,
    relation: str,
    inverse: bool,
    subjects: list[int],
    objects: list[int],
    span: Span,
    cue: Span,
    part: str,
    modifier: str,
) -> None:
    """State a relation of every subject to every object, or of one subject to a pair for "between"."""
    if relation == "between" and inverse:
        for entity in objects:  # "flanking the bed are two lamps"
            emit(state, relation, [entity], (subjects + subjects)[:2], span, cue, modifier, part=part)
        return
    if relation == "between":
        pair = objects if len(objects) > 1 else (objects + objects)[:2]
        for subject in subjects:
            if subject not in objects:
                emit(state, relation, [subject], pair[:2], span, cue, modifier, part=part)
        state.last_anchors = list(objects)
        return
    if relation in ("aligned_with",) and len(objects) > 1:
        objects = objects[:]
    for subject in subjects:
        for entity in objects:
            if inverse:
                emit(state, relation, [entity], [subject], span, cue, modifier, part=part)
            else:
                emit(state, relation, [subject], [entity], span, cue, modifier, part=part)
    state.last_anchors = list(objects)
    if relation in OPPOSITE_SIDES:
        state.last_side = (relation, list(objects), state.sentence)


def emit(
    state: Reading,
    relation: str,
    subjects: list[int],
    objects: list[int],
    span: Span,
    cue: Span,
    modifier: str = "",
    *,
    part: str = "",
    frame: str = "",
    order: int | None = None,
    same: bool = False,
) -> None:
    """Add one relation per subject, once each; a thing is never placed by itself unless it is several."""
    anchors: tuple[int | Literal["picture"], ...] = tuple(objects) if objects else (PICTURE,)
    for subject in subjects:
        if not same and subject in objects:
            continue
        key = (relation, subject, anchors, part)
        if key in state.seen:
            continue
        state.seen.add(key)
        state.relations.append(Relation(relation, subject, anchors, span, part, frame, modifier, order, cue))


def chain(state: Reading, piece: Chunk, run: list[int], found: list[int]) -> None:
    """State an ordered list as the chain of its neighbours."""
    relation, backwards = order_of(piece)
    cue = (state.tokens[piece.first].start, state.tokens[piece.stop - 1].end)
    ordered = list(reversed(found)) if backwards else found
    first, last = state.chunks[run[0]].phrase, state.chunks[run[-1]].phrase
    assert first is not None and last is not None
    span = (min(cue[0], first.start), max(cue[1], last.end))
    for position, (left, right) in enumerate(zip(ordered, ordered[1:], strict=False)):
        emit(state, relation, [left], [right], span, cue, order=position)


def _side_of(word: str) -> str:
    return "left_of" if word.startswith("left") else "right_of"
