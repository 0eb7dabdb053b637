"""Verbs, separators and clause openers: how they move the state of the clause."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import AND, COLON, COMMA, NOUN, ORDER, OTHER, TRIGGER, VERB, Chunk
from spatial_core.language.reading import Reading
from spatial_core.language.statements import state_formation


def read_verb(state: Reading, k: int) -> int:
    """Take the verb at chunk `k`: it decides what the next phrases speak of."""
    clause = state.clause
    piece = state.chunks[k]
    if clause.pending and not clause.subjects:
        clause.inverted = True
        clause.main = piece
        main = state.tokens[piece.stop - 1]
        clause.several = main.text in ("are", "were") or bool(main.tags & lx.BASE)
    previous = state.chunks[k - 1] if k else None
    if piece.form == lx.FINITE and clause.subjects:
        if clause.relative:
            clause.relative = False
        else:
            main = state.tokens[piece.stop - 1]
            plural = state.tokens[piece.first].text in ("are", "were") or bool(main.tags & lx.BASE)
            if plural and len(clause.subjects) == 1 and not state.table.plural(clause.subjects[0]):
                # "a man with a hat and a girl with a bow are sitting": the verb asks for both
                clause.subjects = [*clause.subjects, *clause.companions]
            clause.current = clause.base = list(clause.subjects)
            clause.head = []
            clause.predicated = True
    elif piece.form in (lx.ING, lx.PARTICIPLE):
        if previous is not None and previous.kind in (COMMA, AND):
            clause.current = list(clause.base or clause.subjects)
        elif clause.objects_at == k and clause.anchors:
            # "a cup on a saucer placed next to ..." speaks of the saucer, "... on the table placed ..."
            # of the cup
            last = state.chunks[k - 1].phrase if state.chunks[k - 1].kind == NOUN else None
            if last is not None and not last.definite and not last.pronoun and last.owner is None:
                clause.current = clause.anchors[-1:]
    if piece.lemma in lx.POSTURE and not clause.pending and not state.at(k + 1, TRIGGER, NOUN, OTHER, ORDER):
        state_formation(state, k)
    if piece.lemma == "be" and clause.current == [] and clause.subjects:
        clause.current = clause.base = list(clause.subjects)
    clause.verb = piece
    clause.expecting = "object" if not clause.pending else ""
    return k + 1


def read_separator(state: Reading, kind: int) -> None:
    """Take a comma or "and": what follows speaks of the subject again, unless it says otherwise."""
    clause = state.clause
    clause.verb = None
    clause.expecting = clause.expecting if clause.expecting == "with" else ""
    if clause.base:
        clause.current = list(clause.base)
    if kind == COMMA:
        clause.negated = False


def read_break(state: Reading, piece: Chunk) -> None:
    """Take a word that opens a clause ("while", "but"), a dash or a colon."""
    if state.order is not None and (piece.kind == COLON or piece.lemma == "as"):
        return
    if piece.lemma == "-":
        return
    following = state.position + 1
    if state.at(following, VERB) and state.chunks[following].form != lx.FINITE and state.clause.subjects:
        read_separator(state, AND)  # "... but standing", "while leaning": the subject goes on
        state.clause.negated = False
        return
    state.new_clause()


def read_relative(
    state: Reading,
) -> None:
    """Take "that" or "which": it speaks of the thing right before it."""
    clause = state.clause
    if clause.objects_at >= 0 and clause.anchors and clause.objects_at > clause.run_end:
        clause.current = clause.anchors[-1:]
    elif clause.current:
        clause.current = clause.current[-1:] if not clause.joined else list(clause.current)
    clause.expecting = ""
    clause.verb = None
    clause.relative = True


def read_negation(state: Reading, piece: Chunk) -> None:
    """Take "not", "no longer" or "without": nothing is stated until the next clause."""
    clause = state.clause
    if piece.lemma == "without":
        clause.expecting = "with"
    elif piece.lemma:
        clause.predicated = True
        if clause.pending:
            clause.pending = []
    clause.negated = True


def read_with(state: Reading, k: int) -> int:
    """Take "with": what it adds belongs to the subject, or to an anchor just introduced."""
    clause = state.clause
    previous = state.chunks[k - 1] if k else None
    if previous is not None and previous.kind == NOUN and clause.objects_at == k and clause.anchors:
        phrase = previous.phrase
        small = state.table.head(clause.anchors[-1]) in lx.SMALL_SUPPORTS
        if phrase is not None and not phrase.definite and not phrase.pronoun and not small:
            clause.head = clause.anchors[-1:]
        else:
            clause.head = clause.subjects or clause.current
    elif not clause.head or previous is None or previous.kind not in (AND, COMMA):
        clause.head = clause.current or clause.subjects or state.topic
    clause.current = []
    clause.base = []
    clause.verb = None
    clause.expecting = "with"
    clause.pending_before_with = len(clause.pending)
    clause.negated = False
    return k + 1
