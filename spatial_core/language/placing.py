"""Relation words: what they place, by what, and whether they wait for their subject."""

from __future__ import annotations

from dataclasses import replace

from spatial_core.language import lexicon as lx
from spatial_core.language.anchors import anchor_run, find_anchor, implied_anchor
from spatial_core.language.chunks import (
    AND,
    BREAK,
    COLON,
    COMMA,
    END,
    NOUN,
    ORDER,
    OTHER,
    THERE,
    TRIGGER,
    VERB,
    WHICH,
    WITH,
    Chunk,
)
from spatial_core.language.clause_state import Anchor, Pending
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.pronouns import antecedent
from spatial_core.language.reading import Reading
from spatial_core.language.soundness import speaks_of_space
from spatial_core.language.statements import place_subjects
from spatial_core.language.triggers import NONE, OPTIONAL, REQUIRED, Trigger
from spatial_core.language.verbs import VERB_PREPOSITION

_WAYS = frozenset(("from", "through", "past"))
_SEPARATORS = (COMMA, AND, WITH, BREAK, COLON, END, OTHER, ORDER)


def read_trigger(state: Reading, k: int) -> int:
    """Take the relation words at chunk `k` with their anchors; return the index of the chunk after them."""
    clause = state.clause
    trigger = state.chunks[k].trigger
    assert trigger is not None
    previous = state.chunks[k - 1] if k else None
    verb = clause.verb if clause.verb is not None and previous is clause.verb else None
    if verb is None and clause.inverted and clause.run_end == k and clause.main is not None:
        relation, inverse, start = refined(state, k, trigger, clause.main)
        start = state.tokens[trigger.first].start
    else:
        relation, inverse, start = refined(state, k, trigger, verb)
    after = k + 1
    if state.at(after, WHICH):
        anchor = Anchor(antecedent(state, k))
        if anchor.entities:
            start_relative(state, trigger, anchor, relation, inverse, start)
        return after + 1
    anchored = trigger.needs == REQUIRED or (trigger.needs != NONE and anchor_follows(state, trigger, after))
    shared = shares_anchor(state, trigger, after)
    if anchored and not shared and not state.at(after, NOUN):
        return after
    anchored = anchored or shared
    separated = previous is None or previous.kind in _SEPARATORS
    if previous is not None and previous.kind == VERB and previous.form != lx.FINITE and k > 1:
        separated = state.chunks[k - 2].kind in _SEPARATORS  # "..., and hanging from it are ..."
    starts = not (clause.current or clause.subjects or clause.void) or (
        clause.expecting == "with" and not clause.current
    )
    run: list[int] = []
    previous_anchors = list(clause.anchors)
    if anchored:
        run, after = anchor_run(
            state, trigger, relation, after + 2 if shared else after, fronted=separated or starts
        )
        after = k + 1 if shared else after
    if shared:
        starts = not (clause.current or clause.subjects)
    owned = starts and bool(clause.pending) and follows_new_anchor(state, k, trigger)
    if not anchored and trigger.needs == OPTIONAL and trigger.place is None and starts and clause.pending:
        if clause.objects_at == k:
            return after  # "on the shelf below, ...": says which shelf
    fronted = not owned and (
        starts or (separated and not shared and waits_for_subject(state, after, previous))
    )
    if fronted and not starts:
        start_fronted(state)
        clause = state.clause
    if run:
        first = state.chunks[run[0]].phrase
        assert first is not None
        if trigger.word == "in" and first.head in lx.FORMATIONS and first.determiner != "the":
            relation, anchor = "aligned_with", Anchor([], group=True, end=first.end)
            if first.head not in lx.LINES or verb is None:
                anchor = None
        else:
            anchor = find_anchor(state, trigger, relation, run, first)
        if anchor is not None and not is_spatial(state, trigger, relation, first, verb, anchor):
            anchor = None
    else:
        anchor = implied_anchor(state, trigger, verb, previous)
    if anchor is not None and anchor.picture and verb is not None and verb.lemma in ("center", "centre"):
        relation = "picture_center"  # "centered in the frame"
    if anchor is not None:
        trigger_end = state.tokens[trigger.stop - 1].end
        anchor.end = max(anchor.end, trigger_end)
        if fronted and previous is not None and previous.kind == VERB and previous.lemma in lx.POSTURE:
            start = min(start, state.tokens[previous.stop - 1].start)
        pending = Pending(trigger, anchor, relation, inverse, start, trigger_end)
        if owned:
            place_subjects(state, pending, clause.pending[-1].anchor.entities[-1:], k)
        elif fronted:
            clause.pending.append(pending)
        elif group := placed_by(state, pending, previous_anchors, k):
            place_subjects(state, pending, group, k)
    after = extended(state, after, trigger)
    clause.objects_at = after
    clause.verb = None
    if clause.expecting == "object" or clause.current:
        clause.expecting = ""
    return after


def placed_by(state: Reading, pending: Pending, previous_anchors: list[int], k: int) -> list[int]:
    """Return what the place at chunk `k`, which waits for no subject, places: the subject or an anchor."""
    clause, trigger, anchor = state.clause, pending.trigger, pending.anchor
    previous = state.chunks[k - 1] if k else None
    if clause.oblique == k and (anchor.picture or trigger.owner) and not state.definite(k - 1):
        return previous_anchors[-1:]  # "... toward a staircase in the background"
    if clause.oblique == k and previous is not None and state.chunks[k - 2].lemma in _WAYS:
        return previous_anchors[-1:]  # "a hose runs from the tap by the door"
    last = state.relations[-1] if state.relations else None
    if (
        last is not None
        and last.relation in ("facing", "between")
        and clause.objects_at == k
        and anchor.picture
    ):
        if not state.definite(k - 1) and last.objects[-1] in previous_anchors:
            return previous_anchors[-1:]  # "staring at a bowl in the corner of the image"
    if trigger.word == "closest" and previous is not None and previous.kind == NOUN:
        return state.resolved.get(k - 1, [])[-1:]  # "the chair closest to the window"
    if (
        pending.relation == "on"
        and clause.objects_at == k
        and anchor.head in lx.SMALL_SUPPORTS
        and clause.anchors
    ):
        return previous_anchors[-1:]  # "behind a globe on a brass stand"
    group = narrowed(state, clause.current, anchor, k)
    if not group and clause.void and clause.objects_at == k:
        group = previous_anchors[-1:]  # "no lettering on the base to the right of ..."
    if clause.objects and any(e in group or state.table.whole(e) in group for e in anchor.entities):
        group = clause.objects  # "a horse pulling a trolley behind it"
    return group


def shares_anchor(state: Reading, trigger: Trigger, k: int) -> bool:
    """Return whether the anchor comes with a second place: "behind and to the left of the easel"."""
    if trigger.needs == NONE or not (state.at(k, AND) and state.at(k + 1, TRIGGER) and state.at(k + 2, NOUN)):
        return False
    second = state.chunks[k + 1].trigger
    return second is not None and second.needs == REQUIRED


def anchor_follows(state: Reading, trigger: Trigger, k: int) -> bool:
    """Return whether an optional anchor is there: "above the sink" but not "above, the lamp"."""
    if not state.at(k, NOUN) or trigger.place is not None:
        return False
    return state.chunks[k].first == trigger.stop


def refined(state: Reading, k: int, trigger: Trigger, verb: Chunk | None) -> tuple[str, bool, int]:
    """Return a trigger's relation, whether it is inverse, and its start, given the verb before it."""
    start = state.tokens[trigger.first].start
    if verb is not None:
        word = state.tokens[trigger.stop - 1].text if trigger.stop - trigger.first == 1 else trigger.word
        if trigger.place is not None:
            word = trigger.place.preposition
        refined = VERB_PREPOSITION.get((verb.lemma, word))
        if refined is not None and (verb.lemma != "mount" or hangs_on_wall(state, k + 1)):
            return (*refined, state.tokens[verb.stop - 1].start)
    if trigger.word == "height" and (verb is None or verb.lemma == "be"):
        if state.clause.current and state.table.head(state.clause.current[-1]) in lx.UPRIGHT:
            return "larger_than", False, start  # "the fence is higher than the hedge" speaks of its size
    return trigger.relation, trigger.inverse, start


def hangs_on_wall(state: Reading, k: int) -> bool:
    if not state.at(k, NOUN):
        return True
    phrase = state.chunks[k].phrase
    return phrase is not None and phrase.head in (
        "wall",
        "ceiling",
        "door",
        "hook",
        "board",
        "post",
        "pole",
        "side",
        "pegboard",
    )


def is_spatial(
    state: Reading, trigger: Trigger, relation: str, phrase: NounPhrase, verb: Chunk | None, anchor: Anchor
) -> bool:
    """Return whether the words speak of space here; a place of the picture always does."""
    if anchor.picture:
        return trigger.place is not None or trigger.word in ("in", "on", "left", "right", "to")
    lemma = verb.lemma if verb is not None else ""
    worn = relation == "inside" and trigger.word == "in" and verb is None and not phrase.definite
    if worn and state.clause.current and state.table.is_person(state.clause.current[-1]):
        if phrase.head not in lx.CONTAINERS and phrase.head not in lx.PLACES:
            return False  # "a man in a poncho"
    last = state.tokens[trigger.stop - 1].text
    return anchor.group or speaks_of_space(trigger.word, last, relation, phrase, lemma)


def waits_for_subject(state: Reading, k: int, previous: Chunk | None) -> bool:
    """Return whether a place that opens a segment waits for a subject, looking ahead from `k`."""
    steps = 0
    j = k
    while steps < 3 and state.at(j, TRIGGER) and state.at(j + 1, NOUN):
        j += 2
        steps += 1
    if state.at(j, COMMA) and state.at(j + 1, TRIGGER) and state.at(j + 2, NOUN):
        j += 3  # "across from it, on the other bank, a house ..."
    strong = previous is not None and previous.kind in (AND, BREAK, COLON, WITH, END)
    if previous is not None and previous.kind == COMMA and state.position > 1:
        at = state.position - 2  # "..., and, slightly behind it, a cup", "and diagonally opposite, at ..."
        strong = state.chunks[at - (1 if state.at(at, TRIGGER) and at else 0)].kind == AND
    if state.at(j, VERB):
        verb = state.chunks[j]
        if (
            verb.form == lx.FINITE
            and (verb.lemma == "be" or verb.lemma in lx.POSTURE)
            and state.at(j + 1, NOUN)
        ):
            return True
        return False
    if state.at(j, NOUN):
        return True
    if state.at(j, THERE):
        return True
    if state.at(j, COMMA) and state.at(j + 1, NOUN):
        if strong:
            return True
        _, after, _ = state.coordinated(j + 1, stop_at_clause=True)
        return state.at(after, VERB) or state.at(j + 2, VERB)
    return state.at(j, COMMA) and state.at(j + 1, THERE)


def start_fronted(
    state: Reading,
) -> None:
    """Start a clause with a place in front, within a "with" phrase if one is open."""
    head = state.clause.head if state.clause.expecting == "with" else []
    state.new_clause()
    if head:
        state.clause.expecting = "with"
        state.clause.head = head


def follows_new_anchor(state: Reading, k: int, trigger: Trigger) -> bool:
    """Return whether the chunk before `k` is an anchor just introduced ("on a stand behind ...")."""
    if state.clause.objects_at != k or not state.clause.pending[-1].anchor.entities:
        return False
    if trigger.word == "closest":
        return True  # "on the log nearest the tent"
    phrase = state.chunks[k - 1].phrase
    return phrase is not None and not (phrase.definite or phrase.pronoun or phrase.owner is not None)


def start_relative(
    state: Reading, trigger: Trigger, anchor: Anchor, relation: str, inverse: bool, start: int
) -> None:
    """Handle "a shelf on which a lamp stands": the place waits for its subject in a clause of its own."""
    state.new_clause()
    end = state.tokens[trigger.stop].end
    anchor.end = end
    state.clause.pending.append(Pending(trigger, anchor, relation, inverse, start, end))


def narrowed(state: Reading, group: list[int], anchor: Anchor, k: int) -> list[int]:
    """Return which of several coordinated things a place speaks of: all, or only the last."""
    clause = state.clause
    if len(group) < 2 or clause.run_end != k or len(clause.run) < 2:
        return group
    if anchor.group:
        return group
    if not clause.joined or clause.fronted or any(e in group for e in anchor.entities):
        return state.resolved.get(clause.run[-1], group)[-1:] or group
    return group


def extended(state: Reading, k: int, trigger: Trigger) -> int:
    """Take in "... opposite each other across a bench": the bench belongs to the same words."""
    if state.at(k, OTHER) and state.chunks[k].lemma == "across" and state.at(k + 1, NOUN):
        phrase = state.chunks[k + 1].phrase
        if phrase is not None and state.relations and state.relations[-1].subject in state.clause.current:
            last = state.relations[-1]
            if last.trigger is not None and last.trigger[1] == state.tokens[trigger.stop - 1].end:
                state.entities(k + 1, state.topic)
                state.relations[-1] = replace(last, span=(last.span[0], phrase.end))
                return k + 2
    return k
