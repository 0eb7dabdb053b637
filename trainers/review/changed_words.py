"""Which words of two prompts differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import SequenceMatcher


@dataclass(frozen=True)
class Segment:
    """A stretch of a prompt.

    Attributes:
        text: Its characters.
        changed: Whether the other prompt has something else in this place.
    """

    text: str
    changed: bool


def mark_changes(first: str, second: str) -> tuple[tuple[Segment, ...], tuple[Segment, ...]]:
    """Return both prompts in stretches of words that are the same and words that differ.

    The texts of a prompt's segments, joined, are the prompt. Words are compared whole and without regard to
    capitals: moving a clause to the start of a sentence changes no word. Blanks and punctuation are marked
    between changed words only.
    """
    words = _words(first), _words(second)
    changed: tuple[set[int], set[int]] = set(), set()
    folded = [[word.casefold() for word in side] for side in words]
    for kind, *spans in SequenceMatcher(None, *folded, autojunk=False).get_opcodes():
        if kind != "equal":
            changed[0].update(range(spans[0], spans[1]))
            changed[1].update(range(spans[2], spans[3]))
    return _segments(words[0], changed[0]), _segments(words[1], changed[1])


def _words(prompt: str) -> list[str]:
    """Words, single marks of punctuation and runs of blanks; joined they are the prompt."""
    return re.findall(r"\w+(?:['-]\w+)*|\s+|[^\w\s]", prompt)


def _segments(words: list[str], changed: set[int]) -> tuple[Segment, ...]:
    word_like = [word[0].isalnum() for word in words]
    # A mark that spans blanks is easier to read than one for every word.
    between = {i for i in range(1, len(words) - 1) if i - 1 in changed and i + 1 in changed}

    def marked(i: int) -> bool:
        return i in changed and word_like[i] or i in between

    segments: list[Segment] = []
    for i, word in enumerate(words):
        if segments and segments[-1].changed == marked(i):
            segments[-1] = Segment(segments[-1].text + word, marked(i))
        else:
            segments.append(Segment(word, marked(i)))
    return tuple(segments)
