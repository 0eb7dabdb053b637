"""Noun phrases: determiner, count, labels, attributes, name, owner and part, read from left to right."""

from __future__ import annotations

from dataclasses import dataclass, field

from spatial_core.language import lexicon as lx
from spatial_core.language.tokens import MARK, QUOTE, WORD, Token

_DEPTH = 4
_WRAPPED = frozenset(
    "photo image picture painting illustration view shot close-up closeup scene portrait render "
    "rendering depiction "
    "drawing photograph snapshot sketch representation visualization".split()
)
_QUANTITY = frozenset("couple number lot lots plenty dozens variety hundreds thousands handful".split())
_CLASSIFIER = frozenset("kind type sort".split())
_COLLECTIVE = frozenset(
    "row group line pair trio quartet series set cluster crowd herd flock bunch collection".split()
)
_SETS = frozenset(
    "train swing tea tv television dinner chess drum dining tool patio coffee knife sewing "
    "bedding play".split()
)
_GROUPS = frozenset(
    "caravan crowd herd flock team fleet convoy troop queue swarm pack couple audience army legion "
    "squad crew choir orchestra".split()
)
_ENDS = frozenset("left right top bottom front back end".split())
_RELATING = frozenset("parallel adjacent close next opposite perpendicular level".split())
_EACH_OTHER = frozenset(("other", "another"))
_COORDINATED = lx.ADJ | lx.PARTICIPLE


@dataclass(slots=True)
class NounPhrase:
    """A noun phrase as the prompt writes it, not yet resolved to an entity.

    Attributes:
        start: First character, determiner included.
        end: One past the last character.
        first: Index of the first token.
        stop: Index of the token after the last.
        determiner: The determiner in lower case ("the", "a", "its", ...), empty if none.
        count: The number stated, 1 if none.
        counted: Whether a number is stated.
        attributes: Adjectives and materials in order.
        name: Singular name; empty if only a number or an adjective is there ("the two", "the red").
        head: Singular head noun.
        plural: Whether it stands for several.
        label: What tells it from its twins: "second", "left", "B".
        pronoun: The pronoun, if it is one.
        owner: Whose part or thing it is: a noun phrase or a possessive pronoun.
        part: Geometric part of the owner ("back edge"); then `name` is the owner's affair.
        aliases: Further heads that may refer to it ("books" of "a stack of books").
        modifier: An adverb in front ("the far left").
    """

    start: int
    end: int
    first: int
    stop: int
    determiner: str = ""
    count: int = 1
    counted: bool = False
    attributes: list[str] = field(default_factory=lambda: [])
    name: str = ""
    head: str = ""
    plural: bool = False
    label: str = ""
    pronoun: str = ""
    owner: NounPhrase | str | None = None
    part: str = ""
    aliases: tuple[str, ...] = ()

    @property
    def definite(self) -> bool:
        """Whether it may point back to something named before."""
        return self.determiner in ("the", "this", "that", "these", "those") or (
            not self.determiner and bool(self.label) and not self.counted
        )


def _starts_object(tokens: list[Token], i: int) -> bool:
    """Return whether a direct object could start at `i` ("lights the desk")."""
    return i < len(tokens) and bool(tokens[i].tags & (lx.DET | lx.POSS)) and not tokens[i].tags & lx.REL


def continues(tokens: list[Token], i: int) -> bool:
    """Return whether the token at `i` can carry on a noun phrase (adjective, noun, number or label)."""
    if i >= len(tokens):
        return False
    token = tokens[i]
    if token.kind == QUOTE:
        return True
    if token.kind == MARK or not token.tags:
        return False
    if token.tags & (lx.NOUN | lx.ADJ | lx.NUM | lx.ORD):
        if token.tags & (lx.DET | lx.PREP | lx.CONJ | lx.ADV | lx.BE) and not token.tags & (
            lx.NUM | lx.ADJ | lx.ORD
        ):
            return False
        if i and tokens[i - 1].tags & lx.ADJ and not tokens[i - 1].tags & lx.NOUN and token.tags & lx.NOUN:
            return True  # no verb follows an adjective: "adjacent posts"
        if (
            i > 1
            and tokens[i - 1].tags & lx.PARTICIPLE
            and tokens[i - 2].tags & lx.DET
            and token.tags & lx.NOUN
        ):
            return True  # nor a participle behind an article: "a dried rose"
        if (
            token.tags & lx.PREP
            and i + 1 < len(tokens)
            and tokens[i + 1].tags & (lx.DET | lx.POSS | lx.PRONOUN)
        ):
            return False  # "a butterfly near a lamp"
        return not is_verb_after_noun(tokens, i, plural=False, article="")
    return bool(token.tags & (lx.PARTICIPLE | lx.ING)) and continues_after_participle(tokens, i)


def continues_after_participle(tokens: list[Token], i: int) -> bool:
    """Return whether the participle at `i` stands before the noun it describes ("a folded towel")."""
    j = i + 1
    if j >= len(tokens):
        return False
    following = tokens[j]
    if following.kind != WORD:
        return False
    return bool(following.tags & (lx.NOUN | lx.ADJ)) and not following.tags & (
        lx.PREP | lx.DET | lx.ADV | lx.CONJ | lx.SUBORDINATOR | lx.PRONOUN
    )


def is_verb_after_noun(
    tokens: list[Token], i: int, *, plural: bool, article: str, coordinated: bool = False
) -> bool:
    """Decide whether a word that may be noun or verb is the verb of the noun before it.

    Args:
        tokens: The prompt.
        i: The word in doubt.
        plural: Whether the noun before it is a plural.
        article: Determiner of that noun's phrase.
        coordinated: Whether "and" stands before that phrase, so that the verb may be a plural.
    """
    token = tokens[i]
    tags = token.tags
    if not tags & lx.FINITE:
        return False
    third = not tags & lx.BASE
    follower = tokens[i + 1] if i + 1 < len(tokens) else None
    if not tags & lx.NOUN:
        if third or plural or coordinated or not article:
            return True
        if tags & lx.PARTICIPLE:  # past and plain form alike ("set", "put")
            return not (follower is not None and follower.tags & (lx.BE | lx.HAVE | lx.AUX))
        return False
    if third:
        if follower is not None and follower.tags & (lx.BE | lx.HAVE | lx.AUX):
            return False
        if token.lemma in lx.STRONG_VERBS:
            # "string lights hang", "two nightstands stand": the next word's being a verb makes this one a
            # noun.
            return not (
                follower is not None
                and follower.tags & lx.FINITE
                and not follower.tags & (lx.NOUN | lx.PARTICIPLE | lx.ADJ)
                and follower.text != "close"  # "a book stands close to a lamp"
            )
        return article in ("a", "an", "another", "each", "one") or _starts_object(tokens, i + 1)
    if not (plural or coordinated):
        return False
    if token.lemma in lx.STRONG_VERBS:
        return True
    return _starts_object(tokens, i + 1)


def parse_noun_phrase(tokens: list[Token], i: int, depth: int = 0) -> NounPhrase | None:
    """Return the noun phrase that starts at token `i`, or None if none does."""
    n = len(tokens)
    if i >= n:
        return None
    token = tokens[i]
    if token.kind == QUOTE:
        name = token.raw.strip("\"'\u201c\u201d\u2018\u2019\u00ab\u00bb ").rstrip(".,;:!?")
        return NounPhrase(token.start, token.end, i, i + 1, name=name or "text", head="\x00quote")
    if token.kind == MARK:
        return None
    tags = token.tags
    if tags & lx.PRONOUN and not tags & lx.POSS:
        return NounPhrase(
            token.start, token.end, i, i + 1, pronoun=token.text, plural=token.text in ("they", "them")
        )
    if token.text in ("each", "one") and i + 1 < n and tokens[i + 1].text in _EACH_OTHER:
        return NounPhrase(token.start, tokens[i + 1].end, i, i + 2, pronoun="each other", plural=True)
    if token.text == "her" and not continues(tokens, i + 1):
        return NounPhrase(token.start, token.end, i, i + 1, pronoun="her")
    phrase = NounPhrase(token.start, token.end, i, i)
    j = _read_determiner(tokens, i, phrase)
    j = _read_body(tokens, j, phrase)
    if phrase.stop == i:
        return None
    return _read_complements(tokens, phrase, depth)


def is_adverb_half(tokens: list[Token], i: int) -> bool:
    """Return whether token `i` says how far something is done, as in "a cube half hidden by a ball"."""
    return tokens[i].text == "half" and i + 1 < len(tokens) and bool(tokens[i + 1].tags & lx.PARTICIPLE)


def _read_determiner(tokens: list[Token], i: int, phrase: NounPhrase) -> int:
    n = len(tokens)
    token = tokens[i]
    j = i
    if (
        token.text in ("all", "both", "half", "such")
        and i + 1 < n
        and tokens[i + 1].tags & (lx.DET | lx.POSS)
    ):
        if token.text == "both":
            phrase.plural, phrase.count, phrase.counted = True, 2, True
        j += 1
        token = tokens[j]
    if token.tags & lx.POSS:
        phrase.owner = token.text
        phrase.determiner = token.text
        return j + 1
    if token.tags & lx.DET and not (token.tags & lx.NUM):
        phrase.determiner = token.text
        if (
            token.text in ("both", "all", "each", "either", "neither")
            and j + 1 < n
            and tokens[j + 1].text == "of"
        ):
            phrase.stop, phrase.end = j + 1, token.end
        if token.text == "both" and (j + 1 >= n or tokens[j + 1].kind == MARK):
            phrase.stop, phrase.end = j + 1, token.end  # "behind both"
        if token.text in ("both", "these", "those"):
            phrase.plural = True
            if token.text == "both":
                phrase.count, phrase.counted = 2, True
        return j + 1
    return j


def _read_body(tokens: list[Token], i: int, phrase: NounPhrase) -> int:
    """Read numbers, labels, adjectives and nouns; a possessive noun becomes the owner of what follows."""
    n = len(tokens)
    j = i
    nouns: list[str] = []
    labels: list[str] = []
    attributes = phrase.attributes
    last_plural = False
    while j < n:
        token = tokens[j]
        tags = token.tags
        text = token.text
        if token.kind != WORD:
            if token.kind == MARK and text == "," and attributes and not nouns and j + 1 < n:
                nxt = tokens[j + 1]
                if nxt.tags & lx.ADJ and continues_after_adjective(tokens, j + 1):
                    j += 1
                    continue
            if (
                token.kind == MARK
                and text in ("'", "\u2019")
                and last_plural
                and j + 1 < n
                and continues(tokens, j + 1)
            ):
                j = _own(tokens, j, phrase, nouns, labels)
                attributes = phrase.attributes
                nouns, labels, last_plural = [], [], False
                continue
            break
        if text == "'s":
            if not nouns or not continues(tokens, j + 1):
                break
            j = _own(tokens, j, phrase, nouns, labels)
            attributes = phrase.attributes
            nouns, labels, last_plural = [], [], False
            continue
        if text == "can" and _is_can(tokens, j):
            nouns.append(text)
            last_plural = False
            j += 1
            phrase.stop, phrase.end = j, token.end
            continue
        if tags & (lx.PRONOUN | lx.BE | lx.HAVE | lx.AUX | lx.REL | lx.NEGATION) and not tags & lx.NUM:
            break
        if nouns or (tags & lx.FINITE and not tags & lx.NOUN and _after_determiner(tokens, j, phrase)):
            if is_label(token, tokens, j):
                phrase.label = token.raw if token.kind == WORD else ""
                phrase.stop = j = j + 1
                phrase.end = token.end
                break
            if tags & lx.ADJ and (not tags & lx.NOUN or text in lx.COLORS) and _noun_follows(tokens, j):
                attributes.extend(nouns)  # "a cartoon red panda": what came before was no name yet
                attributes.append(text)
                nouns = []
                j += 1
                phrase.stop, phrase.end = j, token.end
                continue
            if tags & lx.FINITE and not tags & (lx.NOUN | lx.PREP | lx.ADJ) and text not in lx.MODIFIERS:
                if nouns and is_verb_after_noun(
                    tokens,
                    j,
                    plural=last_plural,
                    article=phrase.determiner,
                    coordinated=_coordinated(tokens, phrase),
                ):
                    break  # else "a barbecue grill stands": the form does not agree, so it is no verb
                nouns.append(text)
                last_plural = lx.is_plural(text)
                j += 1
                phrase.stop, phrase.end = j, token.end
                continue
            if (
                tags & lx.ING
                and text in lx.COMPOUND_ING
                and j + 1 < n
                and tokens[j + 1].text in ("can", "cans")
            ):
                nouns.append(text)  # "a zinc watering can"
                last_plural = False
                j += 1
                phrase.stop, phrase.end = j, token.end
                continue
            if not tags & lx.NOUN or tags & (lx.PREP | lx.CONJ | lx.DET | lx.ADV | lx.SUBORDINATOR):
                if tags & lx.ORD and text in lx.COMPONENTS and text not in ("left", "right"):
                    pass  # "the chair back": a component named like a direction
                else:
                    break
            if is_adverb_half(tokens, j):
                break
            if is_verb_after_noun(
                tokens,
                j,
                plural=last_plural,
                article=phrase.determiner or _one(phrase),
                coordinated=_coordinated(tokens, phrase),
            ):
                break
            if (
                tags & lx.ING
                and text not in lx.COMPOUND_ING
                and not (text in lx.ING_NOUNS and not _verbal(tokens, j))
            ):
                break
            if tags & lx.PARTICIPLE and not (tags & lx.BASE and _ends_name(tokens, j)):
                break
            if (
                text.endswith("s")
                and lx.is_plural(text)
                and not last_plural
                and phrase.determiner in ("a", "an", "another", "each")
                and text not in lx.PLURAL_ONLY
                and j + 1 < n
                and tokens[j + 1].tags & (lx.PREP | lx.DET | lx.ADV | lx.POSS)
                and not tokens[j + 1].text == "of"
            ):
                break  # "a curtain sways in": the article asks for a singular, so this is an unknown verb
            nouns.append(text)
        elif (
            tags & lx.NUM
            and not tags & lx.DET
            and not (tags & lx.NOUN and j == i and phrase.determiner in ("the",))
        ):
            number = _number(text)
            if text in lx.QUANTIFIERS:
                if text != "other":
                    phrase.plural = True
                else:
                    labels.append("other")
            elif text == "dozen" or text == "hundred" or text == "thousand":
                base = phrase.count if phrase.counted else 1
                phrase.count, phrase.counted = base * lx.NUMBERS[text], True
            elif number is None:
                break
            elif text in ("one", "ones") and (phrase.determiner or labels or attributes):
                phrase.plural = text == "ones"
                phrase.counted = True
                phrase.stop, phrase.end = j + 1, token.end
                break  # "a third one", "the larger one"
            elif text == "one" and j + 1 < n and is_verb_after_noun(tokens, j + 1, plural=False, article="a"):
                phrase.count, phrase.counted = 1, True
                phrase.stop, phrase.end = j + 1, token.end
                break  # "one stands behind"
            else:
                phrase.count, phrase.counted = number, True
                if text == "twin":
                    phrase.plural = True
        elif tags & lx.ORD and (
            j + 1 >= n or text in lx.ORDINALS or phrase.determiner == "its" or _label_follows(tokens, j)
        ):
            labels.append(text)
        elif tags & lx.ADV and not tags & (lx.NOUN | lx.ADJ):
            # "a brightly lit lamp": an adverb only if an adjective or participle follows.
            nxt = tokens[j + 1] if j + 1 < n else None
            if (
                nxt is None
                or not (phrase.determiner or attributes or labels or phrase.counted)
                or text in ("here", "there")
            ):
                break
            if not nxt.tags & (lx.ADJ | lx.PARTICIPLE | lx.ADV | lx.ING):
                break
            phrase.stop = j + 1
            j += 1
            continue
        elif tags & (lx.PREP | lx.CONJ | lx.DET | lx.SUBORDINATOR | lx.REL) and not tags & lx.NOUN:
            if text == "and" and attributes and j + 1 < n and tokens[j + 1].tags & _COORDINATED:
                if continues_after_adjective(tokens, j + 1):
                    j += 1
                    continue
            break
        elif tags & (lx.ING | lx.PARTICIPLE) and not (text in lx.ING_NOUNS and not continues(tokens, j + 1)):
            following = (
                continues(tokens, j + 1)
                or tokens[min(j + 1, n - 1)].text in ("can", "cans")
                or (j + 1 < n and tokens[j + 1].tags & lx.ING and continues(tokens, j + 2))
            )
            if not following:
                if not (phrase.determiner and tags & lx.ING) or _verbal(tokens, j):
                    break
                nouns.append(text)  # "the lettering": an article wants a noun
                last_plural = False
                j += 1
                phrase.stop, phrase.end = j, token.end
                continue
            opening = not (phrase.determiner or attributes or labels or phrase.counted)
            if opening and tags & lx.ING and text not in lx.COMPOUND_ING:
                break  # "Sitting dogs ..." is rarer than "Holding tools, ..."
            if opening and tags & lx.PARTICIPLE and not tags & lx.ADJ and token.raw[0].isupper():
                break
            if text in lx.COMPOUND_ING:
                nouns.append(text)
            else:
                attributes.append(text)
        elif text in _RELATING and j + 1 < n and tokens[j + 1].text in ("to", "with"):
            break  # "both parallel to"
        elif tags & lx.ADJ:
            pair = (text, tokens[j + 1].text) if j + 1 < n else ("", "")
            if pair in lx.COMPOUNDS:
                nouns.append(text)
            elif continues(tokens, j + 1) or continues_after_adjective(tokens, j):
                attributes.append(text)
            elif tags & lx.NOUN:
                nouns.append(text)
            else:
                attributes.append(text)
                phrase.stop, phrase.end = j + 1, token.end
                j += 1
                break
        elif tags & lx.NOUN:
            if (
                tags & lx.FINITE
                and tags & lx.BASE
                and _starts_object(tokens, j + 1)
                and not phrase.determiner
            ):
                if not (attributes or labels or phrase.counted):
                    break  # imperative: "Place the mug ..."
            if phrase.counted and phrase.determiner == "the" and tags & lx.BASE and text in lx.STRONG_VERBS:
                break  # "the two stand side by side"
            if phrase.determiner in ("both", "all") and tags & lx.BASE and text in lx.POSTURE:
                break  # "both stand next to the sink"
            if (labels or phrase.counted) and not attributes and _predicates(tokens, j):
                break  # "the second holds a pen", "the table's center holds"
            nouns.append(text)
        else:
            break
        last_plural = bool(nouns) and lx.is_plural(nouns[-1])
        j += 1
        phrase.stop, phrase.end = j, token.end
    if phrase.stop <= i and not nouns and not attributes and not labels and not phrase.counted:
        phrase.stop = phrase.first
        return phrase.first
    if nouns:
        head = lx.singular(nouns[-1])
        phrase.head = head
        phrase.name = " ".join([*nouns[:-1], head])
        phrase.plural = phrase.plural or last_plural or phrase.count > 1 or head in _GROUPS
    if labels and not phrase.label:
        phrase.label = " ".join(labels)
    if not nouns and phrase.counted and not phrase.plural:
        phrase.plural = phrase.count > 1
    return j


def _after_determiner(tokens: list[Token], j: int, phrase: NounPhrase) -> bool:
    """Return whether a noun must come at `j` ("a saw hangs"): an article or adjective stands right before."""
    return (
        j > phrase.first
        and bool(tokens[j - 1].tags & (lx.DET | lx.POSS | lx.ADJ))
        and not tokens[j].tags & lx.ADJ
        and not (tokens[j].tags & lx.PARTICIPLE and continues(tokens, j + 1))
    )


def _coordinated(tokens: list[Token], phrase: NounPhrase) -> bool:
    """Return whether the verb may be a plural although the last noun is not ("a cup and a jug stand")."""
    if phrase.first < 2:
        return False
    before = tokens[phrase.first - 1].text
    return before == "and" or (before == "of" and lx.is_plural(tokens[phrase.first - 2].text))


def _ends_name(tokens: list[Token], j: int) -> bool:
    """Return whether "set" or "cut" at `j` ends a name: "a train set is ...", not "a table set for two"."""
    if j + 1 >= len(tokens):
        return True
    follower = tokens[j + 1]
    if tokens[j].text in ("set", "sets") and tokens[j - 1].text in _SETS:
        return True
    return follower.kind == MARK or bool(follower.tags & (lx.BE | lx.HAVE | lx.AUX | lx.FINITE | lx.CONJ))


def _predicates(tokens: list[Token], j: int) -> bool:
    """Return whether the word at `j`, after "the second" or the like, is a verb in the third person."""
    token = tokens[j]
    if not token.tags & lx.FINITE or token.tags & lx.BASE or token.lemma not in lx.STRONG_VERBS:
        return False
    if j + 1 >= len(tokens):
        return False
    return bool(tokens[j + 1].tags & (lx.DET | lx.PREP | lx.ADV | lx.POSS | lx.NUM | lx.ADJ))


def _is_can(tokens: list[Token], j: int) -> bool:
    """Return whether "can" is the thing: no verb follows ("a watering can beside", not "a cat can jump")."""
    if j + 1 >= len(tokens):
        return True
    follower = tokens[j + 1]
    return not follower.tags & (lx.BASE | lx.NEGATION | lx.PRONOUN) and follower.text not in (
        "be",
        "also",
        "easily",
    )


def _one(phrase: NounPhrase) -> str:
    return "one" if phrase.counted and phrase.count == 1 else ""


def _verbal(tokens: list[Token], j: int) -> bool:
    """Return whether a word such as "painting" is followed by an object, and so a verb."""
    return j + 1 < len(tokens) and bool(tokens[j + 1].tags & (lx.DET | lx.POSS))


def _own(tokens: list[Token], j: int, phrase: NounPhrase, nouns: list[str], labels: list[str]) -> int:
    """Turn what was read so far into the owner of what follows the possessive mark at `j`."""
    owner = NounPhrase(
        phrase.start,
        tokens[j - 1].end,
        phrase.first,
        j,
        phrase.determiner,
        phrase.count,
        phrase.counted,
        phrase.attributes,
        " ".join([*nouns[:-1], lx.singular(nouns[-1])]) if nouns else "",
        lx.singular(nouns[-1]) if nouns else "",
        bool(nouns) and lx.is_plural(nouns[-1]),
        " ".join(labels),
        owner=phrase.owner,
    )
    phrase.owner = owner
    phrase.attributes = []
    phrase.determiner = "its"
    phrase.count, phrase.counted, phrase.plural, phrase.label = 1, False, False, ""
    phrase.stop, phrase.end = j + 1, tokens[j].end
    return j + 1


def _number(text: str) -> int | None:
    if text in lx.NUMBERS:
        return lx.NUMBERS[text]
    if text.isascii() and text.isdigit() and len(text) <= 6:
        return int(text)
    return None if text not in lx.QUANTIFIERS else 1


def is_label(token: Token, tokens: list[Token], j: int) -> bool:
    """Return whether a word after a noun is its label: "seat B", "chair 2"."""
    if len(token.raw) == 1 and token.raw.isascii() and token.raw.isupper():
        return True
    if token.tags == lx.NUM and token.text.isascii() and token.text.isdigit() and len(token.text) <= 3:
        return not continues(tokens, j + 1)
    return False


def _label_follows(tokens: list[Token], j: int) -> bool:
    return continues(tokens, j + 1) or tokens[j + 1].tags & (lx.PARTICIPLE | lx.ING) != 0


def _noun_follows(tokens: list[Token], j: int) -> bool:
    """Return whether a plain noun (or an adjective and a noun) follows directly."""
    for k in (j + 1, j + 2):
        if k >= len(tokens) or tokens[k].kind != WORD:
            return False
        tags = tokens[k].tags
        if tags & (
            lx.PREP | lx.DET | lx.ADV | lx.CONJ | lx.SUBORDINATOR | lx.BE | lx.HAVE | lx.AUX | lx.POSS
        ):
            return False
        if tags & lx.NOUN and not tags & lx.ADJ:
            return not is_verb_after_noun(tokens, k, plural=False, article="a")
        if not tags & lx.ADJ:
            return False
    return False


def continues_after_adjective(tokens: list[Token], j: int) -> bool:
    """Return whether the adjective at `j` is followed, over commas and "and", by more of its noun phrase."""
    n = len(tokens)
    steps = 0
    j += 1
    while j < n and steps < 6:
        token = tokens[j]
        if token.kind == MARK:
            if (
                token.text != ","
                or j + 1 >= n
                or not tokens[j + 1].tags & lx.ADJ
                or tokens[j + 1].tags & lx.DET
            ):
                return False
        elif token.kind == QUOTE:
            return False
        elif token.text == "and":
            if j + 1 >= n or not tokens[j + 1].tags & _COORDINATED:
                return False
        elif token.tags & lx.NOUN and not token.tags & (lx.PREP | lx.DET | lx.ADV):
            return not is_verb_after_noun(tokens, j, plural=False, article="")
        elif token.tags & (lx.ADJ | lx.PARTICIPLE):
            pass
        else:
            return False
        j += 1
        steps += 1
    return False


def _read_complements(tokens: list[Token], phrase: NounPhrase, depth: int) -> NounPhrase | None:
    """Read an "of" phrase: a part of a whole, a quantity of things, or a longer name."""
    n = len(tokens)
    j = phrase.stop
    if phrase.label in lx.ORDINALS and j + 2 < n and tokens[j].text == "from" and tokens[j + 1].text == "the":
        if tokens[j + 2].text in _ENDS:
            phrase.label += f" from the {tokens[j + 2].text}"  # "the second mug from the left"
            phrase.stop = j = j + 3
            phrase.end = tokens[j - 1].end
    if (
        phrase.determiner
        and not phrase.name
        and not phrase.attributes
        and not phrase.label
        and not phrase.counted
    ):
        if (
            phrase.determiner in ("a", "an", "the", "no", "every")
            or phrase.owner is not None
            or phrase.determiner == "such"
        ):
            return None
    body = phrase.head in ("face", "head", "foot", "back", "front", "tip", "side")
    if body and _belongs_to_person(phrase):
        pass  # "his face", "the girl's head": parts of a body are things
    elif phrase.owner is not None and phrase.head in lx.PARTS and depth < _DEPTH:
        phrase.part = " ".join([*([phrase.label] if phrase.label else []), *phrase.attributes, phrase.name])
        phrase.part = phrase.part.strip()
    elif (
        phrase.owner is not None
        and not phrase.head
        and (phrase.label.split(" ")[-1] in lx.PARTS or phrase.label in ("left", "right"))
    ):
        phrase.part = phrase.label
    if j >= n or tokens[j].text != "of" or depth >= _DEPTH:
        return phrase
    if phrase.head in _WRAPPED and depth == 0 and phrase.determiner in ("a", "an", "the", ""):
        return phrase
    inner = parse_noun_phrase(tokens, j + 1, depth + 1)
    if inner is None:
        return phrase
    if (
        not phrase.name
        and phrase.attributes
        and phrase.determiner
        and not phrase.label
        and phrase.owner is None
    ):
        phrase.name = phrase.head = phrase.attributes.pop()  # "a round of cheese"
    head_word = phrase.head or phrase.label.split(" ")[-1]
    if head_word in lx.PARTS and phrase.owner is None and not inner.pronoun == "each other":
        words = [
            *([phrase.label] if phrase.label else []),
            *phrase.attributes,
            *([phrase.name] if phrase.name else []),
        ]
        phrase.part = " ".join(words)
        phrase.owner = inner
    elif head_word in _QUANTITY:
        if head_word == "couple":
            inner.count, inner.counted = 2, True
        inner.start, inner.first = phrase.start, phrase.first
        inner.determiner = "a" if inner.determiner in ("", "the") else inner.determiner
        inner.plural = True
        return inner
    elif head_word in _CLASSIFIER:
        inner.start, inner.first = phrase.start, phrase.first
        inner.determiner = phrase.determiner
        return inner
    elif head_word == "pair" and inner.name and phrase.owner is None:
        single = inner.head in lx.PLURAL_ONLY or inner.head in ("glass", "scissor")
        inner.start, inner.first = phrase.start, phrase.first
        inner.attributes = [*phrase.attributes, *inner.attributes]
        inner.determiner = phrase.determiner
        inner.aliases = ("pair", *inner.aliases)
        if not single:
            inner.count, inner.counted = 2 * phrase.count, True
        else:
            inner.count, inner.counted, inner.plural = phrase.count, phrase.counted, False
            if inner.head == "glass":
                inner.name, inner.head = inner.name + "es", "glasses"
        return inner
    elif not phrase.name and (
        phrase.counted or phrase.label or phrase.determiner in ("each", "some", "both", "all", "one")
    ):
        # "two of the chairs", "the first of them", "one of the sofas"
        phrase.name, phrase.head = inner.name, inner.head
        if inner.pronoun and phrase.determiner in ("both", "all"):
            phrase.pronoun, phrase.plural = inner.pronoun, True
        phrase.attributes = [*phrase.attributes, *inner.attributes]
        phrase.determiner = phrase.determiner or "one"
        phrase.owner = None
        phrase.label = phrase.label or ("one" if phrase.count == 1 else "")
    elif (
        inner.pronoun
        or inner.owner is not None
        or inner.determiner in ("the", "this", "that", "these", "those", "its")
    ):
        if phrase.owner is None:
            phrase.owner = inner
    elif inner.name:
        phrase.plural = phrase.plural or phrase.head in _COLLECTIVE
        text = " ".join([*inner.attributes, *_words_of(tokens, inner)])
        phrase.name = f"{phrase.name} of {text}" if text else phrase.name
        phrase.aliases = (inner.head, *inner.aliases)
        if phrase.head in (
            "group",
            "row",
            "set",
            "series",
            "line",
            "collection",
            "bunch",
            "stack",
            "pile",
            "cluster",
        ):
            phrase.aliases = (inner.head, *inner.aliases)
    elif inner.attributes and inner.label == "" and not inner.counted:
        phrase.name = f"{phrase.name} of {' '.join(inner.attributes)}"  # "a bunch of lavender"
    else:
        return phrase
    phrase.stop, phrase.end = inner.stop, inner.end
    return phrase


def _belongs_to_person(phrase: NounPhrase) -> bool:
    owner = phrase.owner
    if isinstance(owner, NounPhrase):
        return owner.head in lx.PERSONS or owner.head in lx.ANIMALS
    return owner in ("his", "her", "their", "my", "your", "our")


def _words_of(tokens: list[Token], inner: NounPhrase) -> list[str]:
    """Return the name of an inner phrase with its last noun as written ("books" in "a stack of books")."""
    count = [str(inner.count)] if inner.counted else []
    if " of " in inner.name or inner.head == "\x00quote":
        return [*count, inner.name]
    last = tokens[inner.stop - 1].text
    words = inner.name.split(" ")
    return [*count, *words[:-1], last if lx.singular(last) == inner.head else words[-1]]
