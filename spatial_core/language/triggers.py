"""What relation words alone say: a `Trigger`, with the `Place` it names."""

from __future__ import annotations

from dataclasses import dataclass

from spatial_core.language.noun_phrases import NounPhrase

NONE, REQUIRED, OPTIONAL = 0, 1, 2
"""Whether a trigger is complete, needs an anchor after it, or may leave the anchor to the context."""


@dataclass(slots=True)
class Place:
    """A place phrase such as "on the left side (of)".

    Attributes:
        preposition: The preposition in front, empty if none.
        words: Direction words before the head.
        head: The place noun: "side", "corner", "left", "center", ...
        determiner: "the", "its", "each", "either", ... or empty.
    """

    preposition: str
    words: tuple[str, ...]
    head: str
    determiner: str

    @property
    def part(self) -> str:
        """The place as a part of an anchor: "upper-left corner"."""
        return join_directions([*self.words, self.head])


@dataclass(slots=True)
class Trigger:
    """Relation words found in the text.

    Attributes:
        first: Index of the first token.
        stop: Index of the token after the last.
        relation: A name of `RELATIONS`; empty while a place is to be resolved.
        needs: `NONE`, `REQUIRED` or `OPTIONAL`.
        word: The preposition or verb that decides how strictly the anchor is checked.
        inverse: Whether the anchor is the one that is placed ("surrounded by" -> around).
        modifier: "slightly", "directly", ...
        owner: The anchor where it stands inside the words ("to its left", "on the lamp's left").
        place: The place phrase, if it is one.
        verbal: Whether a verb is part of it.
    """

    first: int
    stop: int
    relation: str
    needs: int
    word: str = ""
    inverse: bool = False
    modifier: str = ""
    owner: NounPhrase | str | None = None
    place: Place | None = None
    verbal: bool = False


def join_directions(words: list[str]) -> str:
    """Join the words of a part, "upper left" hyphenated as one direction."""
    text = " ".join(words)
    for vertical in ("upper", "lower", "top", "bottom"):
        for horizontal in ("left", "right"):
            text = text.replace(f"{vertical} {horizontal}", f"{vertical}-{horizontal}")
    return text
