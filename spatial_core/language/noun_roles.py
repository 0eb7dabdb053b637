"""The role of a noun phrase in its clause: subject, object, item of a list, part of a "with" phrase."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.anchors import find_anchor
from spatial_core.language.chunks import AND, COLON, COMMA, NOUN, OTHER, TRIGGER, WITH, Chunk
from spatial_core.language.clause_state import Anchor, Pending
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.reading import Reading
from spatial_core.language.statements import (
    chain,
    emit,
    place_subjects,
    settle_pending,
    state_relation,
    subject_start,
)
from spatial_core.language.triggers import REQUIRED, Place, Trigger
from spatial_core.language.verbs import DIRECT

_FORMING = frozenset("form make create build".split())
_FILLING = frozenset("occupy fill dominate cover".split())


def read_noun(state: Reading, k: int) -> int:
    """Take the noun phrases coordinated at chunk `k` in their role; return the index after them."""
    clause = state.clause
    phrase = state.chunks[k].phrase
    assert phrase is not None
    if take_oblique(state, k):
        return k + 1
    if state.order is not None and clause.expecting != "with" and take_ordered_list(state, k):
        return state.clause.run_end
    if not state.medium and len(state.table) == 0 and phrase.head in lx.MEDIA_WORDS:
        state.medium = phrase.head
    role = clause.expecting
    clause.expecting = ""
    listed: list[int] = []
    apposition = apposition_end(state, k)
    if clause.pending and not (role == "with" and len(clause.pending) == clause.pending_before_with):
        role = "fronted"
    elif (
        role == ""
        and clause.head
        and k
        and state.chunks[k - 1].kind in (AND, COMMA)
        and not state.finite(k + 1)
    ):
        role = "with"  # "with a cup on the left and an open book on the right"
    elif role == "" and clause.direct is not None and continues_list(state, k) and k != clause.run_end + 1:
        clause.verb, clause.current = clause.direct
        role = "object"
    elif role == "" and clause.settled and continues_list(state, k):
        clause.pending, clause.inverted = list(clause.settled), True
        listed = clause.subjects
        role = "fronted"
    elif (
        role == ""
        and clause.subjects
        and (clause.predicated or clause.objects_at >= 0 or state.finite(k + 1))
    ):
        state.new_clause()
        clause = state.clause
    stop_at_clause = role in ("object", "with") or (role == "fronted" and clause.inverted)
    run, after, joined = state.coordinated(k, stop_at_clause=stop_at_clause)
    if role in ("with", "object") and state.at(k + 1, COMMA):
        _, end, _ = state.coordinated(k, stop_at_clause=False)
        if end > k + 1 and state.finite(end):
            run, after, joined = (
                [k],
                k + 1,
                False,
            )  # what follows the comma is the subject of the sentence
    if apposition:
        run, after, joined = [k], apposition, False
    if role == "fronted" and len(run) > 1 and not joined:
        run, after = [k], k + 1
    topic = topic_for(state, phrase)
    found: list[int] = []
    for index in run:
        found.extend(e for e in state.entities(index, topic) if e not in found)
    state.table.group(found)
    if apposition and found:
        again = state.chunks[k + 2].phrase
        assert again is not None
        state.resolved[k + 2] = found
        state.table.mention(found[0], (again.start, again.end))
    earlier = clause.run
    clause.run, clause.run_end, clause.joined = run, after, joined
    if role == "" or (role == "object" and not clause.subjects):
        clause.void = not found
    if role == "fronted":
        settle_pending(state, run, found)
        clause.subjects = [*listed, *found]
        clause.current = clause.base = found
        clause.fronted = True
    elif role == "with":
        clause.current = clause.base = found
        if k and state.chunks[k - 1].kind == AND:
            clause.companions = found
        elif joined:
            clause.companions = found[-1:]  # "a man with a hat and a girl are ..."
    elif role == "object":
        read_object(state, run, found, after, earlier)
    else:
        clause.subjects = found
        clause.current = clause.base = found
    clause.verb = None
    return after


def apposition_end(state: Reading, k: int) -> int:
    """Return the index after "seat A, a blue chair with arms," and before its verb; 0 if there is none."""
    if not (state.at(k + 1, COMMA) and state.at(k + 2, NOUN)):
        return 0
    again = state.chunks[k + 2].phrase
    if again is None or again.determiner not in ("a", "an", "the") or again.label:
        return 0
    end = k + 3
    while state.at(end, WITH, TRIGGER) and state.at(end + 1, NOUN):
        end += 2
    return end + 1 if state.at(end, COMMA) and state.finite(end + 1) else 0


def take_oblique(state: Reading, k: int) -> bool:
    """Take a noun behind a preposition that states no relation ("across the room"); it has no role."""
    previous = state.chunks[k - 1] if k else None
    if previous is None or previous.kind != OTHER or previous.stop != state.chunks[k].first:
        return False
    if previous.lemma in ("like", "") or state.clause.expecting == "with":
        return False
    phrase = state.chunks[k].phrase
    if previous.lemma == "of" and not (phrase is not None and phrase.pronoun):
        return False
    found = state.entities(k, state.topic)
    if found and not (state.clause.current or state.clause.subjects or state.clause.pending):
        state.clause.current = found  # "..., but to a crystal on its right"
    elif found:
        state.clause.anchors = found
        state.clause.objects_at = state.clause.oblique = k + 1
    state.clause.expecting = ""
    return True


def continues_list(state: Reading, k: int) -> bool:
    """Return whether the noun at `k` carries on "on the desk are a lamp, a mug to its right, and ..."."""
    phrase = state.chunks[k].phrase
    if phrase is None or not phrase.name:
        return False
    return k > 0 and state.chunks[k - 1].kind in (AND, COMMA) and not state.has_verb(k)


def topic_for(state: Reading, phrase: NounPhrase) -> list[int]:
    """Return what a pronoun in a noun phrase outside a place points at."""
    clause = state.clause
    if clause.head:
        return clause.head
    return clause.subjects or state.topic


def read_object(state: Reading, run: list[int], found: list[int], after: int, earlier: list[int]) -> None:
    """Handle the noun phrases after a verb."""
    clause = state.clause
    verb = clause.verb
    subjects = clause.current or clause.subjects
    lemma = verb.lemma if verb is not None else ""
    phrase = state.chunks[run[0]].phrase
    assert phrase is not None
    if lemma == "be":
        if found:
            clause.current = clause.base = found
            if not clause.subjects:
                clause.subjects = found
        return
    if phrase.pronoun == "each other" and verb is not None:
        if lemma in DIRECT and subjects:
            relate_each_other(state, run[0], verb, subjects)
        return
    if lemma in _FORMING and subjects and phrase.head in lx.FORMATIONS:
        if phrase.head in lx.LINES and not state.at(after, TRIGGER):
            relate_each_other(state, run[0], verb or state.chunks[run[0]], subjects, "aligned_with")
        return  # "six chairs form a circle around the table": the chairs are what stands around it
    if lemma in _FILLING and subjects and phrase.part and verb is not None:
        fill_place(state, run[0], verb, subjects, phrase)
        return
    if lemma == "occupy" and subjects and found and verb is not None and not verb.passive:
        head = state.table.head(found[0])
        held = "on" if head in lx.SURFACES else "inside" if head in lx.CONTAINERS | lx.PLACES else ""
        if held:
            start, end = state.tokens[verb.first].start, state.chunk_end(after - 1)
            emit(state, held, subjects, found[:1], (start, end), (start, state.tokens[verb.stop - 1].end))
    direct = DIRECT.get(lemma) if verb is not None and not verb.passive else None
    if direct is not None and subjects and found and verb is not None:
        relation, inverse = direct
        if states_relation(state, lemma, subjects, found):
            holder = state.table.head(subjects[-1])
            enclosing = holder not in lx.FURNITURE_TOPS and (
                holder in lx.CONTAINERS or holder in lx.PLACES or state.table.head(found[0]) in lx.LIQUIDS
            )
            if lemma == "hold" and not enclosing:
                relation = "hanging_on" if holder in ("hook", "rack", "peg", "hanger", "rod") else "on"
            clause.direct = (verb, subjects)
            start = subject_start(state, run[0], subjects, earlier)
            end = state.chunk_end(after - 1)
            span = (start if start is not None else state.tokens[verb.first].start, end)
            trigger = (state.tokens[verb.first].start, state.tokens[verb.stop - 1].end)
            if relation == "between":
                emit(state, relation, found, (subjects + subjects)[:2], span, trigger)
            elif inverse:
                for entity in found:
                    emit(state, relation, [entity], subjects[-1:], span, trigger)
            else:
                for entity in found:
                    emit(state, relation, subjects, [entity], span, trigger)
    if not found:
        return
    clause.objects = found
    person = bool(subjects) and state.table.is_person(subjects[-1])
    if not subjects:
        clause.subjects = found
        clause.current = clause.base = found
    elif not person or lemma in lx.PLACING or lemma in lx.PRESENTING - {"hold", "carry"}:
        clause.head = subjects
        clause.current = clause.base = found


def relate_each_other(state: Reading, k: int, verb: Chunk, subjects: list[int], relation: str = "") -> None:
    """Record "face each other" and "form a row", whose object is the noun chunk `k`."""
    first, last = state.tokens[verb.first], state.tokens[verb.stop - 1]
    trigger = Trigger(verb.first, verb.stop, relation or DIRECT[verb.lemma][0], REQUIRED, verbal=True)
    end = state.chunk_end(k)
    anchor = Anchor([], group=True, end=end)
    pending = Pending(trigger, anchor, trigger.relation, False, first.start, last.end)
    state_relation(state, pending, subjects, (last.start if first.tags & lx.AUX else first.start, end))


def fill_place(state: Reading, k: int, verb: Chunk, subjects: list[int], phrase: NounPhrase) -> None:
    """Record "occupies the left side of the bench" as the place it is."""
    words = phrase.part.replace("-", " ").split(" ")
    place = Place("on", tuple(words[:-1]), words[-1], "the")
    trigger = Trigger(verb.first, verb.stop, "", REQUIRED, "place", place=place, verbal=True)
    anchor = find_anchor(state, trigger, "", [k], phrase)
    if anchor is not None:
        cue = state.tokens[verb.stop - 1]
        pending = Pending(trigger, anchor, "", False, cue.start, cue.end)
        anchor.end = phrase.end
        place_subjects(state, pending, subjects, k)


def states_relation(state: Reading, lemma: str, subjects: list[int], found: list[int]) -> bool:
    """Return whether a verb with a direct object states a relation of these things."""
    if lemma in ("hold", "contain", "house", "support"):
        return not state.table.is_person(subjects[-1])
    if lemma in ("touch", "hide", "block", "border", "top", "crown"):
        return not state.table.is_person(subjects[-1]) or lemma in ("hide", "block")
    return True


def read_order(state: Reading, k: int) -> int:
    """Handle "from left to right": the list has just been read, or follows."""
    clause = state.clause
    if len(clause.run) > 1 and clause.current and not state.at(k + 1, COLON):
        chain(state, state.chunks[k], clause.run, clause.current)
    else:
        state.order = state.chunks[k]
    return k + 1


def take_ordered_list(state: Reading, k: int) -> bool:
    """Take the list that starts at noun chunk `k` as the one announced; False if there is none."""
    piece = state.order
    assert piece is not None
    announced = state.clause.subjects
    run, after, joined = state.coordinated(k, stop_at_clause=False, described=True)
    if len(run) == 1:
        return False
    state.order = None
    if state.clause.subjects:
        state.new_clause()
    clause = state.clause
    found: list[int] = []
    for index in run:
        item = state.chunks[index].phrase
        if item is not None and not item.name and not item.determiner:
            item.determiner = "one"  # "from left to right: red, blue and green"
        found.extend(e for e in state.entities(index, state.topic) if e not in found)
    state.table.group(found)
    clause.run, clause.run_end, clause.joined = run, after, joined
    if clause.pending:
        settle_pending(state, run, found)
    clause.subjects = announced or found  # "four bottles, from front to back A, B, C, stand ..."
    clause.current = clause.base = found
    chain(state, piece, run, found)
    return True
