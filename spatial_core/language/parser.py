"""From a prompt to its scene graph: who is placed where, by which words.

The text is cut into tokens (`tokens.py`), tokens into chunks (`chunks.py`), and the chunks are read once
from left to right by one function per kind: noun phrases (`noun_roles.py`), relation words (`placing.py`,
with `anchors.py` and `pronouns.py`), verbs and connectives (`connectives.py`). They share the state of the
reading (`reading.py`): the clause's subject, what the next phrase places, what a pronoun points at, and the
places fronted before their subject ("to the right of the crate, ..."). What is stated goes through
`statements.py`. Every step looks a bounded number of chunks ahead, so that parsing is linear in the length
of the text.
"""

from __future__ import annotations

from typing import Protocol

from spatial_core.language.chunks import (
    AND,
    BREAK,
    COLON,
    COMMA,
    END,
    NOT,
    NOUN,
    ORDER,
    RELATIVE,
    THERE,
    TRIGGER,
    VERB,
    WITH,
)
from spatial_core.language.connectives import (
    read_break,
    read_negation,
    read_relative,
    read_separator,
    read_verb,
    read_with,
)
from spatial_core.language.noun_roles import read_noun, read_order
from spatial_core.language.placing import read_trigger
from spatial_core.language.reading import Reading
from spatial_core.language.scene_graph import SceneGraph


class Parser(Protocol):
    """Anything that turns a prompt into a scene graph; a language model can take `parse_prompt`'s place."""

    def __call__(self, text: str) -> SceneGraph:
        """Return the scene graph of `text`; its spans index into `text`."""
        ...


def _read(state: Reading) -> SceneGraph:
    """Return the graph."""
    k = 0
    n = len(state.chunks)
    while k < n:
        state.position = k
        piece = state.chunks[k]
        kind = piece.kind
        if kind == NOUN:
            k = read_noun(state, k)
        elif kind == TRIGGER:
            k = read_trigger(state, k)
        elif kind == VERB:
            k = read_verb(state, k)
        elif kind == WITH:
            k = read_with(state, k)
        elif kind == END:
            state.end_sentence()
            k += 1
        elif kind in (COMMA, AND):
            read_separator(state, kind)
            k += 1
        elif kind in (BREAK, COLON):
            read_break(state, piece)
            k += 1
        elif kind == RELATIVE:
            read_relative(state)
            k += 1
        elif kind == NOT:
            read_negation(state, piece)
            k += 1
        elif kind == ORDER:
            k = read_order(state, k)
        else:
            if kind == THERE and not state.clause.pending:
                state.new_clause()
            k += 1
    state.end_sentence()
    return SceneGraph(state.text, state.table.build(), tuple(state.relations))


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
    return _read(Reading(text))
