"""Changing words inside a prompt: which phrase states the opposite, and where every span lands afterwards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from spatial_core.language.scene_graph import Span

Replacement = tuple[int, int, str]
"""Characters `[start, end)` of the text and what takes their place."""


@dataclass(frozen=True)
class Rewrite:
    """A text with some of its words replaced.

    Attributes:
        before: The text.
        replacements: Sorted, not overlapping.
    """

    before: str
    replacements: tuple[Replacement, ...]

    @classmethod
    def of(cls, before: str, replacements: Sequence[Replacement]) -> Rewrite | None:
        """Return the rewrite, None if two replacements overlap."""
        ordered = sorted(replacements)
        for (_, end, _), (start, _, _) in zip(ordered, ordered[1:], strict=False):
            if start < end:
                return None
        return cls(before, tuple(ordered))

    @property
    def after(self) -> str:
        """The text with every replacement made."""
        pieces: list[str] = []
        place = 0
        for start, end, words in self.replacements:
            pieces += [self.before[place:start], words]
            place = end
        return "".join([*pieces, self.before[place:]])

    def span(self, span: Span) -> Span | None:
        """Return where `span` lies in the new text, None if it begins or ends inside replaced words."""
        start, end = span
        for low, high, _ in self.replacements:
            if low < start < high or low < end < high:
                return None
        return self._shift(start, start), self._shift(end, end)

    def _shift(self, place: int, limit: int) -> int:
        return place + sum(
            len(words) - (end - start) for start, end, words in self.replacements if end <= limit
        )


# Words that turn into one another wherever they stand in the words of a relation.
_MIRRORED = {
    "x": [("left", "right"), ("leftmost", "rightmost"), ("lefthand", "righthand")],
    "y": [("top", "bottom"), ("upper", "lower"), ("topmost", "bottommost"), ("uppermost", "lowermost")],
    "depth": [("foreground", "background"), ("front", "back")],
    "size": [
        ("larger", "smaller"),
        ("bigger", "smaller"),
        ("taller", "shorter"),
        ("wider", "narrower"),
        ("longer", "shorter"),
        ("thicker", "thinner"),
        ("twice", "half"),
    ],
}
_ONE_WAY = {"depth": {"rear": "front"}, "size": {"tinier": "larger"}}
_TURNED: dict[str, dict[str, str]] = {}
for _axis, _pairs in _MIRRORED.items():
    # Reversed, so that of several words with one opposite ("larger", "bigger") the first is its opposite.
    _TURNED[_axis] = {a: b for a, b in _pairs} | {b: a for a, b in reversed(_pairs)} | _ONE_WAY.get(_axis, {})

# For each relation: the relation that replaces it -> axes whose words are mirrored, or phrase by phrase.
_MIRROR_ONE_WAY = {
    ("left_of", "right_of"): "x",
    ("picture_left", "picture_right"): "x",
    ("picture_top", "picture_bottom"): "y",
    ("foreground", "background"): "depth",
    ("larger_than", "smaller_than"): "size",
}
_MIRROR_AXIS = _MIRROR_ONE_WAY | {(b, a): axis for (a, b), axis in _MIRROR_ONE_WAY.items()}

# Phrases of each relation that take their object right behind them.
_BEFORE_OBJECT: dict[str, tuple[str, ...]] = {
    "left_of": ("to the left of", "on the left of", "to left of", "left of", "on the left side of"),
    "right_of": ("to the right of", "on the right of", "to right of", "right of", "on the right side of"),
    "above": ("above", "over", "up above"),
    "below": ("below", "down below", "beneath", "underneath", "under"),
    "on": ("on top of", "on the top of", "atop", "atop of", "on", "upon"),
    "under": ("under", "underneath", "beneath", "below", "on the bottom of"),
    "in_front_of": ("in front of", "in the front of", "ahead of"),
    "behind": ("behind", "in back of", "beyond"),
    "next_to": (
        "next to",
        "beside",
        "alongside",
        "adjacent to",
        "on side of",
        "on the side of",
        "by the side of",
        "at the side of",
    ),
    "near": ("near", "close to", "near to", "close by", "not far from"),
    "far_from": ("far from", "far away from", "away from", "well away from", "distant from"),
    "inside": ("inside", "in", "within", "inside of"),
}

# Where the opposite depends on the phrase, not only on the relation.
_TURNED_PHRASES = {
    ("on", "under"): {"on": "under", "upon": "under"},
    ("under", "on"): {"under": "on", "on the bottom of": "on the top of"},
    ("far_from", "near"): {"far from": "close to", "far away from": "close to"},
}
_CANONICAL = {
    "above": "above",
    "below": "below",
    "on": "on top of",
    "under": "underneath",
    "in_front_of": "in front of",
    "behind": "behind",
    "near": "near",
    # "Far from it" is an idiom for "not at all".
    "far_from": "far away from",
    "next_to": "next to",
    "inside": "inside",
    "left_of": "to the left of",
    "right_of": "to the right of",
}
_HIDDEN = re.compile(
    r"(?:(?:partially|partly|mostly|half|slightly)[ -])?(?:hidden|obscured|occluded|concealed)"
    r"(?: from view)? (?:by|behind)"
)
_STACKED = re.compile(r"stacked (?:on top of|on|atop|upon)")
_CENTER = re.compile(r"(?:in|at) the (?:exact |very )?(?:center|centre|middle)")
_MODIFIERS = re.compile(
    r"(?:(?:slightly|directly|immediately|just|right|well|far|partly|partially|almost|standing|placed|set|resting|"
    r"sitting|lying|positioned|located|situated) )+(?=\w)"
)
_CLOSE_MODIFIERS = re.compile(r"(?:(?:slightly|directly|immediately|just|right) )+")


def opposite_word(word: str, axis: str) -> str | None:
    """Return the mirror image of a lower-case word along axis x, y, depth or size; None if it has none."""
    return _TURNED[axis].get(word)


def takes_object(phrase: str, relation: str) -> bool:
    """Return whether `phrase` is a plain preposition of `relation`, modifiers aside."""
    return _bare(phrase) in _BEFORE_OBJECT.get(relation, ())


def reword(phrase: str, relation: str, target: str, *, object_follows: bool) -> list[Replacement] | None:
    """Return how to change the relation words `phrase` so that they state `target` instead of `relation`.

    Args:
        phrase: The relation words in the text ("slightly to the left of").
        relation: What they state; a name of `RELATIONS`.
        target: What they shall state.
        object_follows: Whether the object stands right behind them.

    Returns:
        Replacements within `phrase`; None if no wording of the same syntactic form is known.
    """
    bare = _bare(phrase)
    start = len(phrase) - len(bare)
    if relation == "background" and target == "foreground" and bare == "in the distance":
        return _whole(phrase, start, "in the foreground")
    axis = _MIRROR_AXIS.get((relation, target))
    if axis is not None:
        return _mirror(phrase, axis)
    if bare == "in front" and (relation, target) == ("in_front_of", "behind"):
        return _whole(phrase, start, "behind")
    if bare == "behind" and (relation, target) == ("behind", "in_front_of") and not object_follows:
        return _whole(phrase, start, "in front")
    if (
        relation == "picture_center"
        and target in ("picture_left", "picture_right")
        and _CENTER.fullmatch(bare)
    ):
        return _whole(phrase, start, f"on the {target.removeprefix('picture_')} side")
    if target not in _CANONICAL or not object_follows:
        return None
    if relation == "hidden_by" and _HIDDEN.fullmatch(phrase.lower()):
        return _whole(phrase, 0, _CANONICAL[target])
    if relation == "stacked_on" and _STACKED.fullmatch(bare):
        return _whole(phrase, start, f"placed {_CANONICAL[target]}")
    if bare not in _BEFORE_OBJECT.get(relation, ()):
        return None
    if target in ("far_from", "near", "next_to", "on", "under", "inside"):
        # "Directly next to" has no opposite "directly far from", and nothing is "slightly on top of" a thing.
        close = _CLOSE_MODIFIERS.match(phrase.lower())
        start = min(start, close.start()) if close and close.end() == start else start
    return _whole(phrase, start, _TURNED_PHRASES.get((relation, target), {}).get(bare) or _CANONICAL[target])


def with_article(determiner: str, words: str) -> str:
    """Return "a" or "an" as `words` need it where `determiner` is one of them, else `determiner` itself."""
    if determiner.lower() not in ("a", "an"):
        return determiner
    return (
        ("An" if _starts_with_vowel(words) else "A")
        if determiner[0] == "A"
        else ("an" if _starts_with_vowel(words) else "a")
    )


def cased_like(words: str, model: str) -> str:
    """Return `words` with a capital first letter where `model` has one, and a small one where it has not."""
    if model[:1].isupper() and not model[1:2].isupper():
        return words[:1].upper() + words[1:]
    return words[:1].lower() + words[1:] if words[1:2].islower() or len(words) == 1 else words


_SOUNDS_LIKE_YOU = re.compile(r"(?:uni(?!n|m)|use|usu|uten|ukulele|eu|ewe|one|once|u-|ufo)", re.IGNORECASE)
_SILENT_H = re.compile(r"(?:hour|honest|honor|honour|heir)", re.IGNORECASE)


def _starts_with_vowel(words: str) -> bool:
    """Return whether the first word begins with a vowel sound, as English spelling suggests."""
    if _SILENT_H.match(words):
        return True
    return words[:1].lower() in "aeiou" and not _SOUNDS_LIKE_YOU.match(words)


def _bare(phrase: str) -> str:
    """Return the lower-case phrase without the modifiers in front of it."""
    lower = phrase.lower()
    match = _MODIFIERS.match(lower)
    # "right of" and "far from" begin with a word that is a modifier elsewhere.
    whole = any(lower in phrases for phrases in _BEFORE_OBJECT.values())
    return lower if whole or match is None else lower[match.end() :]


def _whole(phrase: str, start: int, words: str) -> list[Replacement]:
    return [(start, len(phrase), cased_like(words, phrase[start:]) if start == 0 else words)]


def _mirror(phrase: str, axis: str) -> list[Replacement] | None:
    found: list[Replacement] = []
    for match in re.finditer(r"[A-Za-z]+", phrase):
        word = opposite_word(match.group().lower(), axis)
        if word is not None:
            found.append((match.start(), match.end(), cased_like(word, match.group())))
    return found or None
