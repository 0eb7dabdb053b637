"""Comparisons that place: "higher up on the wall than", "closer to the camera than", "less large than"."""

from __future__ import annotations

from spatial_core.language.tokens import Token

_SIZES = frozenset("large big tall wide long high broad thick bulky massive".split())
_VIEWERS = frozenset("camera viewer lens observer foreground front us".split())
_ACROSS = {"left": "left_of", "right": "right_of"}
_ALONG = {"up": "above", "down": "below", "back": "behind", "forward": "in_front_of"}
_AWAY = frozenset(("away", "off", "back"))

STARTS = frozenset("less higher lower closer nearer farther further more".split())
"""Words that a comparison can start with."""


def match_comparison(tokens: list[Token], i: int) -> tuple[int, str] | None:
    """Return the index after the comparison at token `i`, "than" included, and the relation it states."""
    words = [token.text for token in tokens[i : i + 9]]
    if not words or words[0] not in STARTS or "than" not in words:
        return None
    stop = words.index("than")
    inner = words[1:stop]
    relation = _relation(words[0], inner)
    return (i + stop + 1, relation) if relation else None


def _relation(word: str, inner: list[str]) -> str:
    if word == "less":
        return "smaller_than" if len(inner) == 1 and inner[0] in _SIZES else ""
    if word in ("higher", "lower"):
        rest = inner[1:] if inner and inner[0] in ("up", "down") else inner
        if rest and not (len(rest) <= 4 and rest[0] in ("in", "on", "along")):
            return ""
        return "above" if word == "higher" else "below"
    if word in ("closer", "nearer"):
        return "in_front_of" if inner and inner[-1] in _VIEWERS else ""
    if inner and inner[-1] in _ACROSS:
        return _ACROSS[inner[-1]] if inner[:-1] in ([], ["to", "the"]) else ""
    if word == "more":
        return ""
    if len(inner) == 1:
        return _ALONG.get(inner[0], "behind" if inner[0] in _AWAY else "")
    return "behind" if inner and inner[-1] in _VIEWERS and "from" in inner else ""
