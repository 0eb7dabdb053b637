"""Relation words: fixed phrases, the little grammar of places, and verbs that state a relation.

A `Trigger` is what the words alone say. What they mean in full ("on the left side of" a table, or of the
picture) is decided by `resolve_place` once the anchor is known.
"""

from __future__ import annotations

from dataclasses import dataclass

from spatial_core.language import lexicon as lx
from spatial_core.language.comparisons import STARTS, match_comparison
from spatial_core.language.noun_phrases import NounPhrase, continues, parse_noun_phrase
from spatial_core.language.tokens import MARK, QUOTE, Token

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

# ------------------------------------------------------------------------------------------- idioms

_IDIOMS: dict[tuple[str, str], list[tuple[str, ...]]] = {}
for _idiom in (
    "at the end of the day|on the other hand|on the one hand|in the end|in the long run|in the middle of "
    "the night|at the same time|in front of his eyes|in front of her eyes|in front of their eyes|in front "
    "of my eyes|in front of your eyes|in front of our eyes|before his eyes|behind schedule|behind the "
    "scenes|behind bars|behind closed doors|behind the times|on time|in time|on sale|in love|right now|"
    "right away|right before|right after|above all|above average|below average|above and beyond|over the "
    "years|over time|over and over|over again|all over|under pressure|under construction|under control|"
    "under way|under the weather|under arrest|under attack|under stress|under review|under no circumstances|"
    "under these circumstances|under the circumstances|in detail|on fire|in black and white|in the style of|"
    "in the manner of|in the form of|in the shape of|in terms of|in order to|in case of|in addition to|in "
    "addition|in spite of|in favor of|in charge of|in search of|in need of|in honor of|in memory of|in the "
    "process of|in the name of|in the spirit of|in the light of|in light of|in view of|in contrast to|in "
    "general|in particular|in fact|in short|in turn|in person|in public|in private|in advance|in vain|in "
    "common|in total|in full|in half|in pieces|in pairs|in a hurry|in a way|in a moment|in the mood|in high "
    "resolution|in full bloom|in bloom|in flight|in mid air|in mid-air|in midair|in motion|in action|in "
    "progress|in place|in use|in the air|in the open air|in the rain|in the wind|in the dark|in the sun|in "
    "the sunlight|in the shade|in the cold|in the meantime|in the future|in the past|in the present|in the "
    "world|in the first place|in the know|in the nick of time|in good condition|inside joke|inside jokes|"
    "inside out|inside information|upside down|left over|left behind|on average|on purpose|on demand|on "
    "board|on hold|on duty|on strike|on trial|on vacation|on holiday|on the phone|on the verge of|on the "
    "brink of|on the way|on the way to|on the road|on the go|on the move|on the run|on the contrary|on the "
    "whole|on the rise|on the lookout|on the internet|on the web|on the radio|on tv|on television|on foot|"
    "on horseback|on top of that|on top of it all|on top of everything|on top of the world|on account of|on "
    "behalf of|on display|on track|on edge|on one hand|on the job|on the team|on his mind|on her mind|on my "
    "mind|on your mind|on their minds|on the market|on the spot|on the same page|on the nose|on the clock|"
    "on the house|on the mend|on cloud nine|on thin ice|on the fence about|by the way|by hand|by far|by "
    "accident|by mistake|by chance|by heart|by then|by now|by day|by night|by and large|by means of|by "
    "itself|by himself|by herself|by themselves|by default|by design|by virtue of|step by step|day by day|"
    "one by one|little by little|side effects|side effect|around the clock|around the world|around the "
    "corner from success|next to nothing|next to impossible|next to no|close to perfection|close to perfect|"
    "close to tears|close to the heart|far from perfect|far from it|far from over|far from ideal|far from "
    "easy|as far as|so far|by the book|off the record|near the end of the|near future|near miss|in the near "
    "future|between jobs|between the lines|between us|in between jobs|between you and me|beyond belief|"
    "beyond repair|beyond doubt|beyond words|beyond compare|beyond measure|beneath contempt|below zero|"
    "below freezing|above freezing|above suspicion|over the moon|over the phone|over the counter|over "
    "dinner|over lunch|over coffee|over breakfast|over the course of|over the weekend|over budget|across "
    "the board|against all odds|against the odds|against the clock|against the law|against his will|against "
    "her will|against the rules|along the way|along with|all along|along these lines|along the lines of|up "
    "to date|out of the blue|out of order|out of control|out of date|at odds with|at the moment|at first|at "
    "last|at least|at most|at once|at times|at all|at home|at work|at school|at peace|at rest|at war|at "
    "heart|at the expense of|at the cost of|at the mercy of|at the beginning|at the start|at the end|by the "
    "end|in the beginning|in the middle of nowhere|from left to right and|on your left hand side of things|"
    "on its own|on their own|on his own|on her own|on my own|on your own|for sale|face to face with|in "
    "color|in colour|in focus|out of focus|in silhouette|in profile|in perspective|in perfect harmony|in "
    "harmony|in bold letters|in bold|in italics|in capital letters|in large letters|in cursive|in english|"
    "in the foreground of history|in the heart of|in the eyes of|in his eyes|in her eyes|in their eyes|in "
    "my opinion|in your opinion|in his opinion|in her opinion|in the morning|in the evening|in the "
    "afternoon|at night|at dawn|at dusk|at noon|on the menu|on the agenda|on the table for discussion|in "
    "front of an audience of millions|in the face of|on the basis of|on the part of|on the subject of|on "
    "the topic of|in the background of her mind|in the back of his mind|in the back of her mind|in the back "
    "of my mind|at the back of his mind|at the back of her mind|at the back of my mind|in the bag|in the "
    "red|in the black|on the side of caution|on the bright side|on the right track|on the wrong track|on "
    "the left wing of politics|on the rocks|on the cutting edge|on the edge of his seat|on the edge of her "
    "seat|on the edge of their seats|on edge|under his breath|under her breath|under their breath|under "
    "oath|under the impression|under the influence|under the radar|under the hood of the economy|under the "
    "guise of|under the sun|under wraps|under fire|up in the air|over his head|over her head|over my head|"
    "over the hill|behind his back|behind her back|behind my back|behind the wheel of change|in the "
    "limelight|in the spotlight|in the wake of|in the hands of|in the palm of his hand for|in good hands|in "
    "the clouds about|in stark contrast|in sharp contrast|in stark contrast to|in every direction|in all "
    "directions|in the same direction|around every corner|around the holidays|on the surface of it|on a "
    "budget|on a diet|on a whim|on a daily basis|on a regular basis|on a scale of|on the order of|on the "
    "condition that|in the know|in the loop|in the works|in the balance|between now and then|near and dear|"
    "far and wide|near and far|over here|over there|in here|in there|on here|up there|right there|right "
    "here|in no time|in any case|in the long term|in the short term|on the record|on record|on cue|on point|"
    "on its side|on his side|on her side|on its back|on his back|on her back|on all fours|on tiptoe|top to "
    "toe|from behind|from above|from below|inside and out|in and out|on and off|on and on|up and down|"
    "left and right|from top to bottom of "
    "the charts"
).split("|"):
    _tokens = tuple(_idiom.split(" "))
    _IDIOMS.setdefault((_tokens[0], _tokens[1]), []).append(_tokens)
for _entries in _IDIOMS.values():
    _entries.sort(key=lambda words: -len(words))

# "at the end of the day" is time, "at the end of the table" a place: these idioms only hold if no "of"
# follows.
_NOT_BEFORE_OF = frozenset(
    [
        ("at", "the", "end"),
        ("by", "the", "end"),
        ("in", "the", "end"),
        ("at", "the", "beginning"),
        ("at", "the", "start"),
        ("in", "the", "beginning"),
        ("inside", "out"),
        ("all", "over"),
        ("on", "display"),
        ("from", "behind"),
        ("from", "above"),
        ("from", "below"),
    ]
)


def match_idiom(tokens: list[Token], i: int) -> int:
    """Return the index after the non-spatial idiom that starts at token `i`, or 0 if none does."""
    if i + 1 >= len(tokens):
        return 0
    for words in _IDIOMS.get((tokens[i].text, tokens[i + 1].text), ()):
        if _matches(tokens, i, words):
            stop = i + len(words)
            if words in _NOT_BEFORE_OF and stop < len(tokens) and tokens[stop].text in ("of", "the", "a"):
                continue
            if words[0] == "on" and words[-1] in ("back", "side", "own") and continues(tokens, stop):
                continue  # "on its back burner"
            if words[-1] == "back" and words[0] == "on" and i and tokens[i - 1].tags & lx.NOUN:
                continue  # "a horse with a monkey on its back"
            return stop
    return 0


def _matches(tokens: list[Token], i: int, words: tuple[str, ...]) -> bool:
    if i + len(words) > len(tokens):
        return False
    return all(tokens[i + k].text == words[k] for k in range(1, len(words)))


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
_REGION = frozenset("half third quadrant part portion area section region zone row column".split())
_RIM = frozenset("edge edges rim border margin end ends foot head base tip lip perimeter".split())
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
    if not determiner and head in _REGION and not any(word in _DIRECTIONS for word in words):
        return None
    if head in _REGION and not any(word in _DIRECTIONS or word == "other" for word in words):
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
        if _matches(tokens, i, words):
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


def horizontal(place: Place) -> str:
    """Return "left", "right" or "" for a place phrase."""
    words = (*place.words, place.head)
    for word in words:
        if word in ("left", "left-hand", "upper-left", "lower-left", "leftmost", "left-most", "middle-left"):
            return "left"
        if word in (
            "right",
            "right-hand",
            "upper-right",
            "lower-right",
            "rightmost",
            "right-most",
            "middle-right",
        ):
            return "right"
    return ""


def vertical(place: Place) -> str:
    """Return "top", "bottom" or "" for a place phrase."""
    for word in (*place.words, place.head):
        if word in ("upper", "top", "upper-left", "upper-right", "topmost"):
            return "top"
        if word in ("lower", "bottom", "lower-left", "lower-right"):
            return "bottom"
    return ""


def resolve_picture(place: Place) -> tuple[str, ...]:
    """Return the picture places a phrase stands for when its anchor is the picture."""
    head = place.head
    if head in ("foreground",):
        return ("foreground",)
    if head in ("background", "distance"):
        return ("background",)
    if head in ("mid-ground", "midground", "middleground"):
        return ()
    names: list[str] = []
    across, along = horizontal(place), vertical(place)
    if "and" in place.words:
        return ("picture_left", "picture_right") if across else ("picture_top", "picture_bottom")
    if along:
        names.append(f"picture_{along}")
    if across:
        names.append(f"picture_{across}")
    if names:
        return tuple(names)
    if head in ("center", "centre", "middle", "midpoint") or any(
        w in ("center", "centre", "middle", "central") for w in place.words
    ):
        return ("picture_center",)
    if head == "front" or "front" in place.words:
        return ("foreground",)
    if head in ("back", "rear") or "back" in place.words or "rear" in place.words or "far" in place.words:
        return ("background",)
    return ()


def resolve_place(place: Place, anchor: str) -> tuple[tuple[str, ...], str]:
    """Return the relations a place phrase states of an anchor that is a thing, and the part it names.

    Args:
        place: The phrase.
        anchor: Head noun of the anchor, singular.
    """
    head, preposition = place.head, place.preposition
    if preposition == "against":
        return ("leaning_against",), place.part
    across, along = horizontal(place), vertical(place)
    surface, container = anchor in lx.SURFACES, anchor in lx.CONTAINERS or anchor in lx.PLACES
    support = "on" if surface and anchor not in lx.ROOMS else "inside" if container else "on"
    if head in ("foreground", "background", "distance", "mid-ground", "midground", "middleground"):
        return resolve_picture(place), ""
    if head in ("corner", "corners"):
        return ("at_corner",), place.part
    if head in _RIM:
        return ("at_edge",), place.part
    if head in ("center", "centre", "middle", "midpoint"):
        if across or along:
            return _sides(across, along, to=True) if preposition == "to" else ((support,), place.part)
        if preposition in ("near", "by", "toward", "towards"):
            return ("near" if preposition in ("near", "by") else support,), place.part
        return (support,), place.part
    if head in _REGION:
        return (support,), place.part
    if head in ("left", "right"):
        if "and" in place.words:
            return ("left_of", "right_of"), ""
        if along:
            return _sides(across, along, to=True)
        return (f"{across}_of",), ""
    if head in ("side", "sides"):
        if "and" in place.words or place.determiner in ("either", "both", "each", "every"):
            return ("next_to",), ""
        if place.determiner == "all":
            return ("around",), ""
        if across:
            on_it = surface and anchor not in (
                "sofa",
                "couch",
                "bed",
                "chair",
                "armchair",
                "door",
                "laptop",
                "sink",
                "book",
            )
            if preposition != "to" and (on_it or (container and anchor in lx.PLACES)):
                return (support,), place.part
            return _sides(across, along, to=True)
        if (
            any(word in ("opposite", "other", "far") for word in place.words)
            or place.determiner == "opposite"
        ):
            return ("opposite",), ""
        if any(
            word in ("front", "back", "rear", "top", "bottom", "near", "long", "short", "inside", "outside")
            for word in place.words
        ):
            return ("at_edge" if preposition in ("at", "along", "near", "to") else "on",), place.part
        return ("next_to",), ""
    if head == "top":
        if preposition in ("at", "near", "along", "toward", "towards", "in", "by", "around") or place.words:
            return (support if surface or container else "on",), place.part
        return ("on",), ""
    if head == "bottom":
        if preposition == "on":
            return ("under",), ""
        if container:
            return ("inside",), place.part
        return ("at_edge",), place.part
    if head == "front":
        if preposition == "in":
            return ("in_front_of",), ""
        if preposition == "to":
            return ("in_front_of",), ""
        if preposition == "on":
            return ("on",), place.part
        inside = container and anchor in lx.PLACES and preposition not in ("along", "near")
        return ("inside" if inside else "at_edge",), place.part
    if head in ("back", "rear"):
        if preposition in ("on", "over"):
            return ("on",), place.part
        if preposition == "to":
            return ("behind",), ""
        return ("inside" if container else "at_edge",), place.part
    return (), ""


def _sides(across: str, along: str, *, to: bool) -> tuple[tuple[str, ...], str]:
    names: list[str] = []
    if along:
        names.append("above" if along == "top" else "below")
    if across:
        names.append(f"{across}_of")
    return tuple(names), ""


OPPOSITE_SIDES = {
    "left_of": ("right_of",),
    "right_of": ("left_of",),
    "above": ("below", "under"),
    "below": ("above",),
    "in_front_of": ("behind",),
    "behind": ("in_front_of",),
}
"""Relations that put a thing on the other side of the same anchor."""

# ---------------------------------------------------------------------------------------- verbs

VERB_PREPOSITION: dict[tuple[str, str], tuple[str, bool]] = {}
"""(verb lemma, preposition) -> (relation, inverse): where the verb changes what the preposition says."""


def _verbs(lemmas: str, prepositions: str, relation: str, inverse: bool = False) -> None:
    for lemma in lemmas.split():
        for preposition in prepositions.split():
            VERB_PREPOSITION[lemma, preposition] = (relation, inverse)


_verbs("hang hung suspend dangle", "on from off in by to", "hanging_on")
_verbs(
    "mount attach pin fix affix fasten tape nail clip tack hook screw strap tie secure",
    "on to onto from",
    "hanging_on",
)
_verbs("stick glue", "to on onto", "hanging_on")
_verbs("lean prop rest recline slouch brace", "against", "leaning_against")
_verbs("lean prop", "on upon", "leaning_against")
_verbs("stack pile", "on upon atop onto", "stacked_on")
_verbs("hide obscure occlude conceal block mask screen shield", "by behind", "hidden_by")
_verbs("align line", "with", "aligned_with")
_verbs("face", "toward towards to", "facing")
_verbs("look gaze stare point turn orient angle direct aim glance peer", "at toward towards to", "facing")
_verbs("surround encircle ring enclose encompass border hem circle", "by with", "around", True)
_verbs("frame", "by", "around", True)
_verbs("flank", "by with", "between")
_verbs("cover top crown cap drape", "with by in", "on", True)
_verbs("fill pack load stuff", "with", "inside", True)
_verbs("join", "by", "next_to")
_verbs("drape spread lay throw fold sling sprawl lie toss", "over across", "on")
_verbs("lie rest stretch place drape sprawl spread scatter", "across", "on")
_verbs("string stretch strung", "between", "between")
_verbs("sandwich wedge squeeze", "between", "between")
_verbs("dwarf", "by", "smaller_than")
_verbs("support hold", "by", "on")

DIRECT: dict[str, tuple[str, bool]] = {
    "contain": ("inside", True),
    "house": ("inside", True),
    "hold": ("inside", True),
    "support": ("on", True),
    "surround": ("around", False),
    "encircle": ("around", False),
    "enclose": ("around", False),
    "flank": ("between", True),
    "face": ("facing", False),
    "hide": ("hidden_by", True),
    "obscure": ("hidden_by", True),
    "occlude": ("hidden_by", True),
    "conceal": ("hidden_by", True),
    "block": ("hidden_by", True),
    "carry": ("on", True),
    "touch": ("next_to", False),
    "overlook": ("facing", False),
    "dwarf": ("larger_than", False),
    "crown": ("on", False),
    "overhang": ("above", False),
    "top": ("on", False),
    "border": ("next_to", False),
    "adjoin": ("next_to", False),
    "abut": ("next_to", False),
}
"""Verbs that state a relation of their subject to their direct object."""

NON_SPATIAL_ON = frozenset(
    "turn switch put try take carry move go log sign focus depend rely base insist concentrate agree "
    "comment reflect bet count call spend work keep get pass touch hold catch live feed act report write "
    "speak talk lecture decide plan study hinge dwell train model expand improve vote dine "
    "click tap press read elaborate "
    "impose emphasize emphasise advise lead bring".split()
)
NON_SPATIAL_IN = frozenset(
    "believe interest result participate succeed specialize specialise paint render shoot draw depict dress "
    "wrap cover bathe wear capture engage lose major excel invest involve delight revel interest do style "
    "illustrate write speak turn end culminate rise increase decrease arrive come take join bring give hand "
    "put break check fill cut "
    "stir fold log sign plug zoom differ vary design create present portray execute finish print "
    "rich trust film photograph cloak clothe clad".split()
)
NON_SPATIAL_OVER = frozenset(
    "take think win talk look go hand preside argue cry watch read pass pull give come get rule turn".split()
)
AGENTLESS_BY = frozenset(
    "sit stand lie rest place position locate situate seat park stay wait live hang lean kneel leave set "
    "put walk run pass "
    "swim sleep float hover grow camp gather tuck nestle crouch lay drive sail".split()
)
"""Verbs after which "by" means beside; after any other participle it names the agent."""
