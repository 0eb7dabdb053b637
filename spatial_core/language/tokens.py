"""A prompt cut into words and marks that know where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass

from spatial_core.language.lexicon import NOUN, is_being, lookup

WORD, MARK, QUOTE = 0, 1, 2

# A word may hold inner hyphens and apostrophes, a number inner points and commas. Everything else that is
# not space is a mark of one character.
_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*(?:[^\W\d_]+)?|[^\W_]+(?:['\u2019\-\u2010\u2011][^\W_]+)*|[^\w\s]|_", re.UNICODE
)
_SPLIT_HYPHEN = frozenset(
    "upper lower top bottom left right center centre middle far back front rear side by to "
    "shoulder hand most hip".split()
)
_ENDS = frozenset(".!?\u3002")
_ABBREVIATIONS = frozenset("no mr mrs ms dr st vs approx fig e.g i.e prof jr sr inc ft".split())
_OPENING = {'"': '"', "\u201c": "\u201d", "\u00ab": "\u00bb", "\u2018": "\u2019", "'": "'"}
_LONGEST_QUOTE = 400
_LABELS = frozenset("AI")


@dataclass(slots=True)
class Token:
    """One word, mark or quotation.

    Attributes:
        text: Lower case, with typographic apostrophes and hyphens made plain.
        start: First character in the prompt.
        end: One past the last character.
        kind: `WORD`, `MARK` or `QUOTE` (a quotation is one opaque token).
        tags: Word classes of `lexicon`, as bits; 0 for marks.
        lemma: Lemma of a verb, else empty.
        raw: The characters as written.
        ends: Whether a sentence ends here.
    """

    text: str
    start: int
    end: int
    kind: int
    tags: int
    lemma: str
    raw: str
    ends: bool = False


def _quotations(text: str) -> list[tuple[int, int]]:
    """Return the quotations of a text, marks included, in order and without overlap; linear in its length."""
    found: list[tuple[int, int]] = []
    closing_at: dict[str, list[int]] = {}
    for position, character in enumerate(text):
        if character in "\"\u201d\u00bb\u2019'":
            closing_at.setdefault(character, []).append(position)
    if not closing_at:
        return found
    cursors = dict.fromkeys(closing_at, 0)
    position = 0
    for position in sorted(p for mark in _OPENING for p in _positions(text, mark)):
        if found and position < found[-1][1]:
            continue
        mark = text[position]
        before = text[position - 1] if position else " "
        if before.isalnum():
            continue
        closing = _OPENING[mark]
        candidates = closing_at.get(closing, [])
        cursor = cursors.get(closing, 0)
        while cursor < len(candidates) and candidates[cursor] <= position + 1:
            cursor += 1
        if closing in "'\u2019":
            # An apostrophe inside a word closes nothing. The last letter before it may be a plural's s, which
            # ends a quotation only if no letter follows.
            while (
                cursor < len(candidates) and text[candidates[cursor] + 1 : candidates[cursor] + 2].isalnum()
            ):
                cursor += 1
        cursors[closing] = cursor
        if cursor < len(candidates) and candidates[cursor] - position <= _LONGEST_QUOTE:
            found.append((position, candidates[cursor] + 1))
    return found


def _positions(text: str, mark: str) -> list[int]:
    positions: list[int] = []
    at = text.find(mark)
    while at >= 0:
        positions.append(at)
        at = text.find(mark, at + 1)
    return positions


def _word(raw: str, start: int) -> Token:
    text = raw.lower()
    if "\u2019" in text or "\u2010" in text or "\u2011" in text:
        text = text.replace("\u2019", "'").replace("\u2010", "-").replace("\u2011", "-")
    entry = lookup(text)
    return Token(text, start, start + len(raw), WORD, entry.tags, entry.lemma, raw)


def tokenize(text: str) -> list[Token]:
    """Return the tokens of any string, in order; spans index into the string as given."""
    tokens: list[Token] = []
    quotations = _quotations(text)
    next_quotation = 0
    position = 0
    while True:
        match = _TOKEN.search(text, position)
        if match is None:
            break
        start, end = match.span()
        while next_quotation < len(quotations) and quotations[next_quotation][1] <= start:
            next_quotation += 1
        if next_quotation < len(quotations) and start >= quotations[next_quotation][0]:
            start, end = quotations[next_quotation]
            next_quotation += 1
            tokens.append(
                Token("\x00quote", start, end, QUOTE, 0, "", text[start:end], text[end - 2] in ".!?")
            )
            position = end
            continue
        raw = match.group()
        position = end
        first = raw[0]
        if not (first.isalnum()):
            tokens.append(Token(raw, start, end, MARK, 0, "", raw, raw in _ENDS))
            continue
        if first.isdigit() and (named := raw.lstrip("0123456789")) and is_being(named.lower()):
            tokens.append(_word(raw[: -len(named)], start))  # "1girl", "2cats"
            tokens.append(_word(named, end - len(named)))
            continue
        if not raw.isascii() or "'" in raw or "-" in raw:
            tokens.extend(_pieces(raw, start))
        else:
            tokens.append(_word(raw, start))
    for index, token in enumerate(tokens):
        if token.ends and token.kind == MARK:
            if token.text == "." and index and tokens[index - 1].text in _ABBREVIATIONS:
                token.ends = index + 1 == len(tokens) or tokens[index + 1].end == tokens[index + 1].start
        elif token.kind == QUOTE and token.ends:
            # "... the words 'Stop.' hang": the sentence goes on if a lower-case word follows.
            follower = tokens[index + 1] if index + 1 < len(tokens) else None
            token.ends = follower is None or (follower.kind == WORD and follower.raw[0].isupper())
    for previous, token in zip(tokens, tokens[1:], strict=False):
        if token.raw in _LABELS and previous.kind == WORD and not previous.ends and previous.tags & NOUN:
            token.tags = NOUN  # "seat A": a label, no article
        if "\n" in text[previous.end : token.start] and token.raw[0].isupper():
            previous.ends = True
    return tokens


def _pieces(raw: str, start: int) -> list[Token]:
    """Split possessives ("lamp's") and compounds of direction ("upper-left") into their words."""
    plain = raw.replace("\u2019", "'").replace("\u2010", "-").replace("\u2011", "-")
    lower = plain.lower()
    if lower.endswith("'s") and len(lower) > 2:
        if lower in ("it's", "he's", "she's", "that's", "there's", "here's", "what's", "who's", "where's"):
            head, tail = raw[:-2], raw[-2:]
            return [
                _word(head, start),
                Token("is", start + len(head), start + len(raw), WORD, lookup("is").tags, "", tail),
            ]
        if lower != "let's":
            head = raw[:-2]
            return [
                *_pieces(head, start),
                Token("'s", start + len(head), start + len(raw), WORD, 0, "", raw[-2:]),
            ]
    if "-" in lower:
        parts = lower.split("-")
        if all(part in _SPLIT_HYPHEN for part in parts):
            pieces: list[Token] = []
            at = start
            for part in parts:
                pieces.append(_word(raw[at - start : at - start + len(part)], at))
                at += len(part) + 1
            return pieces
    return [_word(raw, start)]


def matches(tokens: list[Token], i: int, words: tuple[str, ...]) -> bool:
    """Return whether `words` stand at token `i`, whose own word is known to be the first of them."""
    if i + len(words) > len(tokens):
        return False
    return all(tokens[i + k].text == words[k] for k in range(1, len(words)))
