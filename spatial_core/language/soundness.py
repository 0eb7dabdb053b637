"""Whether words that can state a relation do so: "on the shelf", but not "on sale" or "on Monday"."""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.noun_phrases import NounPhrase
from spatial_core.language.verbs import AGENTLESS_BY, NON_SPATIAL_IN, NON_SPATIAL_ON, NON_SPATIAL_OVER

NOWHERE = frozenset("camera viewer lens observer audience reader".split())
"""Those who look at the picture are not in it."""
_MOTION = frozenset(
    "walk run drive travel stroll jog ride wander march hike sail cycle go come move look turn spin "
    "rotate fly swim skate "
    "search show drag carry".split()
)
_PRESSING = frozenset(
    "lean push press rest shove slide back brace slump be have show frame tilt flatten crush huddle".split()
)
_BACKDROPS = frozenset("background backdrop sky light odds grain horizon darkness night".split())
_WITHIN_HANDS = frozenset("hand hands arm arms paw paws mouth beak".split())
_INTO = frozenset(
    "build set tuck carve insert embed stick plug fit wedge press cut recess sink inset".split()
)


def is_concrete(phrase: NounPhrase) -> bool:
    """Return whether a noun phrase names something that can be somewhere in a picture."""
    if phrase.pronoun or phrase.head == "\x00quote":
        return True
    if phrase.determiner == "no":
        return False
    if phrase.part:
        return True  # the whole decides
    if not phrase.name:
        return True
    head = phrase.head
    if " of " in phrase.name and phrase.aliases and (lx.is_abstract(head) or head in lx.UNITS):
        head = phrase.aliases[0]  # "a row of books", "the silhouette of a city"
    if head in ("shadow", "beam", "silhouette") and phrase.determiner in ("a", "an"):
        return True
    if head in NOWHERE and head == phrase.name:
        return False
    if head in lx.LIGHTS or head in lx.UNITS:
        return (
            " " in phrase.name
            and " of " not in phrase.name
            and head in ("light", "meter", "reflection", "yard")
        )
    if " " in phrase.name and " of " not in phrase.name:
        return not lx.is_abstract_compound(head)
    return not lx.is_abstract(head)


def speaks_of_space(word: str, last: str, relation: str, phrase: NounPhrase, lemma: str) -> bool:
    """Return whether a preposition, its object and the verb before it speak of space.

    Args:
        word: The word of the trigger that decides how strictly it is judged ("in", "on", "by", ...).
        last: The last word of the trigger as written.
        relation: The relation it would state.
        phrase: Its object.
        lemma: Lemma of the verb directly before it, empty if there is none.
    """
    if phrase.head in NOWHERE or not is_concrete(phrase):
        return False
    numeric = phrase.counted and not phrase.name
    if numeric and not (phrase.determiner in ("the", "both") or word == "between"):
        return False
    if numeric and word == "between" and phrase.determiner != "the":
        return False
    if phrase.pronoun in ("i", "we", "you", "us", "me") or phrase.pronoun.endswith(("thing", "one", "body")):
        return False
    if word == "place":
        return True
    bare = not (
        phrase.determiner or phrase.counted or phrase.plural or phrase.owner or phrase.pronoun or phrase.label
    )
    if word == "in":
        if last == "into":
            return lemma in _INTO
        if lemma in NON_SPATIAL_IN and relation == "inside":
            return False
        if phrase.head in lx.CLOTHES or phrase.head in _WITHIN_HANDS or relation != "inside":
            return relation != "inside"
        if not phrase.name and not phrase.pronoun and not (phrase.label and phrase.determiner):
            return False
        if bare or (phrase.plural and not phrase.determiner and not phrase.counted):
            return phrase.head in lx.CONTAINERS or phrase.head in lx.PLACES or phrase.head in lx.BARE_OBJECTS
        return True
    if word == "on":
        if lemma in NON_SPATIAL_ON and relation == "on":
            return False
        if bare:
            return (
                phrase.head in lx.SURFACES or phrase.head in lx.BARE_OBJECTS or phrase.head in lx.CONTAINERS
            )
        return bool(phrase.name or phrase.pronoun or phrase.part or (phrase.label and phrase.determiner))
    if word in ("around", "over", "under", "near") and phrase.counted and phrase.count >= 10:
        return False  # "around a hundred guests"
    if word == "over":
        return lemma not in NON_SPATIAL_OVER
    if word == "by" and relation == "next_to":
        if lemma and lemma not in AGENTLESS_BY and lemma != "be":
            return False
        return not (bare or phrase.head in lx.PERSONS and not lemma)
    if word == "around":
        return lemma not in _MOTION
    if word == "along":
        return lemma not in _MOTION
    if word == "against":
        placed = not lemma or lemma in lx.POSTURE or lemma in _PRESSING
        return placed and phrase.head not in _BACKDROPS
    if relation == "facing":
        return not phrase.pronoun or phrase.pronoun not in ("you", "me", "us")
    return True
