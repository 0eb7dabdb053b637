"""The state of a prompt being read: its chunks, what they named, what was stated, and the clause so far."""

from __future__ import annotations

from dataclasses import replace

from spatial_core.language import lexicon as lx
from spatial_core.language.chunks import AND, COMMA, NOUN, TRIGGER, VERB, WITH, Chunk, chunk
from spatial_core.language.clause_state import Clause
from spatial_core.language.entities import EntityTable
from spatial_core.language.relations import RELATIONS
from spatial_core.language.scene_graph import Relation
from spatial_core.language.soundness import is_concrete
from spatial_core.language.tokens import Token, tokenize


class Reading:
    """What is known of one prompt while its chunks are read from left to right.

    Attributes:
        text: The prompt.
        tokens: Its words and marks.
        chunks: Its noun phrases, verbs, relation words and connectives.
        table: The entities named so far.
        relations: The relations stated so far.
        clause: State of the clause being read.
        topic: Subjects of the clause before.
        last_anchors: What the last relation placed something by.
        last_side: The last relation with an opposite, its anchors and the sentence it stands in.
        sentence: Number of the sentence.
        referent: The sentence of the last "it" after relation words, and what it pointed at.
        position: Index of the chunk being read.
        order: An announced list ("from left to right: ...") that has not come yet.
        sentence_relations: How many relations were stated before this sentence.
        viewer: Whether the sentence says that the viewer's point of view counts.
        medium: What the prompt calls itself ("a photo"), empty if it does not.
        seen: Relations stated, so that none is reported twice.
        resolved: Entities of the noun chunks resolved so far.
    """

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
        self.referent: tuple[int, list[int]] = (-1, [])
        self.order: Chunk | None = None
        self.sentence_relations = 0
        self.viewer = False
        self.medium = ""
        self.seen: set[tuple[str, int, tuple[int | str, ...], str]] = set()
        self.resolved: dict[int, list[int]] = {}

    def entities(self, k: int, topic: list[int], placed: list[int] | None = None) -> list[int]:
        """Return the entities of the noun chunk `k`, resolving it on first use."""
        known = self.resolved.get(k)
        if known is not None:
            return known
        phrase = self.chunks[k].phrase
        assert phrase is not None
        found = self.table.resolve(phrase, topic, placed) if is_concrete(phrase) else []
        self.resolved[k] = found
        return found

    def at(self, k: int, *kinds: int) -> bool:
        """Return whether chunk `k` exists and is of one of these kinds."""
        return 0 <= k < len(self.chunks) and self.chunks[k].kind in kinds

    def finite(self, k: int) -> bool:
        """Return whether chunk `k` is a verb that makes a sentence of the noun before it."""
        return self.at(k, VERB) and self.chunks[k].form == lx.FINITE

    def has_verb(self, k: int) -> bool:
        """Return whether the noun chunk `k` is the subject of a clause: "a stool with a jar on it stands"."""
        j = k + 1
        if self.at(j, WITH) and self.at(j + 1, NOUN):
            j += 2
            if self.at(j, TRIGGER) and self.at(j + 1, NOUN):
                j += 2
        return self.finite(j)

    def coordinated(
        self, k: int, *, stop_at_clause: bool, described: bool = False
    ) -> tuple[list[int], int, bool]:
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
            if described and self.at(j, WITH) and self.at(j + 1, NOUN):
                j += 2
            m = j
            comma = self.at(m, COMMA)
            if comma:
                m += 1
            conjunction = self.at(m, AND)
            if conjunction:
                m += 1
            if m == j or not self.at(m, NOUN):
                break
            phrase = self.chunks[m].phrase
            assert phrase is not None
            if phrase.pronoun and phrase.pronoun != "each other":
                break
            if stop_at_clause and (self.has_verb(m) or (joined and not conjunction)):
                break
            if phrase.owner is not None and isinstance(phrase.owner, str) and comma and not conjunction:
                break  # ", its handle ..." describes what came before
            if joined and not conjunction:
                break
            run.append(m)
            joined = conjunction
            j = m + 1
        return run, j, joined

    def chunk_end(self, k: int) -> int:
        """Return one past the last character of chunk `k`."""
        piece = self.chunks[k]
        return piece.phrase.end if piece.phrase is not None else self.tokens[piece.stop - 1].end

    def new_clause(self) -> None:
        """Start a clause within the sentence; what it left behind becomes the topic."""
        clause = self.clause
        if clause.subjects:
            self.topic = list(clause.subjects)
        self.clause = Clause()

    def end_sentence(self) -> None:
        """End the sentence; what it said from the viewer is marked so."""
        self.new_clause()
        self.sentence += 1
        self.order = None
        if self.viewer and self.sentence_relations < len(self.relations):
            for index in range(self.sentence_relations, len(self.relations)):
                relation = self.relations[index]
                if RELATIONS[relation.relation].axis in ("x", "depth") and not relation.frame:
                    self.relations[index] = replace(relation, frame="viewer")
        self.viewer = False
        self.sentence_relations = len(self.relations)

    def definite(self, k: int) -> bool:
        """Return whether the noun chunk `k` is definite, a pronoun or owned."""
        phrase = self.chunks[k].phrase
        return phrase is not None and (phrase.definite or bool(phrase.pronoun) or phrase.owner is not None)
