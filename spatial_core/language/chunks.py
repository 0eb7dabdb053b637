"""Tokens grouped into the pieces a clause is made of: noun phrases, verbs, relation words, connectives."""

from __future__ import annotations

from dataclasses import dataclass

from spatial_core.language import lexicon as lx
from spatial_core.language.idioms import match_idiom
from spatial_core.language.noun_phrases import NounPhrase, is_adverb_half, parse_noun_phrase
from spatial_core.language.patterns import TRIGGER_STARTS, match_trigger
from spatial_core.language.tokens import MARK, WORD, Token
from spatial_core.language.triggers import NONE, REQUIRED, Trigger
from spatial_core.language.verbs import NON_SPATIAL_IN, NON_SPATIAL_ON, VERB_PREPOSITION

NOUN, VERB, TRIGGER, COMMA, AND, WITH, RELATIVE, BREAK, COLON, END, NOT, THERE, ORDER, WHICH, OTHER = range(
    15
)
"""Kinds of chunk. `WHICH` is a relative pronoun behind a preposition ("on which")."""


@dataclass(slots=True)
class Chunk:
    """A run of tokens with one role.

    Attributes:
        kind: One of the kinds above.
        first: Index of the first token.
        stop: Index of the token after the last.
        phrase: The noun phrase, for `NOUN`.
        trigger: The relation words, for `TRIGGER`.
        lemma: The verb's lemma, "be" or "have", for `VERB`; the direction for `ORDER`; else the word.
        form: `lexicon.FINITE`, `ING` or `PARTICIPLE`, for `VERB`.
        passive: Whether a verb is a participle (bare or after "is").
    """

    kind: int
    first: int
    stop: int
    phrase: NounPhrase | None = None
    trigger: Trigger | None = None
    lemma: str = ""
    form: int = 0
    passive: bool = False


_ORDERS = {
    ("left", "right"): ("left_of", False),
    ("right", "left"): ("left_of", True),
    ("top", "bottom"): ("above", False),
    ("bottom", "top"): ("above", True),
    ("front", "back"): ("in_front_of", False),
    ("back", "front"): ("in_front_of", True),
    ("nearest", "farthest"): ("in_front_of", False),
}
_WITH = frozenset(("with", "featuring", "including"))
_BREAKS = frozenset(
    "while whereas when where because although though but if since unless until after before so "
    "whenever wherever as "
    "once yet".split()
)
_JOINERS = {
    "as": ("as", "well", "as"),
    "along": ("along", "with"),
    "together": ("together", "with"),
    "accompanied": ("accompanied", "by"),
    "followed": ("followed", "by"),
}


_SET = frozenset("arrange align line place position set organize organise display lay".split())
_TOGETHER = {
    "together": (
        frozenset(
            "nestle huddle cluster group cuddle press stand sit lean gather bunch stack snuggle".split()
        ),
        "near",
    ),
    "horizontally": (_SET, "aligned_with"),
    "vertically": (_SET, "aligned_with"),
}
"""Adverbs that, after these verbs, relate the things of a group to each other."""


def order_of(chunk: Chunk) -> tuple[str, bool]:
    """Return an `ORDER` chunk's relation and whether the list runs against it."""
    first, last = chunk.lemma.split(" ")
    return _ORDERS[first, last]


def _match_order(tokens: list[Token], i: int) -> Chunk | None:
    """Return "from left to right" and the like."""
    n = len(tokens)
    j = i
    if (
        tokens[j].text in ("going", "moving", "reading", "arranged", "listed")
        and j + 1 < n
        and tokens[j + 1].text == "from"
    ):
        j += 1
    if tokens[j].text == "from":
        j += 1
        if j < n and tokens[j].text == "the":
            j += 1
    if j + 2 < n and tokens[j + 1].text == "to":
        k = j + 3 if tokens[j + 2].text == "the" and j + 3 < n else j + 2
        pair = (tokens[j].text, tokens[k].text)
        if pair in _ORDERS:
            return Chunk(ORDER, i, k + 1, lemma=" ".join(pair))
    return None


def _verb(tokens: list[Token], i: int) -> Chunk | None:
    """Return the verb group at token `i`: auxiliaries, adverbs and the main verb."""
    n = len(tokens)
    j = i
    be = False
    have = False
    negated = False
    last = i
    while j < n and j - i < 8:
        token = tokens[j]
        tags = token.tags
        if token.kind != WORD:
            break
        if tags & lx.BE:
            be, last = True, j
            if tags & lx.NEGATION:
                negated = True
        elif tags & lx.HAVE:
            have, last = True, j
        elif tags & lx.AUX:
            last = j
            if tags & lx.NEGATION:
                negated = True
        elif tags & lx.NEGATION:
            negated = True
        elif tags & lx.VERB and not (tags & lx.PREP):
            if (be or have) and tags & lx.FINITE and not tags & (lx.PARTICIPLE | lx.ING):
                break  # "is rest": the word is a noun
            if be and tags & lx.PARTICIPLE and tags & lx.ADJ and j + 1 < n and tokens[j + 1].tags & lx.NOUN:
                break
            if (be or have) and tags & (lx.ING | lx.PARTICIPLE) and _attributive(tokens, j):
                break  # "there are folded towels": an attribute, not the verb
            form = lx.ING if tags & lx.ING else lx.PARTICIPLE if tags & lx.PARTICIPLE else lx.FINITE
            if form == lx.PARTICIPLE and not be and tags & lx.FINITE and have:
                form = lx.FINITE
            passive = form == lx.PARTICIPLE and not (have and not be)
            if be or have:
                form = lx.FINITE
            chunk = Chunk(VERB, i, j + 1, lemma=token.lemma, form=form, passive=passive)
            return _negate(chunk, negated)
        elif (
            tags & lx.ADV
            and not tags & lx.PREP
            and (be or have or tags & lx.ADV and token.text.endswith("ly"))
        ):
            pass
        else:
            break
        j += 1
    if be or have:
        return _negate(Chunk(VERB, i, last + 1, lemma="be" if be else "have", form=lx.FINITE), negated)
    if last > i or tokens[i].tags & lx.AUX:
        return _negate(Chunk(VERB, i, last + 1, lemma="do", form=lx.FINITE), negated)
    return None


def _attributive(tokens: list[Token], j: int) -> bool:
    """Return whether the participle at `j` belongs to a noun right after it ("are folded towels")."""
    if j + 1 >= len(tokens):
        return False
    follower = tokens[j + 1]
    if follower.kind != WORD or not follower.tags & (lx.NOUN | lx.ADJ):
        return False
    if follower.text in TRIGGER_STARTS and match_trigger(tokens, j + 1, False) is not None:
        return False  # "placed level with", "located higher up than"
    return not follower.tags & (lx.PREP | lx.ADV | lx.DET | lx.CONJ | lx.ORD | lx.SUBORDINATOR)


def _negate(chunk: Chunk, negated: bool) -> Chunk:
    if negated:
        chunk.kind = NOT
    return chunk


def chunk(tokens: list[Token]) -> list[Chunk]:
    """Return the chunks of a tokenised prompt, in order; words without a role are left out."""
    chunks: list[Chunk] = []
    n = len(tokens)
    has_possessive = any(token.text in ("'s", "'", "\u2019") for token in tokens)
    i = 0
    sentence_start = True
    while i < n:
        token = tokens[i]
        tags = token.tags
        text = token.text
        if token.kind == MARK:
            if token.ends:
                chunks.append(Chunk(END, i, i + 1))
                sentence_start = True
            elif text in (",", "(", ")", "/"):
                chunks.append(Chunk(COMMA, i, i + 1, lemma=text))
            elif text in ";\u2014\u2013|-":
                chunks.append(Chunk(BREAK, i, i + 1, lemma=text))
            elif text == ":":
                chunks.append(Chunk(COLON, i, i + 1))
            elif text == "&":
                chunks.append(Chunk(AND, i, i + 1))
            i += 1
            continue
        piece = _next(tokens, i, chunks, sentence_start, has_possessive)
        sentence_start = False
        if piece is None:
            i += 1
            continue
        i = piece.stop
        if piece.kind != OTHER or piece.lemma:
            chunks.append(piece)
        if tokens[i - 1].ends and i <= n and tokens[i - 1].kind != MARK and not (i < n and tokens[i].ends):
            chunks.append(Chunk(END, i, i))
            sentence_start = True
        if tags == 0 and text == "":
            i += 1
    return chunks


def _next(
    tokens: list[Token], i: int, chunks: list[Chunk], sentence_start: bool, has_possessive: bool
) -> Chunk | None:
    """Return the chunk that starts at token `i` (never a mark), or None for a word without a role."""
    token = tokens[i]
    tags = token.tags
    text = token.text
    n = len(tokens)
    previous = chunks[-1] if chunks else None
    after_noun = previous is not None and previous.kind == NOUN
    stop = match_idiom(tokens, i)
    if stop:
        return Chunk(OTHER, i, stop)
    order = _match_order(tokens, i) if text in _ORDER_STARTS else None
    if order is not None:
        return order
    if _is_degree(tokens, i):
        return Chunk(OTHER, i, i + 3 if i + 3 >= n or tokens[i + 3].kind == MARK else i + 2)
    if text == "there" and i + 1 < n and tokens[i + 1].tags & (lx.BE | lx.AUX):
        return Chunk(THERE, i, i + 1, lemma="there")
    if text in ("with", "to") and i + 2 < n and tokens[i + 2].text in ("other", "another"):
        if tokens[i + 1].text in ("each", "one"):
            return Chunk(OTHER, i, i + 3)
    if (
        text == "to"
        and i + 1 < n
        and tokens[i + 1].tags & lx.BASE
        and not tokens[i + 1].tags & (lx.PREP | lx.DET | lx.NOUN)
    ):
        if not (
            tokens[i + 1].tags & lx.NOUN
            and i
            and tokens[i - 1].tags & lx.VERB
            and tokens[i - 1].lemma == "attach"
        ):
            infinitive = _verb(tokens, i + 1)
            if infinitive is not None:
                infinitive.first = i
                infinitive.form = lx.ING
                return infinitive
    joiner = _JOINERS.get(text)
    if joiner is not None and all(i + k < n and tokens[i + k].text == word for k, word in enumerate(joiner)):
        return Chunk(WITH if text == "accompanied" else AND, i, i + len(joiner))
    if previous is not None and previous.kind == VERB and previous.stop == i and tags & lx.PREP:
        j = i + 1 if text in ("up", "down", "out") and i + 1 < n else i  # "lined up with"
        refined = VERB_PREPOSITION.get((previous.lemma, tokens[j].text))
        if refined is not None and (j > i or text not in ("on", "in", "by")):
            place = match_trigger(tokens, j, has_possessive)
            if place is None or place.stop == j + 1:
                trigger = Trigger(i, j + 1, refined[0], REQUIRED, tokens[j].text, refined[1])
                return Chunk(TRIGGER, i, j + 1, trigger=trigger)
    if text in _TOGETHER and previous is not None and previous.kind == VERB:
        lemmas, relation = _TOGETHER[text]
        if previous.lemma in lemmas:
            return Chunk(
                TRIGGER, i, i + 1, trigger=Trigger(i, i + 1, relation, NONE, "together", verbal=True)
            )
    if text == "whose" and previous is not None and previous.kind == TRIGGER:
        phrase = parse_noun_phrase(tokens, i)
        if phrase is not None and phrase.name:
            phrase.owner = "its"  # "a chair on whose seat ..."
            return Chunk(NOUN, i, phrase.stop, phrase)
    if text in _WITH and not (
        text != "with" and tags & lx.ING and previous is not None and previous.kind == VERB
    ):
        return Chunk(WITH, i, i + 1)
    if text.endswith("self") or text.endswith("selves"):
        if after_noun or previous is None or previous.kind == VERB:
            return None
    if text in TRIGGER_STARTS:
        trigger = match_trigger(tokens, i, has_possessive)
        if trigger is not None and trigger.word == "closest" and trigger.stop - i == 1 and not after_noun:
            trigger = None  # "nearest" behind a noun only: "the side nearest the door"
        if trigger is not None and not _inside_phrase(tokens, trigger):
            return _trigger_chunk(tokens, trigger, chunks)
    if tags & lx.ADJ and previous is not None and previous.kind == VERB and previous.lemma in lx.POSTURE:
        between = tokens[previous.stop : i]
        if i + 1 < n and tokens[i + 1].tags & lx.PREP and all(t.text in lx.MODIFIERS for t in between):
            return Chunk(OTHER, i, i + 1)  # "lies flat on", "hangs slightly crooked on"
    if text == "from" and _hangs(chunks):
        return Chunk(TRIGGER, i, i + 1, trigger=Trigger(i, i + 1, "hanging_on", REQUIRED, "from"))
    if text == "across":
        crossing = _across(tokens, i)
        if crossing is not None:
            return crossing
    if tags & lx.REL and text in ("which", "whom") and previous is not None and previous.kind == TRIGGER:
        return Chunk(WHICH, i, i + 1)
    if text == "that" and not after_noun and not (previous is not None and previous.kind == COMMA):
        phrase = parse_noun_phrase(tokens, i)
        if phrase is not None and phrase.name:
            return Chunk(NOUN, i, phrase.stop, phrase)
        return Chunk(RELATIVE, i, i + 1)
    if tags & lx.REL:
        return Chunk(RELATIVE if text not in ("where", "whose") else BREAK, i, i + 1, lemma=text)
    if text in ("without", "except", "instead", "unlike", "despite"):
        return Chunk(NOT, i, i + 1, lemma="without")
    if tags & lx.CONJ:
        return Chunk(AND, i, i + 1)
    if text == "as" and (previous is None or previous.kind != ORDER):
        role = parse_noun_phrase(tokens, i + 1)
        if role is not None and role.determiner in ("a", "an", "the", "its", "their"):
            if role.stop >= n or not tokens[role.stop].tags & (lx.BE | lx.HAVE | lx.FINITE | lx.ING):
                return Chunk(OTHER, i, role.stop)  # "serves as a table"
    if text in ("after", "before", "until", "since"):
        time = parse_noun_phrase(tokens, i + 1)
        if time is not None and not (
            time.stop < n
            and tokens[time.stop].tags & (lx.BE | lx.HAVE | lx.AUX | lx.FINITE)
            and not tokens[time.stop].tags & lx.PREP
        ):
            return Chunk(OTHER, i, time.stop)  # "after the rain"
    if text in _BREAKS:
        return Chunk(BREAK, i, i + 1, lemma=text)
    if tags & (lx.BE | lx.HAVE | lx.AUX):
        return _verb(tokens, i)
    if tags & lx.NEGATION:
        return Chunk(NOT, i, i + 1)
    if tags & lx.VERB and _is_verb(tokens, i, previous, sentence_start):
        verb = _verb(tokens, i)
        if verb is not None:
            return verb
    if after_noun and previous is not None and previous.stop == i and tags == lx.NOUN and text.endswith("s"):
        if lx.is_plural(text) and previous.phrase is not None and previous.phrase.determiner:
            return Chunk(VERB, i, i + 1, lemma=lx.singular(text), form=lx.FINITE)  # an unknown verb: "ticks"
    if is_adverb_half(tokens, i):
        return None
    phrase = parse_noun_phrase(tokens, i)
    if phrase is not None and phrase.stop > i:
        if not (phrase.name or phrase.determiner or phrase.counted or phrase.label or phrase.pronoun):
            if previous is not None and previous.kind in (NOUN, VERB) and previous.stop == i:
                return Chunk(OTHER, i, phrase.stop)  # a predicate: "is visible", "a door open"
        return _noun_chunk(tokens, i, phrase, sentence_start or not chunks, has_possessive)
    if tags & lx.VERB:
        verb = _verb(tokens, i)
        if verb is not None:
            return verb
    if tags & lx.PREP and i + 1 < n and tokens[i + 1].tags & (lx.DET | lx.POSS):
        return Chunk(OTHER, i, i + 1, lemma=text)
    if tags & lx.ADV or text in lx.MODIFIERS:
        return None
    if tags & lx.PREP:
        return Chunk(OTHER, i, i + 1, lemma=text)
    return None


def _is_degree(tokens: list[Token], i: int) -> bool:
    """Return whether "a little" or "a bit" at `i` says how much further, lower, closer something is."""
    if i + 2 >= len(tokens) or tokens[i].text != "a" or tokens[i + 1].text not in ("little", "bit", "touch"):
        return False
    return tokens[i + 2].text in ("further", "farther", "closer", "nearer", "higher", "lower")


_ORDER_STARTS = frozenset(
    "from left right top bottom front back nearest going moving reading arranged listed".split()
)


def _inside_phrase(tokens: list[Token], trigger: Trigger) -> bool:
    """Return whether the words found are the start of a noun phrase: "right of way", "opposite walls"."""
    if trigger.word != "opposite" or trigger.stop - trigger.first > 1 or trigger.stop >= len(tokens):
        return False
    follower = tokens[trigger.stop]
    return not follower.tags & (lx.DET | lx.POSS | lx.PRONOUN)


def _trigger_chunk(tokens: list[Token], trigger: Trigger, chunks: list[Chunk]) -> Chunk:
    first = trigger.first
    if chunks and chunks[-1].kind == NOUN:
        phrase = chunks[-1].phrase
        if (
            phrase is not None
            and phrase.name in lx.MEASURES
            and (phrase.counted or phrase.determiner in ("a", "an", "some"))
        ):
            # "two feet to the left of": the measure is a modifier
            measure = chunks.pop()
            first = measure.first
            words = [token.text for token in tokens[measure.first : measure.stop]]
            trigger.modifier = " ".join([*words, *([trigger.modifier] if trigger.modifier else [])])
    trigger.first = first
    return Chunk(TRIGGER, first, trigger.stop, trigger=trigger)


def _hangs(chunks: list[Chunk]) -> bool:
    """Return whether a place stands between "hangs" and "from": "hangs over the fire from a hook"."""
    k = len(chunks) - 1
    if k < 2 or chunks[k].kind != NOUN or chunks[k - 1].kind != TRIGGER:
        return False
    return chunks[k - 2].kind == VERB and chunks[k - 2].lemma in ("hang", "suspend", "dangle")


_LAP = frozenset("knee lap chest shoulder thigh".split())


def _across(tokens: list[Token], i: int) -> Chunk | None:
    """Return "across the table from", or "across" his knees."""
    phrase = parse_noun_phrase(tokens, i + 1)
    if phrase is not None and phrase.head in _LAP:
        return Chunk(TRIGGER, i, i + 1, trigger=Trigger(i, i + 1, "on", REQUIRED, "across"))
    if phrase is None or phrase.stop >= len(tokens) or tokens[phrase.stop].text != "from":
        return None
    return Chunk(
        TRIGGER, i, phrase.stop + 1, trigger=Trigger(i, phrase.stop + 1, "opposite", REQUIRED, "opposite")
    )


def _is_verb(tokens: list[Token], i: int, previous: Chunk | None, sentence_start: bool) -> bool:
    """Decide between a verb and the noun or adjective of the same spelling."""
    token = tokens[i]
    tags = token.tags
    if not tags & (lx.NOUN | lx.ADJ):
        if tags & (lx.PARTICIPLE | lx.ING) and (previous is None or previous.kind != NOUN):
            if _attributive(tokens, i) and not (tags & lx.ING and token.text not in lx.COMPOUND_ING):
                return False
        return True
    follower = tokens[i + 1] if i + 1 < len(tokens) else None
    if previous is not None and previous.kind in (NOUN, RELATIVE, THERE):
        if tags & lx.FINITE or tags & lx.PARTICIPLE:
            return True
        return (
            bool(tags & lx.ING)
            and follower is not None
            and bool(follower.tags & (lx.DET | lx.PREP | lx.POSS))
        )
    if tags & lx.BASE and follower is not None and follower.tags & (lx.DET | lx.POSS):
        return True  # imperative
    if previous is not None and previous.kind == OTHER and tags & lx.FINITE and not tags & lx.BASE:
        if token.lemma in lx.POSTURE and follower is not None and follower.tags & (lx.PREP | lx.ADV):
            return True  # "with its lid open sits on"
    if previous is not None and previous.kind == VERB and previous.form != lx.FINITE and previous.stop == i:
        if tags & lx.FINITE and token.lemma in lx.STRONG_VERBS and follower is not None:
            return bool(follower.tags & (lx.PREP | lx.ADV | lx.DET))  # "with one arm raised stands behind"
    if (
        tags & lx.BASE
        and follower is not None
        and (previous is None or previous.kind in (END, AND, COMMA, BREAK))
    ):
        if (
            follower.text == "on"
            and token.lemma in NON_SPATIAL_ON
            or (follower.text == "in" and token.lemma in NON_SPATIAL_IN)
        ):
            return True  # "turn on the oven", "and log in"
    if (
        tags & lx.PARTICIPLE
        and follower is not None
        and follower.tags & lx.PREP
        and not follower.tags & lx.NOUN
    ):
        return True
    if (
        previous is not None
        and previous.kind in (TRIGGER, AND, COMMA)
        and tags & lx.FINITE
        and not tags & lx.BASE
    ):
        # "on the left stands a tree", "and rests on"
        if token.lemma in lx.POSTURE and follower is not None:
            return (
                bool(follower.tags & (lx.DET | lx.NUM | lx.PREP | lx.ADV | lx.POSS)) or follower.kind == MARK
            )
    if (
        previous is not None
        and previous.kind in (TRIGGER, COMMA)
        and tags & lx.BASE
        and token.lemma in lx.POSTURE
    ):
        allowed = lx.DET | lx.NUM | (lx.PREP if previous.kind == COMMA else 0)
        return follower is not None and bool(follower.tags & allowed)
    if previous is not None and previous.kind == AND and tags & lx.FINITE and follower is not None:
        return token.lemma in lx.STRONG_VERBS and bool(follower.tags & (lx.PREP | lx.DET | lx.POSS))
    return False


def _noun_chunk(
    tokens: list[Token], i: int, phrase: NounPhrase, at_start: bool, has_possessive: bool
) -> Chunk:
    """Return the noun phrase's chunk; a medium that wraps the prompt ("a photo of") has no role."""
    if phrase.stop < len(tokens) and tokens[phrase.stop].text == "of" and phrase.head in lx.MEDIA_WORDS:
        return Chunk(OTHER, i, phrase.stop + 1)
    return Chunk(NOUN, i, phrase.stop, phrase)
