"""Relation words: fixed phrases ("next to") and the little grammar of places ("on the far left side of").

A `Trigger` is what the words alone say. What they mean in full ("on the left side of" a table, or of the
picture) is decided by `place_meaning.resolve_place` once the anchor is known.
"""

from __future__ import annotations

from spatial_core.language import lexicon as lx
from spatial_core.language.comparisons import STARTS, match_comparison
from spatial_core.language.noun_phrases import NounPhrase, continues, parse_noun_phrase
from spatial_core.language.place_meaning import REGIONS
from spatial_core.language.tokens import MARK, QUOTE, Token, matches
from spatial_core.language.triggers import NONE, OPTIONAL, REQUIRED, Place, Trigger

# --------------------------------------------------------------------------------------- fixed phrases

_PHRASES: dict[str, list[tuple[tuple[str, ...], str, int, str]]] = {}


_INVERSE_WORDS = frozenset(("full", "filled", "flanking"))


def _add(phrases: str, relation: str, needs: int, word: str = "") -> None:
    for phrase in phrases.split("|"):
        words = tuple(phrase.strip().split(" "))
        _PHRASES.setdefault(words[0], []).append((words, relation, needs, word or words[0]))


_add("left of|to left of|on left of", "left_of", REQUIRED)
_add("right of|to right of|on right of", "right_of", REQUIRED)
_add("in front of|in the front of|ahead of|out front of", "in_front_of", REQUIRED, "front")
_add("in front", "in_front_of", OPTIONAL, "front")
_add("in back of|in the rear of|to the rear of|to the back of|at the rear of", "behind", REQUIRED)
_add("behind", "behind", OPTIONAL)
_add("beyond", "behind", REQUIRED)
_add("above|up above", "above", OPTIONAL, "above")
_add("over", "above", REQUIRED, "over")
_add("below|down below", "below", OPTIONAL, "below")
_add("beneath|underneath", "under", OPTIONAL)
_add("under", "under", REQUIRED, "under")
_add("on|upon|onto|on to", "on", REQUIRED, "on")
_add(
    "atop|on top of|atop of|on the top of|on the surface of|on a surface of|over the top of|on top",
    "on",
    REQUIRED,
    "atop",
)
_add("in|into", "inside", REQUIRED, "in")
_add("within", "inside", REQUIRED, "in")
_add("inside of|in the inside of|on the inside of|in the interior of", "inside", REQUIRED, "inside")
_add("inside", "inside", OPTIONAL, "inside")
_add(
    "next to|beside|alongside|alongside of|adjacent to|side by side with|shoulder to shoulder with|abreast "
    "of|hand in hand with|at the side of|by the side of|along side|along side of|adjoining|bordering",
    "next_to",
    REQUIRED,
    "next",
)
_add("by", "next_to", REQUIRED, "by")
_add("along", "next_to", REQUIRED, "along")
_add(
    "side by side|shoulder to shoulder|cheek to cheek|hand in hand|arm in arm|back to back|elbow to elbow|"
    "end to end",
    "next_to",
    NONE,
    "together",
)
_add(
    "in a row|in a line|in a straight line|in a neat row|in line|in a single line|in a neat line",
    "aligned_with",
    NONE,
    "together",
)
_add(
    "in a single file|in single file|in a column|in rows|in neat rows|in a single row",
    "aligned_with",
    NONE,
    "together",
)
_add("face to face|nose to nose|eye to eye", "facing", NONE, "together")
_add("far apart|wide apart", "far_from", NONE, "together")
_add(
    "near|near to|close to|close by|not far from|not far away from|within reach of|within arm's reach of|in "
    "the vicinity of|a short distance from|a short distance away from|at a short distance from|a few steps "
    "from|a few steps away from|steps away from|a stone's throw from",
    "near",
    REQUIRED,
    "near",
)
_add("full of", "inside", REQUIRED, "full")
_add("closest to|nearest to|closer to|nearer to|nearer|nearest", "near", REQUIRED, "closest")
_add("farthest from|furthest from|farther from|further from", "far_from", REQUIRED, "closest")
_add("nearby|close by", "near", OPTIONAL, "nearby")
_add("at the feet of", "near", REQUIRED, "near")
_add(
    "close together|nestled together|huddled together|clustered together|grouped together",
    "near",
    NONE,
    "together",
)
_add(
    "arranged horizontally|arranged vertically|lined up horizontally|lined up vertically|forming a line|"
    "forming a row|lined up neatly|in a horizontal line|in a vertical line|in a horizontal row|in a "
    "vertical column",
    "aligned_with",
    NONE,
    "together",
)
_add(
    "far from|far away from|away from|well away from|at a distance from|distant from|at some distance from|"
    "some distance from|some distance away from|at a great distance from|at a safe distance from|"
    "at a considerable distance from|a long way from|a long way away from|a good distance from",
    "far_from",
    REQUIRED,
    "far",
)
_add("between|in between|midway between|halfway between", "between", REQUIRED, "between")
_add("amid|amidst|among|amongst|in the midst of", "around", REQUIRED, "among")
_add(
    "around|all around|encircling|surrounding|round|on all sides of|on every side of",
    "around",
    REQUIRED,
    "around",
)
_add(
    "in a circle around|in circles around|in a ring around|in a semicircle around", "around", REQUIRED, "ring"
)
_add("flanking", "between", REQUIRED, "flanking")
_add(
    "opposite|opposite to|opposite of|opposite from|across from|directly across from",
    "opposite",
    REQUIRED,
    "opposite",
)
_add(
    "on the opposite side of|on the other side of|at the opposite end of|on the far side of",
    "opposite",
    REQUIRED,
    "opposite",
)
_add("against|up against|flush against", "leaning_against", REQUIRED, "against")
_add(
    "aligned with|in line with|in alignment with|level with|lined up with|parallel to|parallel with|flush "
    "with",
    "aligned_with",
    REQUIRED,
    "aligned",
)
_add("facing|facing toward|facing towards|facing to", "facing", REQUIRED, "facing")
_add("out of sight behind", "hidden_by", REQUIRED, "hide")
_add(
    "in the distance|off in the distance|far in the distance|on the horizon|in the far distance",
    "background",
    NONE,
    "distance",
)

_LARGER = "larger bigger taller wider longer thicker greater heavier broader".split()
_SMALLER = "smaller shorter narrower tinier thinner littler slimmer".split()
for _words, _relation in ((_LARGER, "larger_than"), (_SMALLER, "smaller_than")):
    for _word in _words:
        _add(f"{_word} than", _relation, REQUIRED, "than")
        _add(f"{_word} in size than", _relation, REQUIRED, "than")
for _size in "big large tall wide long high".split():
    for _times in ("twice", "three times", "several times", "two times", "four times", "many times"):
        _add(f"{_times} as {_size} as", "larger_than", REQUIRED, "than")
    _add(f"half as {_size} as", "smaller_than", REQUIRED, "than")
for _times in ("twice", "double", "three times"):
    _add(f"{_times} the size of|{_times} the height of", "larger_than", REQUIRED, "than")
_add("half the size of|half the height of|dwarfed by", "smaller_than", REQUIRED, "than")

for _entries in _PHRASES.values():
    _entries.sort(key=lambda entry: -len(entry[0]))

# -------------------------------------------------------------------------------------------- places

_PLACE_PREPOSITIONS = frozenset(
    "on to at in near along by from toward towards off over against around".split()
)
_PLACE_DETERMINERS = frozenset("the a an both either each one every opposite all".split()) | lx.POSSESSIVES
_PLACE_WORDS = frozenset(
    "left right upper lower top bottom far near very immediate extreme exact direct dead center centre "
    "middle front back rear hand left-hand right-hand opposite other outer inner side long short central "
    "visual upper-left upper-right lower-left lower-right northern southern main own same distant deep "
    "geometric middle-left middle-right narrow wide outside inside outermost leftmost rightmost hand-side "
    "viewer's immediate right-most left-most blurred blurry distant "
    "curved straight rounded frontmost topmost nearest closest true absolute lower-middle "
    "rearmost head foot open".split()
)
_PLACE_HEADS = frozenset(
    "left right side sides top bottom center centre middle midpoint corner corners edge edges rim end ends "
    "foreground background distance front back rear base foot head half third quadrant part portion area "
    "section region margin border "
    "perimeter tip lip zone row column mid-ground midground middleground".split()
)
_DIRECTIONS = frozenset(
    "left right upper lower top bottom center centre middle front back rear central".split()
)
_ALONE = frozenset("foreground background distance midground middleground mid-ground".split())
_MODIFYING = frozenset("far very immediate extreme exact direct dead near absolute".split())


def match_place(tokens: list[Token], i: int) -> Trigger | None:
    """Return the place phrase that starts at the preposition `i` ("on the far left side", "to its right")."""
    n = len(tokens)
    preposition = tokens[i].text
    if preposition not in _PLACE_PREPOSITIONS:
        return None
    j = i + 1
    if (
        j < n
        and tokens[j].text in ("to", "on", "at", "in", "toward", "towards")
        and preposition in ("off", "over")
    ):
        preposition = tokens[j].text
        j += 1
    determiner = ""
    if j < n and tokens[j].text in _PLACE_DETERMINERS:
        determiner = tokens[j].text
        j += 1
        if (
            determiner in ("either", "one", "each")
            and j + 1 < n
            and tokens[j].text == "of"
            and tokens[j + 1].text in ("its", "the")
        ):
            j += 2
    words: list[str] = []
    while j < n and (tokens[j].text in _PLACE_WORDS or tokens[j].text in _PLACE_HEADS):
        words.append(tokens[j].text)
        j += 1
        if (
            j + 1 < n
            and tokens[j].text == "and"
            and tokens[j + 1].text in ("left", "right", "bottom", "back")
        ):
            # "on the left and right sides"
            if j + 2 >= n or tokens[j + 2].text in (
                "side",
                "sides",
                "edges",
                "ends",
                "of",
                "respectively",
                ",",
                ".",
            ):
                words.append("and")
                j += 1
    if not words or words[-1] not in _PLACE_HEADS:
        return None
    head = words.pop()
    follower = tokens[j] if j < n else None
    if head in (
        "head",
        "foot",
        "tip",
        "lip",
        "front",
        "back",
        "end",
        "half",
        "third",
        "part",
        "rim",
        "base",
    ) and (follower is None or follower.text != "of"):
        if determiner in lx.POSSESSIVES and head not in ("front", "back", "base", "end", "rim"):
            return None
    if head in ("head", "foot", "tip", "base") and (follower is None or follower.text != "of"):
        if not (head == "base" and determiner in lx.POSSESSIVES):
            return None
    if follower is not None and head not in _ALONE:
        if follower.text == "'s" or (follower.kind != MARK and _carries_on(tokens, j)):
            return None
    if not determiner and head in REGIONS and not any(word in _DIRECTIONS for word in words):
        return None
    if head in REGIONS and not any(word in _DIRECTIONS or word == "other" for word in words):
        return None
    if preposition == "from" and not (follower is not None and follower.text == "of"):
        return None
    if preposition == "around" and head not in ("edge", "edges", "perimeter", "rim", "base", "border"):
        return None
    if preposition == "over" and head not in ("edge", "back", "side", "top", "end"):
        return None
    if preposition in ("by", "along", "against") and head in (
        "left",
        "right",
        "front",
        "back",
        "top",
        "bottom",
    ):
        if not (follower is not None and follower.text == "of"):
            return None
    if preposition == "to" and head in (
        "top",
        "bottom",
        "front",
        "back",
        "center",
        "middle",
        "end",
        "ends",
        "rear",
        "edge",
    ):
        if determiner not in lx.POSSESSIVES and not (follower is not None and follower.text == "of"):
            return None
    owner: str | None = determiner if determiner in lx.POSSESSIVES and determiner != "whose" else None
    needs = OPTIONAL
    stop = j
    if follower is not None and follower.text == "of" and j + 1 < n:
        needs, stop = REQUIRED, j + 1
    elif owner is not None:
        needs = NONE
    modifier = next((word for word in words if word in _MODIFYING), "")
    if modifier in ("far", "near") and not any(word in ("left", "right") for word in [*words, head]):
        modifier = ""  # "the far corner" is a part, "the far left" a distance
    place = Place(preposition, tuple(words), head, determiner)
    return Trigger(i, stop, "", needs, "place", modifier=modifier, owner=owner, place=place)


def _carries_on(tokens: list[Token], j: int) -> bool:
    """Return whether the place word is only an adjective: "on the left tray", "at the top shelf"."""
    token = tokens[j]
    if token.text in ("closest", "nearest", "farthest", "furthest", "opposite"):
        return False  # "in the corner farthest from the bed"
    if (
        token.tags & (lx.NUM | lx.DET | lx.ADV | lx.PREP | lx.CONJ | lx.BE | lx.PRONOUN | lx.POSS)
        or token.kind == QUOTE
    ):
        return False
    if token.tags & lx.FINITE and token.lemma in lx.POSTURE and j + 1 < len(tokens):
        follower = tokens[j + 1]
        if follower.tags & (lx.DET | lx.NUM | lx.POSS | lx.ADJ | lx.ADV) or not token.tags & lx.NOUN:
            return False
    if token.tags & lx.PARTICIPLE and not token.tags & (lx.NOUN | lx.ADJ):
        return False
    return continues(tokens, j)


_ROOM = frozenset("space area gap spot".split())
"""What is said to be somewhere is there: "in the space behind", "in the gap between"."""
TRIGGER_STARTS = frozenset(_PHRASES) | STARTS | _PLACE_PREPOSITIONS | lx.MODIFIERS
"""Words that relation words can start with."""


def match_trigger(tokens: list[Token], i: int, has_possessive: bool) -> Trigger | None:
    """Return the longest relation words that start at token `i`, modifiers in front included."""
    n = len(tokens)
    start = i
    if tokens[i].text == "in" and i + 3 < n and tokens[i + 1].text == "the" and tokens[i + 2].text in _ROOM:
        i += 3 if tokens[i + 3].tags & lx.PREP and tokens[i + 3].text != "of" else 0
    modifiers: list[str] = []
    while i < n and tokens[i].text in lx.MODIFIERS and i - start < 3:
        if _PHRASES.get(tokens[i].text) is not None and _phrase(tokens, i) is not None:
            break
        if tokens[i].text in STARTS and match_comparison(tokens, i) is not None:
            break
        if tokens[i].text in lx.REPORTED_MODIFIERS:
            modifiers.append(tokens[i].text)
        i += 1
    if i >= n:
        return None
    trigger = _match(tokens, i, has_possessive)
    if trigger is None:
        return None
    trigger.first = start
    if modifiers:
        trigger.modifier = " ".join([*modifiers, *([trigger.modifier] if trigger.modifier else [])])
    return trigger


def _match(tokens: list[Token], i: int, has_possessive: bool) -> Trigger | None:
    token = tokens[i]
    compared = match_comparison(tokens, i) if token.text in STARTS else None
    if compared is not None:
        return Trigger(
            i,
            compared[0],
            compared[1],
            REQUIRED,
            "height" if token.text == "higher" and compared[0] == i + 2 else "than",
        )
    fixed = _phrase(tokens, i)
    place = match_place(tokens, i) if token.text in _PLACE_PREPOSITIONS else None
    if (
        token.text in ("further", "farther")
        and i + 1 < len(tokens)
        and tokens[i + 1].text in ("left", "right")
    ):
        return Trigger(i, i + 2, "", OPTIONAL, "place", place=Place("to", (), tokens[i + 1].text, "the"))
    if place is not None and (fixed is None or place.stop > fixed.stop):
        return place
    if token.text == "at" and i + 2 < len(tokens) and tokens[i + 2].text == "feet":
        if tokens[i + 1].tags & lx.POSS:
            return Trigger(i, i + 3, "near", NONE, "near", owner=tokens[i + 1].text)
    if has_possessive and token.text in _PLACE_PREPOSITIONS:
        owned = _owned_place(tokens, i)
        if owned is not None:
            return owned
    return fixed


def _phrase(tokens: list[Token], i: int) -> Trigger | None:
    for words, relation, needs, word in _PHRASES.get(tokens[i].text, ()):
        if matches(tokens, i, words):
            stop = i + len(words)
            if word == "atop" and words == ("on", "top"):
                needs = OPTIONAL
                if stop < len(tokens) and continues(tokens, stop):
                    continue  # "on top shelf"
            if words == ("right", "of") and i and tokens[i - 1].tags & lx.POSS:
                return None
            return Trigger(i, stop, relation, needs, word, word in _INVERSE_WORDS)
    return None


def _owned_place(tokens: list[Token], i: int) -> Trigger | None:
    """Return "to the lamp's left", "near the board's back edge": a place whose owner stands inside it."""
    phrase = parse_noun_phrase(tokens, i + 1)
    if phrase is None or not isinstance(phrase.owner, NounPhrase) or phrase.owner.stop + 1 >= phrase.stop:
        return None
    if tokens[phrase.owner.stop].text not in ("'s", "'", "\u2019"):
        return None
    words = [token.text for token in tokens[phrase.owner.stop + 1 : phrase.stop]]
    if words[-1] not in _PLACE_HEADS or words[-1] in ("head", "foot"):
        return None
    if not all(word in _PLACE_WORDS or word in _PLACE_HEADS for word in words[:-1]):
        return None
    place = Place(tokens[i].text, tuple(words[:-1]), words[-1], "its")
    modifier = next((word for word in words if word in _MODIFYING), "")
    return Trigger(i, phrase.stop, "", NONE, "place", modifier=modifier, owner=phrase.owner, place=place)
