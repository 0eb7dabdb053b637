"""What the parser remembers while it reads a clause."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatial_core.language.chunks import Chunk
from spatial_core.language.triggers import Trigger


@dataclass(slots=True)
class Anchor:
    """What a trigger is related to: entities, the picture, or nothing, with the part named."""

    entities: list[int]
    picture: bool = False
    part: str = ""
    end: int = 0
    head: str = ""
    group: bool = False


@dataclass(slots=True)
class Pending:
    """A place that stands before the thing it places."""

    trigger: Trigger
    anchor: Anchor
    relation: str
    inverse: bool
    start: int
    trigger_end: int


@dataclass(slots=True)
class Clause:
    """State of the clause being read.

    Attributes:
        subjects: The clause's subject, coordinated ones together.
        current: What the next trigger places.
        base: What `current` falls back to after a comma.
        head: In a "with ..." phrase, the thing it describes: the choice for "it" and for missing anchors.
        run: Chunk indices of the noun phrases read last together.
        run_end: Index of the chunk after that run.
        joined: Whether that run's last two are joined by "and".
        pending: Places waiting for their subject.
        verb: The last verb chunk, if nothing but adverbs came after it.
        main: The verb that came before the subject.
        inverted: Whether a verb came before the subject.
        expecting: Role of the next noun phrase: "", "object", "with".
        anchors: Anchors of the last relation.
        negated: Whether the clause is denied from here on.
        objects_at: Index of the chunk after the last anchor read.
        predicated: Whether the subject has its verb.
        fronted: Whether the subject came after its place.
        void: Whether the subject is nothing that can be placed ("the light", "the mood").
        pending_before_with: Places that were waiting when "with" came: its noun is not their subject.
        several: Whether an inverted verb announces several subjects ("on the desk are ...").
        companions: Things joined by "and" within a "with" phrase; subjects too if the verb is a plural.
        direct: A verb such as "holds" with its subject, for "... and a book at the other end".
        oblique: Index of the chunk after a noun behind a preposition without a relation.
        objects: Direct objects of the last verb.
        settled: Places already given to a subject, for the rest of a list after "are".
        relative: Whether a relative clause waits for its verb.
    """

    subjects: list[int] = field(default_factory=lambda: [])
    current: list[int] = field(default_factory=lambda: [])
    base: list[int] = field(default_factory=lambda: [])
    head: list[int] = field(default_factory=lambda: [])
    run: list[int] = field(default_factory=lambda: [])
    run_end: int = -1
    joined: bool = False
    pending: list[Pending] = field(default_factory=lambda: [])
    verb: Chunk | None = None
    main: Chunk | None = None
    inverted: bool = False
    expecting: str = ""
    anchors: list[int] = field(default_factory=lambda: [])
    negated: bool = False
    objects_at: int = -1
    predicated: bool = False
    fronted: bool = False
    relative: bool = False
    void: bool = False
    companions: list[int] = field(default_factory=lambda: [])
    direct: tuple[Chunk, list[int]] | None = None
    oblique: int = -1
    pending_before_with: int = -1
    several: bool = False
    objects: list[int] = field(default_factory=lambda: [])
    settled: list[Pending] = field(default_factory=lambda: [])
