"""From a prompt to its scene graph: who is placed where, by which words.

The text is cut into tokens, tokens into chunks (`chunks.py`), and the chunks are read once from left to
right with the state of the clause (`clause_state.py`): its subject, what the next phrase places, what a
pronoun points at, and the places fronted before their subject ("to the right of the crate, ..."). Every
step looks a bounded number of chunks ahead, so that parsing is linear in the length of the text.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, Protocol

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import (
    AND,
    BREAK,
    COLON,
    COMMA,
    END,
    NOT,
    NOUN,
    ORDER,
    OTHER,
    RELATIVE,
    THERE,
    TRIGGER,
    VERB,
    WHICH,
    WITH,
    Chunk,
    chunk,
    order_of,
)
from spatial_core.language.clause_state import Anchor, Clause, Pending
from spatial_core.language.entities import EntityTable
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.patterns import (
    DIRECT,
    NONE,
    OPTIONAL,
    REQUIRED,
    VERB_PREPOSITION,
    Place,
    Trigger,
    horizontal,
    join_directions,
    resolve_picture,
    resolve_place,
)
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import PICTURE, Relation, SceneGraph, Span
from spatial_core.language.soundness import NOWHERE, is_concrete, speaks_of_space
from spatial_core.language.tokens import Token, tokenize

_FORMATIONS = frozenset(
    "row line column circle semicircle grid pattern pile stack cluster heap pair group formation".split()
)
_LINES = frozenset("row line column grid formation".split())
_LANDMARKS = frozenset("sofa couch armchair chair bed stool throne recliner loveseat".split())
_FILLING = frozenset("occupy fill dominate cover".split())
_SEPARATORS = (COMMA, AND, WITH, BREAK, COLON, END, OTHER, ORDER)
_SMALL_SUPPORTS = frozenset(
    "stand tripod pedestal base stool saucer coaster easel hook hanger leash chain spike string".split()
)
_BENEATH = frozenset(("under", "below", "above", "inside"))
_SHORT = 24
"""Characters up to which a fronted place and its subject are one statement: "behind it is a dog"."""
_OPPOSITE = {
    "left_of": ("right_of",),
    "right_of": ("left_of",),
    "above": ("below", "under"),
    "below": ("above",),
    "in_front_of": ("behind",),
    "behind": ("in_front_of",),
}
_GROUP_RELATIONS = frozenset(
    "next_to near opposite facing aligned_with behind in_front_of above on stacked_on under below "
    "leaning_against "
    "far_from".split()
)


class Parser(Protocol):
    """Anything that turns a prompt into a scene graph; a language model can take `parse_prompt`'s place."""

    def __call__(self, text: str) -> SceneGraph:
        """Return the scene graph of `text`; its spans index into `text`."""
        ...


class _Reader:
    """Reads the chunks of one prompt."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens: list[Token] = tokenize(text)
        self.chunks: list[Chunk] = chunk(self.tokens)
        self.table = EntityTable()
        self.relations: list[Relation] = []
        self.clause = Clause()
        self.topic: list[int] = []
        self.last_anchors: list[int] = []
        self.last_side: tuple[str, list[int], int] = ("", [], 0)
        self.sentence = 0
        self.position = 0
        self.order: Chunk | None = None
        self.sentence_relations = 0
        self.viewer = False
        self.medium = ""
        self._seen: set[tuple[str, int, tuple[int | str, ...], str]] = set()
        self._resolved: dict[int, list[int]] = {}

    # ------------------------------------------------------------------------------------- main loop

    def read(self) -> SceneGraph:
        """Return the graph."""
        k = 0
        n = len(self.chunks)
        while k < n:
            self.position = k
            piece = self.chunks[k]
            kind = piece.kind
            if kind == NOUN:
                k = self._noun(k)
            elif kind == TRIGGER:
                k = self._trigger(k)
            elif kind == VERB:
                k = self._verb(k)
            elif kind == WITH:
                k = self._with(k)
            elif kind == END:
                self._end_sentence()
                k += 1
            elif kind in (COMMA, AND):
                self._separator(kind)
                k += 1
            elif kind in (BREAK, COLON):
                self._break(piece)
                k += 1
            elif kind == RELATIVE:
                self._relative()
                k += 1
            elif kind == NOT:
                self._not(piece)
                k += 1
            elif kind == ORDER:
                k = self._ordered(k)
            else:
                if kind == THERE and not self.clause.pending:
                    self._new_clause()
                k += 1
        self._end_sentence()
        return SceneGraph(self.text, self.table.build(), tuple(self.relations))

    # ----------------------------------------------------------------------------------- noun phrases

    def _entities(self, k: int, topic: list[int], placed: list[int] | None = None) -> list[int]:
        """Return the entities of the noun chunk `k`, resolving it on first use."""
        known = self._resolved.get(k)
        if known is not None:
            return known
        phrase = self.chunks[k].phrase
        assert phrase is not None
        found = self.table.resolve(phrase, topic, placed) if is_concrete(phrase) else []
        self._resolved[k] = found
        return found

    def _is(self, k: int, *kinds: int) -> bool:
        return k < len(self.chunks) and self.chunks[k].kind in kinds

    def _finite(self, k: int) -> bool:
        """Return whether chunk `k` is a verb that makes a sentence of the noun before it."""
        return self._is(k, VERB) and self.chunks[k].form == lx.FINITE

    def _run(self, k: int, *, stop_at_clause: bool, described: bool = False) -> tuple[list[int], int, bool]:
        """Return the coordinated noun chunks from `k`, the index after them, and if "and" joins the last.

        Args:
            k: Index of the first noun chunk.
            stop_at_clause: Whether a noun followed by a finite verb starts a clause of its own.
            described: Whether items may carry "with ..." phrases.
        """
        run = [k]
        joined = False
        j = k + 1
        while len(run) < 64:
            if described and self._is(j, WITH) and self._is(j + 1, NOUN):
                j += 2
            m = j
            comma = self._is(m, COMMA)
            if comma:
                m += 1
            conjunction = self._is(m, AND)
            if conjunction:
                m += 1
            if m == j or not self._is(m, NOUN):
                break
            phrase = self.chunks[m].phrase
            assert phrase is not None
            if phrase.pronoun and phrase.pronoun != "each other":
                break
            if stop_at_clause and (self._finite(m + 1) or (joined and not conjunction)):
                break
            if phrase.owner is not None and isinstance(phrase.owner, str) and comma and not conjunction:
                break  # ", its handle ..." describes what came before
            if joined and not conjunction:
                break
            run.append(m)
            joined = conjunction
            j = m + 1
        return run, j, joined

    def _noun(self, k: int) -> int:
        clause = self.clause
        phrase = self.chunks[k].phrase
        assert phrase is not None
        if self._oblique(k):
            return k + 1
        if self.order is not None and clause.expecting != "with" and self._ordered_list(k):
            return self.clause.run_end
        if not self.medium and len(self.table) == 0 and phrase.head in lx.MEDIA_WORDS:
            self.medium = phrase.head
        role = clause.expecting
        clause.expecting = ""
        listed: list[int] = []
        apposition = self._apposition(k)
        if clause.pending and not (role == "with" and len(clause.pending) == clause.pending_before_with):
            role = "fronted"
        elif (
            role == ""
            and clause.head
            and k
            and self.chunks[k - 1].kind in (AND, COMMA)
            and not self._finite(k + 1)
        ):
            role = "with"  # "with a cup on the left and an open book on the right"
        elif role == "" and clause.direct is not None and self._continues_list(k) and k != clause.run_end + 1:
            clause.verb, clause.current = clause.direct
            role = "object"
        elif role == "" and clause.settled and self._continues_list(k):
            clause.pending, clause.inverted = list(clause.settled), True
            listed = clause.subjects
            role = "fronted"
        elif (
            role == ""
            and clause.subjects
            and (clause.predicated or clause.objects_at >= 0 or self._finite(k + 1))
        ):
            self._new_clause()
            clause = self.clause
        stop_at_clause = role in ("object", "with") or (role == "fronted" and clause.inverted)
        run, after, joined = self._run(k, stop_at_clause=stop_at_clause)
        if role in ("with", "object") and self._is(k + 1, COMMA):
            _, end, _ = self._run(k, stop_at_clause=False)
            if end > k + 1 and self._finite(end):
                run, after, joined = (
                    [k],
                    k + 1,
                    False,
                )  # what follows the comma is the subject of the sentence
        if apposition:
            run, after, joined = [k], k + 4, False
        if role == "fronted" and len(run) > 1 and not joined:
            run, after = [k], k + 1
        topic = self._topic_for(phrase)
        found: list[int] = []
        for index in run:
            found.extend(e for e in self._entities(index, topic) if e not in found)
        self.table.group(found)
        if apposition and found:
            again = self.chunks[k + 2].phrase
            assert again is not None
            self._resolved[k + 2] = found
            self.table.mention(found[0], (again.start, again.end))
        earlier = clause.run
        clause.run, clause.run_end, clause.joined = run, after, joined
        if role == "":
            clause.void = not found
        if role == "fronted":
            self._settle_pending(run, found)
            clause.subjects = [*listed, *found]
            clause.current = clause.base = found
            clause.fronted = True
        elif role == "with":
            clause.current = clause.base = found
            clause.companions = found if k and self.chunks[k - 1].kind == AND else clause.companions
        elif role == "object":
            self._object(run, found, after, earlier)
        else:
            clause.subjects = found
            clause.current = clause.base = found
        clause.verb = None
        return after

    def _apposition(self, k: int) -> bool:
        """Return whether "seat A, a blue chair, is ..." says twice what it speaks of."""
        if not (
            self._is(k + 1, COMMA)
            and self._is(k + 2, NOUN)
            and self._is(k + 3, COMMA)
            and self._finite(k + 4)
        ):
            return False
        again = self.chunks[k + 2].phrase
        return again is not None and again.determiner in ("a", "an", "the") and not again.label

    def _oblique(self, k: int) -> bool:
        """Take a noun behind a preposition that states no relation ("across the room"); it has no role."""
        previous = self.chunks[k - 1] if k else None
        if previous is None or previous.kind != OTHER or previous.stop != self.chunks[k].first:
            return False
        if previous.lemma in ("like", "") or self.clause.expecting == "with":
            return False
        phrase = self.chunks[k].phrase
        if previous.lemma == "of" and not (phrase is not None and phrase.pronoun):
            return False
        found = self._entities(k, self.topic)
        if found and not (self.clause.current or self.clause.subjects or self.clause.pending):
            self.clause.current = found  # "..., but to a crystal on its right"
        elif found:
            self.clause.anchors = found
            self.clause.objects_at = self.clause.oblique = k + 1
        self.clause.expecting = ""
        return True

    def _continues_list(self, k: int) -> bool:
        """Return whether the noun at `k` carries on "on the desk are a lamp, a mug to its right, and ..."."""
        phrase = self.chunks[k].phrase
        if phrase is None or not phrase.name:
            return False
        return k > 0 and self.chunks[k - 1].kind in (AND, COMMA) and not self._finite(k + 1)

    def _topic_for(self, phrase: NounPhrase) -> list[int]:
        clause = self.clause
        if clause.head:
            return clause.head
        return clause.subjects or self.topic

    def _object(self, run: list[int], found: list[int], after: int, earlier: list[int]) -> None:
        """Handle the noun phrases after a verb."""
        clause = self.clause
        verb = clause.verb
        subjects = clause.current or clause.subjects
        lemma = verb.lemma if verb is not None else ""
        phrase = self.chunks[run[0]].phrase
        assert phrase is not None
        if lemma == "be":
            if found:
                clause.current = clause.base = found
                if not clause.subjects:
                    clause.subjects = found
            return
        if lemma in _FILLING and subjects and phrase.part and verb is not None:
            self._fill(run[0], verb, subjects, phrase)
            return
        direct = DIRECT.get(lemma) if verb is not None and not verb.passive else None
        if direct is not None and subjects and found and verb is not None:
            relation, inverse = direct
            if self._holds(lemma, subjects, found):
                holder = self.table.head(subjects[-1])
                enclosing = (
                    holder in lx.CONTAINERS or holder in lx.PLACES or self.table.head(found[0]) in lx.LIQUIDS
                )
                if lemma == "hold" and not enclosing:
                    relation = "hanging_on" if holder in ("hook", "rack", "peg", "hanger", "rod") else "on"
                clause.direct = (verb, subjects)
                start = self._subject_start(run[0], subjects, earlier)
                end = self._chunk_end(after - 1)
                span = (start if start is not None else self.tokens[verb.first].start, end)
                trigger = (self.tokens[verb.first].start, self.tokens[verb.stop - 1].end)
                if relation == "between":
                    self._emit(relation, found, (subjects + subjects)[:2], span, trigger)
                elif inverse:
                    for entity in found:
                        self._emit(relation, [entity], subjects[-1:], span, trigger)
                else:
                    for entity in found:
                        self._emit(relation, subjects, [entity], span, trigger)
        if not found:
            return
        clause.objects = found
        person = bool(subjects) and self.table.is_person(subjects[-1])
        if not subjects:
            clause.subjects = found
            clause.current = clause.base = found
        elif not person or lemma in lx.PLACING or lemma in lx.PRESENTING - {"hold", "carry"}:
            clause.head = subjects
            clause.current = clause.base = found

    def _fill(self, k: int, verb: Chunk, subjects: list[int], phrase: NounPhrase) -> None:
        """Record "occupies the left side of the bench" as the place it is."""
        words = phrase.part.replace("-", " ").split(" ")
        place = Place("on", tuple(words[:-1]), words[-1], "the")
        trigger = Trigger(verb.first, verb.stop, "", REQUIRED, "place", place=place, verbal=True)
        anchor = self._anchor(trigger, "", [k], phrase)
        if anchor is not None:
            cue = self.tokens[verb.stop - 1]
            pending = Pending(trigger, anchor, "", False, cue.start, cue.end)
            anchor.end = phrase.end
            self._place(pending, subjects, k)

    def _holds(self, lemma: str, subjects: list[int], found: list[int]) -> bool:
        """Return whether a verb with a direct object states a relation of these things."""
        if lemma in ("hold", "contain", "house", "support"):
            return not self.table.is_person(subjects[-1])
        if lemma in ("touch", "hide", "block", "border", "top", "crown"):
            return not self.table.is_person(subjects[-1]) or lemma in ("hide", "block")
        return True

    # ------------------------------------------------------------------------------- verbs, separators

    def _verb(self, k: int) -> int:
        clause = self.clause
        piece = self.chunks[k]
        if clause.pending and not clause.subjects:
            clause.inverted = True
            main = self.tokens[piece.stop - 1]
            clause.several = main.text in ("are", "were") or bool(main.tags & lx.BASE)
        previous = self.chunks[k - 1] if k else None
        if piece.form == lx.FINITE and clause.subjects:
            if clause.relative:
                clause.relative = False
            else:
                main = self.tokens[piece.stop - 1]
                plural = self.tokens[piece.first].text in ("are", "were") or bool(main.tags & lx.BASE)
                if plural and len(clause.subjects) == 1 and not self.table.plural(clause.subjects[0]):
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
                last = self.chunks[k - 1].phrase if self.chunks[k - 1].kind == NOUN else None
                if last is not None and not last.definite and not last.pronoun and last.owner is None:
                    clause.current = clause.anchors[-1:]
        if piece.lemma == "be" and clause.current == [] and clause.subjects:
            clause.current = clause.base = list(clause.subjects)
        clause.verb = piece
        clause.expecting = "object" if not clause.pending else ""
        return k + 1

    def _separator(self, kind: int) -> None:
        clause = self.clause
        clause.verb = None
        clause.expecting = clause.expecting if clause.expecting == "with" else ""
        if clause.base:
            clause.current = list(clause.base)
        if kind == COMMA:
            clause.negated = False

    def _break(self, piece: Chunk) -> None:
        if self.order is not None and (piece.kind == COLON or piece.lemma == "as"):
            return
        if piece.lemma == "-":
            return
        following = self.position + 1
        if self._is(following, VERB) and self.chunks[following].form != lx.FINITE and self.clause.subjects:
            self._separator(AND)  # "... but standing", "while leaning": the subject goes on
            self.clause.negated = False
            return
        self._new_clause()

    def _relative(self) -> None:
        clause = self.clause
        if clause.objects_at >= 0 and clause.anchors and clause.objects_at > clause.run_end:
            clause.current = clause.anchors[-1:]
        elif clause.current:
            clause.current = clause.current[-1:] if not clause.joined else list(clause.current)
        clause.expecting = ""
        clause.verb = None
        clause.relative = True

    def _not(self, piece: Chunk) -> None:
        clause = self.clause
        if piece.lemma == "without":
            clause.expecting = "with"
        elif piece.lemma:
            clause.predicated = True
            if clause.pending:
                clause.pending = []
        clause.negated = True

    def _with(self, k: int) -> int:
        clause = self.clause
        previous = self.chunks[k - 1] if k else None
        if previous is not None and previous.kind == NOUN and clause.objects_at == k and clause.anchors:
            phrase = previous.phrase
            small = self.table.head(clause.anchors[-1]) in _SMALL_SUPPORTS
            if phrase is not None and not phrase.definite and not phrase.pronoun and not small:
                clause.head = clause.anchors[-1:]
            else:
                clause.head = clause.subjects or clause.current
        elif not clause.head or previous is None or previous.kind not in (AND, COMMA):
            clause.head = clause.current or clause.subjects or self.topic
        clause.current = []
        clause.base = []
        clause.verb = None
        clause.expecting = "with"
        clause.pending_before_with = len(clause.pending)
        clause.negated = False
        return k + 1

    def _new_clause(self) -> None:
        """Start a clause within the sentence; what it left behind becomes the topic."""
        clause = self.clause
        if clause.subjects:
            self.topic = list(clause.subjects)
        self.clause = Clause()

    def _end_sentence(self) -> None:
        self._new_clause()
        self.sentence += 1
        self.order = None
        if self.viewer and self.sentence_relations < len(self.relations):
            for index in range(self.sentence_relations, len(self.relations)):
                relation = self.relations[index]
                if RELATIONS[relation.relation].axis in ("x", "depth") and not relation.frame:
                    self.relations[index] = replace(relation, frame="viewer")
        self.viewer = False
        self.sentence_relations = len(self.relations)

    # ---------------------------------------------------------------------------------------- triggers

    def _trigger(self, k: int) -> int:
        clause = self.clause
        trigger = self.chunks[k].trigger
        assert trigger is not None
        previous = self.chunks[k - 1] if k else None
        verb = clause.verb if clause.verb is not None and previous is clause.verb else None
        relation, inverse, start = self._refined(k, trigger, verb)
        after = k + 1
        if self._is(after, WHICH):
            anchor = Anchor(self._antecedent(k))
            if anchor.entities:
                self._start_relative(trigger, anchor, relation, inverse, start)
            return after + 1
        anchored = trigger.needs == REQUIRED or (
            trigger.needs != NONE and self._anchor_follows(trigger, after)
        )
        shared = self._shares_anchor(trigger, after)
        if anchored and not shared and not self._is(after, NOUN):
            return after
        anchored = anchored or shared
        separated = previous is None or previous.kind in _SEPARATORS
        if previous is not None and previous.kind == VERB and previous.form != lx.FINITE and k > 1:
            separated = self.chunks[k - 2].kind in _SEPARATORS  # "..., and hanging from it are ..."
        starts = not (clause.current or clause.subjects or clause.void) or (
            clause.expecting == "with" and not clause.current
        )
        run: list[int] = []
        previous_anchors = list(clause.anchors)
        if anchored:
            run, after = self._anchor_run(
                trigger, relation, after + 2 if shared else after, fronted=separated or starts
            )
            after = k + 1 if shared else after
        if shared:
            starts = not (clause.current or clause.subjects)
        owned = starts and bool(clause.pending) and self._follows_new_anchor(k)
        if not anchored and trigger.needs == OPTIONAL and trigger.place is None and starts and clause.pending:
            if clause.objects_at == k:
                return after  # "on the shelf below, ...": says which shelf
        fronted = not owned and (starts or (separated and not shared and self._fronted(after, previous)))
        if fronted and not starts:
            self._front()
            clause = self.clause
        if run:
            first = self.chunks[run[0]].phrase
            assert first is not None
            if trigger.word == "in" and first.head in _FORMATIONS and first.determiner != "the":
                relation, anchor = "aligned_with", Anchor([], group=True, end=first.end)
                if first.head not in _LINES or verb is None:
                    anchor = None
            else:
                anchor = self._anchor(trigger, relation, run, first)
            if anchor is not None and not self._is_spatial(trigger, relation, first, verb, anchor):
                anchor = None
        else:
            anchor = self._implied_anchor(trigger, verb, previous)
        if anchor is not None:
            trigger_end = self.tokens[trigger.stop - 1].end
            anchor.end = max(anchor.end, trigger_end)
            if fronted and previous is not None and previous.kind == VERB and previous.lemma in lx.POSTURE:
                start = min(start, self.tokens[previous.stop - 1].start)
            pending = Pending(trigger, anchor, relation, inverse, start, trigger_end)
            if owned:
                self._place(pending, clause.pending[-1].anchor.entities[-1:], k)
            elif fronted:
                clause.pending.append(pending)
            elif clause.oblique == k and (anchor.picture or trigger.owner) and not self._definite(k - 1):
                self._place(pending, previous_anchors[-1:], k)  # "... toward a staircase in the background"
            elif trigger.word == "closest" and previous is not None and previous.kind == NOUN:
                self._place(
                    pending, self._resolved.get(k - 1, [])[-1:], k
                )  # "the chair closest to the window"
            elif (
                relation == "on"
                and clause.objects_at == k
                and anchor.head in _SMALL_SUPPORTS
                and clause.anchors
            ):
                self._place(pending, previous_anchors[-1:], k)  # "behind a globe on a brass stand"
            else:
                group = self._narrowed(clause.current, anchor, k)
                if not group and clause.void and clause.objects_at == k:
                    group = previous_anchors[-1:]  # "no lettering on the base to the right of ..."
                if clause.objects and any(
                    e in group or self.table.whole(e) in group for e in anchor.entities
                ):
                    group = clause.objects  # "a horse pulling a trolley behind it"
                if group:
                    self._place(pending, group, k)
        after = self._extended(after, trigger)
        clause.objects_at = after
        clause.verb = None
        if clause.expecting == "object" or clause.current:
            clause.expecting = ""
        return after

    def _shares_anchor(self, trigger: Trigger, k: int) -> bool:
        """Return whether the anchor comes with a second place: "behind and to the left of the easel"."""
        if trigger.needs == NONE or not (
            self._is(k, AND) and self._is(k + 1, TRIGGER) and self._is(k + 2, NOUN)
        ):
            return False
        second = self.chunks[k + 1].trigger
        return second is not None and second.needs == REQUIRED

    def _extended(self, k: int, trigger: Trigger) -> int:
        """Take in "... opposite each other across a bench": the bench belongs to the same words."""
        if self._is(k, OTHER) and self.chunks[k].lemma == "across" and self._is(k + 1, NOUN):
            phrase = self.chunks[k + 1].phrase
            if phrase is not None and self.relations and self.relations[-1].subject in self.clause.current:
                last = self.relations[-1]
                if last.trigger is not None and last.trigger[1] == self.tokens[trigger.stop - 1].end:
                    self._entities(k + 1, self.topic)
                    self.relations[-1] = replace(last, span=(last.span[0], phrase.end))
                    return k + 2
        return k

    def _antecedent(self, k: int) -> list[int]:
        """Return what "on which" at chunk `k` speaks of: the noun right before it."""
        j = k - 2 if self.chunks[k - 1].kind == COMMA else k - 1
        found = self._resolved.get(j, []) if j >= 0 else []
        clause = self.clause
        return found[-1:] or clause.anchors[-1:] or clause.current[-1:] or clause.subjects[-1:]

    def _refined(self, k: int, trigger: Trigger, verb: Chunk | None) -> tuple[str, bool, int]:
        """Return a trigger's relation, whether it is inverse, and its start, given the verb before it."""
        start = self.tokens[trigger.first].start
        if verb is not None:
            word = self.tokens[trigger.stop - 1].text if trigger.stop - trigger.first == 1 else trigger.word
            if trigger.place is not None:
                word = trigger.place.preposition
            refined = VERB_PREPOSITION.get((verb.lemma, word))
            if refined is not None and (verb.lemma != "mount" or self._hangs_on_wall(k + 1)):
                return (*refined, self.tokens[verb.stop - 1].start)
        return trigger.relation, trigger.inverse, start

    def _definite(self, k: int) -> bool:
        phrase = self.chunks[k].phrase
        return phrase is not None and (phrase.definite or bool(phrase.pronoun) or phrase.owner is not None)

    def _follows_new_anchor(self, k: int) -> bool:
        """Return whether the chunk before `k` is an anchor just introduced ("on a stand behind ...")."""
        if self.clause.objects_at != k or not self.clause.pending[-1].anchor.entities:
            return False
        phrase = self.chunks[k - 1].phrase
        return phrase is not None and not (phrase.definite or phrase.pronoun or phrase.owner is not None)

    def _front(self) -> None:
        """Start a clause with a place in front, within a "with" phrase if one is open."""
        head = self.clause.head if self.clause.expecting == "with" else []
        self._new_clause()
        if head:
            self.clause.expecting = "with"
            self.clause.head = head

    def _hangs_on_wall(self, k: int) -> bool:
        if not self._is(k, NOUN):
            return True
        phrase = self.chunks[k].phrase
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

    def _start_relative(
        self, trigger: Trigger, anchor: Anchor, relation: str, inverse: bool, start: int
    ) -> None:
        """Handle "a shelf on which a lamp stands": the place waits for its subject in a clause of its own."""
        self._new_clause()
        end = self.tokens[trigger.stop].end
        anchor.end = end
        self.clause.pending.append(Pending(trigger, anchor, relation, inverse, start, end))

    def _anchor_follows(self, trigger: Trigger, k: int) -> bool:
        """Return whether an optional anchor is there: "above the sink" but not "above, the lamp"."""
        if not self._is(k, NOUN) or trigger.place is not None:
            return False
        return self.chunks[k].first == trigger.stop

    def _placed_apart(self, k: int) -> bool:
        """Return whether chunk `k` is "on the left" in "flanked by a lamp on the left and ..."."""
        if not self._is(k, TRIGGER):
            return False
        trigger = self.chunks[k].trigger
        return trigger is not None and trigger.place is not None and trigger.needs == OPTIONAL

    def _anchor_run(self, trigger: Trigger, relation: str, k: int, *, fronted: bool) -> tuple[list[int], int]:
        """Return the noun chunks that are anchors of the trigger, and the index after them."""
        phrase = self.chunks[k].phrase
        assert phrase is not None
        if relation == "between":
            several = phrase.plural and (phrase.counted or phrase.definite)
            if self._placed_apart(k + 1) and self._is(k + 2, AND) and self._is(k + 3, NOUN):
                return [k, k + 3], k + 5 if self._placed_apart(k + 4) else k + 4
            if self._is(k + 1, AND) and self._is(k + 2, NOUN) and not (several and self._finite(k + 3)):
                return [k, k + 2], k + 3
            if not several and self._is(k + 1, COMMA) and self._is(k + 2, AND) and self._is(k + 3, NOUN):
                return [k, k + 3], k + 4
            if not (phrase.plural or phrase.pronoun):
                run, after, joined = self._run(k, stop_at_clause=True)
                if joined:
                    return run, after
            return [k], k + 1
        run, after, joined = self._run(k, stop_at_clause=True)
        if len(run) == 1 or not joined:
            return [k], k + 1
        listing = relation == "around" or trigger.word in ("with", "among")
        if not listing and (len(run) > 2 or self._is(k + 1, COMMA)):
            return [k], k + 1
        last = self.chunks[run[-1]].phrase
        assert last is not None
        if last.pronoun or (phrase.pronoun and not listing):
            return [k], k + 1
        if not last.determiner and not last.counted and not last.plural and not last.label:
            return run, after  # "the lamp and vase"
        if self._is(after, VERB, TRIGGER, RELATIVE, WITH):
            if self._is(after, TRIGGER) and last.definite and phrase.definite and not fronted:
                return run, after
            return [k], k + 1
        if fronted and not (self._is(after, COMMA) or self._finite(after)):
            return [k], k + 1  # "next to the lamp and a vase": the vase is what stands there
        if last.definite != phrase.definite and not listing:
            return [k], k + 1
        return run, after

    def _anchor(self, trigger: Trigger, relation: str, run: list[int], phrase: NounPhrase) -> Anchor | None:
        """Return what the noun chunks after a trigger stand for."""
        clause = self.clause
        end = self._chunk_end(run[-1])
        if phrase.pronoun == "each other":
            return Anchor([], group=True, end=end)
        if self._is_picture(phrase) and (trigger.place is not None or trigger.word in ("in", "on")):
            return Anchor([], picture=True, end=end, head=phrase.head)
        part = ""
        if phrase.part and phrase.owner is not None:
            owner = phrase.owner
            if isinstance(owner, NounPhrase) and self._is_picture(owner):
                return Anchor([], picture=True, end=end, head=phrase.head, part=phrase.part)
            if isinstance(owner, NounPhrase) and not is_concrete(owner):
                return None
            topic = self._pronoun_topic(trigger, owner if isinstance(owner, str) else owner.pronoun)
            part = join_directions(phrase.part.split(" "))
            found = self.table.owner_of(phrase, topic)
            for entity in found:
                if isinstance(owner, str):
                    self.table.mention(entity, (phrase.start, phrase.end))
        else:
            owner = phrase.owner if isinstance(phrase.owner, str) else ""
            two = (
                relation == "between" and phrase.count == 2 and not phrase.name and phrase.determiner == "the"
            )
            topic = self._pronoun_topic(trigger, phrase.pronoun or owner or ("the two" if two else ""))
            found = []
            if two and len(topic) == 2:
                self._resolved[run[0]] = topic
            for index in run:
                found.extend(e for e in self._entities(index, topic, clause.current) if e not in found)
            if len(run) > 1:
                self.table.group(found)
        if not found:
            return None
        clause.anchors = found
        head = self.table.head(found[-1])
        return Anchor(found, part=part, end=end, head=head)

    def _pronoun_topic(self, trigger: Trigger, pronoun: str) -> list[int]:
        """Return what a pronoun after this trigger most likely points at."""
        clause = self.clause
        other_side = self._other_side(trigger) if pronoun in ("it", "its") else []
        if other_side and (trigger.place is not None or not clause.head):
            return other_side
        if trigger.relation == "between" and pronoun in ("them", "the two"):
            pair = self._pair(pronoun)
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
                carrier = bool(anchors) and self.table.head(anchors[-1]) in lx.SURFACES | lx.PLACES
                near = self.chunks[self.position - 1].kind == COMMA or not carrier
                topic = (anchors if near else self.topic) or self.topic or anchors
            else:
                topic = clause.subjects or self.topic
        last = self.relations[-1] if self.relations else None
        if (
            trigger.place is not None
            and last is not None
            and last.subject in topic
            and last.objects[-1] != PICTURE
        ):
            if last.relation in ("on", "hanging_on") and self.table.head(last.objects[-1]) in _LANDMARKS:
                return [last.objects[-1]]  # "a throw lies on the armchair, and a table stands to its left"
        if pronoun in ("it", "its") and topic and trigger.word in ("on", "atop", "in", "inside"):
            # "A woman sits by a table. On it ...": the pronoun wants something that can hold things.
            wanted = lx.SURFACES if trigger.word in ("on", "atop") else lx.CONTAINERS
            if self.table.head(topic[-1]) not in wanted:
                for entities in (clause.anchors, self.last_anchors):
                    if entities and self.table.head(entities[-1]) in wanted:
                        return entities[-1:]
        if (
            pronoun in ("it", "its")
            and topic
            and self.table.is_person(topic[-1])
            and trigger.relation in _BENEATH
        ):
            for entities in (clause.anchors, self.last_anchors):
                if entities and self.table.head(entities[-1]) in lx.SURFACES:
                    return entities[-1:]
        return topic

    def _pair(self, pronoun: str) -> list[int]:
        """Return the two things placed last, unless a plural is at hand for "between them"."""
        placed = self.clause.current
        recent = [e for e in (*self.clause.subjects, *self.topic) if e not in placed]
        if pronoun == "them" and (len(recent) > 1 or any(self.table.plural(e) for e in recent)):
            return []
        pair: list[int] = []
        for relation in reversed(self.relations[-6:]):
            if relation.subject not in pair and relation.subject not in placed:
                pair.insert(0, relation.subject)
            if len(pair) == 2:
                return pair
        for relation in reversed(self.relations[-2:]):
            anchor = relation.objects[0]
            if len(pair) == 1 and anchor != PICTURE and anchor not in pair:
                return [*pair, anchor]
        return []

    def _other_side(self, trigger: Trigger) -> list[int]:
        """Return what the last thing was put to the left of, for a place to the right, and so on."""
        relation, anchors, sentence = self.last_side
        if not anchors or self.sentence != sentence:
            return []
        side = trigger.relation
        if trigger.place is not None:
            side = f"{horizontal(trigger.place)}_of"
        if side not in _OPPOSITE[relation] or any(e in self.clause.current for e in anchors):
            return []
        return list(anchors)

    def _is_picture(self, phrase: NounPhrase) -> bool:
        if (
            phrase.head not in lx.PICTURE_WORDS
            or phrase.determiner in ("a", "an", "another", "each")
            or phrase.label
        ):
            return False
        if phrase.owner is not None or phrase.plural or (" " in phrase.name and phrase.head not in ("card",)):
            return False
        return not self.table.known(phrase.head) or phrase.head == self.medium

    def _is_spatial(
        self, trigger: Trigger, relation: str, phrase: NounPhrase, verb: Chunk | None, anchor: Anchor
    ) -> bool:
        """Return whether the words speak of space here; a place of the picture always does."""
        if anchor.picture:
            return trigger.place is not None or trigger.word in ("in", "on")
        lemma = verb.lemma if verb is not None else ""
        last = self.tokens[trigger.stop - 1].text
        return anchor.group or speaks_of_space(trigger.word, last, relation, phrase, lemma)

    def _implied_anchor(self, trigger: Trigger, verb: Chunk | None, previous: Chunk | None) -> Anchor | None:
        """Return the anchor of a place that names none: an owner inside it, the context, or the picture."""
        clause = self.clause
        place = trigger.place
        if trigger.owner is not None:
            if isinstance(trigger.owner, NounPhrase):
                if trigger.owner.head in NOWHERE:
                    self.viewer = True
                    return Anchor([], picture=True, head=trigger.owner.head)
                found = self.table.resolve(trigger.owner, clause.subjects or self.topic)
            elif trigger.owner in ("your", "my", "our"):
                return Anchor([], picture=True, head="viewer")
            else:
                found = self.table.pronoun(
                    trigger.owner, self._pronoun_topic(trigger, trigger.owner), clause.current
                )
            if not found:
                return None
            clause.anchors = found
            return Anchor(found, head=self.table.head(found[-1]))
        if trigger.word == "together":
            return Anchor([], group=True)
        if trigger.needs == NONE and trigger.relation:
            return Anchor([], picture=True)
        if place is not None:
            return self._implied_place(trigger, place)
        # "above", "behind", "underneath" as adverbs: only after a verb of being somewhere or at a clause's
        # start.
        if verb is not None and verb.lemma not in lx.POSTURE:
            return None
        if clause.head and clause.head != clause.current:
            return Anchor(clause.head, head=self.table.head(clause.head[-1]))
        found = (
            self.last_anchors
            if trigger.word in ("above", "below", "underneath", "beneath", "inside", "atop")
            else []
        )
        if trigger.word in ("nearby", "behind", "in") or not found:
            found = self.topic or found
        if not clause.subjects and not clause.current:
            found = self.topic or self.last_anchors
        found = [e for e in found if e not in clause.current]
        if not found:
            return None
        return Anchor(list(found), head=self.table.head(found[-1]))

    def _implied_place(self, trigger: Trigger, place: Place) -> Anchor | None:
        clause = self.clause
        head = place.head
        sideways = head in ("left", "right") or (head in ("side", "sides") and place.words)
        if (
            clause.head
            and clause.head != clause.current
            and head not in ("foreground", "background", "distance")
        ):
            owner = clause.head[-1]
            noun = self.table.head(owner)
            if noun not in lx.PICTURE_WORDS and noun not in lx.PLACES:
                return Anchor(list(clause.head), head=noun)
            return Anchor([], picture=True)
        if place.preposition in ("to", "toward", "towards") and (sideways or head in ("side", "sides")):
            near = clause.anchors if self.chunks[self.position - 1].kind == COMMA and clause.current else []
            found = self._other_side(trigger) or near or self.topic
            found = found or [e for e in clause.subjects if e not in clause.current]
            found = [e for e in found if e not in clause.current]
            if found:
                return Anchor(list(found), head=self.table.head(found[-1]))
            return Anchor([], picture=True) if sideways else None
        if head in ("side", "sides") and not place.words:
            found = self.last_anchors or self.topic
            found = [e for e in found if e not in clause.current]
            return Anchor(list(found), head=self.table.head(found[-1])) if found else None
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
            surface = self.table.surface
            if (
                head not in ("corner", "corners", "back", "rear", "front")
                and surface
                and place.preposition != "to"
            ):
                return Anchor(list(surface), head=self.table.head(surface[-1]))
            if resolve_picture(place):
                return Anchor([], picture=True)
            room = self.table.room
            if head in ("corner", "corners") and room:
                return Anchor(list(room), head=self.table.head(room[-1]))
            return None
        if not resolve_picture(place):
            return None
        return Anchor([], picture=True)

    def _fronted(self, k: int, previous: Chunk | None) -> bool:
        """Return whether a place that opens a segment waits for a subject, looking ahead from `k`."""
        steps = 0
        j = k
        while steps < 3 and self._is(j, TRIGGER) and self._is(j + 1, NOUN):
            j += 2
            steps += 1
        strong = previous is not None and previous.kind in (AND, BREAK, COLON, WITH, END)
        if previous is not None and previous.kind == COMMA and self.position > 1:
            strong = self.chunks[self.position - 2].kind == AND  # "..., and, slightly behind it, a cup"
        if self._is(j, VERB):
            verb = self.chunks[j]
            if (
                verb.form == lx.FINITE
                and (verb.lemma == "be" or verb.lemma in lx.POSTURE)
                and self._is(j + 1, NOUN)
            ):
                return True
            return False
        if self._is(j, NOUN):
            return True
        if self._is(j, THERE):
            return True
        if self._is(j, COMMA) and self._is(j + 1, NOUN):
            if strong:
                return True
            _, after, _ = self._run(j + 1, stop_at_clause=True)
            return self._is(after, VERB) or self._is(j + 2, VERB)
        return self._is(j, COMMA) and self._is(j + 1, THERE)

    def _narrowed(self, group: list[int], anchor: Anchor, k: int) -> list[int]:
        """Return which of several coordinated things a place speaks of: all, or only the last."""
        clause = self.clause
        if len(group) < 2 or clause.run_end != k or len(clause.run) < 2:
            return group
        if anchor.group:
            return group
        if not clause.joined or clause.fronted or any(e in group for e in anchor.entities):
            return self._resolved.get(clause.run[-1], group)[-1:] or group
        return group

    # ----------------------------------------------------------------------------------------- emission

    def _settle_pending(self, run: list[int], found: list[int]) -> None:
        clause = self.clause
        pendings, clause.pending = clause.pending, []
        clause.settled = pendings if clause.several else []
        first, last = self.chunks[run[0]], self.chunks[run[-1]]
        for position, pending in enumerate(pendings):
            end = pending.anchor.end
            if position == len(pendings) - 1:
                end = self._fronted_end(pending, first, last)
            self._state(pending, found, (pending.start, end))

    def _fronted_end(self, pending: Pending, first: Chunk, last: Chunk) -> int:
        """Return where a fronted relation ends: with its subject, where the place is less than half of it."""
        phrase = first.phrase
        assert phrase is not None
        place_end = pending.anchor.end
        before = self.position - 1
        if before > 0 and self.chunks[before].kind == VERB and self.chunks[before - 1].kind == THERE:
            return pending.anchor.end
        if before > 0 and self.chunks[before].kind == VERB and self.chunks[before - 1].kind != COMMA:
            place_end = self.tokens[self.chunks[before].stop - 1].end  # "beside the sofa stands"
        if phrase.start - place_end > 24:
            return pending.anchor.end
        end = phrase.end
        after = self.clause.run_end
        if first is last and self._is(after, VERB) and self.chunks[after].lemma in lx.POSTURE - {"be"}:
            end = self.tokens[self.chunks[after].stop - 1].end
        alone, whole = place_end - pending.start, end - pending.start
        if whole <= max(_SHORT, 1.5 * (pending.anchor.end - pending.start)) or whole > 2 * alone:
            return end
        return pending.anchor.end if self.chunks[before].lemma == "be" else place_end

    def _place(self, pending: Pending, subjects: list[int], k: int) -> None:
        start = self._subject_start(k, subjects, self.clause.run)
        previous = self.chunks[k - 1]
        if previous.kind == VERB and (start is None or pending.anchor.group):
            verb = self.tokens[previous.stop - 1]
            if verb.tags & lx.VERB and previous.lemma in lx.POSTURE:
                # "..., placed in one corner of the desk": the verb belongs to the place
                start = verb.start
        span = (start if start is not None and start < pending.start else pending.start, pending.anchor.end)
        self._state(pending, subjects, span)

    def _subject_start(self, k: int, subjects: list[int], run: list[int]) -> int | None:
        """Return where the subject starts if it stands directly before chunk `k`, with only verbs between."""
        j = k - 1
        while j >= 0 and self.chunks[j].kind in (VERB, OTHER):
            j -= 1
        if j < 0 or not subjects or subjects[-1] not in self._resolved.get(j, ()):
            return None
        if len(subjects) > 1 and (not run or run[-1] != j):
            return None
        phrase = self.chunks[j if len(subjects) == 1 else run[0]].phrase
        assert phrase is not None
        return phrase.start

    def _state(self, pending: Pending, subjects: list[int], span: Span) -> None:
        """Record what a trigger says of its subjects."""
        clause = self.clause
        trigger, anchor = pending.trigger, pending.anchor
        place = trigger.place
        cue = (pending.start, pending.trigger_end)
        if clause.negated or not subjects:
            return
        if anchor.group:
            self._state_group(pending, subjects, span, cue)
            return
        if place is not None and (anchor.picture or not anchor.entities):
            for name in resolve_picture(place):
                for subject in subjects:
                    self._emit(name, [subject], [], span, cue, trigger.modifier, frame=self._frame(anchor))
            return
        if (
            place is not None
            and "and" in place.words
            and len(subjects) == 2
            and place.head in ("left", "right")
        ):
            first, second = (_side_of(place.words[0]), f"{place.head}_of")
            for name, subject in ((first, subjects[0]), (second, subjects[1])):  # "... respectively"
                self._relate(name, False, [subject], anchor.entities, span, cue, "", trigger.modifier)
            return
        if place is not None:
            names, part = resolve_place(place, anchor.head)
            if pending.relation and names in (("on",), ("at_edge",), ("next_to",)):
                names = (pending.relation,)  # "hangs on the back of the chair"
            for name in names:
                self._relate(
                    name, False, subjects, anchor.entities, span, cue, part or anchor.part, trigger.modifier
                )
            return
        if anchor.picture:
            if pending.relation in RELATIONS and RELATIONS[pending.relation].arity == 1:
                for subject in subjects:
                    self._emit(pending.relation, [subject], [], span, cue, trigger.modifier)
            return
        relation, part = pending.relation, anchor.part
        if part and relation in ("on", "near", "next_to", "inside", "leaning_against", "hanging_on"):
            relation = self._part_relation(relation, part, trigger)
        self._relate(relation, pending.inverse, subjects, anchor.entities, span, cue, part, trigger.modifier)

    @staticmethod
    def _part_relation(relation: str, part: str, trigger: Trigger) -> str:
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

    def _frame(self, anchor: Anchor) -> str:
        if anchor.head in NOWHERE:
            return "viewer"
        return "picture" if anchor.head else ""

    def _state_group(self, pending: Pending, subjects: list[int], span: Span, cue: Span) -> None:
        """Record "next to each other", "side by side": a relation among the subjects themselves."""
        relation = pending.relation or "next_to"
        if relation not in _GROUP_RELATIONS:
            return
        if len(subjects) == 1:
            if not self.table.plural(subjects[0]):
                return
            self._emit(relation, subjects, subjects, span, cue, pending.trigger.modifier, same=True)
            return
        for first, second in zip(subjects, subjects[1:], strict=False):
            self._emit(relation, [first], [second], span, cue, pending.trigger.modifier)

    def _relate(
        self,
        relation: str,
        inverse: bool,
        subjects: list[int],
        objects: list[int],
        span: Span,
        cue: Span,
        part: str,
        modifier: str,
    ) -> None:
        if relation == "between":
            pair = objects if len(objects) > 1 else (objects + objects)[:2]
            for subject in subjects:
                if subject not in objects:
                    self._emit(relation, [subject], pair[:2], span, cue, modifier, part=part)
            self.last_anchors = list(objects)
            return
        if relation in ("aligned_with",) and len(objects) > 1:
            objects = objects[:]
        for subject in subjects:
            for entity in objects:
                if inverse:
                    self._emit(relation, [entity], [subject], span, cue, modifier, part=part)
                else:
                    self._emit(relation, [subject], [entity], span, cue, modifier, part=part)
        self.last_anchors = list(objects)
        if relation in _OPPOSITE:
            self.last_side = (relation, list(objects), self.sentence)

    def _emit(
        self,
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
            if key in self._seen:
                continue
            self._seen.add(key)
            self.relations.append(
                Relation(relation, subject, anchors, span, part, frame, modifier, order, cue)
            )

    def _chunk_end(self, k: int) -> int:
        piece = self.chunks[k]
        return piece.phrase.end if piece.phrase is not None else self.tokens[piece.stop - 1].end

    # -------------------------------------------------------------------------------------- ordered lists

    def _ordered(self, k: int) -> int:
        """Handle "from left to right": the list has just been read, or follows."""
        clause = self.clause
        if len(clause.run) > 1 and clause.current and not self._is(k + 1, COLON):
            self._chain(self.chunks[k], clause.run, clause.current)
        else:
            self.order = self.chunks[k]
        return k + 1

    def _ordered_list(self, k: int) -> bool:
        """Take the list that starts at noun chunk `k` as the one announced; False if there is none."""
        piece = self.order
        assert piece is not None
        announced = self.clause.subjects
        run, after, joined = self._run(k, stop_at_clause=False, described=True)
        if len(run) == 1:
            return False
        self.order = None
        if self.clause.subjects:
            self._new_clause()
        clause = self.clause
        found: list[int] = []
        for index in run:
            item = self.chunks[index].phrase
            if item is not None and not item.name and not item.determiner:
                item.determiner = "one"  # "from left to right: red, blue and green"
            found.extend(e for e in self._entities(index, self.topic) if e not in found)
        self.table.group(found)
        clause.run, clause.run_end, clause.joined = run, after, joined
        if clause.pending:
            self._settle_pending(run, found)
        clause.subjects = announced or found  # "four bottles, from front to back A, B, C, stand ..."
        clause.current = clause.base = found
        self._chain(piece, run, found)
        return True

    def _chain(self, piece: Chunk, run: list[int], found: list[int]) -> None:
        relation, backwards = order_of(piece)
        cue = (self.tokens[piece.first].start, self.tokens[piece.stop - 1].end)
        ordered = list(reversed(found)) if backwards else found
        first, last = self.chunks[run[0]].phrase, self.chunks[run[-1]].phrase
        assert first is not None and last is not None
        span = (min(cue[0], first.start), max(cue[1], last.end))
        for position, (left, right) in enumerate(zip(ordered, ordered[1:], strict=False)):
            self._emit(relation, [left], [right], span, cue, order=position)


def _side_of(word: str) -> str:
    return "left_of" if word.startswith("left") else "right_of"


def parse_prompt(text: str) -> SceneGraph:
    """Return the entities and spatial relations that a prompt states.

    Never fails: a text without spatial content gives a graph without relations. Takes time linear in the
    length of the text. Quotations are opaque names. Ordered lists become chains with `order`; a relation
    among several things of one kind ("two mugs next to each other") has the same entity as subject and
    object, and "between the two lamps" names the lamps twice. The span of a fronted relation takes in the
    subject that follows it where the place alone is less than half of the two ("behind it, a tall lamp").

    Args:
        text: Any string.

    Returns:
        The graph; every span indexes into `text`.
    """
    return _Reader(text).read()
